/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When pre-copy ends. Pure: figures of the rounds in, a decision out. */
#ifndef DROVER_MIGRATE_PACE_H
#define DROVER_MIGRATE_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Pausing, device state and resuming, until a migration has measured its own. */
#define DROVER_PACE_FIXED_US 60000

/* Rounds in a row that did not shrink the dirty set after which waiting is pointless. */
#define DROVER_PACE_STALLED_ROUNDS 4

/**
 * struct drover_pace - what the decision rests on
 * @limit_us: the blackout that is wanted, in microseconds
 * @max_rounds: rounds after which the switchover comes anyway
 * @rate: bytes per second that the last round reached, 0 before the first
 * @dirty_rate: bytes per second that the guest wrote in the last round
 * @last_dirty: bytes of the harvest before this one
 * @stalled: harvests in a row that were no smaller
 */
struct drover_pace {
	uint64_t limit_us;
	uint32_t max_rounds;
	uint64_t rate;
	uint64_t dirty_rate;
	uint64_t last_dirty;
	uint32_t stalled;
};

/** drover_pace_blackout() - expected blackout in µs if @dirty bytes were left to send */
uint64_t drover_pace_blackout(const struct drover_pace *pace, uint64_t dirty);

/**
 * drover_pace_harvested() - note a harvest and say whether to pause now
 * @round: number of the round that would send it, from 1
 * @dirty: bytes in the bitmap
 *
 * The first round always runs live. True: switch over.
 */
bool drover_pace_harvested(struct drover_pace *pace, uint32_t round, uint64_t dirty);

/**
 * drover_pace_sent() - note a round
 * @bytes: page bytes sent, @us: the time that took
 *
 * A round of less than 256 KiB tells nothing of the link's rate and is left out.
 */
void drover_pace_sent(struct drover_pace *pace, uint64_t bytes, uint64_t us);

/**
 * drover_pace_rest() - expected time to the end of pre-copy in µs
 *
 * The geometric series of rounds, each leaving dirty_rate/rate of the one before;
 * 0 when that does not end (the guest writes faster than the link carries).
 */
uint64_t drover_pace_rest(const struct drover_pace *pace, uint64_t dirty);

#endif
