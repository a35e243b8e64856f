// SPDX-License-Identifier: GPL-2.0-or-later
/* When pre-copy ends. */
#include "migrate/pace.h"

#define RATE_MIN_BYTES (256U << 10)

uint64_t drover_pace_blackout(const struct drover_pace *pace, uint64_t dirty)
{
	if (!pace->rate)
		return UINT64_MAX;
	return DROVER_PACE_FIXED_US + (uint64_t)((double)dirty * 1e6 / (double)pace->rate);
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
		pace->rate = (uint64_t)((double)bytes * 1e6 / (double)(us ? us : 1)) + 1;
}

uint64_t drover_pace_rest(const struct drover_pace *pace, uint64_t dirty)
{
	if (!pace->rate || pace->dirty_rate >= pace->rate)
		return 0;
	return (uint64_t)((double)dirty * 1e6 / (double)(pace->rate - pace->dirty_rate)) +
	       DROVER_PACE_FIXED_US;
}
