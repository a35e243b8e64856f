/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures of /proc/meminfo. */
#ifndef DROVER_BASE_MEMINFO_H
#define DROVER_BASE_MEMINFO_H

#include <stdint.h>

#include "base/err.h"

/**
 * drover_meminfo_mib() - one figure, in MiB
 * @key: e.g. "MemAvailable"
 */
int drover_meminfo_mib(const char *key, uint64_t *ret_mib, struct drover_err *err);

#endif
