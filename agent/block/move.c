// SPDX-License-Identifier: GPL-2.0-or-later
/* What operators see and do of a disk's move; its beginning and its end. */
#include "block/move.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/thread.h"
#include "block/moving.h"
#include "block/pool.h"
#include "core/clock.h"
#include "core/config.h"

#define REST_S 2

/* --- references --- */

static uint64_t draw_id(void)
{
	uint32_t n = 0;

	while (n == 0) {
		if (getrandom(&n, sizeof(n), 0) != sizeof(n))
			n = drover_clock_realtime();
	}
	return n;
}

static void fill_info(struct drover_disk_move *m)
{
	const struct drover_disk_record *q = &m->record;
	const struct drover_pool_conf *old = drover_pool_of(m->env->conf, q->old_path);
	const struct drover_pool_conf *new = drover_pool_of(m->env->conf, q->new_path);
	struct drover_disk_move_info *info = &m->info;

	info->id = q->id;
	info->state = DROVER_DISK_MOVE_PREPARE;
	info->start_time_us = q->start_time_us;
	snprintf(info->vm, sizeof(info->vm), "%s", q->vm);
	snprintf(info->disk, sizeof(info->disk), "%s", q->disk);
	snprintf(info->host, sizeof(info->host), "%s", m->env->conf->host);
	snprintf(info->old_path, sizeof(info->old_path), "%s", q->old_path);
	snprintf(info->old_pool, sizeof(info->old_pool), "%s", old ? old->name : "");
	snprintf(info->old_format, sizeof(info->old_format), "%s", q->old_format);
	snprintf(info->new_path, sizeof(info->new_path), "%s", q->new_path);
	snprintf(info->new_pool, sizeof(info->new_pool), "%s", new ? new->name : "");
	snprintf(info->new_format, sizeof(info->new_format), "%s", q->new_format);
}

static struct drover_disk_move *create(const struct drover_disk_move_env *env,
				       const struct drover_disk_record *record, const char *vm_dir)
{
	struct drover_disk_move *m = calloc(1, sizeof(*m));
	pthread_condattr_t attr;

	if (!m)
		return NULL;
	m->env = env;
	m->record = *record;
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&m->wake, &attr);
	pthread_condattr_destroy(&attr);
	atomic_store(&m->references, 1);
	snprintf(m->vm_dir, sizeof(m->vm_dir), "%s", vm_dir ? vm_dir : "");
	m->begin_us = drover_clock_monotonic();
	fill_info(m);
	return m;
}

struct drover_disk_move *drover_disk_move_get(struct drover_disk_move *move)
{
	atomic_fetch_add(&move->references, 1);
	return move;
}

void drover_disk_move_put(struct drover_disk_move *move)
{
	if (!move || atomic_fetch_sub(&move->references, 1) != 1)
		return;
	drover_promise_drop(move->promise);
	pthread_cond_destroy(&move->wake);
	pthread_mutex_destroy(&move->lock);
	free(move);
}

/* --- its state --- */

static bool has_ended(const struct drover_disk_move *m)
{
	switch (m->info.state) {
	case DROVER_DISK_MOVE_PREPARE:
	case DROVER_DISK_MOVE_COPYING:
	case DROVER_DISK_MOVE_INTERRUPTED:
	case DROVER_DISK_MOVE_IN_STEP:
	case DROVER_DISK_MOVE_SWITCHING:
		return false;
	case DROVER_DISK_MOVE_DONE:
	case DROVER_DISK_MOVE_CANCELLED:
	case DROVER_DISK_MOVE_FAILED:
		return true;
	}
	return true;
}

bool drover_disk_move_ended(struct drover_disk_move *move)
{
	scope_lock(&move->lock);

	return has_ended(move);
}

void drover_disk_move_info(struct drover_disk_move *move, struct drover_disk_move_info *ret_info)
{
	scope_lock(&move->lock);

	if (!has_ended(move))
		move->info.total_us = drover_clock_monotonic() - move->begin_us;
	*ret_info = move->info;
}

