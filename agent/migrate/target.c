// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The target half of a migration. The control connection is its life line: when
 * it ends before Commit, everything made here goes away again.
 */
#include "migrate/target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/log.h"
#include "core/clock.h"
#include "core/config.h"
#include "migrate/arrival.h"
#include "migrate/verify.h"
#include "stat/host.h"
#include "vm/qmp.h"

#define QMP_TIMEOUT_MS 20000

/* Held from the decision to run until it has come true or was retracted. */
static pthread_mutex_t commit_lock = PTHREAD_MUTEX_INITIALIZER;

/* What may come next; the frames of a migration have one order. */
enum stage {
	STAGE_PREPARED,	/* RAM streams fill the RAM file */
	STAGE_LISTENING, /* QEMU takes device state; pages may be compared */
	STAGE_READY,	/* everything is loaded, the RAM is closed: only Commit is left */
};

struct target {
	enum stage stage;
	struct drover_migration *m;
	struct drover_peer *peer;
	struct drover_vm_def def;
	struct drover_vm *vm;
	struct drover_qmp *qmp;
	struct drover_arrival arrival;
	bool reserved;
	bool running;
	bool used_before;
};

/* --- prepare --- */

static int check_processor(const struct drover_conf *conf, const Drover__Prepare *p,
			   const struct drover_vm_def *def, struct drover_err *err)
{
	struct drover_cpu_flags have = { 0 };
	const char *missing;
	int r = 0;

	/* A named model is checked by QEMU itself. */
	if (strcmp(def->cpu, "host"))
		return 0;
	if (drover_cpu_flags_read(&have, err) < 0)
		return err->code;
	missing = drover_cpu_flags_missing(&have, p->cpu_flags, p->n_cpu_flags);
	if (missing)
		r = drover_err_set(err, EXDEV,
				   "the processor of %s lacks %s, which vm %s has on a %s", conf->host,
				   missing, p->vm, p->cpu_model);
	drover_cpu_flags_free(&have);
	return r;
}

static int check_prepare(const struct drover_conf *conf, const Drover__Prepare *p,
			 struct drover_vm_def *def, char **ret_text, struct drover_err *err)
{
	auto_free char *text = strndup((char *)p->definition.data, p->definition.len);
	int r;

	if (!text)
		return drover_err_set(err, ENOMEM, "out of memory");
	if (!drover_name_valid(p->vm) || !drover_name_valid(p->machine))
		return drover_err_set(err, EINVAL, "the source sent no valid name or machine type");
	r = drover_vmdef_parse(text, p->vm, def, err);
	if (r < 0)
		return r;
	if (strcmp(def->name, p->vm) || def->memory_mib * 256 != p->ram_pages)
		return drover_err_set(err, EINVAL,
				      "the definition of vm %s is not the one that it was started with",
				      p->vm);
	if (!p->streams || p->streams > DROVER_STREAMS_MAX)
		return drover_err_set(err, EINVAL, "%u streams are too many", p->streams);
	r = check_processor(conf, p, def, err);
	if (r < 0)
		return r;
	/* "q35" may mean another version here. */
	snprintf(def->machine, sizeof(def->machine), "%s", p->machine);
	*ret_text = steal_ptr(text);
	return 0;
}

static int write_origin(const struct target *t, struct drover_err *err)
{
	char path[DROVER_PATH_MAX], text[128];
	int r = drover_io_path(path, err, "%s/incoming", t->vm->dir);

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%s %" PRIu64 "\n", t->peer->host, t->m->info.id);
	return drover_io_write_durable(path, text, strlen(text), 0600, err);
}

static int set_capabilities(struct target *t, struct drover_err *err)
{
	json_t *list = json_pack("[{ss sb} {ss sb}]", "capability", "x-ignore-shared", "state", 1,
				 "capability", "late-block-activate", "state", 1);

	return drover_qmp_call(t->qmp, "migrate-set-capabilities",
			       json_pack("{so}", "capabilities", list), QMP_TIMEOUT_MS, NULL, err);
}

