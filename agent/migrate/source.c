// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The source half of a migration. run() below reads as the table in
 * Documentation/design.rst; the VM is ours until commit() has written its record.
 */
#include "migrate/source.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/log.h"
#include "core/clock.h"
#include "migrate/doubt.h"
#include "migrate/pace.h"
#include "migrate/record.h"
#include "migrate/switchover.h"
#include "stat/host.h"
#include "vm/qmp.h"

#define QMP_TIMEOUT_MS 20000
#define PREPARE_TIMEOUT_MS 120000
#define RESUME_TRIES	   300

static const char *name_of(const struct drover_source *s)
{
	return s->vm->def.name;
}

static int open_tracker(struct drover_source *s, struct drover_err *err)
{
	auto_close int kvm = drover_vm_kvm_fd(s->vm, err);
	int r;

	if (kvm < 0)
		return kvm;
	r = drover_kmod_open(name_of(s), kvm, s->vm->ram_fd, s->m->options.no_vmm_writes,
			     &s->tracker, err);
	if (r < 0)
		return drover_err_prefix(err, "vm %s cannot be tracked", name_of(s));
	pthread_mutex_lock(&s->m->lock);
	s->m->info.ram_bytes = s->tracker->pages * DROVER_PAGE_SIZE;
	pthread_mutex_unlock(&s->m->lock);
	return 0;
}

static int open_qmp(struct drover_source *s, struct drover_err *err)
{
	char path[DROVER_PATH_MAX], status[32];
	int r = drover_io_path(path, err, "%s/migrate.sock", s->vm->dir);

	if (r == 0)
		r = drover_qmp_connect(path, 5000, &s->qmp, err);
	if (r == 0)
		r = drover_qmp_status(s->qmp, status, sizeof(status), err);
	if (r < 0)
		return r;
	if (strcmp(status, "running"))
		return drover_err_set(err, EINVAL, "vm %s is %s, and only a running VM can be moved",
				      name_of(s), status);
	return drover_qmp_call(s->qmp, "migrate-set-capabilities",
			       json_pack("{s[{ss sb} {ss sb}]}", "capabilities", "capability",
					 "x-ignore-shared", "state", 1, "capability",
					 "pause-before-switchover", "state", 1),
			       QMP_TIMEOUT_MS, NULL, err);
}

/* "pc-q35-7.2" from QEMU's "pc-q35-7.2-machine". */
static int machine_of(struct drover_source *s, char *buf, size_t size, struct drover_err *err)
{
	json_t *result = NULL;
	char *end;
	int r = drover_qmp_call(s->qmp, "qom-get",
				json_pack("{ss ss}", "path", "/machine", "property", "type"),
				QMP_TIMEOUT_MS, &result, err);

	if (r < 0)
		return r;
	snprintf(buf, size, "%s", json_string_value(result) ?: "");
	json_decref(result);
	end = strstr(buf, "-machine");
	if (end)
		*end = '\0';
	return 0;
}

static int connect_control(struct drover_source *s, struct drover_err *err)
{
	Drover__Hello hello = DROVER__HELLO__INIT;
	int r;

	hello.role = DROVER__ROLE__ROLE_CONTROL;
	r = drover_peer_connect(s->m->env->conf, &s->to, &hello, &s->control, err);
	if (r < 0)
		return r;
	drover_migration_attach(s->m, s->control, NULL);
	return drover_migration_check(s->m, err);
}

static int take_prepare_reply(struct drover_source *s, struct drover_err *err)
{
	Drover__PrepareReply *reply = NULL;
	int r;

	drover_peer_set_timeout(s->control, PREPARE_TIMEOUT_MS);
	r = drover_peer_expect(s->control, DROVER_FRAME_PREPARE_REPLY,
			       &drover__prepare_reply__descriptor, (ProtobufCMessage **)&reply,
			       err);
	drover_peer_set_timeout(s->control, DROVER_PEER_TIMEOUT_MS);
	if (r < 0)
		return r;
	if (reply->token.len != sizeof(s->token))
		r = drover_err_set(err, EPROTO, "%s sent a malformed token", s->to.name);
	else
		memcpy(s->token, reply->token.data, sizeof(s->token));
	drover__prepare_reply__free_unpacked(reply, NULL);
	return r;
}

