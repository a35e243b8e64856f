/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must survive a power loss so that it is known which image of a disk is the true
 * one. One small JSON file each under <state_dir>/disks/, written before the step it
 * speaks of.
 */
#ifndef DROVER_BLOCK_RECORD_H
#define DROVER_BLOCK_RECORD_H

#include <stddef.h>

#include "base/err.h"
#include "core/model.h"

enum drover_disk_step {
	DROVER_DISK_STEP_COPYING,	/* the old image is true, the new one is to be deleted */
	DROVER_DISK_STEP_SWITCHING,	/* both were the same when this was written: the new one is true */
	DROVER_DISK_STEP_OLD_LEFT,	/* the new one is true; the old one was left */
};

/**
 * struct drover_disk_record - one disk's move
 * @migration_id: of the migration it travels with, or 0
 * @delete_old, @verify: what was asked for
 * @host: that the new image is on; "": this one
 * @space_bytes: that the new image was promised; 0 if it is not known
 * @start_time_us: CLOCK_REALTIME
 */
struct drover_disk_record {
	uint64_t id;
	uint64_t migration_id;
	enum drover_disk_step step;
	bool delete_old;
	bool verify;
	uint64_t start_time_us;
	uint64_t space_bytes;
	char vm[DROVER_NAME_LEN];
	char disk[DROVER_NAME_LEN];
	char old_path[DROVER_FIELD_LEN];
	char old_format[16];
	char new_path[DROVER_FIELD_LEN];
	char new_format[16];
	char host[DROVER_NAME_LEN];
};

/** drover_disk_record_init() - make the directory */
int drover_disk_record_init(const struct drover_conf *conf, struct drover_err *err);

/** drover_disk_record_write() - of a new move, or its next step; durable when it returns 0 */
int drover_disk_record_write(const struct drover_conf *conf,
			     const struct drover_disk_record *record, struct drover_err *err);

/** drover_disk_record_forget() - that there is none is no error */
int drover_disk_record_forget(const struct drover_conf *conf, uint64_t id, struct drover_err *err);

/**
 * drover_disk_record_list() - all of them, in no order
 * @ret_records: out: array of *@ret_count, to be freed
 *
 * One that is damaged is logged and left alone: it is of one disk, and does not hold up the others.
 */
int drover_disk_record_list(const struct drover_conf *conf, struct drover_disk_record **ret_records,
			    size_t *ret_count, struct drover_err *err);

/**
 * drover_disk_record_reuse() - a new image was made at @path
 *
 * What a move had left there was removed by hand: it is forgotten, so that nobody is told to
 * delete the new one.
 */
void drover_disk_record_reuse(const struct drover_conf *conf, const char *path);

/**
 * drover_disk_record_check() - refuse to start a VM on images that it has left
 *
 * Errors: -ESTALE where a disk's move has come to its end, and the definition could not be
 * changed.
 */
int drover_disk_record_check(const struct drover_conf *conf, const struct drover_vm_def *def,
			     struct drover_err *err);

#endif
