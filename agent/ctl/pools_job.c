// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Jobs: disks that move, some at a time, and what became of each. A disk that fails
 * does not hold up the others. A job ends with the agent; what it has moved stays moved.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "block/move.h"
#include "ctl/pools.h"
#include "ctl/reply.h"

#define TICK_US 200000

struct drover_pools_job *drover_pools_job_new(const char *pool)
{
	struct drover_pools_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	snprintf(job->pool, sizeof(job->pool), "%s", pool);
	job->parallel = 1;
	return job;
}

void drover_pools_job_free(struct drover_pools_job *job)
{
	if (!job)
		return;
	sd_event_source_disable_unref(job->timer);
	for (size_t i = 0; i < job->count; i++)
		if (job->items[i].move)
			drover_disk_move_put(job->items[i].move);
	free(job->items);
	free(job);
}

struct drover_pools_item *drover_pools_job_add(struct drover_pools_job *job)
{
	struct drover_pools_item *more =
		realloc(job->items, (job->count + 1) * sizeof(*job->items));

	if (!more)
		return NULL;
	job->items = more;
	more[job->count] = (struct drover_pools_item){ 0 };
	return &more[job->count++];
}

struct drover_pools_job *drover_pools_job_find(struct drover_agent *agent, const char *pool)
{
	for (struct drover_pools_job *job = agent->pool_jobs; job; job = job->next)
		if (!strcmp(job->pool, pool))
			return job;
	return NULL;
}

static bool is_waiting(const struct drover_pools_item *item)
{
	return !item->state && !item->error[0];
}

bool drover_pools_job_active(const struct drover_pools_job *job)
{
	for (size_t i = 0; job && i < job->count; i++)
		if (job->items[i].move || is_waiting(&job->items[i]))
			return true;
	return false;
}

/* --- one step after the other --- */

/* It would be copied away disk by disk, and be as full as before. */
static void keeps_all(struct drover_pools_job *job, const struct drover_pools_item *item)
{
	log_warning("pool %s is not balanced for an hour: %s", item->from, item->error);
	drover_pools_rest(job->agent, "", item->from);
}

static void look(struct drover_pools_job *job, struct drover_pools_item *item)
{
	struct drover_disk_move_info info;

	drover_disk_move_info(item->move, &info);
	item->state = info.state;
	snprintf(item->error, sizeof(item->error), "%s", info.error);
	if (!drover_disk_move_ended(item->move))
		return;
	drover_disk_move_put(item->move);
	item->move = NULL;
	if (!job->pool[0] && info.state == DROVER_DISK_MOVE_DONE && job->delete_old &&
	    !info.old_deleted)
		keeps_all(job, item);
}

static uint32_t under_way(const struct drover_pools_job *job)
{
	uint32_t n = 0;

	for (size_t i = 0; i < job->count; i++)
		n += job->items[i].move != NULL;
	return n;
}

static void leave(struct drover_pools_job *job, const char *why)
{
	for (size_t i = 0; i < job->count; i++)
		if (is_waiting(&job->items[i]))
			snprintf(job->items[i].error, sizeof(job->items[i].error),
				 "not begun: %.480s", why);
	job->stopped = true;
}

/* A store that does not answer takes seconds each time, and all else waits: once is enough. */
static void begin(struct drover_pools_job *job, struct drover_pools_item *item)
{
	struct drover_disk_move_options options = { .delete_old = job->delete_old };
	struct drover_disk_move_info info;
	struct drover_err err = { 0 };
	int r;

	strcpy(options.pool, item->to);
	options.bandwidth = job->bandwidth / (under_way(job) + 1);
	r = drover_storage_begin(job->agent, item->vm, item->disk, &options, &item->move, &err);
	if (r < 0) {
		item->move = NULL;
		item->state = DROVER_DISK_MOVE_FAILED;
		snprintf(item->error, sizeof(item->error), "%s", err.text);
		if (r == -ETIMEDOUT)
			leave(job, err.text);
		return;
	}
	drover_disk_move_info(item->move, &info);
	item->move_id = info.id;
	item->state = info.state;
	if (!job->pool[0])
		drover_pools_rest(job->agent, item->vm, item->disk);
}

