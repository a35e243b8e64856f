// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Balancing: advice of the policy, and carrying it out when an operator says so, or
 * at an interval, one disk at a time, where automation is full.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "core/clock.h"
#include "ctl/pools.h"
#include "ctl/reply.h"

#define SECOND_US      UINT64_C(1000000)
#define REST_US	       (3600 * SECOND_US)
/* For measuring: an answer must come within 30 s. */
#define MEASURE_US     (15 * SECOND_US)
#define RESTING_MAX    1024

struct resting {
	char vm[DROVER_NAME_LEN];
	char disk[DROVER_NAME_LEN];
	uint64_t time_us;
};

/**
 * struct drover_pools_balance - what is kept from one look to the next
 * @looking: a thread is at it, and has @samples
 * @resting: disks moved lately, and pools, without a VM, that keep what has left them; a ring
 */
struct drover_pools_balance {
	struct drover_pools_samples samples;
	bool looking;
	struct resting resting[RESTING_MAX];
	size_t rested;
	sd_event_source *timer;
};

/* @request 0: the agent asks by itself. */
struct plan {
	struct drover_agent *agent;
	uint64_t request;
	bool apply;
	bool leave_out[DROVER_POOLS_MAX];
	struct drover_pools_disks disks;
	struct drover_pools_job *job;
	struct drover_err err;
};

static void plan_free(struct plan *p)
{
	if (!p)
		return;
	drover_pools_free(&p->disks);
	drover_pools_job_free(p->job);
	free(p);
}

/* --- in a thread --- */

static void measure_pools(const struct drover_conf *conf)
{
	uint64_t start = drover_clock_monotonic();

	for (uint32_t i = 0; i < conf->pool_count; i++) {
		struct drover_err err = { 0 };

		if (drover_clock_monotonic() - start > MEASURE_US)
			return;
		if (drover_pools_refresh(conf, &conf->pools[i], &err) < 0)
			log_debug("%s", err.text);
	}
}

static int add_item(struct plan *p, const struct drover_pools_disk *d,
		    const struct drover_pool_advice *a)
{
	struct drover_pools_item *item = drover_pools_job_add(p->job);

	if (!item)
		return drover_err_set(&p->err, ENOMEM, "out of memory");
	strcpy(item->vm, d->vm);
	strcpy(item->disk, d->def.name);
	strcpy(item->from, d->pool->name);
	strcpy(item->to, a->to);
	strcpy(item->path, d->def.path);
	strcpy(item->reason, a->reason);
	item->bytes = d->used;
	item->priority = a->priority;
	return 0;
}

static int make_plan(struct plan *p)
{
	const struct drover_conf *conf = &p->agent->conf;
	struct drover_pool_advice *advice = NULL;
	struct drover_pools_figures figures;
	size_t count = 0;
	int r;

	measure_pools(conf);
	drover_pools_look(conf, &p->disks);
	drover_pools_settle(conf, NULL, &p->disks);
	drover_pools_sample(&p->agent->pool_balance->samples, &p->disks);
	r = drover_pools_view(conf, &p->disks, &figures, &p->err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < conf->pool_count; i++)
		figures.pools[i].leave_out = p->leave_out[i];
	r = drover_pool_balance(&figures.view, &advice, &count, &p->err);
	for (size_t i = 0; i < count && r == 0; i++)
		r = add_item(p, &p->disks.list[figures.places[advice[i].disk]], &advice[i]);
	free(advice);
	drover_pools_view_free(&figures);
	return r;
}

/* --- in the control thread --- */

static bool is_active(struct drover_agent *agent)
{
	return drover_pools_job_active(drover_pools_job_find(agent, ""));
}

/* By itself the agent moves one disk, and looks again before the next. */
static int apply(struct plan *p)
{
	int r = 0;

	if (is_active(p->agent))
		r = drover_err_set(&p->err, EALREADY,
				   "the pools are being balanced already; drover pool report tells more");
	if (r == 0 && !p->request && p->job->count > 1)
		p->job->count = 1;
	if (r == 0 && p->job->count)
		r = drover_pools_job_start(p->agent, p->job, &p->err);
	if (r == 0 && p->job->count)
		p->job = NULL;
	return r;
}

static void do_planned(void *data)
{
	struct plan *p = data;
	Drover__ControlReply *reply = p->request ? drover_reply_new() : NULL;
	int r = p->err.code;

	p->agent->pool_balance->looking = false;
	if (r == 0 && reply)
		drover_pools_job_advice(p->job, reply);
	if (r == 0 && p->apply && !p->agent->ending)
		r = apply(p);
	if (!p->request && r < 0) {
		log_warning("balancing pools: %s", p->err.text);
	} else if (r < 0) {
		drover_reply_free(reply);
		drover_verbs_refuse(p->agent, p->request, &p->err);
	} else if (p->request) {
		drover_verbs_reply(p->agent, p->request, reply);
	}
	plan_free(p);
}

