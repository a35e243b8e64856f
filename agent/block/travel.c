// SPDX-License-Identifier: GPL-2.0-or-later
/* Disks that travel, seen from the source. */
#include "block/travel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "block/ask.h"
#include "block/image.h"
#include "block/pool.h"
#include "core/clock.h"
#include "core/nbd.h"

#define QMP_TIMEOUT_MS 20000
/* Its mirrors have this in front of their number. */
#define JOB "travel-"

/* --- before --- */

/* 1: it does. Who asks looks after all other VMs as well, and must not wait for a dead store. */
static int travels(const struct drover_conf *conf, const struct drover_pool_conf *pool,
		   const struct drover_disk_def *disk, struct drover_err *err)
{
	struct drover_err why = { 0 };
	struct stat st;
	int r;

	if (disk->readonly || drover_nbd_is(disk->path))
		return 0;
	if (pool)
		return !pool->id[0];
	r = drover_ask_file(conf, disk->path, &st, &why);
	if (r == -ETIMEDOUT || r == -ENOMEM)
		return drover_err_set(err, r, "%s", why.text);
	return r < 0 || !S_ISBLK(st.st_mode);
}

static void add(struct drover_travel *t, const char *host, const char *vm,
		const struct drover_disk_def *disk, const struct drover_pool_conf *pool)
{
	struct drover_travel_disk *d = &t->disks[t->count++];
	struct drover_disk_move_info *info = &d->info;

	memset(d, 0, sizeof(*d));
	d->begin_us = drover_clock_monotonic();
	info->state = DROVER_DISK_MOVE_PREPARE;
	info->start_time_us = drover_clock_realtime();
	snprintf(info->host, sizeof(info->host), "%s", host);
	snprintf(info->vm, sizeof(info->vm), "%s", vm);
	snprintf(info->disk, sizeof(info->disk), "%s", disk->name);
	snprintf(info->old_path, sizeof(info->old_path), "%s", disk->path);
	snprintf(info->old_format, sizeof(info->old_format), "%s", disk->format);
	snprintf(info->old_pool, sizeof(info->old_pool), "%s", pool ? pool->name : "");
}

int drover_travel_choose(const struct drover_conf *conf, const struct drover_vm_def *def,
			 struct drover_travel *t, struct drover_err *err)
{
	t->count = 0;
	for (uint32_t i = 0; i < def->disk_count; i++) {
		const struct drover_disk_def *disk = &def->disks[i];
		const struct drover_pool_conf *pool = drover_pool_of(conf, disk->path);
		int r = travels(conf, pool, disk, err);

		if (r < 0)
			return drover_err_prefix(err, "disk %s of vm %s", disk->name, def->name);
		if (r > 0)
			add(t, conf->host, def->name, disk, pool);
	}
	if (!t->count)
		return drover_err_set(err, EINVAL,
				      "no disk of vm %s would travel: they are read-only or on storage that hosts share",
				      def->name);
	return 0;
}

int drover_travel_measure(struct drover_travel *t, struct drover_err *err)
{
	for (uint32_t i = 0; i < t->count; i++) {
		struct drover_travel_disk *d = &t->disks[i];
		struct drover_image image;
		int r = drover_image_look(d->info.old_path, d->info.old_format, &image, err);

		/* As qcow2, whatever it will be: for raw every byte would count, written or not. */
		if (r == 0)
			r = drover_image_measure(d->info.old_path, d->info.old_format, "qcow2",
						 &d->used, err);
		if (r == 0)
			r = drover_node_stats(t->qmp, d->info.disk, &d->before.stats, err);
		if (r < 0)
			return drover_err_prefix(err, "disk %s of vm %s", d->info.disk, d->info.vm);
		d->info.size_bytes = image.size;
		d->before.time_us = drover_clock_monotonic();
	}
	return 0;
}

/* --- what an earlier one left --- */

static int clean_jobs(struct drover_qmp *qmp, struct drover_err *err)
{
	json_t *list = NULL, *job;
	size_t i;
	int r = drover_qmp_call(qmp, "query-block-jobs", NULL, QMP_TIMEOUT_MS, &list, err);

	if (r < 0)
		return r;
	json_array_foreach(list, i, job) {
		const char *id = json_string_value(json_object_get(job, "device"));
		struct drover_mirror m = { .qmp = qmp };

		if (!id || strncmp(id, JOB, strlen(JOB)) || strlen(id) >= sizeof(m.job))
			continue;
		strcpy(m.job, id);
		r = drover_mirror_cancel(&m, err);
		if (r < 0)
			break;
	}
	json_decref(list);
	return r;
}

