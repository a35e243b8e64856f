/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drivers' calls, held to their deadline. BMCs are slow, and libraries wait in their own ways
 * (for a name service, for each of a dozen answers). So a call runs in a thread of its own; one
 * that is late is left behind, ends some time, and its result is thrown away.
 */
#ifndef DROVER_POWER_BOUNDED_H
#define DROVER_POWER_BOUNDED_H

#include "power/power.h"

/*
 * drover_bounded_on() and its like - the driver's call of that name
 * @deadline_us: CLOCK_MONOTONIC; the call is over by then, give or take 50 ms
 *
 * Blocking: for worker threads, never the control thread. Errors: the driver's, or -ETIMEDOUT.
 */
int drover_bounded_on(const struct drover_power_access *access, uint64_t deadline_us,
		      struct drover_err *err);
int drover_bounded_off(const struct drover_power_access *access, enum drover_power_how how,
		       uint64_t deadline_us, struct drover_err *err);
int drover_bounded_state(const struct drover_power_access *access, uint64_t deadline_us,
			 enum drover_power_state *ret_state, struct drover_err *err);
int drover_bounded_test(const struct drover_power_access *access, uint64_t deadline_us, char *text,
			struct drover_err *err);

#endif