void drover_moving_state(struct drover_disk_move *m, enum drover_disk_move_state state)
{
	struct drover_disk_move_info info;

	pthread_mutex_lock(&m->lock);
	m->info.total_us = drover_clock_monotonic() - m->begin_us;
	m->info.state = state;
	info = m->info;
	pthread_mutex_unlock(&m->lock);
	m->env->changed(m->env->data, &info);
}

void drover_moving_say(struct drover_disk_move *m, const char *fmt, ...)
{
	char text[sizeof(m->info.error)] = "";
	bool is_new;
	va_list ap;

	if (fmt) {
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
	}
	pthread_mutex_lock(&m->lock);
	is_new = strcmp(m->info.error, text);
	memcpy(m->info.error, text, sizeof(text));
	pthread_mutex_unlock(&m->lock);
	/* What is tried again and again fails for the same reason mostly. */
	if (is_new && text[0])
		log_warning("disk move %llu vm %s disk %s: %s", (unsigned long long)m->record.id,
			    m->record.vm, m->record.disk, text);
}

void drover_moving_left(struct drover_disk_move *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m->left, sizeof(m->left), fmt, ap);
	va_end(ap);
}

static int cancelled_error(struct drover_err *err)
{
	return drover_err_set(err, ECANCELED, "the move was cancelled");
}

int drover_moving_check(struct drover_disk_move *m, struct drover_err *err)
{
	scope_lock(&m->lock);

	return m->cancelled ? cancelled_error(err) : 0;
}

int drover_moving_point(struct drover_disk_move *m, struct drover_err *err)
{
	pthread_mutex_lock(&m->lock);
	if (m->cancelled) {
		pthread_mutex_unlock(&m->lock);
		return cancelled_error(err);
	}
	m->info.state = DROVER_DISK_MOVE_SWITCHING;
	pthread_mutex_unlock(&m->lock);
	drover_moving_state(m, DROVER_DISK_MOVE_SWITCHING);
	return 0;
}

void drover_moving_hold(struct drover_disk_move *m, bool holds)
{
	scope_lock(&m->lock);

	m->holds = holds;
}

bool drover_disk_move_holds(struct drover_disk_move *move)
{
	scope_lock(&move->lock);

	return move->holds;
}

void drover_moving_wait(struct drover_disk_move *m, uint64_t us)
{
	struct timespec until;
	scope_lock(&m->lock);

	if (m->cancelled)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	us += until.tv_nsec / 1000;
	until.tv_sec += us / 1000000;
	until.tv_nsec = us % 1000000 * 1000;
	pthread_cond_timedwait(&m->wake, &m->lock, &until);
}

void drover_moving_rest(void)
{
	struct timespec t = { .tv_sec = REST_S };

	nanosleep(&t, NULL);
}

uint64_t drover_moving_bandwidth(struct drover_disk_move *m)
{
	scope_lock(&m->lock);

	return m->bandwidth;
}

int drover_disk_move_cancel(struct drover_disk_move *move, struct drover_err *err)
{
	unsigned long long id = move->record.id;
	scope_lock(&move->lock);

	if (has_ended(move))
		return drover_err_set(err, EALREADY, "disk move %llu has ended", id);
	if (move->info.state == DROVER_DISK_MOVE_SWITCHING)
		return drover_err_set(err, EBUSY,
				      "disk move %llu is switching and can no longer be cancelled",
				      id);
	move->cancelled = true;
	pthread_cond_broadcast(&move->wake);
	return 0;
}

void drover_disk_move_speed(struct drover_disk_move *move, uint64_t bandwidth)
{
	scope_lock(&move->lock);

	move->bandwidth = bandwidth;
	pthread_cond_broadcast(&move->wake);
}

/* --- its thread --- */

/* Cancelled is only what has left nothing. */
static void end(struct drover_disk_move *m, const struct drover_err *why)
{
	const char *text;
	bool cancelled;

	if (!why) {
		drover_moving_state(m, DROVER_DISK_MOVE_DONE);
		return;
	}
	pthread_mutex_lock(&m->lock);
	cancelled = m->cancelled;
	pthread_mutex_unlock(&m->lock);
	text = cancelled ? "the move was cancelled" : why->text;
	if (m->left[0])
		drover_moving_say(m, "%.200s, %s %s", text, cancelled ? "but" : "and", m->left);
	else
		drover_moving_say(m, "%s", text);
	drover_moving_state(m, cancelled && !m->left[0] ? DROVER_DISK_MOVE_CANCELLED
							: DROVER_DISK_MOVE_FAILED);
}