static int prepare(struct drover_source *s, struct drover_err *err)
{
	Drover__Prepare prepare = DROVER__PREPARE__INIT;
	struct drover_cpu_flags flags = { 0 };
	struct drover_host_stat host;
	char machine[DROVER_NAME_LEN];
	int r = machine_of(s, machine, sizeof(machine), err);

	if (r == 0)
		r = drover_host_stat_read(&host, err);
	if (r == 0)
		r = drover_cpu_flags_read(&flags, err);
	if (r < 0)
		return r;
	prepare.migration_id = s->m->info.id;
	prepare.vm = s->vm->def.name;
	prepare.definition.data = (uint8_t *)s->vm->text;
	prepare.definition.len = strlen(s->vm->text);
	prepare.ram_pages = s->tracker->pages;
	prepare.machine = machine;
	prepare.cpu_model = host.cpu_model;
	prepare.cpu_flags = flags.flag;
	prepare.n_cpu_flags = flags.count;
	prepare.streams = s->m->info.streams;
	prepare.verify = s->m->options.verify;
	r = drover_peer_send(s->control, DROVER_FRAME_PREPARE, &prepare.base, 0, err);
	drover_cpu_flags_free(&flags);
	return r < 0 ? r : take_prepare_reply(s, err);
}

static int open_streams(struct drover_source *s, struct drover_err *err)
{
	Drover__Hello hello = DROVER__HELLO__INIT;

	hello.role = DROVER__ROLE__ROLE_RAM;
	hello.migration_id = s->m->info.id;
	hello.token.data = s->token;
	hello.token.len = sizeof(s->token);
	s->sender.tracker = s->tracker;
	s->sender.bandwidth = (uint64_t)s->m->options.bandwidth_mib << 20;
	while (s->sender.streams < s->m->info.streams) {
		int r;

		hello.stream = s->sender.streams;
		r = drover_peer_connect(s->m->env->conf, &s->to, &hello,
					&s->sender.peer[s->sender.streams], err);
		if (r < 0)
			return r;
		s->sender.streams++;
	}
	drover_migration_attach(s->m, s->control, &s->sender);
	return drover_migration_check(s->m, err);
}

/* The sums before a round, to tell what the round added. */
struct sums {
	uint64_t sent, zero, wire, begin_us;
};

static void sums_read(struct drover_source *s, struct sums *sums)
{
	sums->sent = atomic_load(&s->sender.sent_pages);
	sums->zero = atomic_load(&s->sender.zero_pages);
	sums->wire = atomic_load(&s->sender.wire_bytes);
	sums->begin_us = drover_clock_monotonic();
}

static void note_harvest(struct drover_source *s, struct drover_round_info *round,
			 const struct drover_harvest *h, const struct drover_pace *pace)
{
	struct drover_migration_info *info = &s->m->info;
	scope_lock(&s->m->lock);

	round->dirty_pages = h->total_pages;
	round->log_pages += h->log_pages;
	round->vmm_pages += h->vmm_pages;
	round->kept_pages += h->kept_pages;
	info->vmm_pages += h->vmm_pages;
	info->round_bytes = info->dirty_bytes = h->total_pages * DROVER_PAGE_SIZE;
	if (!pace)
		return;
	info->rate_bytes = pace->rate;
	info->dirty_rate_bytes = pace->dirty_rate;
	info->expected_us = drover_pace_rest(pace, info->dirty_bytes);
	info->expected_blackout_us = pace->rate ? drover_pace_blackout(pace, info->dirty_bytes) : 0;
}

static void note_round(struct drover_source *s, struct drover_round_info *round,
		       const struct sums *before)
{
	struct drover_migration_info *info = &s->m->info;
	struct sums now;

	sums_read(s, &now);
	round->sent_pages = now.sent - before->sent;
	round->zero_pages = now.zero - before->zero;
	round->wire_bytes = now.wire - before->wire;
	round->duration_us = now.begin_us - before->begin_us;
	scope_lock(&s->m->lock);
	info->dirty_bytes = 0;
	if (info->round_count < DROVER_ROUNDS_MAX)
		info->rounds[info->round_count++] = *round;
	log_debug("mig %" PRIu64 " vm %s: round %u: %" PRIu64 " pages, %" PRIu64 " sent, %" PRIu64
		  " zero, %" PRIu64 " us", info->id, info->vm, round->number, round->dirty_pages,
		  round->sent_pages, round->zero_pages, round->duration_us);
}

