// SPDX-License-Identifier: GPL-2.0-only
/* See stats.h. */
#include "stats.h"

void drover_stats_init(struct drover_stats *stats)
{
	unsigned int n;

	for (n = 0; n < DROVER_STATS; n++)
		atomic64_set(&stats->counter[n], 0);
}

void drover_stats_add(struct drover_stats *stats, enum drover_stat which, u64 n)
{
	atomic64_add(n, &stats->counter[which]);
}

void drover_stats_read(const struct drover_stats *stats, u64 value[DROVER_STATS])
{
	unsigned int n;

	for (n = 0; n < DROVER_STATS; n++)
		value[n] = atomic64_read(&stats->counter[n]);
}