/* A pair of nodes as drover_node_add_nbd() makes it; one that a disk uses stays. */
static void clean_node(struct drover_qmp *qmp, json_t *file)
{
	const char *name = json_string_value(json_object_get(file, "node-name"));
	const char *driver = json_string_value(json_object_get(file, "drv"));
	struct drover_node node = { .fdset = -1 };

	if (!name || !driver || strcmp(driver, "nbd") || strncmp(name, "file-", 5) ||
	    strlen(name) >= sizeof(node.file))
		return;
	strcpy(node.file, name);
	snprintf(node.name, sizeof(node.name), "disk-%.*s", DROVER_NODE_LEN - 6, name + 5);
	drover_node_remove(qmp, &node, NULL);
}

int drover_travel_clean(struct drover_qmp *qmp, struct drover_err *err)
{
	json_t *nodes = NULL, *node;
	size_t i;
	int r = clean_jobs(qmp, err);

	if (r == 0)
		r = drover_qmp_call(qmp, "query-named-block-nodes", json_pack("{sb}", "flat", 1),
				    QMP_TIMEOUT_MS, &nodes, err);
	if (r < 0)
		return r;
	json_array_foreach(nodes, i, node)
		clean_node(qmp, node);
	json_decref(nodes);
	return 0;
}

/* --- mirrors --- */

static int start(struct drover_travel *t, uint32_t i, uint64_t speed, struct drover_err *err)
{
	struct drover_travel_disk *d = &t->disks[i];
	struct drover_mirror *m = &d->mirror;
	struct drover_progress_sample now = { 0 };
	int r;

	now.time_us = drover_clock_monotonic();
	if (drover_node_stats(t->qmp, d->info.disk, &now.stats, NULL) == 0)
		drover_progress_writes(&d->before, &now, &d->info.write_before_us,
				       &d->info.write_rate_before_bytes);
	m->qmp = t->qmp;
	snprintf(m->job, sizeof(m->job), JOB "%u", i);
	r = drover_node_of_disk(t->qmp, d->info.disk, &m->source, err);
	if (r == 0)
		r = drover_node_add_nbd(t->qmp, d->info.disk, t->socket, d->info.disk, &m->target,
					err);
	if (r < 0)
		return r;
	d->added = true;
	r = drover_mirror_start(m, false, speed, err);
	if (r < 0)
		return r;
	d->mirrored = true;
	d->speed = speed;
	d->info.state = DROVER_DISK_MOVE_COPYING;
	return 0;
}

int drover_travel_start(struct drover_travel *t, struct drover_err *err)
{
	for (uint32_t i = 0; i < t->count; i++) {
		int r = start(t, i, t->bandwidth / t->count, err);

		if (r < 0)
			return drover_err_prefix(err, "disk %s of vm %s", t->disks[i].info.disk,
						 t->disks[i].info.vm);
	}
	return 0;
}

/* --- looking --- */

static void note_figures(struct drover_travel *t, struct drover_travel_disk *d,
			 const struct drover_mirror_status *status)
{
	struct drover_progress_sample now = {
		.time_us = drover_clock_monotonic(), .done = status->done, .todo = status->todo,
	};

	d->info.total_us = now.time_us - d->begin_us;
	if (d->lost)
		drover_progress_reset(&d->progress);
	if (drover_node_stats(t->qmp, d->info.disk, &now.stats, NULL) == 0)
		drover_progress_add(&d->progress, &now);
	drover_progress_info(&d->progress, &d->info);
	if (d->info.state != DROVER_DISK_MOVE_COPYING)
		d->info.expected_us = 0;
}

static enum drover_disk_move_state state_of(struct drover_travel_disk *d,
					    enum drover_mirror_state state)
{
	switch (state) {
	case DROVER_MIRROR_INTERRUPTED:
		if (!d->lost)
			d->info.interruptions++;
		d->lost = true;
		return DROVER_DISK_MOVE_INTERRUPTED;
	case DROVER_MIRROR_IN_STEP:
		d->lost = false;
		return DROVER_DISK_MOVE_IN_STEP;
	case DROVER_MIRROR_PENDING:
		return DROVER_DISK_MOVE_SWITCHING;
	case DROVER_MIRROR_FAILED:
	case DROVER_MIRROR_CONCLUDED:
		return DROVER_DISK_MOVE_FAILED;
	case DROVER_MIRROR_COPYING:
		break;
	}
	return d->lost ? DROVER_DISK_MOVE_INTERRUPTED : DROVER_DISK_MOVE_COPYING;
}

static int look(struct drover_travel *t, struct drover_travel_disk *d,
		struct drover_travel_sum *sum, struct drover_err *err)
{
	struct drover_disk_move_info *info = &d->info;
	struct drover_mirror_status status;
	int r = drover_mirror_look(&d->mirror, &status, err);

