// SPDX-License-Identifier: GPL-2.0-or-later
/* The source while its VM is paused. */
#include "migrate/switchover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/clock.h"
#include "migrate/relay.h"
#include "migrate/verify.h"

#define QMP_TIMEOUT_MS 20000

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

int drover_switchover_ready(struct drover_source *s, struct drover_err *err)
{
	Drover__DeviceStateBegin begin = DROVER__DEVICE_STATE_BEGIN__INIT;
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/outgoing.sock", s->vm->dir);

	if (r < 0)
		return r;
	s->listener = drover_relay_listen(path, err);
	if (s->listener < 0)
		return s->listener;
	r = drover_peer_send(s->control, DROVER_FRAME_DEVICE_STATE_BEGIN, &begin.base, 0, err);
	if (r == 0)
		r = drover_peer_expect(s->control, DROVER_FRAME_DEVICE_STATE_READY,
				       &drover__device_state_ready__descriptor, NULL, err);
	return r < 0 ? r : connect_device(s, err);
}

static int pause_vm(struct drover_source *s, struct drover_err *err)
{
	int r = drover_switchover_mark(s->vm, true, err);

	if (r < 0)
		return r;
	s->paused = true;
	s->pause_us = drover_clock_monotonic();
	return drover_qmp_call(s->qmp, "stop", NULL, QMP_TIMEOUT_MS, NULL, err);
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

/* Waits until QEMU's own migration is neither setting up nor under way. */
static int migrate_status(struct drover_qmp *qmp, char *status, size_t size, struct drover_err *err)
{
	uint64_t end = drover_clock_monotonic() + QMP_TIMEOUT_MS * 1000ULL;

	for (;;) {
		struct timespec nap = { .tv_nsec = 2000000 };
		json_t *result = NULL;
		const char *word = NULL;
		int r = drover_qmp_call(qmp, "query-migrate", NULL, QMP_TIMEOUT_MS, &result, err);

		if (r < 0)
			return r;
		json_unpack(result, "{s?s}", "status", &word);
		snprintf(status, size, "%s", word ? word : "none");
		json_decref(result);
		if (strcmp(status, "setup") && strcmp(status, "active") &&
		    strcmp(status, "device") && strcmp(status, "cancelling"))
			return 0;
		if (drover_clock_monotonic() > end)
			return drover_err_set(err, ETIMEDOUT,
					      "QEMU's device state did not end in time");
		nanosleep(&nap, NULL);
	}
}

static int send_device_state(struct drover_source *s, struct drover_err *err)
{
	char uri[DROVER_PATH_MAX], status[32];
	uint64_t bytes = 0;
	int r = drover_io_path(uri, err, "unix:%s/outgoing.sock", s->vm->dir);

	if (r == 0)
		r = drover_qmp_call(s->qmp, "migrate", json_pack("{ss}", "uri", uri),
				    QMP_TIMEOUT_MS, NULL, err);
	if (r == 0)
		r = drover_relay_send(s->listener, s->device, &bytes, err);
	if (r == 0)
		r = migrate_status(s->qmp, status, sizeof(status), err);
	if (r < 0)
		return r;
	if (strcmp(status, "completed"))
		return drover_err_set(err, EIO, "QEMU could not save its device state (%s)", status);
	pthread_mutex_lock(&s->m->lock);
	s->m->info.device_state_bytes = bytes;
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
		r = send_device_state(s, err);
	drover_source_stage(s, "device state sent");
	if (r == 0)
		r = ask_ready(s, err);
	drover_source_stage(s, "target ready");
	return r;
}

int drover_switchover_undo(struct drover_vm *vm, struct drover_qmp *qmp, struct drover_err *err)
{
	char status[32] = "";
	int r;

	/* Fails when no migration is under way, which is as good. */
	drover_qmp_call(qmp, "migrate_cancel", NULL, QMP_TIMEOUT_MS, NULL, NULL);
	r = migrate_status(qmp, status, sizeof(status), err);
	if (r == 0)
		r = drover_qmp_call(qmp, "cont", NULL, QMP_TIMEOUT_MS, NULL, err);
	if (r < 0)
		return drover_err_prefix(err, "vm %s could not be resumed", vm->def.name);
	drover_switchover_mark(vm, false, NULL);
	return 0;
}
