/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest and its QEMU write into the run directory, which lies in the host's memory. */
#ifndef DROVER_VM_LOGS_H
#define DROVER_VM_LOGS_H

#include "core/model.h"

/* A log that has grown above the first is cut to its last bytes, so many as the second. */
#define DROVER_LOGS_MAX	 (8 << 20)
#define DROVER_LOGS_KEPT (1 << 20)

/**
 * drover_logs_trim() - cut the logs of a VM that have grown too large
 * @vm: its name; it may have ended
 *
 * QEMU appends to them, and goes on at their new end. What it writes in that moment may come to lie in
 * front of what is kept. Bytes between two calls are not limited.
 */
void drover_logs_trim(const struct drover_conf *conf, const char *vm);

#endif
