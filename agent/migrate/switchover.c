// SPDX-License-Identifier: GPL-2.0-or-later
/* The source while its VM is paused. */
#include "migrate/switchover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/unix.h"
#include "core/clock.h"
#include "migrate/relay.h"
#include "migrate/verify.h"
#include "vm/rundir.h"

#define QMP_TIMEOUT_MS 20000
#define RESUME_TRIES   300

static int marker_path(char *path, const struct drover_vm *vm, struct drover_err *err)
{
	return drover_io_path(path, err, "%s/paused-by-migration", vm->dir);
}

int drover_switchover_mark(const struct drover_vm *vm, bool paused, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int fd, r = marker_path(path, vm, err);

	if (r < 0)
		return r;
	if (!paused) {
		unlink(path);
		return 0;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return drover_err_set(err, errno, "cannot write %s: %s", path, strerror(errno));
	close(fd);
	return 0;
}

bool drover_switchover_marked(const struct drover_vm *vm)
{
	char path[DROVER_PATH_MAX];

	return marker_path(path, vm, NULL) == 0 && access(path, F_OK) == 0;
}

static int connect_device(struct drover_source *s, struct drover_err *err)
{
	Drover__Hello hello = DROVER__HELLO__INIT;

	hello.role = DROVER__ROLE__ROLE_DEVICE_STATE;
	hello.migration_id = s->m->info.id;
	hello.token.data = s->token;
	hello.token.len = sizeof(s->token);
	return drover_peer_connect(s->m->env->conf, &s->to, &hello, &s->device, err);
}

static void *run_relay(void *data)
{
	struct drover_source *s = data;

	s->relay.result = drover_relay_send(s->listener, s->device, &s->relay.bytes, &s->relay.err);
	return NULL;
}

static int start_relay(struct drover_source *s, struct drover_err *err)
{
	int r = pthread_create(&s->relay.thread, NULL, run_relay, s);

	if (r)
		return drover_err_set(err, r, "cannot start a thread: %s", strerror(r));
	s->relay.runs = true;
	return 0;
}

/* QEMU has closed its stream: the relay ends by itself. */
static int join_relay(struct drover_source *s, struct drover_err *err)
{
	pthread_join(s->relay.thread, NULL);
	s->relay.runs = false;
	if (s->relay.result < 0)
		return drover_err_set(err, s->relay.result, "%s", s->relay.err.text);
	return 0;
}

void drover_switchover_end_relay(struct drover_source *s)
{
	if (!s->relay.runs)
		return;
	shutdown(s->listener, SHUT_RDWR);
	drover_peer_interrupt(s->device);
	join_relay(s, NULL);
}

int drover_switchover_ready(struct drover_source *s, struct drover_err *err)
{
	Drover__DeviceStateBegin begin = DROVER__DEVICE_STATE_BEGIN__INIT;
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/outgoing.sock", s->vm->dir);

	if (r < 0)
		return r;
	s->listener = drover_unix_listen(path, err);
	if (s->listener < 0)
		return s->listener;
	r = drover_peer_send(s->control, DROVER_FRAME_DEVICE_STATE_BEGIN, &begin.base, 0, err);
	if (r == 0)
		r = drover_peer_expect(s->control, DROVER_FRAME_DEVICE_STATE_READY,
				       &drover__device_state_ready__descriptor, NULL, err);
	if (r == 0)
		r = connect_device(s, err);
	return r < 0 ? r : start_relay(s, err);
}


/* One slice of hashes from the target, compared with ours. */
static int compare_slice(struct drover_source *s, uint64_t first, uint32_t count, uint64_t *ours,
			 uint64_t *ret_bad, struct drover_err *err)
{
	Drover__VerifyPages ask = DROVER__VERIFY_PAGES__INIT;
	Drover__VerifyHashes *theirs = NULL;
	uint64_t bad = 0;
	int r;

	ask.first_page = first;
	ask.count = count;
	r = drover_peer_send(s->control, DROVER_FRAME_VERIFY_PAGES, &ask.base, 0, err);
	if (r == 0)
		r = drover_verify_hash(s->vm->ram_fd, first, count, ours, err);
	if (r == 0)
		r = drover_peer_expect(s->control, DROVER_FRAME_VERIFY_HASHES,
				       &drover__verify_hashes__descriptor,
				       (ProtobufCMessage **)&theirs, err);
	if (r < 0)
		return r;
	if (theirs->first_page != first || theirs->hashes.len != count * sizeof(uint64_t)) {
		r = drover_err_set(err, EPROTO, "%s sent hashes of other pages", s->to.name);
	} else {
		for (uint32_t i = 0; i < count; i++)
			bad += memcmp(theirs->hashes.data + i * 8UL, &ours[i], 8) != 0;
		*ret_bad += bad;
	}
	drover__verify_hashes__free_unpacked(theirs, NULL);
	return r;
}

static int verify(struct drover_source *s, struct drover_err *err)
{
	auto_free uint64_t *ours = calloc(DROVER_VERIFY_PAGES_MAX, sizeof(uint64_t));
	uint64_t bad = 0, pages = s->tracker->pages;
	int r = 0;

	if (!ours)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (uint64_t first = 0; first < pages && r == 0; first += DROVER_VERIFY_PAGES_MAX) {
		uint64_t left = pages - first;

		r = compare_slice(s, first, left < DROVER_VERIFY_PAGES_MAX ? left :
				  DROVER_VERIFY_PAGES_MAX, ours, &bad, err);
	}
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->m->lock);
	s->m->info.verified_pages = pages;
	s->m->info.mismatched_pages = bad;
	pthread_mutex_unlock(&s->m->lock);
	if (bad)
		return drover_err_set(err, EBADMSG,
				      "%llu of %llu pages differ between %s and %s: not switched over",
				      (unsigned long long)bad, (unsigned long long)pages,
				      s->m->info.source, s->m->info.target);
	return 0;
}

