/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM's run directory: <run_dir>/vms/NAME/, with vm.json and vm.conf. */
#ifndef DROVER_VM_STATE_H
#define DROVER_VM_STATE_H

#include "vm/vm.h"

/**
 * drover_state_load() - read vm.json and vm.conf of a run directory into @vm
 *
 * Fills in what they tell: definition, text, pid, paths, incoming, start.
 * @ret_start_ticks: out: when the process began, as /proc/PID/stat says in field 22
 */
int drover_state_load(struct drover_vm *vm, const char *name, uint64_t *ret_start_ticks,
		      struct drover_err *err);

/** drover_state_ticks() - when a process began, in clock ticks since boot; -ESRCH */
int drover_state_ticks(pid_t pid, uint64_t *ret_ticks, struct drover_err *err);

/** drover_state_text() - write vm.conf */
int drover_state_text(const struct drover_vm *vm, struct drover_err *err);

/** drover_state_retire() - move the directory to <run_dir>/ended/NAME, for its logs */
void drover_state_retire(const struct drover_vm *vm);

#endif
