/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk's move while its VM runs. For move_live.c and live_recover.c alone. */
#ifndef DROVER_BLOCK_LIVE_H
#define DROVER_BLOCK_LIVE_H

#include "block/mirror.h"
#include "block/monitor.h"
#include "block/moving.h"
#include "block/progress.h"

/**
 * struct drover_live - the move's hold on everything
 * @created: the new image is there and ours
 * @added: QEMU has it, or may have
 * @speed: the mirror's limit
 * @sampled: when the last sample was taken
 * @since: of the interruption under way, or 0
 * @tried: when the mirror was resumed last
 */
struct drover_live {
	struct drover_disk_move *m;
	struct drover_block_monitor *monitor;
	struct drover_mirror mirror;
	bool created, added;
	uint64_t speed;
	struct drover_progress progress;
	uint64_t sampled, since, tried;
};

/**
 * drover_live_open() - connect to the VM's monitor
 *
 * For a move of an earlier agent it waits until QEMU answers; where the VM has ended meanwhile
 * there is no monitor when it returns 0.
 */
int drover_live_open(struct drover_live *l, struct drover_err *err);

/**
 * drover_live_recover() - see what an earlier agent left of the move
 * @ret_switched: out: the disk is on its new image
 *
 * It is asked again where QEMU does not answer in time. Returns 0 also where the mirror still copies,
 * and is to be gone on with. An error means that
 * the disk stays on its old image, but for -EPIPE: the VM has ended, and the record decides.
 */
int drover_live_recover(struct drover_live *l, bool *ret_switched, struct drover_err *err);

#endif
