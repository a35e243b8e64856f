/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two clocks, in microseconds. */
#ifndef DROVER_CORE_CLOCK_H
#define DROVER_CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t drover_clock_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* For intervals: never jumps. */
static inline uint64_t drover_clock_monotonic(void)
{
	return drover_clock_us(CLOCK_MONOTONIC);
}

/* For people: the time of day. */
static inline uint64_t drover_clock_realtime(void)
{
	return drover_clock_us(CLOCK_REALTIME);
}

#endif
