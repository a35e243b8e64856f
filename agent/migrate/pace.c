// SPDX-License-Identifier: GPL-2.0-or-later
/* When pre-copy ends. */
#include "migrate/pace.h"

#define RATE_MIN_BYTES (256U << 10)

/* Figures beyond this are all the same: far too long, or far too fast. */
#define TOO_MUCH (UINT64_MAX / 2)

/* @bytes * 1e6 / @per, which is µs for a rate and a rate for µs. */
static uint64_t ratio(uint64_t bytes, uint64_t per)
{
	double v = (double)bytes * 1e6 / (double)per;

	return v < (double)TOO_MUCH ? (uint64_t)v : TOO_MUCH;
}

uint64_t drover_pace_blackout(const struct drover_pace *pace, uint64_t dirty)
{
	if (!pace->rate)
		return UINT64_MAX;
	return DROVER_PACE_FIXED_US + ratio(dirty, pace->rate);
}

bool drover_pace_harvested(struct drover_pace *pace, uint32_t round, uint64_t dirty)
{
	if (round > 2 && dirty >= pace->last_dirty)
		pace->stalled++;
	else
		pace->stalled = 0;
	pace->last_dirty = dirty;
	if (round == 1)
		return false;
	return round > pace->max_rounds || pace->stalled >= DROVER_PACE_STALLED_ROUNDS ||
	       drover_pace_blackout(pace, dirty) <= pace->limit_us;
}

void drover_pace_sent(struct drover_pace *pace, uint64_t bytes, uint64_t us)
{
	if (bytes >= RATE_MIN_BYTES || !pace->rate)
		pace->rate = ratio(bytes, us ? us : 1) + 1;
}

uint64_t drover_pace_rest(const struct drover_pace *pace, uint64_t dirty)
{
	if (!pace->rate || pace->dirty_rate >= pace->rate)
		return 0;
	return ratio(dirty, pace->rate - pace->dirty_rate) + DROVER_PACE_FIXED_US;
}
