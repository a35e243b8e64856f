/* SPDX-License-Identifier: GPL-2.0-only */
/* A session's counters. They only grow, and are written from many threads. */
#ifndef DROVER_STATS_H
#define DROVER_STATS_H

#include <linux/atomic.h>
#include <linux/types.h>

enum drover_stat {
	DROVER_STAT_HARVESTS,
	DROVER_STAT_LOG_PAGES,
	DROVER_STAT_VMM_PAGES,
	DROVER_STAT_KEPT_PAGES,
	DROVER_STAT_SENT_PAGES,
	DROVER_STAT_ZERO_PAGES,
	DROVER_STAT_SENT_BYTES,
	DROVER_STATS
};

struct drover_stats {
	atomic64_t counter[DROVER_STATS];
};

void drover_stats_init(struct drover_stats *stats);
void drover_stats_add(struct drover_stats *stats, enum drover_stat which, u64 n);
void drover_stats_read(const struct drover_stats *stats, u64 value[DROVER_STATS]);

#endif /* DROVER_STATS_H */