/* One disk of a VM at a time: its moves share QEMU's monitor. */
static bool vm_is_busy(const struct drover_pools_job *job, const char *vm)
{
	for (size_t i = 0; i < job->count; i++)
		if (job->items[i].move && !strcmp(job->items[i].vm, vm))
			return true;
	return false;
}

static struct drover_pools_item *next_item(struct drover_pools_job *job)
{
	for (size_t i = 0; i < job->count; i++)
		if (is_waiting(&job->items[i]) && !vm_is_busy(job, job->items[i].vm))
			return &job->items[i];
	return NULL;
}

static void share_bandwidth(struct drover_pools_job *job)
{
	uint32_t n = under_way(job);

	for (size_t i = 0; n && job->bandwidth && i < job->count; i++)
		if (job->items[i].move)
			drover_disk_move_speed(job->items[i].move, job->bandwidth / n ?: 1);
}

static void tell(struct drover_pools_job *job)
{
	int moved = 0, failed = 0, left = 0;

	for (size_t i = 0; i < job->count; i++) {
		const struct drover_pools_item *item = &job->items[i];

		moved += item->state == DROVER_DISK_MOVE_DONE;
		failed += item->state && item->state != DROVER_DISK_MOVE_DONE;
		left += !item->state;
	}
	drover_news_vm(job->agent, "", "%s%s has ended: %d moved, %d failed, %d left",
		       job->pool[0] ? "evacuation of pool " : "balancing of pools", job->pool, moved,
		       failed, left);
}

/* Begins one at the most: what else the agent has to do comes between. */
static void advance(struct drover_pools_job *job)
{
	struct drover_pools_item *item = NULL;
	uint32_t before = under_way(job);

	for (size_t i = 0; i < job->count; i++)
		if (job->items[i].move)
			look(job, &job->items[i]);
	if (job->agent->ending)
		drover_pools_job_stop(job);
	if (under_way(job) < job->parallel)
		item = next_item(job);
	if (item)
		begin(job, item);
	if (item || under_way(job) != before)
		share_bandwidth(job);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *data)
{
	struct drover_pools_job *job = data;

	advance(job);
	if (drover_pools_job_active(job))
		return sd_event_source_set_time_relative(source, TICK_US);
	job->timer = sd_event_source_disable_unref(job->timer);
	tell(job);
	return 0;
}

static void forget(struct drover_agent *agent, const char *pool)
{
	struct drover_pools_job **p = &agent->pool_jobs, *job;

	while (*p && strcmp((*p)->pool, pool))
		p = &(*p)->next;
	job = *p;
	if (!job)
		return;
	*p = job->next;
	drover_pools_job_free(job);
}

int drover_pools_job_start(struct drover_agent *agent, struct drover_pools_job *job,
			   struct drover_err *err)
{
	int r;

	job->agent = agent;
	r = sd_event_add_time_relative(agent->event, &job->timer, CLOCK_MONOTONIC, 0, 0, on_tick,
				       job);
	if (r >= 0)
		r = sd_event_source_set_enabled(job->timer, SD_EVENT_ON);
	if (r < 0)
		return drover_err_set(err, r, "cannot begin: %s", strerror(-r));
	forget(agent, job->pool);
	job->next = agent->pool_jobs;
	agent->pool_jobs = job;
	return 0;
}

void drover_pools_job_stop(struct drover_pools_job *job)
{
	leave(job, "it was told to stop");
}

/* --- for operators --- */

static Drover__PoolAdvice *message(const struct drover_pools_item *item)
{
	Drover__PoolAdvice *a = malloc(sizeof(*a));

	if (!a)
		return NULL;
	drover__pool_advice__init(a);
	a->vm = strdup(item->vm);
	a->disk = strdup(item->disk);
	a->from = strdup(item->from);
	a->to = strdup(item->to);
	a->path = strdup(item->path);
	a->bytes = item->bytes;
	a->reason = strdup(item->reason);
	a->priority = item->priority;
	a->move_id = item->move_id;
	/* The numbers are the same on purpose. */
	a->state = (Drover__DiskMoveState)item->state;
	a->error = strdup(item->error);
	return a;
}

void drover_pools_job_advice(const struct drover_pools_job *job, Drover__ControlReply *reply)
{
	for (size_t i = 0; job && i < job->count; i++)
		drover_reply_add_advice(reply, message(&job->items[i]));
}
