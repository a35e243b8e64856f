/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends the pages of a tracker's bitmap over several RAM streams at once. Each
 * 2 MiB region always travels on the same stream.
 */
#ifndef DROVER_MIGRATE_SENDER_H
#define DROVER_MIGRATE_SENDER_H

#include <stdatomic.h>

#include "base/err.h"
#include "net/peer.h"
#include "track/tracker.h"

#define DROVER_STREAMS_MAX 16

/**
 * struct drover_sender - the sending side of the RAM streams
 * @tracker: where pages come from
 * @streams: number of @peer
 * @peer: connections with role RAM
 * @bandwidth: bytes per second over all streams, 0 for no limit
 * @sent_pages, @zero_pages, @wire_bytes: sums; read from any thread
 * @stop: set by drover_sender_interrupt()
 */
struct drover_sender {
	struct drover_tracker *tracker;
	uint32_t streams;
	struct drover_peer *peer[DROVER_STREAMS_MAX];
	uint64_t bandwidth;
	_Atomic uint64_t sent_pages;
	_Atomic uint64_t zero_pages;
	_Atomic uint64_t wire_bytes;
	atomic_bool stop;
};

/**
 * drover_sender_round() - send all pages in the bitmap, until the target has them
 * @round: number, for the RoundEnd that closes it on each stream
 *
 * Runs a thread for each stream. After an error the streams are of no more use.
 * Errors: that of the stream that failed first; -ECANCELED after drover_sender_interrupt().
 */
int drover_sender_round(struct drover_sender *sender, uint32_t round, struct drover_err *err);

/** drover_sender_interrupt() - end a round early; from any thread */
void drover_sender_interrupt(struct drover_sender *sender);

/** drover_sender_close() - close all streams */
void drover_sender_close(struct drover_sender *sender);

#endif
