/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left until a deadline. */
#ifndef DROVER_POWER_DEADLINE_H
#define DROVER_POWER_DEADLINE_H

#include <errno.h>

#include "base/err.h"
#include "core/clock.h"

/* Milliseconds, rounded up: 0 only when it has passed. */
static inline unsigned int drover_deadline_left_ms(uint64_t deadline_us)
{
	uint64_t now = drover_clock_monotonic();

	return now < deadline_us ? (deadline_us - now + 999) / 1000 : 0;
}

/* Asked right before something takes effect, so that nothing does that nobody waits for. */
static inline int drover_deadline_check(uint64_t deadline_us, struct drover_err *err)
{
	if (drover_clock_monotonic() < deadline_us)
		return 0;
	return drover_err_set(err, ETIMEDOUT, "the time was up before anything was asked for");
}

#endif
