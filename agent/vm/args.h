/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's command line for a definition. Pure. */
#ifndef DROVER_VM_ARGS_H
#define DROVER_VM_ARGS_H

#include <stddef.h>

#include "base/err.h"
#include "core/model.h"

/* File descriptor set of disk number i, as in /dev/fdset/N. */
#define DROVER_ARGS_FDSET(i) ((i) + 1)

/**
 * struct drover_args - a command line
 * @argv: NULL-terminated strings, @count of them
 */
struct drover_args {
	char **argv;
	size_t count;
};

/**
 * struct drover_args_env - what the command line refers to
 * @qemu: the program
 * @dir: the VM's run directory
 * @ram_path: the RAM file
 * @incoming: wait for a migration
 * @disk_fd: per disk, a descriptor open as the definition wants it, or -1 where QEMU
 *	opens it by itself (nbd)
 * @disk_is_device: per disk, it is a block device
 * @nic_fd: per NIC, its tap
 */
struct drover_args_env {
	const char *qemu;
	const char *dir;
	const char *ram_path;
	bool incoming;
	int disk_fd[DROVER_DISKS_MAX];
	bool disk_is_device[DROVER_DISKS_MAX];
	int nic_fd[DROVER_NICS_MAX];
};

/**
 * drover_args_build() - the command line
 *
 * The same definition gives every device the same PCI address on every host.
 * Free with drover_args_free().
 */
int drover_args_build(const struct drover_vm_def *def, const struct drover_args_env *env,
		      struct drover_args *ret_args, struct drover_err *err);
void drover_args_free(struct drover_args *args);

#endif
