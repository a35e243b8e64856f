// SPDX-License-Identifier: GPL-2.0-or-later
/* What a move does with its two images and with what is written down of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "block/ask.h"
#include "block/moving.h"
#include "block/pool.h"
#include "block/space.h"
#include "core/nbd.h"

#define CLOSING_TRIES 50

static int check_backing(struct drover_disk_move *m, struct drover_err *err)
{
	if (!m->options.keep_backing)
		return 0;
	if (!m->old.backing[0])
		return drover_err_set(err, EINVAL, "disk %s has no backing file that it could keep",
				      m->record.disk);
	if (!m->old.backing_format[0])
		return drover_err_set(err, EINVAL,
				      "the image of disk %s does not tell the format of its "
				      "backing file %s",
				      m->record.disk, m->old.backing);
	return 0;
}

/* The look before the beginning may have told less than it is. */
static int check_space(struct drover_disk_move *m, struct drover_err *err)
{
	const struct drover_pool_conf *pool = drover_pool_find(m->env->conf, m->options.pool);
	uint64_t bytes = m->old.used;
	int r = 0;

	/* Counted as qcow2 in any case: for raw, holes would count. */
	if (!m->options.keep_backing)
		r = drover_image_measure(m->record.old_path, m->record.old_format, "qcow2", &bytes,
					 err);
	if (r < 0)
		return r;
	m->record.space_bytes = drover_space_with_margin(bytes);
	return drover_pool_promise(pool, m->record.new_path, m->record.space_bytes, &m->promise,
				   err);
}

int drover_moving_prepare(struct drover_disk_move *m, struct drover_err *err)
{
	int r = drover_image_look(m->record.old_path, m->record.old_format, &m->old, err);

	if (r == 0)
		r = check_backing(m, err);
	if (r == 0)
		r = check_space(m, err);
	if (r < 0)
		return r;
	scope_lock(&m->lock);
	m->info.size_bytes = m->old.size;
	m->info.todo_bytes = m->old.size;
	return 0;
}

int drover_moving_step(struct drover_disk_move *m, enum drover_disk_step step,
		       struct drover_err *err)
{
	enum drover_disk_step before = m->record.step;
	int r;

	m->record.step = step;
	r = drover_disk_record_write(m->env->conf, &m->record, err);
	/* What could not be written may be there all the same: the step further on counts. */
	if (r < 0 && before > step)
		m->record.step = before;
	return r;
}

static void forget(struct drover_disk_move *m)
{
	struct drover_err err = { 0 };

	if (drover_disk_record_forget(m->env->conf, m->record.id, &err) < 0)
		log_error("disk move %llu: %s", (unsigned long long)m->record.id, err.text);
}

int drover_moving_create(struct drover_disk_move *m, struct drover_err *err)
{
	bool keep = m->options.keep_backing;
	int r = drover_moving_step(m, DROVER_DISK_STEP_COPYING, err);

	if (r < 0)
		return r;
	r = drover_image_create(m->record.new_path, m->record.new_format, m->old.size,
				keep ? m->old.backing : NULL, keep ? m->old.backing_format : NULL,
				err);
	/* What is there, if anything, is not ours. */
	if (r < 0)
		forget(m);
	else
		drover_disk_record_reuse(m->env->conf, m->record.new_path);
	return r;
}

/* What the move has come to is settled, so no later agent may go by this record to QEMU. */
static void leave_new(struct drover_disk_move *m)
{
	struct drover_disk_record *q = &m->record;
	struct drover_disk_record left = *q;
	struct drover_err err = { 0 };

	left.step = DROVER_DISK_STEP_OLD_LEFT;
	snprintf(left.old_path, sizeof(left.old_path), "%s", q->new_path);
	snprintf(left.old_format, sizeof(left.old_format), "%s", q->new_format);
	snprintf(left.new_path, sizeof(left.new_path), "%s", q->old_path);
	snprintf(left.new_format, sizeof(left.new_format), "%s", q->old_format);
	if (drover_disk_record_write(m->env->conf, &left, &err) < 0)
		log_error("disk move %llu: %s", (unsigned long long)q->id, err.text);
}

