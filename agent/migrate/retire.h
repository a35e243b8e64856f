/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The source's images after their VM has left with its disks. */
#ifndef DROVER_MIGRATE_RETIRE_H
#define DROVER_MIGRATE_RETIRE_H

#include "migrate/migration.h"

/**
 * drover_retire_disks() - nobody must start the VM here with images that grow old
 * @sure: the target said that the VM runs there; if not, no image is deleted
 *
 * Does what the commit of @m says, and nothing for one without disks: the definition becomes
 * NAME.conf.moved, each old image is deleted or gets a record (block/record.h). The VM's
 * process must have ended. Doing it twice is fine.
 */
int drover_retire_disks(struct drover_migration *m, bool sure, struct drover_err *err);

#endif