int drover_source_round(struct drover_source *s, uint32_t number, struct drover_pace *pace,
			bool *ret_done, struct drover_err *err)
{
	struct drover_round_info round = s->unsent;
	struct drover_harvest h;
	struct sums before;
	int r;

	round.number = number;
	sums_read(s, &before);
	r = s->tracker->ops->harvest(s->tracker, &h, err);
	if (r < 0)
		return r;
	round.harvest_us += drover_clock_monotonic() - before.begin_us;
	if (pace && s->m->info.round_count) {
		uint64_t us = s->m->info.rounds[s->m->info.round_count - 1].duration_us;

		pace->dirty_rate = h.total_pages * DROVER_PAGE_SIZE * 1000000 / (us ? us : 1);
	}
	*ret_done = pace && drover_pace_harvested(pace, number, h.total_pages * DROVER_PAGE_SIZE);
	note_harvest(s, &round, &h, pace);
	if (*ret_done) {
		s->unsent = round;
		return 0;
	}
	r = drover_sender_round(&s->sender, number, err);
	if (r < 0)
		return r;
	note_round(s, &round, &before);
	if (pace)
		drover_pace_sent(pace, round.sent_pages * DROVER_PAGE_SIZE, round.duration_us);
	return 0;
}

static int precopy(struct drover_source *s, uint32_t *ret_rounds, struct drover_err *err)
{
	struct drover_pace pace = {
		.limit_us = s->m->options.downtime_limit_ms * 1000ULL,
		.max_rounds = s->m->env->conf->max_rounds,
	};
	bool done = false;
	uint32_t round = 0;
	int r = s->tracker->ops->start(s->tracker, err);

	if (r < 0)
		return drover_err_prefix(err, "vm %s cannot be tracked", name_of(s));
	drover_migration_state(s->m, DROVER_MIGRATION_PRECOPY);
	while (!done) {
		r = drover_migration_check(s->m, err);
		if (r == 0)
			r = drover_source_round(s, ++round, &pace, &done, err);
		if (r < 0)
			return r;
	}
	*ret_rounds = round;
	return 0;
}

/* Up to here every failure leaves the VM running on this host. */
static int move(struct drover_source *s, struct drover_err *err)
{
	uint32_t rounds = 0;
	int r = open_qmp(s, err);

	if (r == 0)
		r = open_tracker(s, err);
	if (r == 0)
		r = connect_control(s, err);
	if (r == 0)
		r = prepare(s, err);
	if (r == 0)
		r = open_streams(s, err);
	if (r == 0)
		r = precopy(s, &rounds, err);
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
	snprintf(record.vm, sizeof(record.vm), "%s", name_of(s));
	snprintf(record.target, sizeof(record.target), "%s", s->to.name);
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

static bool process_ended(const struct drover_vm *vm)
{
	struct pollfd p = { .fd = vm->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

/* A QEMU that drains a slow disk may not answer at once: a paused VM is not left to itself. */
static int resume_surely(struct drover_source *s, struct drover_err *err)
{
	const struct timespec nap = { .tv_sec = 2 };
	int r;

	for (int i = 0; i < RESUME_TRIES; i++) {
		r = drover_switchover_undo(s->vm, s->qmp, err);
		if (r == 0 || process_ended(s->vm))
			return r;
		log_warning("mig %" PRIu64 " %s; trying again", s->m->info.id, err->text);
		nanosleep(&nap, NULL);
	}
	return r;
}

/* Before the commit: the VM is ours and runs again before anything else is done. */
static void take_back(struct drover_source *s, struct drover_err *why)
{
	struct drover_err err = { 0 };

	if (s->paused && resume_surely(s, &err) < 0)
		log_error("mig %" PRIu64 " %s", s->m->info.id, err.text);
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

	drover_log_set_subject(name_of(s), m->info.id);
	log_info("mig %" PRIu64 " vm %s: to %s", m->info.id, name_of(s), s->to.name);
	drover_migration_state(m, DROVER_MIGRATION_PREPARE);
	r = move(s, &err);
	if (r == 0)
		r = commit(s, &err);
	if (r < 0) {
		take_back(s, &err);
	} else {
		r = await_running(s, &err);
		release(s);
		drover_doubt_settle(m, s->vm, name_of(s), r == 0 ? NULL : &err);
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
	r = drover_migration_thread(run, s, err);
	if (r < 0) {
		drover_migration_put(m);
		drover_migration_put(m);
		return r;
	}
	steal_ptr(s);
	*ret_migration = m;
	return 0;
}