/* A QEMU that has just ended may close its images after its monitor. */
static int await_unused(const char *path, struct drover_err *err)
{
	static const struct timespec nap = { .tv_nsec = 100000000 };
	int r = drover_image_busy(path, err);

	for (int i = 0; r == -EBUSY && i < CLOSING_TRIES; i++) {
		nanosleep(&nap, NULL);
		r = drover_image_busy(path, err);
	}
	return r == -EBUSY ? r : 0;
}

/* A record that calls it the true image must not outlive it. */
static int disown(struct drover_disk_move *m, struct drover_err *err)
{
	int r = await_unused(m->record.new_path, err);

	return r == 0 && m->record.step == DROVER_DISK_STEP_SWITCHING
		       ? drover_moving_step(m, DROVER_DISK_STEP_COPYING, err)
		       : r;
}

void drover_moving_abandon(struct drover_disk_move *m)
{
	struct drover_err err = { 0 };

	/* Its record stays, too: the next agent looks again. */
	if (disown(m, &err) < 0) {
		drover_moving_left(m, "%s is left: %.200s; droverd tries again when it is restarted",
				   m->record.new_path, err.text);
		return;
	}
	if (drover_image_remove(m->record.new_path, &err) == 0) {
		forget(m);
		return;
	}
	drover_moving_left(m, "%s is left: %.200s", m->record.new_path, err.text);
	leave_new(m);
}

int drover_moving_adopt(struct drover_disk_move *m)
{
	struct drover_disk_move_info info;
	struct drover_err err = { 0 };
	int r;

	drover_fault("disk-switched");
	drover_disk_move_info(m, &info);
	/* That of an earlier agent has had no other state. */
	if (info.state != DROVER_DISK_MOVE_SWITCHING)
		drover_moving_state(m, DROVER_DISK_MOVE_SWITCHING);
	while ((r = m->env->switched(m->env->data, &info, &err)) < 0) {
		drover_moving_say(m, "the definition still names the old image: %s", err.text);
		/* There is none, and the VM does not run: nothing here can name the old image. */
		if (r == -ENOENT)
			return r;
		drover_moving_rest();
	}
	drover_moving_say(m, NULL);
	return 0;
}

/* Returns whether it is gone. */
static bool delete_old(struct drover_disk_move *m)
{
	struct drover_err err = { 0 };
	struct stat st;
	int r = drover_ask_file(m->env->conf, m->record.old_path, &st, &err);

	if (r == 0 || r == -ENOENT)
		r = drover_image_busy(m->record.old_path, &err);
	if (r == 0)
		r = m->env->needed(m->env->data, m->record.old_path, m->record.vm, &err);
	if (r == 0)
		r = drover_image_remove(m->record.old_path, &err);
	if (r < 0) {
		drover_moving_say(m, "the old image was not deleted: %s", err.text);
		return false;
	}
	scope_lock(&m->lock);
	m->info.old_deleted = true;
	return true;
}

/* A device stays whatever it holds; an NBD export is somebody else's. */
static bool is_no_file(const struct drover_disk_move *m)
{
	const char *path = m->record.old_path;
	struct stat st;

	if (drover_nbd_is(path))
		return true;
	if (drover_ask_file(m->env->conf, path, &st, NULL) == 0)
		return !S_ISREG(st.st_mode);
	return drover_ask_gone(m->env->conf, path);
}

void drover_moving_retire(struct drover_disk_move *m)
{
	struct drover_err err = { 0 };

	if ((m->record.delete_old && delete_old(m)) || is_no_file(m))
		forget(m);
	else if (drover_moving_step(m, DROVER_DISK_STEP_OLD_LEFT, &err) < 0)
		drover_moving_say(m, "%s", err.text);
}

static int is_cancelled(void *data)
{
	return drover_moving_check(data, NULL);
}

int drover_moving_compare(struct drover_disk_move *m, struct drover_err *err)
{
	const struct drover_disk_record *q = &m->record;
	uint64_t verified, mismatched;
	int r = drover_image_compare(q->old_path, q->old_format, q->new_path, q->new_format,
				     is_cancelled, m, &verified, &mismatched, err);

	if (r < 0)
		return r;
	scope_lock(&m->lock);
	m->info.verified_bytes = verified;
	m->info.mismatched_bytes = mismatched;
	return mismatched ? drover_err_set(err, EBADMSG,
					   "the new image of disk %s differs from the old "
					   "one at byte %llu",
					   q->disk, (unsigned long long)verified)
			  : 0;
}