static int launch(struct target *t, const char *text, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = drover_vm_launch(t->m->env->conf, &t->def, text, true, &t->vm, err);

	if (r == 0)
		r = write_origin(t, err);
	if (r == 0)
		r = drover_io_path(path, err, "%s/migrate.sock", t->vm->dir);
	if (r == 0)
		r = drover_qmp_connect(path, 5000, &t->qmp, err);
	return r < 0 ? r : set_capabilities(t, err);
}

/* A word once given about a number stands for ever, so no number comes twice. */
static int check_number(struct target *t, struct drover_err *err)
{
	enum drover_decision got;
	int r = drover_record_decide(t->m->env->conf, t->peer->host, t->m->info.id,
				     DROVER_DECISION_NONE, &got, err);

	if (r == 0 && got != DROVER_DECISION_NONE)
		r = drover_err_set(err, EEXIST, "the number %" PRIu64 " was used before; try again",
				   t->m->info.id);
	t->used_before = r < 0;
	return r;
}

static int prepare(struct target *t, const Drover__Prepare *p, struct drover_err *err)
{
	const struct drover_migrate_env *env = t->m->env;
	Drover__PrepareReply reply = DROVER__PREPARE_REPLY__INIT;
	struct drover_arrival *a = &t->arrival;
	auto_free char *text = NULL;
	int r = check_number(t, err);

	if (r == 0)
		r = check_prepare(env->conf, p, &t->def, &text, err);
	if (r == 0)
		r = env->reserve(env->data, p->vm, err);
	if (r < 0)
		return r;
	t->reserved = true;
	r = launch(t, text, err);
	if (r == 0)
		r = drover_ram_init(&a->ram, t->vm->ram_fd, p->ram_pages, p->streams, err);
	if (r < 0)
		return r;
	snprintf(a->host, sizeof(a->host), "%s", t->peer->host);
	a->id = t->m->info.id;
	snprintf(a->incoming_path, sizeof(a->incoming_path), "%.490s/incoming.sock", t->vm->dir);
	r = drover_arrival_open(a, err);
	if (r < 0)
		return r;
	reply.token.data = a->token;
	reply.token.len = sizeof(a->token);
	return drover_peer_send(t->peer, DROVER_FRAME_PREPARE_REPLY, &reply.base, 0, err);
}

/* --- what the source asks for afterwards --- */

static int begin_device_state(struct target *t, struct drover_err *err)
{
	Drover__DeviceStateReady ready = DROVER__DEVICE_STATE_READY__INIT;
	char uri[DROVER_PATH_MAX];
	int r = drover_io_path(uri, err, "unix:%s", t->arrival.incoming_path);

	t->stage = STAGE_LISTENING;
	if (r == 0)
		r = drover_qmp_call(t->qmp, "migrate-incoming", json_pack("{ss}", "uri", uri),
				    QMP_TIMEOUT_MS, NULL, err);
	return r < 0 ? r : drover_peer_send(t->peer, DROVER_FRAME_DEVICE_STATE_READY, &ready.base,
					    0, err);
}

static int send_hashes(struct target *t, const Drover__VerifyPages *ask, struct drover_err *err)
{
	Drover__VerifyHashes reply = DROVER__VERIFY_HASHES__INIT;
	auto_free uint64_t *hashes = NULL;
	int r;

	if (!ask->count || ask->count > DROVER_VERIFY_PAGES_MAX ||
	    ask->first_page >= t->arrival.ram.pages ||
	    ask->count > t->arrival.ram.pages - ask->first_page)
		return drover_err_set(err, EINVAL, "there are no such pages to verify");
	hashes = calloc(ask->count, sizeof(*hashes));
	if (!hashes)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = drover_verify_hash(t->vm->ram_fd, ask->first_page, ask->count, hashes, err);
	if (r < 0)
		return r;
	reply.first_page = ask->first_page;
	reply.hashes.data = (uint8_t *)hashes;
	reply.hashes.len = ask->count * sizeof(*hashes);
	return drover_peer_send(t->peer, DROVER_FRAME_VERIFY_HASHES, &reply.base, 0, err);
}