/*
 * Waits until QEMU's own migration is neither setting up nor under way.
 * @paused_ends: having paused the VM, waiting to go on, is an end too
 */
static int migrate_status(struct drover_qmp *qmp, bool paused_ends, char *status, size_t size,
			  struct drover_err *err)
{
	uint64_t end = drover_clock_monotonic() + QMP_TIMEOUT_MS * 1000ULL;

	for (;;) {
		struct timespec nap = { .tv_nsec = 1000000 };
		json_t *result = NULL;
		const char *word = NULL;
		int r = drover_qmp_call(qmp, "query-migrate", NULL, QMP_TIMEOUT_MS, &result, err);

		if (r < 0)
			return r;
		json_unpack(result, "{s?s}", "status", &word);
		snprintf(status, size, "%s", word ? word : "none");
		json_decref(result);
		if (strcmp(status, "setup") && strcmp(status, "active") &&
		    strcmp(status, "device") && strcmp(status, "cancelling") &&
		    (paused_ends || strcmp(status, "pre-switchover")))
			return 0;
		if (drover_clock_monotonic() > end)
			return drover_err_set(err, ETIMEDOUT,
					      "QEMU's device state did not end in time");
		nanosleep(&nap, NULL);
	}
}

static void note_stop(void *data, const char *event, json_t *message)
{
	struct drover_source *s = data;

	if (!strcmp(event, "STOP"))
		s->pause_us = drover_clock_monotonic();
}

/*
 * QEMU begins its own migration while the VM runs, so that setting it up takes
 * nothing of the blackout, and pauses the VM itself ("pause-before-switchover").
 */
static int pause_vm(struct drover_source *s, struct drover_err *err)
{
	char uri[DROVER_PATH_MAX], status[32];
	int r = drover_io_path(uri, err, "unix:%s/outgoing.sock", s->vm->dir);

	if (r == 0)
		r = drover_switchover_mark(s->vm, true, err);
	if (r < 0)
		return r;
	s->paused = true;
	s->pause_us = drover_clock_monotonic();
	drover_qmp_set_event(s->qmp, note_stop, s);
	r = drover_qmp_call(s->qmp, "migrate", json_pack("{ss}", "uri", uri), QMP_TIMEOUT_MS, NULL,
			    err);
	if (r == 0)
		r = migrate_status(s->qmp, true, status, sizeof(status), err);
	if (r == 0 && strcmp(status, "pre-switchover"))
		r = drover_err_set(err, EIO, "QEMU could not prepare its device state (%s)", status);
	return r;
}

