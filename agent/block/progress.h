/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How fast a copy goes, when it will end, and what the guest feels of it. Pure. */
#ifndef DROVER_BLOCK_PROGRESS_H
#define DROVER_BLOCK_PROGRESS_H

#include "block/node.h"
#include "core/model.h"

#define DROVER_PROGRESS_SAMPLES 16

/**
 * struct drover_progress_sample - a look at a move
 * @time_us: CLOCK_MONOTONIC
 * @done, @todo: bytes of the copy that are done and left
 */
struct drover_progress_sample {
	uint64_t time_us, done, todo;
	struct drover_node_stats stats;
};

/**
 * struct drover_progress - the last samples
 * @next: where the next one goes
 */
struct drover_progress {
	struct drover_progress_sample samples[DROVER_PROGRESS_SAMPLES];
	uint32_t count, next;
};

/** drover_progress_reset() - forget them, as what was measured is no longer so */
void drover_progress_reset(struct drover_progress *p);

/** drover_progress_add() - a sample, not older than the ones before */
void drover_progress_add(struct drover_progress *p, const struct drover_progress_sample *sample);

/**
 * drover_progress_info() - fill in what the samples tell
 *
 * The end is expected when what is left has gone as fast as in the time of the samples; it
 * is unknown, 0, while nothing goes. So are the times of writes where there were none.
 */
void drover_progress_info(const struct drover_progress *p, struct drover_disk_move_info *info);

/**
 * drover_progress_writes() - the guest's writes between two looks
 * @ret_us: out: mean time of one, microseconds; 0 if there were none
 * @ret_rate: out: bytes per second
 */
void drover_progress_writes(const struct drover_progress_sample *from,
			    const struct drover_progress_sample *to, uint64_t *ret_us,
			    uint64_t *ret_rate);

#endif