static int await_loaded(struct target *t, struct drover_err *err)
{
	uint64_t end = drover_clock_monotonic() + QMP_TIMEOUT_MS * 1000ULL;
	struct timespec nap = { .tv_nsec = 2000000 };

	while (drover_clock_monotonic() < end) {
		json_t *result = NULL;
		const char *status = "";
		bool completed, failed;
		int r = drover_qmp_call(t->qmp, "query-migrate", NULL, QMP_TIMEOUT_MS, &result, err);

		if (r < 0)
			return r;
		json_unpack(result, "{s?s}", "status", &status);
		completed = !strcmp(status, "completed");
		failed = !strcmp(status, "failed");
		json_decref(result);
		if (completed)
			return 0;
		if (failed)
			return drover_err_set(err, EIO, "QEMU could not load the device state");
		nanosleep(&nap, NULL);
	}
	return drover_err_set(err, ETIMEDOUT, "QEMU did not load the device state in time");
}

/* From here on nothing is written to the RAM any more but by QEMU. */
static int close_ram(struct target *t, const Drover__ReadyQuery *query, struct drover_err *err)
{
	uint64_t written = atomic_load(&t->arrival.ram.data_pages);
	int r = drover_arrival_failure(&t->arrival, err);

	if (r < 0)
		return r;
	drover_arrival_close(&t->arrival);
	if (query->ram_pages_written != written)
		return drover_err_set(err, EPROTO, "%s sent %llu pages, %llu arrived", t->peer->host,
				      (unsigned long long)query->ram_pages_written,
				      (unsigned long long)written);
	return 0;
}

static int answer_ready(struct target *t, const Drover__ReadyQuery *query, struct drover_err *err)
{
	Drover__Ready ready = DROVER__READY__INIT;
	int r = drover_arrival_wait_device(&t->arrival, QMP_TIMEOUT_MS, err);

	if (r == 0)
		r = close_ram(t, query, err);
	if (r == 0)
		r = await_loaded(t, err);
	if (r < 0)
		return r;
	t->stage = STAGE_READY;
	return drover_peer_send(t->peer, DROVER_FRAME_READY, &ready.base, 0, err);
}

static void drop_origin(const struct drover_vm *vm)
{
	char path[DROVER_PATH_MAX];

	if (drover_io_path(path, NULL, "%s/incoming", vm->dir) == 0)
		drover_io_remove_durable(path, NULL);
}

/* The VM is ours: note that in its run directory and forget where it had gone once. */
static void settle_in(const struct drover_conf *conf, struct drover_vm *vm)
{
	struct drover_err err = { 0 };

	vm->incoming = false;
	vm->start_us = drover_clock_realtime();
	if (drover_vm_save(vm, &err) < 0 ||
	    drover_record_moved(conf, vm->def.name, NULL, &err) < 0)
		log_error("vm %s: %s", vm->def.name, err.text);
	drop_origin(vm);
}

static int resume(struct target *t, struct drover_err *err)
{
	const struct drover_conf *conf = t->m->env->conf;
	enum drover_decision got;
	int r;
	scope_lock(&commit_lock);

	drover_fault("target-undecided");
	r = drover_record_decide(conf, t->peer->host, t->m->info.id, DROVER_DECISION_RUNNING, &got,
				 err);
	if (r < 0)
		return r;
	drover_fault("target-decided");
	if (got != DROVER_DECISION_RUNNING)
		return drover_err_set(err, ECONNABORTED, "%s had already given the VM up",
				      conf->host);
	r = drover_qmp_call(t->qmp, "cont", NULL, QMP_TIMEOUT_MS, NULL, err);
	if (r < 0) {
		struct drover_err why = { 0 };

		if (drover_vm_kill(t->vm, &why) < 0 ||
		    drover_record_retract(conf, t->peer->host, t->m->info.id, &why) < 0)
			log_error("mig %" PRIu64 " vm %s: %s", t->m->info.id, t->def.name, why.text);
		drover_vm_release(t->vm);
		t->vm = NULL;
		return r;
	}
	t->running = true;
	return 0;
}

