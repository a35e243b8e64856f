/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run directories: <run_dir>/vms/NAME of each VM, and <run_dir>/ended/NAME with the logs
 * of the one that ended last. A VM's belongs to QEMU's user, who makes its sockets there:
 * what lies in it may have been put there by a QEMU that a guest has taken over.
 */
#ifndef DROVER_VM_RUNDIR_H
#define DROVER_VM_RUNDIR_H

#include "vm/user.h"
#include "vm/vm.h"

/** drover_rundir_create() - make it; -EEXIST where the VM runs */
int drover_rundir_create(const struct drover_vm *vm, const struct drover_user *user,
			 struct drover_err *err);

/** drover_rundir_log() - make its qemu.log; returns it open for reading and appending */
int drover_rundir_log(const struct drover_vm *vm, struct drover_err *err);

/**
 * drover_rundir_read() - read a file that we ourselves wrote into it
 * @ret_text: out: to be freed by the caller
 *
 * Errors: -EPERM where it is not ours, or the errno of open(2).
 */
int drover_rundir_read(const struct drover_vm *vm, const char *file, char **ret_text,
		       struct drover_err *err);

/**
 * drover_rundir_monitor() - connect to the monitor that migrations and moves of disks use
 * @dir: the run directory
 * @timeout_ms: as for drover_qmp_connect()
 */
int drover_rundir_monitor(const char *dir, int timeout_ms, struct drover_qmp **ret_qmp,
			  struct drover_err *err);

/** drover_rundir_retire() - move it to <run_dir>/ended/NAME, for its logs */
void drover_rundir_retire(const struct drover_vm *vm);

#endif
