/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk's move from inside. For move*.c and cold.c alone. */
#ifndef DROVER_BLOCK_MOVING_H
#define DROVER_BLOCK_MOVING_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "block/image.h"
#include "block/move.h"
#include "block/promise.h"
#include "block/record.h"

/**
 * struct drover_disk_move - a move
 * @lock: guards @info, @bandwidth, @cancelled, @holds and @wake
 * @disk: as the definition has it
 * @old: the old image
 * @record: what is, or will be, written down of it
 * @vm_dir: run directory of the running VM, or ""
 * @promise: of the space that the new image will take; the thread's once that runs
 * @recovers: an earlier agent began it
 * @bandwidth: the limit now
 * @cancelled: somebody wants it to end
 * @holds: the guest's requests are held for it, or the VM is paused
 * @wake: signalled when @cancelled or @bandwidth changes
 * @left: what could not be taken away of the new image, and why, or ""; its thread's alone
 *
 * Referenced by its thread and by the one who lists it; the last put frees it.
 */
struct drover_disk_move {
	const struct drover_disk_move_env *env;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_int references;
	struct drover_disk_move_info info;
	struct drover_disk_move_options options;
	struct drover_disk_def disk;
	struct drover_image old;
	struct drover_disk_record record;
	struct drover_promise *promise;
	char vm_dir[512];
	bool recovers;
	uint64_t begin_us;
	uint64_t bandwidth;
	bool cancelled;
	bool holds;
	char left[DROVER_ERR_TEXT_MAX];
};

/* --- move.c --- */

/** drover_moving_state() - enter a state and tell env->changed() */
void drover_moving_state(struct drover_disk_move *m, enum drover_disk_move_state state);

/** drover_moving_say() - what is wrong, logged when it is something new; NULL: nothing any more */
void drover_moving_say(struct drover_disk_move *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** drover_moving_left() - what could not be cleaned up, and why: told at the move's end */
void drover_moving_left(struct drover_disk_move *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** drover_moving_check() - -ECANCELED once a cancel was asked for */
int drover_moving_check(struct drover_disk_move *m, struct drover_err *err);

/** drover_moving_point() - the same, and past this line there is no cancel: SWITCHING */
int drover_moving_point(struct drover_disk_move *m, struct drover_err *err);

/** drover_moving_hold() - the guest waits for it from now on, or does no more */
void drover_moving_hold(struct drover_disk_move *m, bool holds);

/** drover_moving_wait() - for some time, or until somebody wants something of it */
void drover_moving_wait(struct drover_disk_move *m, uint64_t us);

/** drover_moving_rest() - before the next try of what must be done, also when it was cancelled */
void drover_moving_rest(void);

/** drover_moving_bandwidth() - the limit now */
uint64_t drover_moving_bandwidth(struct drover_disk_move *m);

/* --- move_check.c --- */

/**
 * drover_moving_claim() - check, find a path for the new image, and keep it the space
 * @path: out: DROVER_FIELD_LEN bytes
 *
 * Errors: those of drover_disk_move_check().
 */
int drover_moving_claim(const struct drover_conf *conf, const struct drover_vm_def *def,
			const char *disk, const struct drover_disk_move_options *options,
			char *path, struct drover_promise **ret_promise, struct drover_err *err);

/* --- move_image.c: the images on both sides; not the VM --- */

/** drover_moving_prepare() - look at the old image, and check what takes some time to check */
int drover_moving_prepare(struct drover_disk_move *m, struct drover_err *err);

/** drover_moving_create() - write the record, then make the new image */
int drover_moving_create(struct drover_disk_move *m, struct drover_err *err);

/** drover_moving_step() - write down how far it is; also an error may have left it written */
int drover_moving_step(struct drover_disk_move *m, enum drover_disk_step step,
		       struct drover_err *err);

/**
 * drover_moving_abandon() - nobody uses the new image, or will: it goes, and the record
 *
 * Where somebody uses it all the same, or the record calls it the true one and cannot be changed,
 * both stay, and the move says so when it ends.
 */
void drover_moving_abandon(struct drover_disk_move *m);

/**
 * drover_moving_adopt() - the new image is the true one: the definition says so from now on
 *
 * Returns when it does. Until then the move is SWITCHING, which keeps its VM from being
 * started and migrated, and its disk from being moved. Errors: -ENOENT where there is no definition,
 * and the VM does not run: the record is to stay.
 */
int drover_moving_adopt(struct drover_disk_move *m);

/** drover_moving_retire() - nobody uses the old image: it goes, or stays with a record */
void drover_moving_retire(struct drover_disk_move *m);

/** drover_moving_compare() - both images, byte by byte, as a guest sees them; can be cancelled */
int drover_moving_compare(struct drover_disk_move *m, struct drover_err *err);

/* --- the ways to move; where they fail the old image is the true one --- */

int drover_moving_live(struct drover_disk_move *m, struct drover_err *err);
int drover_moving_cold(struct drover_disk_move *m, struct drover_err *err);

#endif