static int take_over(struct target *t, const Drover__Commit *commit, struct drover_err *err)
{
	Drover__Running running = DROVER__RUNNING__INIT;
	uint64_t begin = drover_clock_monotonic();
	json_t *announce;
	int r;

	if (commit->migration_id != t->m->info.id)
		return drover_err_set(err, EINVAL, "the commit is for another migration");
	r = drover_migration_point(t->m, err);
	if (r == 0)
		r = resume(t, err);
	if (r < 0)
		return r;
	drover_fault("target-running");
	running.resume_us = drover_clock_monotonic() - begin;
	/* The VM runs: from here on a lost connection changes nothing. */
	drover_peer_send(t->peer, DROVER_FRAME_RUNNING, &running.base, 0, NULL);
	announce = json_pack("{si si si si}", "initial", 50, "max", 550, "rounds", 5, "step", 100);
	drover_qmp_call(t->qmp, "announce-self", announce, QMP_TIMEOUT_MS, NULL, NULL);
	settle_in(t->m->env->conf, t->vm);
	return 0;
}

static int end_by_abort(struct target *t, struct drover_err *err)
{
	if (drover_arrival_failure(&t->arrival, err) < 0)
		return err->code;
	return drover_err_set(err, ECONNABORTED, "%s gave the migration up", t->peer->host);
}

/* The stage in which a frame may come, or -1 where it has no place at all. */
static int stage_of(enum drover_frame_type type)
{
	if (type == DROVER_FRAME_DEVICE_STATE_BEGIN)
		return STAGE_PREPARED;
	if (type == DROVER_FRAME_VERIFY_PAGES || type == DROVER_FRAME_READY_QUERY)
		return STAGE_LISTENING;
	return type == DROVER_FRAME_COMMIT ? STAGE_READY : -1;
}

static const ProtobufCMessageDescriptor *descriptor_of(enum drover_frame_type type)
{
	if (type == DROVER_FRAME_DEVICE_STATE_BEGIN)
		return &drover__device_state_begin__descriptor;
	if (type == DROVER_FRAME_VERIFY_PAGES)
		return &drover__verify_pages__descriptor;
	if (type == DROVER_FRAME_READY_QUERY)
		return &drover__ready_query__descriptor;
	return &drover__commit__descriptor;
}

static int obey(struct target *t, enum drover_frame_type type, const void *message,
		struct drover_err *err)
{
	if (type == DROVER_FRAME_DEVICE_STATE_BEGIN)
		return begin_device_state(t, err);
	if (type == DROVER_FRAME_READY_QUERY)
		return answer_ready(t, message, err);
	if (type == DROVER_FRAME_COMMIT)
		return take_over(t, message, err);
	if (t->m->info.state != DROVER_MIGRATION_SWITCHOVER)
		drover_migration_state(t->m, DROVER_MIGRATION_SWITCHOVER);
	return send_hashes(t, message, err);
}

/* Unpacks the body and hands it to the one who answers it. */
static int dispatch(struct target *t, enum drover_frame_type type, const uint8_t *body, size_t len,
		    struct drover_err *err)
{
	void *message;
	int r;

