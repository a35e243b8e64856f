/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RAM files: a VM's RAM as a file on tmpfs. */
#ifndef DROVER_VM_RAM_H
#define DROVER_VM_RAM_H

#include <sys/types.h>

#include "base/err.h"
#include "core/model.h"

/**
 * drover_ram_file_create() - make the RAM file of a VM, all holes
 * @path: its name; one that is there was left by a VM that has ended, and is replaced
 * @owner, @group: who QEMU runs as
 *
 * Returns it open for reading and writing. Errors: -ENOMEM with a sentence that names what
 * is available and what is needed, -EINVAL where the directory is not on tmpfs.
 */
int drover_ram_file_create(const struct drover_conf *conf, const struct drover_vm_def *def,
			   const char *path, uid_t owner, gid_t group, struct drover_err *err);

#endif
