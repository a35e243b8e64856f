/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that may never return, such as a look at a file on a store that is dead. */
#ifndef DROVER_BASE_WITHIN_H
#define DROVER_BASE_WITHIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/**
 * drover_within() - call a function, and wait for it no longer than that
 * @ms: milliseconds
 * @fn: runs in a thread of its own, with @data
 * @data: what it wants and what it gives; nothing that it points to may be the caller's
 * @drop: frees @data if the call is late; it may be in use until then, which may be never
 * @ret_late: out: it was, and @data is not the caller's any more
 *
 * Errors: those of @fn; -ETIMEDOUT without a sentence if it is late.
 */
int drover_within(uint32_t ms, int (*fn)(void *data, struct drover_err *err), void *data,
		  void (*drop)(void *data), bool *ret_late, struct drover_err *err);

#endif
