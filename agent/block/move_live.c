// SPDX-License-Identifier: GPL-2.0-or-later
/* A disk of a running VM changes its image: copy, switch, clean up. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "block/ask.h"
#include "block/live.h"
#include "block/pool.h"
#include "core/clock.h"

#define POLL_US	  200000
#define SAMPLE_US 500000
/* How long the guest's writes are watched before the move. */
#define BEFORE_US 1000000
/* After an interruption: how often to try again, and how long it must go well. */
#define RETRY_US   2000000
#define HEALTHY_US 1000000

/* --- figures --- */

static void take_sample(struct drover_live *l, const struct drover_mirror_status *status,
			struct drover_progress_sample *ret)
{
	*ret = (struct drover_progress_sample){
		.time_us = drover_clock_monotonic(),
		.done = status->done,
		.todo = status->todo,
	};
	drover_node_stats(l->mirror.qmp, l->m->record.disk, &ret->stats, NULL);
}

static void measure(struct drover_live *l, const struct drover_mirror_status *status)
{
	struct drover_progress_sample sample;

	if (drover_clock_monotonic() - l->sampled < SAMPLE_US)
		return;
	take_sample(l, status, &sample);
	l->sampled = sample.time_us;
	drover_progress_add(&l->progress, &sample);
	scope_lock(&l->m->lock);
	drover_progress_info(&l->progress, &l->m->info);
}

/* What the guest's writes take without a mirror. */
static int watch_before(struct drover_live *l, struct drover_err *err)
{
	static const struct drover_mirror_status none;
	struct drover_progress_sample from, to;
	uint64_t passed;
	int r;

	take_sample(l, &none, &from);
	r = drover_moving_prepare(l->m, err);
	if (r < 0)
		return r;
	passed = drover_clock_monotonic() - from.time_us;
	if (passed < BEFORE_US)
		drover_moving_wait(l->m, BEFORE_US - passed);
	take_sample(l, &none, &to);
	pthread_mutex_lock(&l->m->lock);
	drover_progress_writes(&from, &to, &l->m->info.write_before_us,
			       &l->m->info.write_rate_before_bytes);
	pthread_mutex_unlock(&l->m->lock);
	return drover_moving_check(l->m, err);
}

/* --- the copy --- */

/* For a store that has to write out an image. */
static uint32_t patience_ms(const struct drover_live *l)
{
	return l->m->env->conf->storage_grace_s * 1000;
}

/* QEMU's nodes of the disk that nothing uses any more. */
static int sweep(struct drover_live *l, struct drover_err *err)
{
	return drover_node_sweep(l->mirror.qmp, l->m->record.disk, patience_ms(l), err);
}

/* An earlier move that had to give up on QEMU may have left its job and its nodes there. */
static int clear_away(struct drover_live *l, struct drover_err *err)
{
	int r = drover_mirror_cancel(&l->mirror, err);

	return r < 0 ? r : sweep(l, err);
}

static int begin(struct drover_live *l, struct drover_err *err)
{
	struct drover_disk_move *m = l->m;
	int r = clear_away(l, err);

	if (r == 0)
		r = watch_before(l, err);
	if (r == 0)
		r = drover_node_of_disk(l->mirror.qmp, m->record.disk, &l->mirror.source, err);
	if (r == 0)
		r = drover_moving_create(m, err);
	if (r < 0)
		return r;
	l->created = true;
	/* Also where QEMU did not answer in time: it may do it yet. */
	l->added = true;
	r = drover_node_add_file(l->mirror.qmp, m->record.disk, m->record.new_path,
				 m->record.new_format, &m->disk, &l->mirror.target, err);
	if (r < 0)
		return r;
	l->speed = drover_moving_bandwidth(m);
	r = drover_mirror_start(&l->mirror, m->options.keep_backing, l->speed, err);
	if (r < 0)
		return r;
	drover_moving_state(m, DROVER_DISK_MOVE_COPYING);
	drover_fault("disk-copying");
	return 0;
}

static void set_speed(struct drover_live *l)
{
	uint64_t wanted = drover_moving_bandwidth(l->m);

	if (wanted != l->speed && drover_mirror_speed(&l->mirror, wanted, NULL) == 0) {
		l->speed = wanted;
		drover_progress_reset(&l->progress);
	}
}

