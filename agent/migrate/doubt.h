/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After the commit: finding out where the VM runs, however long that takes. */
#ifndef DROVER_MIGRATE_DOUBT_H
#define DROVER_MIGRATE_DOUBT_H

#include "migrate/migration.h"
#include "migrate/record.h"

/**
 * drover_doubt_ask() - ask a target what became of a migration, once
 * @ret: out: unchanged when it does not know
 *
 * A target that had not decided never will run the VM after this.
 */
int drover_doubt_ask(const struct drover_conf *conf, const char *target, uint64_t id,
		     const char *vm, enum drover_decision *ret, struct drover_err *err);

/**
 * drover_doubt_settle() - bring a committed migration to its end
 * @m: the migration
 * @vm: its paused VM, or NULL when the process is gone
 * @name: of the VM
 * @doubt: why the target's answer is missing, or NULL: it has answered Running
 *
 * In doubt it asks the target until there is an answer or an operator's verdict. Calls
 * env->finished() and returns when the outcome is settled.
 */
void drover_doubt_settle(struct drover_migration *m, struct drover_vm *vm, const char *name,
			 const struct drover_err *doubt);

#endif
