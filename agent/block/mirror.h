/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's mirror of one disk: one pass over it while every write of the guest goes to
 * both sides ("write-blocking"), so that the pass always ends.
 */
#ifndef DROVER_BLOCK_MIRROR_H
#define DROVER_BLOCK_MIRROR_H

#include "block/node.h"

enum drover_mirror_state {
	DROVER_MIRROR_COPYING,
	DROVER_MIRROR_INTERRUPTED,	/* a write to the target failed; what it lacks is in a bitmap */
	DROVER_MIRROR_IN_STEP,		/* but for a little that the target may lack */
	DROVER_MIRROR_PENDING,		/* told to switch, and holding the guest's requests until then */
	DROVER_MIRROR_FAILED,
	DROVER_MIRROR_CONCLUDED,
};

/**
 * struct drover_mirror - a mirror
 * @job: its name, any that no other job of this QEMU has
 * @vm_status: at the time of drover_mirror_hold()
 */
struct drover_mirror {
	struct drover_qmp *qmp;
	char job[DROVER_NODE_LEN];
	struct drover_node source, target;
	char vm_status[32];
};

/**
 * struct drover_mirror_status - a look at it
 * @done: bytes copied, those that the guest wrote to both sides among them
 * @todo: bytes that are left; it may grow while the mirror is interrupted
 * @error: QEMU's word for what interrupted it
 */
struct drover_mirror_status {
	enum drover_mirror_state state;
	uint64_t done, todo;
	char error[256];
};

/**
 * drover_mirror_start() - begin; the guest never sees an error of the target
 * @top_only: do not copy what lies in backing files
 * @speed: bytes per second, 0 for no limit
 */
int drover_mirror_start(struct drover_mirror *m, bool top_only, uint64_t speed,
			struct drover_err *err);
int drover_mirror_look(struct drover_mirror *m, struct drover_mirror_status *ret_status,
		       struct drover_err *err);
int drover_mirror_speed(struct drover_mirror *m, uint64_t speed, struct drover_err *err);

/** drover_mirror_resume() - after an interruption: copy what is still missing */
int drover_mirror_resume(struct drover_mirror *m, struct drover_err *err);

/**
 * drover_mirror_hold() - make both sides the same and hold the guest's requests
 *
 * Ends in PENDING, with the old image still the one in use and the new one flushed: write down
 * what must survive, then drover_mirror_switch() or drover_mirror_cancel(). Only when IN_STEP.
 * The VM must not be stopped in between; before is fine.
 */
int drover_mirror_hold(struct drover_mirror *m, struct drover_err *err);

/** drover_mirror_switch() - -EAGAIN: nothing was done, because the VM was stopped meanwhile */
int drover_mirror_switch(struct drover_mirror *m, struct drover_err *err);

/** drover_mirror_part() - IN_STEP: end it with the disk on its old image, both the same */
int drover_mirror_part(struct drover_mirror *m, struct drover_err *err);

/** drover_mirror_cancel() - in any state: end it with the disk on its old image; bounded */
int drover_mirror_cancel(struct drover_mirror *m, struct drover_err *err);

#endif
