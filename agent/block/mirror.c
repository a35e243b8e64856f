// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * QEMU's mirror. It is never let end by itself: "auto-finalize" is off, so that it waits,
 * with the guest's requests held, until what must survive is written down.
 */
#include "block/mirror.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "vm/qmp.h"

#define QMP_TIMEOUT_MS	20000
#define HOLD_TIMEOUT_US 60000000
#define END_TIMEOUT_US	60000000
/*
 * What the copy may have under way. A write of the guest waits behind it in the new store, so it
 * is as little as keeps both stores busy: one piece of QEMU's (1 MiB) being read, one written.
 */
#define UNDER_WAY_BYTES (2 << 20)
/* The guest's requests are held for what is left: more than this is not in step. */
#define LEFT_BYTES (16 << 20)

static void nap(void)
{
	struct timespec t = { .tv_nsec = 1000000 };

	nanosleep(&t, NULL);
}

static int call_job(struct drover_mirror *m, const char *command, struct drover_err *err)
{
	return drover_qmp_call(m->qmp, command, json_pack("{ss}", "id", m->job), QMP_TIMEOUT_MS,
			       NULL, err);
}

int drover_mirror_start(struct drover_mirror *m, bool top_only, uint64_t speed,
			struct drover_err *err)
{
	json_t *arguments = json_pack(
		"{ss ss ss ss ss si ss ss sI sb sb}", "job-id", m->job, "device", m->source.name,
		"target", m->target.name, "sync", top_only ? "top" : "full", "copy-mode",
		"write-blocking", "buf-size", UNDER_WAY_BYTES, "on-source-error", "report",
		"on-target-error", "stop", "speed", (json_int_t)speed, "auto-finalize", 0,
		"auto-dismiss", 0);

	return drover_qmp_call(m->qmp, "blockdev-mirror", arguments, QMP_TIMEOUT_MS, NULL, err);
}

/* --- looking --- */

/* The job's entry in the answer to @command, as a new reference; -ENOENT where there is none. */
static int find_job(struct drover_mirror *m, const char *command, const char *key, json_t **ret_job,
		    struct drover_err *err)
{
	json_t *list = NULL, *job;
	size_t i;
	int r = drover_qmp_call(m->qmp, command, NULL, QMP_TIMEOUT_MS, &list, err);

	if (r < 0)
		return r;
	r = -ENOENT;
	json_array_foreach(list, i, job)
	{
		const char *id = json_string_value(json_object_get(job, key));

		if (!id || strcmp(id, m->job))
			continue;
		*ret_job = json_incref(job);
		r = 0;
		break;
	}
	json_decref(list);
	return r < 0 ? drover_err_set(err, ENOENT, "QEMU has no job %s", m->job) : 0;
}