static void *run(void *data)
{
	struct drover_disk_move *m = data;
	struct drover_err err = { 0 };
	int r;

	drover_log_set_subject(m->record.vm, 0);
	r = m->vm_dir[0] ? drover_moving_live(m, &err) : drover_moving_cold(m, &err);
	drover_promise_drop(steal_ptr(m->promise));
	end(m, r < 0 ? &err : NULL);
	m->env->finished(m->env->data, m);
	drover_disk_move_put(m);
	return NULL;
}

static int begin(struct drover_disk_move *m, struct drover_disk_move **ret_move,
		 struct drover_err *err)
{
	int r;

	if (!m)
		return drover_err_set(err, ENOMEM, "out of memory");
	*ret_move = drover_disk_move_get(m);
	r = drover_thread_detached(run, m, err);
	if (r < 0) {
		drover_disk_move_put(m);
		drover_disk_move_put(m);
	}
	return r;
}

static void fill_record(const struct drover_conf *conf, const struct drover_vm_def *def,
			const struct drover_disk_def *disk,
			const struct drover_disk_move_options *options, const char *path,
			struct drover_disk_record *record)
{
	const struct drover_pool_conf *pool = drover_pool_find(conf, options->pool);

	*record = (struct drover_disk_record){
		.id = draw_id(),
		.step = DROVER_DISK_STEP_COPYING,
		.delete_old = options->delete_old || conf->delete_old,
		.verify = options->verify,
		.start_time_us = drover_clock_realtime(),
	};
	snprintf(record->vm, sizeof(record->vm), "%s", def->name);
	snprintf(record->disk, sizeof(record->disk), "%s", disk->name);
	snprintf(record->old_path, sizeof(record->old_path), "%s", disk->path);
	snprintf(record->old_format, sizeof(record->old_format), "%s", disk->format);
	snprintf(record->new_format, sizeof(record->new_format), "%s",
		 options->format[0] ? options->format : pool->format);
	snprintf(record->new_path, sizeof(record->new_path), "%s", path);
}

int drover_disk_move_start(const struct drover_disk_move_env *env, const char *vm_dir,
			   const struct drover_vm_def *def, const char *disk,
			   const struct drover_disk_move_options *options,
			   struct drover_disk_move **ret_move, struct drover_err *err)
{
	const struct drover_disk_def *d = drover_vmdef_disk(def, disk);
	struct drover_promise *promise = NULL;
	struct drover_disk_record record;
	char path[DROVER_FIELD_LEN];
	struct drover_disk_move *m;
	int r = drover_moving_claim(env->conf, def, disk, options, path, &promise, err);

	if (r < 0)
		return r;
	fill_record(env->conf, def, d, options, path, &record);
	m = create(env, &record, vm_dir);
	if (m) {
		m->options = *options;
		m->disk = *d;
		m->bandwidth = options->bandwidth;
		m->promise = promise;
	} else {
		drover_promise_drop(promise);
	}
	return begin(m, ret_move, err);
}

/* Which file system it is on is not asked: its store may be dead, and the agent is beginning. */
static int promise_again(struct drover_disk_move *m, struct drover_err *err)
{
	const struct drover_disk_record *q = &m->record;
	const struct drover_pool_conf *pool = drover_pool_of(m->env->conf, q->new_path);

	if (!pool || !q->space_bytes || q->step != DROVER_DISK_STEP_COPYING)
		return 0;
	return drover_promise_make(pool->path, 0, q->new_path, q->space_bytes, &m->promise, err);
}

int drover_disk_move_recover(const struct drover_disk_move_env *env,
			     const struct drover_disk_record *record, const char *vm_dir,
			     struct drover_disk_move **ret_move, struct drover_err *err)
{
	struct drover_disk_move *m = create(env, record, vm_dir);
	int r;

	if (m) {
		m->recovers = true;
		r = promise_again(m, err);
		if (r < 0) {
			drover_disk_move_put(m);
			return r;
		}
	}
	return begin(m, ret_move, err);
}
