/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written down of a VM in its run directory: vm.json and vm.conf. */
#ifndef DROVER_VM_STATE_H
#define DROVER_VM_STATE_H

#include "vm/vm.h"

/**
 * drover_state_load() - read vm.json and vm.conf of a run directory into @vm
 * @vm: its @dir and the name in its @def are known
 *
 * Fills in what they tell: definition, text, pid, paths, incoming, start.
 * @ret_start_ticks: out: when the process began, as /proc/PID/stat says in field 22
 *
 * Errors: -ENOENT (no vm.json), -ESRCH (the host has booted since), -EPERM or -EBADMSG
 * where what is there is not what we wrote.
 */
int drover_state_load(struct drover_vm *vm, uint64_t *ret_start_ticks, struct drover_err *err);

/** drover_state_ticks() - when a process began, in clock ticks since boot; -ESRCH */
int drover_state_ticks(pid_t pid, uint64_t *ret_ticks, struct drover_err *err);

/** drover_state_text() - write vm.conf */
int drover_state_text(const struct drover_vm *vm, struct drover_err *err);

#endif