static void *run_plan(void *data)
{
	struct plan *p = data;

	make_plan(p);
	if (drover_call_post(p->agent->calls, do_planned, p) < 0)
		log_error("out of memory");
	return NULL;
}

static bool rests(const struct drover_pools_balance *b, const char *vm, const char *disk)
{
	uint64_t now = drover_clock_monotonic();

	for (size_t i = 0; i < RESTING_MAX; i++)
		if (b->resting[i].time_us && now - b->resting[i].time_us < REST_US &&
		    !strcmp(b->resting[i].vm, vm) && !strcmp(b->resting[i].disk, disk))
			return true;
	return false;
}

void drover_pools_rest(struct drover_agent *agent, const char *vm, const char *disk)
{
	struct drover_pools_balance *b = agent->pool_balance;
	struct resting *r = &b->resting[b->rested++ % RESTING_MAX];

	snprintf(r->vm, sizeof(r->vm), "%s", vm);
	snprintf(r->disk, sizeof(r->disk), "%s", disk);
	r->time_us = drover_clock_monotonic();
}

static int prepare(struct plan *p, struct drover_err *err)
{
	struct drover_agent *agent = p->agent;
	const struct drover_pools_balance *b = agent->pool_balance;
	int r = drover_pools_collect(agent, &p->disks, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p->disks.count; i++)
		if (!p->disks.list[i].fixed[0] &&
		    rests(b, p->disks.list[i].vm, p->disks.list[i].def.name))
			strcpy(p->disks.list[i].fixed, "it was moved in the last hour");
	for (uint32_t i = 0; i < agent->conf.pool_count; i++) {
		const char *pool = agent->conf.pools[i].name;

		p->leave_out[i] = rests(b, "", pool) ||
				  drover_pools_job_active(drover_pools_job_find(agent, pool));
	}
	/* Space on a store is freed only by deleting what has left it. */
	p->job = drover_pools_job_new("");
	if (!p->job)
		return drover_err_set(err, ENOMEM, "out of memory");
	p->job->delete_old = true;
	return drover_thread_detached(run_plan, p, err);
}

static int begin(struct drover_agent *agent, uint64_t request, bool carry_out,
		 struct drover_err *err)
{
	struct plan *p;
	int r;

	if (agent->pool_balance->looking)
		return drover_err_set(err, EBUSY,
				      "the pools are being looked at already; try again in a moment");
	p = calloc(1, sizeof(*p));
	if (!p)
		return drover_err_set(err, ENOMEM, "out of memory");
	p->agent = agent;
	p->request = request;
	p->apply = carry_out;
	r = prepare(p, err);
	if (r < 0)
		plan_free(p);
	else
		agent->pool_balance->looking = true;
	return r;
}

static int check_apply(struct drover_agent *agent, struct drover_err *err)
{
	if (agent->conf.pool_automation == DROVER_AUTOMATION_MANUAL)
		return drover_err_set(err, EPERM,
				      "balancing gives advice alone: drover.conf has automation = manual "
				      "in [storage]");
	if (is_active(agent))
		return drover_err_set(err, EALREADY,
				      "the pools are being balanced already; drover pool report tells more");
	return 0;
}

void drover_pools_rebalance(struct drover_agent *agent, uint64_t id,
			    const Drover__ControlRequest *request)
{
	bool carry_out = request->pool_balance->apply;
	struct drover_err err = { 0 };
	int r = 0;

	if (!agent->conf.pool_count)
		r = drover_err_set(&err, ENOENT, "%s has no pools: drover.conf has no [pool NAME]",
				   agent->conf.host);
	if (r == 0 && carry_out)
		r = check_apply(agent, &err);
	if (r == 0)
		r = begin(agent, id, carry_out, &err);
	if (r < 0)
		drover_verbs_refuse(agent, id, &err);
}

/* --- by itself --- */

static int on_interval(sd_event_source *source, uint64_t usec, void *data)
{
	struct drover_agent *agent = data;
	struct drover_err err = { 0 };

	if (!agent->ending && !is_active(agent) && !agent->pool_balance->looking &&
	    begin(agent, 0, true, &err) < 0)
		log_warning("balancing pools: %s", err.text);
	return sd_event_source_set_time_relative(source, agent->conf.pool_interval_s * SECOND_US);
}

int drover_pools_init(struct drover_agent *agent, struct drover_err *err)
{
	struct drover_pools_balance *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return drover_err_set(err, ENOMEM, "out of memory");
	agent->pool_balance = b;
	if (agent->conf.pool_automation != DROVER_AUTOMATION_FULL || !agent->conf.pool_count)
		return 0;
	r = sd_event_add_time_relative(agent->event, &b->timer, CLOCK_MONOTONIC,
				       agent->conf.pool_interval_s * SECOND_US, 0, on_interval, agent);
	if (r >= 0)
		r = sd_event_source_set_enabled(b->timer, SD_EVENT_ON);
	return r < 0 ? drover_err_set(err, r, "cannot set up the event loop: %s", strerror(-r)) : 0;
}