	if (type == DROVER_FRAME_ABORT)
		return end_by_abort(t, err);
	if (stage_of(type) != (int)t->stage)
		return drover_err_set(err, EPROTO, "frame type %d has no place at this point of a migration",
				      type);
	message = drover_peer_unpack(descriptor_of(type), body, len, err);
	if (!message)
		return -EPROTO;
	r = obey(t, type, message, err);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

static int serve(struct target *t, struct drover_err *err)
{
	drover_peer_set_timeout(t->peer, 0);
	while (!t->running) {
		auto_free uint8_t *body = NULL;
		enum drover_frame_type type;
		size_t len;
		int r = drover_peer_recv(t->peer, &type, &body, &len, err);

		if (r == 0)
			r = dispatch(t, type, body, len, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- the end --- */

/* Never to run: written down first, so that the source may resume without asking twice. */
static void give_up(struct target *t, struct drover_err *why)
{
	const struct drover_migrate_env *env = t->m->env;
	struct drover_err err = { 0 };
	enum drover_decision got;

	if (!t->used_before &&
	    drover_record_decide(env->conf, t->peer->host, t->m->info.id, DROVER_DECISION_NEVER,
				 &got, &err) < 0)
		log_error("mig %" PRIu64 " vm %s: %s", t->m->info.id, t->m->info.vm, err.text);
	if (t->vm) {
		if (drover_vm_kill(t->vm, &err) < 0)
			log_error("mig %" PRIu64 " vm %s: %s", t->m->info.id, t->m->info.vm,
				  err.text);
		drover_vm_release(t->vm);
	}
	if (t->reserved)
		env->unreserve(env->data, t->m->info.vm);
	/* Last: who reads it may try again at once. */
	drover_peer_refuse(t->peer, why);
	drover_migration_fail(t->m, why);
	env->finished(env->data, t->m, DROVER_OUTCOME_NOTHING, NULL);
}

static void note_figures(struct target *t)
{
	struct drover_migration_info *info = &t->m->info;
	scope_lock(&t->m->lock);

	info->sent_pages = atomic_load(&t->arrival.ram.data_pages);
	info->zero_pages = atomic_load(&t->arrival.ram.zero_pages);
	info->wire_bytes = atomic_load(&t->arrival.ram.wire_bytes);
	info->device_state_bytes = t->arrival.device_bytes;
}

void drover_target_serve(const struct drover_migrate_env *env, struct drover_peer *peer,
			 const Drover__Prepare *p,
			 void (*listed)(void *data, struct drover_migration *m))
{
	auto_free struct target *t = calloc(1, sizeof(*t));
	struct drover_err err = { 0 };
	int r;

	if (!t || !(t->m = drover_migration_create(env, p->migration_id, p->vm, peer->host,
						   env->conf->host)))
		return;
	t->peer = peer;
	t->m->info.incoming = true;
	t->m->info.ram_bytes = p->ram_pages << 12;
	t->m->info.streams = p->streams;
	drover_log_set_subject(p->vm, p->migration_id);
	listed(env->data, t->m);
	drover_migration_attach(t->m, peer, NULL);
	r = prepare(t, p, &err);
	if (r == 0) {
		drover_migration_state(t->m, DROVER_MIGRATION_PRECOPY);
		r = serve(t, &err);
	}
	drover_migration_attach(t->m, NULL, NULL);
	drover_arrival_close(&t->arrival);
	note_figures(t);
	drover_qmp_close(t->qmp);
	if (r == 0) {
		log_info("mig %" PRIu64 " vm %s: runs here now", t->m->info.id, p->vm);
		drover_migration_state(t->m, DROVER_MIGRATION_DONE);
		env->finished(env->data, t->m, DROVER_OUTCOME_ARRIVED, t->vm);
	} else {
		give_up(t, &err);
	}
	drover_ram_exit(&t->arrival.ram);
	drover_migration_put(t->m);
}

int drover_target_data(struct drover_peer *peer, const Drover__Hello *hello, struct drover_err *err)
{
	return drover_arrival_serve(peer, hello, err);
}

int drover_target_outcome(const struct drover_conf *conf, const char *source, uint64_t id,
			  enum drover_decision *ret_decision, struct drover_err *err)
{
	scope_lock(&commit_lock);

	return drover_record_decide(conf, source, id, DROVER_DECISION_NEVER, ret_decision, err);
}

/* --- after the agent's restart --- */

static int read_origin(const struct drover_vm *vm, char host[DROVER_NAME_LEN], uint64_t *ret_id,
		       struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	auto_free char *text = NULL;
	int r = drover_io_path(path, err, "%s/incoming", vm->dir);

	if (r == 0)
		r = drover_io_read_file(path, 4096, &text, NULL, err);
	if (r < 0)
		return r;
	if (sscanf(text, "%63s %" SCNu64, host, ret_id) != 2)
		return drover_err_set(err, EBADMSG, "%s is damaged", path);
	return 0;
}

int drover_target_adopt(const struct drover_conf *conf, struct drover_vm *vm, bool *ret_runs,
			struct drover_err *err)
{
	enum drover_decision got = DROVER_DECISION_NEVER;
	char host[DROVER_NAME_LEN];
	uint64_t id;
	int r = read_origin(vm, host, &id, err);

	if (r == 0)
		r = drover_record_decide(conf, host, id, DROVER_DECISION_NEVER, &got, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (got == DROVER_DECISION_RUNNING) {
		r = drover_qmp_call(vm->qmp, "cont", NULL, QMP_TIMEOUT_MS, NULL, err);
		if (r < 0)
			return r;
		settle_in(conf, vm);
		*ret_runs = true;
		return 0;
	}
	log_info("vm %s: its migration to this host had not been committed: ended here",
		 vm->def.name);
	*ret_runs = false;
	return drover_vm_kill(vm, err);
}
