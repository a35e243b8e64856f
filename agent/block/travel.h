/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source's hold on the disks that travel with a VM: a mirror each, from the image
 * here to the target's, through one socket. Used by the migration's thread alone.
 */
#ifndef DROVER_BLOCK_TRAVEL_H
#define DROVER_BLOCK_TRAVEL_H

#include "base/err.h"
#include "block/mirror.h"
#include "block/progress.h"
#include "core/model.h"

/**
 * struct drover_travel_disk - one of them
 * @info: as operators see it
 * @used: bytes that the copy takes at most
 * @added, @mirrored: the target's image is a node of QEMU, and its mirror exists
 * @state: of the mirror at the last look
 * @lost: it was interrupted, and has not got on since
 * @speed: as last told QEMU
 * @before: as it was before the mirror
 */
struct drover_travel_disk {
	struct drover_disk_move_info info;
	uint64_t used;
	bool added, mirrored, lost;
	enum drover_mirror_state state;
	struct drover_mirror mirror;
	uint64_t speed;
	uint64_t begin_us;
	struct drover_progress_sample before;
	struct drover_progress progress;
};

/**
 * struct drover_travel - all of them
 * @qmp: the migration's monitor connection
 * @socket: where the target's NBD server can be reached
 * @bandwidth: bytes per second for all together, 0 for no limit
 */
struct drover_travel {
	struct drover_qmp *qmp;
	char socket[512];
	uint64_t bandwidth;
	uint32_t count;
	struct drover_travel_disk disks[DROVER_DISKS_MAX];
};

/**
 * drover_travel_choose() - which disks of a VM travel, and what is known of them at once
 *
 * All do but those that are read-only, named by an nbd URI, a block device outside of the
 * pools, or in a pool that several hosts share (its id is set). Takes no longer than a look at
 * files, and five seconds where a store does not answer. Errors: -EINVAL: none does; -ETIMEDOUT.
 */
int drover_travel_choose(const struct drover_conf *conf, const struct drover_vm_def *def,
			 struct drover_travel *travel, struct drover_err *err);

/** drover_travel_measure() - their sizes, and what the guest writes; takes a while */
int drover_travel_measure(struct drover_travel *travel, struct drover_err *err);

/** drover_travel_clean() - take out of a QEMU what an earlier travel left in it */
int drover_travel_clean(struct drover_qmp *qmp, struct drover_err *err);

/** drover_travel_start() - begin to mirror them, all at once */
int drover_travel_start(struct drover_travel *travel, struct drover_err *err);

/**
 * struct drover_travel_sum - how they stand together
 * @in_step: all are
 * @interrupted: at least one is, for the reason @why
 * @expected_us: until all are in step, 0 if unknown
 */
struct drover_travel_sum {
	bool in_step, interrupted;
	char why[256];
	uint64_t expected_us;
};

/**
 * drover_travel_look() - bring the figures up to date and share the bandwidth anew
 *
 * Errors: -EIO when a mirror has ended.
 */
int drover_travel_look(struct drover_travel *travel, struct drover_travel_sum *ret_sum,
		       struct drover_err *err);

/** drover_travel_resume() - have those that are interrupted go on */
int drover_travel_resume(struct drover_travel *travel, struct drover_err *err);

/**
 * drover_travel_compare() - the VM is paused: compare all of both sides
 * @stop: asked each second; not 0 ends it with -ECANCELED
 *
 * Errors: -EBADMSG when they differ.
 */
int drover_travel_compare(struct drover_travel *travel, int (*stop)(void *data), void *data,
			  struct drover_err *err);

/** drover_travel_part() - in step, the VM is paused: both sides are the same and ours no more */
int drover_travel_part(struct drover_travel *travel, struct drover_err *err);

/** drover_travel_cancel() - whatever was begun: the VM uses its images here alone */
int drover_travel_cancel(struct drover_travel *travel, struct drover_err *err);

#endif