static void interrupt(struct drover_live *l, const struct drover_mirror_status *status)
{
	l->since = drover_clock_monotonic();
	l->tried = l->since;
	drover_progress_reset(&l->progress);
	pthread_mutex_lock(&l->m->lock);
	l->m->info.interruptions++;
	pthread_mutex_unlock(&l->m->lock);
	drover_moving_say(l->m, "%s, %s; what is missing there is copied once that is possible",
			  status->error, l->m->record.new_path);
	drover_moving_state(l->m, DROVER_DISK_MOVE_INTERRUPTED);
}

/* Tries again from time to time, for as long as is configured. */
static int be_patient(struct drover_live *l, const struct drover_mirror_status *status,
		      struct drover_err *err)
{
	uint32_t grace = l->m->env->conf->storage_grace_s;
	uint64_t now = drover_clock_monotonic();

	if (!l->since)
		interrupt(l, status);
	else if (now - l->since > grace * UINT64_C(1000000))
		return drover_err_set(err, EIO, "%s, %s, for more than %u s", status->error,
				      l->m->record.new_path, grace);
	else if (now - l->tried > RETRY_US) {
		l->tried = now;
		return drover_mirror_resume(&l->mirror, err);
	}
	return 0;
}

static void recover(struct drover_live *l)
{
	if (!l->since || drover_clock_monotonic() - l->tried < HEALTHY_US)
		return;
	l->since = 0;
	drover_moving_say(l->m, NULL);
	drover_moving_state(l->m, DROVER_DISK_MOVE_COPYING);
}

/* Returns 1 when both sides are the same. */
static int look(struct drover_live *l, struct drover_err *err)
{
	struct drover_mirror_status status;
	int r = drover_mirror_look(&l->mirror, &status, err);

	if (r < 0)
		return r;
	switch (status.state) {
	case DROVER_MIRROR_COPYING:
		recover(l);
		set_speed(l);
		measure(l, &status);
		return 0;
	case DROVER_MIRROR_INTERRUPTED:
		return be_patient(l, &status, err);
	case DROVER_MIRROR_IN_STEP:
		l->sampled = 0;
		measure(l, &status);
		return 1;
	case DROVER_MIRROR_FAILED:
		return drover_err_set(err, EIO,
				      "the mirror of QEMU failed, perhaps because %s cannot "
				      "be read: %s",
				      l->m->record.old_path, status.error);
	case DROVER_MIRROR_PENDING:
	case DROVER_MIRROR_CONCLUDED:
		break;
	}
	return drover_err_set(err, EPROTO, "somebody else has ended the mirror of QEMU");
}