static int send_device_state(struct drover_source *s, struct drover_err *err)
{
	char status[32];
	int r = drover_qmp_call(s->qmp, "migrate-continue",
				json_pack("{ss}", "state", "pre-switchover"), QMP_TIMEOUT_MS, NULL,
				err);

	if (r == 0)
		r = migrate_status(s->qmp, false, status, sizeof(status), err);
	if (r < 0)
		return r;
	if (strcmp(status, "completed"))
		return drover_err_set(err, EIO, "QEMU could not save its device state (%s)", status);
	r = join_relay(s, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->m->lock);
	s->m->info.device_state_bytes = s->relay.bytes;
	pthread_mutex_unlock(&s->m->lock);
	return 0;
}

static int ask_ready(struct drover_source *s, struct drover_err *err)
{
	Drover__ReadyQuery query = DROVER__READY_QUERY__INIT;
	int r;

	query.ram_pages_written = atomic_load(&s->sender.sent_pages);
	r = drover_peer_send(s->control, DROVER_FRAME_READY_QUERY, &query.base, 0, err);
	return r < 0 ? r : drover_peer_expect(s->control, DROVER_FRAME_READY,
					      &drover__ready__descriptor, NULL, err);
}

void drover_source_stage(const struct drover_source *s, const char *stage)
{
	log_debug("mig %llu vm %s: %s, %llu us after the pause",
		  (unsigned long long)s->m->info.id, s->vm->def.name, stage,
		  (unsigned long long)(drover_clock_monotonic() - s->pause_us));
}

int drover_switchover_run(struct drover_source *s, uint32_t round, struct drover_err *err)
{
	bool done;
	int r;

	drover_migration_state(s->m, DROVER_MIGRATION_SWITCHOVER);
	r = pause_vm(s, err);
	drover_source_stage(s, "stopped");
	if (r == 0)
		r = drover_source_round(s, round, NULL, &done, err);
	drover_source_stage(s, "last pages sent");
	if (r == 0 && s->m->options.verify)
		r = verify(s, err);
	if (r == 0)
		r = drover_migration_check(s->m, err);
	if (r == 0)
		r = drover_source_disks_part(s, err);
	if (r == 0)
		r = send_device_state(s, err);
	drover_source_stage(s, "device state sent");
	if (r == 0)
		r = ask_ready(s, err);
	drover_source_stage(s, "target ready");
	return r;
}

/* --- back again --- */

static int undo(struct drover_vm *vm, struct drover_qmp *qmp, struct drover_err *err)
{
	char status[32] = "";
	int r;

	/* Fails when no migration is under way, which is as good. */
	drover_qmp_call(qmp, "migrate_cancel", NULL, QMP_TIMEOUT_MS, NULL, NULL);
	r = migrate_status(qmp, false, status, sizeof(status), err);
	if (r == 0)
		r = drover_qmp_call(qmp, "cont", NULL, QMP_TIMEOUT_MS, NULL, err);
	if (r == 0)
		drover_switchover_mark(vm, false, NULL);
	return r;
}

static int connect_and_undo(struct drover_vm *vm, struct drover_err *err)
{
	struct drover_qmp *qmp = NULL;
	int r = drover_rundir_monitor(vm->dir, 5000, &qmp, err);

	if (r == 0)
		r = undo(vm, qmp, err);
	drover_qmp_close(qmp);
	return r;
}

int drover_switchover_resume(struct drover_vm *vm, struct drover_qmp *qmp, uint32_t timeout_s,
			     struct drover_err *err)
{
	uint64_t end = drover_clock_monotonic() + timeout_s * 1000000ULL;

	for (int tries = 1;; tries++) {
		const struct timespec nap = { .tv_sec = 2 };
		int r = qmp ? undo(vm, qmp, err) : connect_and_undo(vm, err);

		if (r == 0)
			return 0;
		drover_err_prefix(err, "vm %s could not be resumed", vm->def.name);
		if (drover_vm_has_ended(vm) || tries == RESUME_TRIES ||
		    (timeout_s && drover_clock_monotonic() + nap.tv_sec * 1000000ULL > end))
			return r;
		log_warning("%s; trying again", err->text);
		nanosleep(&nap, NULL);
	}
}