	if (r < 0)
		return r;
	d->state = status.state;
	/* Told to go on, it may be interrupted again at once: that does not count twice. */
	if (d->lost && status.done > info->done_bytes)
		d->lost = false;
	info->state = state_of(d, status.state);
	note_figures(t, d, &status);
	if (!d->lost || *status.error)
		snprintf(info->error, sizeof(info->error), "%s", status.error);
	if (info->state == DROVER_DISK_MOVE_FAILED)
		return drover_err_set(err, EIO, "the mirror of disk %s ended: %s", info->disk,
				      *status.error ? status.error : "nobody knows why");
	if (info->state == DROVER_DISK_MOVE_INTERRUPTED) {
		sum->interrupted = true;
		if (*status.error)
			snprintf(sum->why, sizeof(sum->why), "%s", status.error);
	}
	sum->in_step &= info->state == DROVER_DISK_MOVE_IN_STEP;
	if (info->expected_us > sum->expected_us)
		sum->expected_us = info->expected_us;
	return 0;
}

/* Those that are in step need no more than what the guest writes, which has no limit. */
static void share_bandwidth(struct drover_travel *t)
{
	uint32_t copying = 0;

	for (uint32_t i = 0; i < t->count; i++)
		copying += t->disks[i].info.state == DROVER_DISK_MOVE_COPYING;
	for (uint32_t i = 0; copying && t->bandwidth && i < t->count; i++) {
		struct drover_travel_disk *d = &t->disks[i];
		uint64_t speed = t->bandwidth / copying;

		if (d->info.state == DROVER_DISK_MOVE_COPYING && d->speed != speed &&
		    drover_mirror_speed(&d->mirror, speed, NULL) == 0)
			d->speed = speed;
	}
}

int drover_travel_look(struct drover_travel *t, struct drover_travel_sum *ret_sum,
		       struct drover_err *err)
{
	struct drover_travel_sum sum = { .in_step = true };

	for (uint32_t i = 0; i < t->count; i++) {
		int r = look(t, &t->disks[i], &sum, err);

		if (r < 0)
			return r;
	}
	share_bandwidth(t);
	*ret_sum = sum;
	return 0;
}

int drover_travel_resume(struct drover_travel *t, struct drover_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < t->count && r == 0; i++)
		if (t->disks[i].state == DROVER_MIRROR_INTERRUPTED)
			r = drover_mirror_resume(&t->disks[i].mirror, err);
	return r;
}

/* --- the end --- */

static int compare(struct drover_travel *t, struct drover_travel_disk *d, int (*stop)(void *data),
		   void *data, struct drover_err *err)
{
	struct drover_disk_move_info *info = &d->info;
	char uri[sizeof(t->socket) + DROVER_NAME_LEN + 32];
	int r;

	snprintf(uri, sizeof(uri), "nbd+unix:///%s?socket=%s", info->disk, t->socket);
	r = drover_image_compare(info->old_path, info->old_format, uri, "raw", stop, data,
				 &info->verified_bytes, &info->mismatched_bytes, err);
	if (r == 0 && info->mismatched_bytes)
		r = drover_err_set(err, EBADMSG,
				   "disk %s differs between the hosts behind byte %llu: not switched over",
				   info->disk, (unsigned long long)info->verified_bytes);
	return r;
}

int drover_travel_compare(struct drover_travel *t, int (*stop)(void *data), void *data,
			  struct drover_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < t->count && r == 0; i++)
		r = compare(t, &t->disks[i], stop, data, err);
	return r;
}

int drover_travel_part(struct drover_travel *t, struct drover_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < t->count && r == 0; i++) {
		struct drover_travel_disk *d = &t->disks[i];

		r = drover_mirror_part(&d->mirror, err);
		if (r < 0)
			break;
		d->mirrored = false;
		d->info.state = DROVER_DISK_MOVE_SWITCHING;
		r = drover_node_remove(t->qmp, &d->mirror.target, err);
		d->added = r < 0;
	}
	return r;
}

int drover_travel_cancel(struct drover_travel *t, struct drover_err *err)
{
	int result = 0;

	for (uint32_t i = 0; i < t->count; i++) {
		struct drover_travel_disk *d = &t->disks[i];
		int r = d->mirrored ? drover_mirror_cancel(&d->mirror, err) : 0;

		if (r == 0)
			d->mirrored = false;
		if (r == 0 && d->added)
			r = drover_node_remove(t->qmp, &d->mirror.target, err);
		if (r == 0)
			d->added = false;
		if (r < 0)
			result = r;
	}
	return result;
}
