/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's first seconds: its monitor answers, or its log says why not. */
#ifndef DROVER_VM_AWAIT_H
#define DROVER_VM_AWAIT_H

#include "vm/vm.h"

/**
 * drover_await_monitor() - connect to the monitor of a QEMU that was just started
 * @vm: @pidfd and @dir are set; @qmp is set on success
 * @log: its qemu.log, for reading
 *
 * Errors: -EINVAL with the last line of the log where QEMU has ended, -ETIMEDOUT.
 */
int drover_await_monitor(struct drover_vm *vm, int log, struct drover_err *err);

#endif
