/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One disk's move from one image to another on this host, in a thread of its own as plain
 * sequential code. The VM may run or be stopped. The old image is the true one until
 * the record says otherwise.
 */
#ifndef DROVER_BLOCK_MOVE_H
#define DROVER_BLOCK_MOVE_H

#include "base/err.h"
#include "core/model.h"
#include "vm/vm.h"

/**
 * struct drover_disk_move_options - what an operator may ask of one move
 * @format: of the new image; "" for the pool's
 * @bandwidth: bytes per second, 0 for no limit
 */
struct drover_disk_move_options {
	char pool[DROVER_NAME_LEN];
	char format[16];
	uint64_t bandwidth;
	bool keep_backing;
	bool delete_old;
	bool verify;
};

struct drover_disk_move;

/**
 * struct drover_disk_move_env - what a move needs from above; called from its thread
 * @allowed: may the disks of this VM, which does not run here, be touched? -EBUSY if it runs
 *	elsewhere
 * @needed: -EBUSY if another VM needs that old image of @vm; any error: it may be needed
 * @changed: its state changed
 * @switched: the disk uses another image from now on; the callee changes its copies of the
 *	definition (the file in vm_dir, the run directory's, the VM's) before it returns
 * @finished: the last call
 */
struct drover_disk_move_env {
	const struct drover_conf *conf;
	void *data;
	int (*allowed)(void *data, const char *vm, struct drover_err *err);
	int (*needed)(void *data, const char *path, const char *vm, struct drover_err *err);
	void (*changed)(void *data, const struct drover_disk_move_info *info);
	int (*switched)(void *data, const struct drover_disk_move_info *info,
			struct drover_err *err);
	void (*finished)(void *data, struct drover_disk_move *move);
};

/**
 * drover_disk_move_check() - could it begin?
 * @ret_bytes: out: what must be free for the new image, as far as a look at the old one tells
 *
 * Takes no longer than a look at files, and five seconds where a store does not answer: -ETIMEDOUT.
 * Other errors: -ENOENT (no such disk or pool), -EROFS (a read-only disk, or a pool that is mounted
 * so), -ENOSPC, -EALREADY (it lies in that pool, in that format), -EINVAL.
 */
int drover_disk_move_check(const struct drover_conf *conf, const struct drover_vm_def *def,
			   const char *disk, const struct drover_disk_move_options *options,
			   uint64_t *ret_bytes, struct drover_err *err);

/** drover_disk_move_check_sum() - could several begin, for which so much must be free together? */
int drover_disk_move_check_sum(const struct drover_conf *conf, const char *pool, uint64_t bytes,
			       struct drover_err *err);

/**
 * drover_disk_move_start() - check, then begin
 * @env: outlives the move
 * @vm_dir: run directory of the running VM (its monitor migrate.sock is used), or NULL when it
 *	is stopped
 * @def: its definition
 *
 * Nothing is touched when this fails, with the errors of drover_disk_move_check(). What takes
 * longer to check is checked by the move's thread, before it touches anything.
 */
int drover_disk_move_start(const struct drover_disk_move_env *env, const char *vm_dir,
			   const struct drover_vm_def *def, const char *disk,
			   const struct drover_disk_move_options *options,
			   struct drover_disk_move **ret_move, struct drover_err *err);

struct drover_disk_move *drover_disk_move_get(struct drover_disk_move *move);
void drover_disk_move_put(struct drover_disk_move *move);
void drover_disk_move_info(struct drover_disk_move *move, struct drover_disk_move_info *ret_info);
bool drover_disk_move_ended(struct drover_disk_move *move);

/** drover_disk_move_holds() - does the guest wait for it: requests held, or its VM paused? */
bool drover_disk_move_holds(struct drover_disk_move *move);

/** drover_disk_move_cancel() - -EALREADY when it has ended, -EBUSY when it is switching */
int drover_disk_move_cancel(struct drover_disk_move *move, struct drover_err *err);

/** drover_disk_move_speed() - change the limit of a move under way; bytes per second */
void drover_disk_move_speed(struct drover_disk_move *move, uint64_t bandwidth);

struct drover_disk_record;

/**
 * drover_disk_move_recover() - go on with a move of an earlier agent, in a thread of its own
 * @record: as it was found; none that is OLD_LEFT or belongs to a migration
 * @vm_dir: run directory of the running VM, or NULL
 *
 * For a VM that runs it looks at what its QEMU uses: a mirror that copies goes on, one that
 * was about to switch is cancelled. For a VM that does not run the record alone decides. A new
 * image that did not become the true one is deleted.
 */
int drover_disk_move_recover(const struct drover_disk_move_env *env,
			     const struct drover_disk_record *record, const char *vm_dir,
			     struct drover_disk_move **ret_move, struct drover_err *err);

#endif