static int copy(struct drover_live *l, struct drover_err *err)
{
	int r;

	while ((r = look(l, err)) == 0) {
		drover_moving_wait(l->m, POLL_US);
		r = drover_moving_check(l->m, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	drover_moving_say(l->m, NULL);
	drover_moving_state(l->m, DROVER_DISK_MOVE_IN_STEP);
	return 0;
}

/* --- the switch --- */

/*
 * It went wrong on the way: is the disk on its new image all the same? Asked until QEMU
 * tells or is gone, since the images may differ from now on. Returns 1 if it is.
 */
static int where_is_it(struct drover_live *l)
{
	struct drover_node used;
	struct drover_err err = { 0 };
	int r;

	while ((r = drover_node_of_disk(l->mirror.qmp, l->m->record.disk, &used, &err)) < 0) {
		/*
		 * A QEMU that is gone, or a guest that has put the disk away, has left both the same: what
		 * was written down decides.
		 */
		if (r == -EPIPE || r == -ENOENT)
			return l->m->record.step == DROVER_DISK_STEP_SWITCHING;
		drover_moving_say(l->m, "which image QEMU uses is not known yet: %s", err.text);
		drover_moving_rest();
	}
	return !strcmp(used.name, l->mirror.target.name);
}

/* The old image stays the true one, which must be written down before it changes. */
static void take_back(struct drover_live *l)
{
	struct drover_disk_move *m = l->m;
	struct drover_err err = { 0 };

	if (m->record.step == DROVER_DISK_STEP_SWITCHING &&
	    drover_moving_step(m, DROVER_DISK_STEP_COPYING, &err) < 0) {
		log_error("disk move %llu: %s", (unsigned long long)m->record.id, err.text);
		drover_disk_record_forget(m->env->conf, m->record.id, NULL);
	}
	drover_mirror_cancel(&l->mirror, NULL);
}

/* Between the two writes to the record and QEMU the guest's requests are held. */
static int switch_held(struct drover_live *l, struct drover_err *err)
{
	struct drover_disk_move *m = l->m;
	int r = drover_mirror_hold(&l->mirror, err);

	if (r == 0 && m->record.verify)
		r = drover_moving_compare(m, err);
	if (r == 0)
		r = drover_moving_point(m, err);
	if (r < 0)
		return r;
	drover_fault("disk-held");
	r = drover_moving_step(m, DROVER_DISK_STEP_SWITCHING, err);
	if (r < 0)
		return r;
	drover_fault("disk-switching");
	return drover_mirror_switch(&l->mirror, err);
}

static int switch_over(struct drover_live *l, struct drover_err *err)
{
	struct drover_disk_move *m = l->m;
	uint64_t begin;
	int r;

	pthread_mutex_lock(&l->monitor->switching);
	r = drover_moving_check(m, err);
	drover_moving_hold(m, true);
	if (r == 0 && m->record.verify)
		r = drover_block_monitor_pause(l->monitor, err);
	begin = drover_clock_monotonic();
	if (r == 0)
		r = switch_held(l, err);
	if (r < 0 && where_is_it(l))
		r = 0;
	if (r < 0)
		take_back(l);
	pthread_mutex_lock(&m->lock);
	m->info.switch_us = drover_clock_monotonic() - begin;
	pthread_mutex_unlock(&m->lock);
	drover_block_monitor_unpause(l->monitor, r < 0 ? NULL : err);
	drover_moving_hold(m, false);
	pthread_mutex_unlock(&l->monitor->switching);
	return r;
}

/* --- the end --- */

/* The new image is the true one, whatever goes wrong here. */
static void clean_up(struct drover_live *l)
{
	struct drover_disk_move *m = l->m;
	struct drover_err err = { 0 };
	int r;

	if (drover_moving_adopt(m) < 0)
		return;
	r = sweep(l, &err);
	/* The VM may have ended meanwhile. */
	if (r < 0 && r != -EPIPE)
		log_warning("disk move %llu: %s", (unsigned long long)m->record.id, err.text);
	drover_moving_retire(m);
}

/* The disk stays on its old image, and nothing of the new one behind. */
static void back_out(struct drover_live *l)
{
	struct drover_err err = { 0 };
	int r;

	/* What an earlier one left in QEMU is not ours. */
	if (!l->created)
		return;
	/* As in drover_node_sweep(): QEMU would do it when the mirror ends. */
	drover_ask_sync(l->m->record.old_path, patience_ms(l), NULL);
	r = drover_mirror_cancel(&l->mirror, &err);
	if (r == 0 && l->added)
		r = sweep(l, &err);
	if (r < 0 && r != -EPIPE) {
		/* Its record stays: the next agent tries again. */
		drover_moving_left(l->m,
				   "%s is left, and QEMU may still write to it: %.150s; droverd tries "
				   "again when it is restarted",
				   l->m->record.new_path, err.text);
		return;
	}
	drover_moving_abandon(l->m);
}

static int move(struct drover_live *l, struct drover_err *err)
{
	bool switched = false;
	int r = l->m->recovers ? drover_live_recover(l, &switched, err) : begin(l, err);

	if (r == 0 && !switched)
		r = copy(l, err);
	if (r == 0 && !switched)
		r = switch_over(l, err);
	return r;
}

int drover_moving_live(struct drover_disk_move *m, struct drover_err *err)
{
	struct drover_live l = { .m = m };
	int r = drover_live_open(&l, err);

	if (r < 0)
		return r;
	if (!l.monitor)
		return drover_moving_cold(m, err);
	r = move(&l, err);
	/* Nobody can tell any more which image it used: the record decides. */
	if (r == -EPIPE && m->recovers) {
		drover_block_monitor_put(l.monitor);
		return drover_moving_cold(m, err);
	}
	if (r == -EPIPE)
		drover_err_set(err, r, "vm %s has ended during the move", m->record.vm);
	if (r == 0)
		clean_up(&l);
	else
		back_out(&l);
	drover_block_monitor_put(l.monitor);
	return r;
}