static const char *word(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static enum drover_mirror_state state_of(json_t *job)
{
	const char *status = word(job, "status");

	if (!strcmp(status, "pending"))
		return DROVER_MIRROR_PENDING;
	if (!strcmp(status, "aborting"))
		return DROVER_MIRROR_FAILED;
	if (!strcmp(status, "concluded") || !strcmp(status, "null"))
		return *word(job, "error") ? DROVER_MIRROR_FAILED : DROVER_MIRROR_CONCLUDED;
	if (strcmp(word(job, "io-status"), "ok"))
		return DROVER_MIRROR_INTERRUPTED;
	return json_is_true(json_object_get(job, "ready")) ? DROVER_MIRROR_IN_STEP
							   : DROVER_MIRROR_COPYING;
}

/* The mirror's own bitmap has no name. */
static uint64_t count_dirty(json_t *node)
{
	uint64_t bytes = 0;
	json_t *bitmap;
	size_t i;

	json_array_foreach(json_object_get(node, "dirty-bitmaps"), i, bitmap)
	{
		if (!json_object_get(bitmap, "name"))
			bytes += json_integer_value(json_object_get(bitmap, "count"));
	}
	return bytes;
}

/* Newer QEMUs keep the bitmap in the mirror's filter, which tells the source's file as its own. */
static bool is_filter(json_t *node, const char *file)
{
	return *file && !strcmp(word(node, "drv"), "mirror_top") && !strcmp(word(node, "file"), file);
}

/* What the target lacks, without the writes of the guest that are just on their way to both. */
static int look_for_dirty(struct drover_mirror *m, uint64_t *ret_bytes, struct drover_err *err)
{
	json_t *nodes = NULL, *node;
	const char *file = "";
	uint64_t bytes = 0;
	size_t i;
	int r = drover_qmp_call(m->qmp, "query-named-block-nodes", json_pack("{sb}", "flat", 1),
				QMP_TIMEOUT_MS, &nodes, err);

	if (r < 0)
		return r;
	json_array_foreach(nodes, i, node)
	{
		if (!strcmp(word(node, "node-name"), m->source.name))
			file = word(node, "file");
	}
	json_array_foreach(nodes, i, node)
	{
		if (!strcmp(word(node, "node-name"), m->source.name) || is_filter(node, file))
			bytes += count_dirty(node);
	}
	json_decref(nodes);
	*ret_bytes = bytes;
	return 0;
}

/* QEMU calls a mirror ready once and for all, also when an interruption has left it GiB behind. */
static int check_in_step(struct drover_mirror *m, struct drover_mirror_status *status,
			 struct drover_err *err)
{
	uint64_t dirty = 0;
	int r = 0;

	if (status->state == DROVER_MIRROR_IN_STEP && status->todo > LEFT_BYTES)
		r = look_for_dirty(m, &dirty, err);
	if (dirty > LEFT_BYTES)
		status->state = DROVER_MIRROR_COPYING;
	return r;
}

int drover_mirror_look(struct drover_mirror *m, struct drover_mirror_status *ret_status,
		       struct drover_err *err)
{
	struct drover_mirror_status status = { 0 };
	uint64_t len, offset;
	json_t *job = NULL;
	int r = find_job(m, "query-block-jobs", "device", &job, err);

	if (r < 0)
		return r;
	len = json_integer_value(json_object_get(job, "len"));
	offset = json_integer_value(json_object_get(job, "offset"));
	status.state = state_of(job);
	status.done = offset;
	status.todo = len > offset ? len - offset : 0;
	snprintf(status.error, sizeof(status.error), "%s", word(job, "error"));
	if (status.state == DROVER_MIRROR_INTERRUPTED)
		snprintf(status.error, sizeof(status.error), "%s",
			 strcmp(word(job, "io-status"), "nospace")
				 ? "a write to the new image failed"
				 : "no space is left for the new image");
	json_decref(job);
	r = check_in_step(m, &status, err);
	if (r == 0)
		*ret_status = status;
	return r;
}

/* --- steering --- */

int drover_mirror_speed(struct drover_mirror *m, uint64_t speed, struct drover_err *err)
{
	return drover_qmp_call(m->qmp, "block-job-set-speed",
			       json_pack("{ss sI}", "device", m->job, "speed", (json_int_t)speed),
			       QMP_TIMEOUT_MS, NULL, err);
}

int drover_mirror_resume(struct drover_mirror *m, struct drover_err *err)
{
	return drover_qmp_call(m->qmp, "block-job-resume", json_pack("{ss}", "device", m->job),
			       QMP_TIMEOUT_MS, NULL, err);
}

/* --- the end --- */

static int await(struct drover_mirror *m, enum drover_mirror_state wanted, uint64_t timeout_us,
		 struct drover_err *err)
{
	uint64_t deadline = drover_clock_monotonic() + timeout_us;
	struct drover_mirror_status status;

	for (;;) {
		int r = drover_mirror_look(m, &status, err);

		if (r < 0)
			return r;
		if (status.state == wanted)
			return 0;
		if (status.state == DROVER_MIRROR_FAILED ||
		    status.state == DROVER_MIRROR_INTERRUPTED ||
		    status.state == DROVER_MIRROR_CONCLUDED)
			return drover_err_set(err, EIO, "%s",
					      *status.error ? status.error
							    : "the mirror has ended");
		if (drover_clock_monotonic() >= deadline)
			return drover_err_set(err, ETIMEDOUT,
					      "the mirror of QEMU does not come to its end");
		nap();
	}
}

/* The result that QEMU keeps of it; after this it has forgotten the job. */
static int dismiss(struct drover_mirror *m, struct drover_err *err)
{
	json_t *job = NULL;
	int r = find_job(m, "query-jobs", "id", &job, err);

	if (r == 0 && *word(job, "error"))
		r = drover_err_set(err, EIO, "QEMU ended the mirror: %s", word(job, "error"));
	json_decref(job);
	call_job(m, "job-dismiss", NULL);
	return r;
}

static int await_end(struct drover_mirror *m, struct drover_err *err)
{
	uint64_t deadline = drover_clock_monotonic() + END_TIMEOUT_US;

	for (;;) {
		json_t *job = NULL;
		bool ended;
		int r = find_job(m, "query-jobs", "id", &job, err);

		if (r < 0)
			return r;
		ended = !strcmp(word(job, "status"), "concluded");
		json_decref(job);
		if (ended)
			return 0;
		if (drover_clock_monotonic() >= deadline)
			return drover_err_set(err, ETIMEDOUT, "the mirror of QEMU does not end");
		nap();
	}
}

int drover_mirror_hold(struct drover_mirror *m, struct drover_err *err)
{
	int r = drover_qmp_status(m->qmp, m->vm_status, sizeof(m->vm_status), err);

	if (r == 0)
		r = call_job(m, "job-complete", err);
	return r < 0 ? r : await(m, DROVER_MIRROR_PENDING, HOLD_TIMEOUT_US, err);
}

/*
 * A VM that was stopped while its requests were held has handed its virtio queues to the
 * block layer; QEMU 7.2 then fails an assertion when the mirror is finalized
 * (bdrv_co_write_req_prepare), and cancels it without harm.
 */
static int check_status(struct drover_mirror *m, struct drover_err *err)
{
	char now[sizeof(m->vm_status)];
	int r = drover_qmp_status(m->qmp, now, sizeof(now), err);

	if (r == 0 && strcmp(now, m->vm_status))
		r = drover_err_set(err, EAGAIN, "the VM changed from %s to %s during the switch",
				   m->vm_status, now);
	return r;
}

int drover_mirror_switch(struct drover_mirror *m, struct drover_err *err)
{
	int r = check_status(m, err);

	if (r == 0)
		r = call_job(m, "job-finalize", err);
	if (r == 0)
		r = await_end(m, err);
	return r < 0 ? r : dismiss(m, err);
}

int drover_mirror_part(struct drover_mirror *m, struct drover_err *err)
{
	int r = drover_qmp_call(m->qmp, "block-job-cancel",
				json_pack("{ss sb}", "device", m->job, "force", 0), QMP_TIMEOUT_MS,
				NULL, err);

	if (r == 0)
		r = await(m, DROVER_MIRROR_PENDING, HOLD_TIMEOUT_US, err);
	if (r == 0)
		r = call_job(m, "job-finalize", err);
	if (r == 0)
		r = await_end(m, err);
	return r < 0 ? r : dismiss(m, err);
}

int drover_mirror_cancel(struct drover_mirror *m, struct drover_err *err)
{
	json_t *job = NULL;
	int r = find_job(m, "query-jobs", "id", &job, NULL);

	if (r == -ENOENT)
		return 0;
	json_decref(job);
	/* One that has just ended cannot be cancelled. */
	call_job(m, "job-cancel", NULL);
	r = await_end(m, err);
	if (r == 0)
		call_job(m, "job-dismiss", NULL);
	return r == -ENOENT ? 0 : r;
}
