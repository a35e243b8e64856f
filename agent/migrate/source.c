// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The source half of a migration. run() below reads as the table in
 * Documentation/design.rst; the VM is ours until commit() has written its record.
 */
#include "migrate/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/thread.h"
#include "core/clock.h"
#include "migrate/doubt.h"
#include "migrate/record.h"
#include "migrate/source_stages.h"
#include "migrate/switchover.h"

/* Up to here every failure leaves the VM running on this host. */
static int move(struct drover_source *s, struct drover_err *err)
{
	uint32_t rounds = 0;
	int r = drover_source_prepare(s, err);

	if (r == 0)
		r = drover_source_disks_copy(s, err);
	if (r == 0)
		r = drover_source_open_streams(s, err);
	if (r == 0)
		r = drover_source_precopy(s, &rounds, err);
	if (r == 0)
		r = drover_switchover_ready(s, err);
	return r < 0 ? r : drover_switchover_run(s, rounds, err);
}

static int commit(struct drover_source *s, struct drover_err *err)
{
	struct drover_commit record = { .id = s->m->info.id };
	int r = drover_migration_point(s->m, err);

	if (r < 0)
		return r;
	snprintf(record.vm, sizeof(record.vm), "%s", s->vm->def.name);
	snprintf(record.target, sizeof(record.target), "%s", s->to.name);
	drover_source_disks_record(s, &record);
	r = drover_record_commit(s->m->env->conf, &record, err);
	drover_source_stage(s, "commit written");
	if (r < 0)
		drover_record_settle(s->m->env->conf, record.id, NULL);
	return r;
}

static int await_running(struct drover_source *s, struct drover_err *err)
{
	Drover__Commit message = DROVER__COMMIT__INIT;
	int r;

	message.migration_id = s->m->info.id;
	drover_fault("source-committed");
	r = drover_peer_send(s->control, DROVER_FRAME_COMMIT, &message.base, 0, err);
	if (r == 0)
		r = drover_peer_expect(s->control, DROVER_FRAME_RUNNING,
				       &drover__running__descriptor, NULL, err);
	if (r < 0)
		return r;
	drover_source_stage(s, "running on the target");
	pthread_mutex_lock(&s->m->lock);
	s->m->info.blackout_us = drover_clock_monotonic() - s->pause_us;
	pthread_mutex_unlock(&s->m->lock);
	return 0;
}

static void release(struct drover_source *s)
{
	drover_migration_attach(s->m, NULL, NULL);
	drover_switchover_end_relay(s);
	if (s->tracker)
		s->tracker->ops->close(s->tracker);
	drover_sender_close(&s->sender);
	drover_tunnel_close(s->tunnel);
	drover_peer_close(s->device);
	drover_peer_close(s->control);
	drover_qmp_close(s->qmp);
	if (s->listener >= 0)
		close(s->listener);
}

static bool is_lost_connection(int code)
{
	return code == -EPIPE || code == -ECONNRESET || code == -ECANCELED || code == -ENODATA;
}

/*
 * The target answers Abort with an error once it has cleaned up. Where all that is
 * known here is a lost stream, its sentence is the better one.
 */
static void tell_target(struct drover_source *s, struct drover_err *why)
{
	Drover__Abort message = DROVER__ABORT__INIT;
	auto_free uint8_t *body = NULL;
	struct drover_err answer = { 0 };
	enum drover_frame_type type;
	size_t len;

	message.reason = why->text;
	if (drover_peer_send(s->control, DROVER_FRAME_ABORT, &message.base, 0, NULL) < 0)
		return;
	drover_peer_set_timeout(s->control, 5000);
	if (drover_peer_recv(s->control, &type, &body, &len, &answer) < 0 &&
	    is_lost_connection(why->code) && !is_lost_connection(answer.code))
		*why = answer;
}

/* Before the commit: the VM is ours and runs again before anything else is done. */
static void take_back(struct drover_source *s, struct drover_err *why)
{
	struct drover_err err = { 0 };

	drover_source_disks_let_go(s);
	if (s->paused && drover_switchover_resume(s->vm, s->qmp, 0, &err) < 0)
		log_error("mig %" PRIu64 " %s", s->m->info.id, err.text);
	drover_source_disks_take_back(s, why);
	if (s->control)
		tell_target(s, why);
	release(s);
	drover_migration_fail(s->m, why);
	s->m->env->finished(s->m->env->data, s->m, DROVER_OUTCOME_STAYED, s->vm);
}

static void *run(void *data)
{
	struct drover_source *s = data;
	struct drover_migration *m = s->m;
	struct drover_err err = { 0 };
	int r;

	drover_log_set_subject(s->vm->def.name, m->info.id);
	log_info("mig %" PRIu64 " vm %s: to %s", m->info.id, s->vm->def.name, s->to.name);
	drover_migration_state(m, DROVER_MIGRATION_PREPARE);
	r = move(s, &err);
	if (r == 0)
		r = commit(s, &err);
	if (r < 0) {
		take_back(s, &err);
	} else {
		r = await_running(s, &err);
		release(s);
		drover_doubt_settle(m, s->vm, s->vm->def.name, r == 0 ? NULL : &err);
	}
	drover_migration_put(m);
	free(s);
	return NULL;
}

/* Numbers are drawn, so that two hosts hardly ever give the same one. */
static uint64_t draw_id(void)
{
	uint32_t n = 0;

	while (n == 0) {
		if (getrandom(&n, sizeof(n), 0) != sizeof(n))
			n = drover_clock_realtime();
	}
	return n;
}

static void fill_options(struct drover_migration *m, const struct drover_migration_options *o)
{
	const struct drover_conf *conf = m->env->conf;

	m->options = *o;
	if (!m->options.downtime_limit_ms)
		m->options.downtime_limit_ms = conf->downtime_limit_ms;
	if (!m->options.bandwidth_mib)
		m->options.bandwidth_mib = conf->bandwidth_mib;
	if (!m->options.streams)
		m->options.streams = conf->streams;
	m->info.streams = m->options.streams;
}

int drover_source_start(const struct drover_migrate_env *env, struct drover_vm *vm,
			const struct drover_peer_conf *to,
			const struct drover_migration_options *options,
			struct drover_migration **ret_migration, struct drover_err *err)
{
	auto_free struct drover_source *s = calloc(1, sizeof(*s));
	struct drover_migration *m;
	int r;

	if (options->streams > DROVER_STREAMS_MAX)
		return drover_err_set(err, EINVAL, "at most %d streams", DROVER_STREAMS_MAX);
	/* Two commits of one VM could settle differently. */
	r = drover_record_check_settled(env->conf, vm->def.name, err);
	if (r < 0)
		return r;
	m = drover_migration_create(env, draw_id(), vm->def.name, env->conf->host, to->name);
	if (!s || !m) {
		drover_migration_put(m);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	fill_options(m, options);
	s->m = drover_migration_get(m);
	s->vm = vm;
	s->to = *to;
	s->listener = -1;
	r = drover_source_disks_choose(s, err);
	if (r == 0)
		r = drover_thread_detached(run, s, err);
	if (r < 0) {
		drover_migration_put(m);
		drover_migration_put(m);
		return r;
	}
	steal_ptr(s);
	*ret_migration = m;
	return 0;
}
