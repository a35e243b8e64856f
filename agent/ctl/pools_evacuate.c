// SPDX-License-Identifier: GPL-2.0-or-later
/* Evacuation: every disk of a VM leaves a pool; where to is planned before the first one does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "block/ask.h"
#include "block/space.h"
#include "core/clock.h"
#include "ctl/pools.h"
#include "ctl/reply.h"

#define MIB	     (UINT64_C(1) << 20)
#define PARALLEL_MAX 16
/* For measuring: an answer must come within 30 s. */
#define MEASURE_US   15000000

struct plan {
	struct drover_agent *agent;
	uint64_t request;
	const struct drover_pool_conf *from;
	bool target[DROVER_POOLS_MAX];
	bool named;	/* the operator named the targets */
	bool dry_run;
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

/* Those that cannot be used are no targets; the operator's own choice must be usable. */
static int check_targets(struct plan *p)
{
	const struct drover_conf *conf = &p->agent->conf;
	struct drover_err err = { 0 };
	uint64_t size, space;
	uint32_t found = 0;

	for (uint32_t i = 0; i < conf->pool_count; i++) {
		if (!p->target[i])
			continue;
		if (drover_pools_usable(conf, &conf->pools[i], &p->disks, &err) == 0 &&
		    drover_ask_pool(&conf->pools[i], true, &size, &space, &err) == 0) {
			found++;
			continue;
		}
		if (p->named)
			return drover_err_set(&p->err, err.code, "%s", err.text);
		p->target[i] = false;
	}
	if (!found)
		return drover_err_set(&p->err, ENOENT,
				      "pool %s cannot be evacuated: %s has no other pool that can be used",
				      p->from->name, conf->host);
	return 0;
}

/* To know which is quicker, where there is a choice. */
static void measure_targets(struct plan *p)
{
	const struct drover_conf *conf = &p->agent->conf;
	uint64_t start = drover_clock_monotonic();
	struct drover_err err = { 0 };
	uint32_t choice = 0;

	for (uint32_t i = 0; i < conf->pool_count; i++)
		choice += p->target[i];
	for (uint32_t i = 0; choice > 1 && i < conf->pool_count; i++) {
		if (!p->target[i] || drover_clock_monotonic() - start > MEASURE_US)
			continue;
		if (drover_pools_refresh(conf, &conf->pools[i], &err) < 0)
			log_warning("%s", err.text);
	}
}

static struct drover_pools_item *add_item(struct plan *p, const struct drover_pools_disk *d)
{
	struct drover_pools_item *item = drover_pools_job_add(p->job);

	if (!item)
		return NULL;
	strcpy(item->from, p->from->name);
	if (!d)
		return item;
	strcpy(item->vm, d->vm);
	strcpy(item->disk, d->def.name);
	strcpy(item->path, d->def.path);
	item->bytes = d->used;
	return item;
}

static void add_stray(void *data, const struct drover_pools_stray *stray)
{
	struct drover_pools_item *item = add_item(data, NULL);

	if (!item)
		return;
	snprintf(item->path, sizeof(item->path), "%s", stray->path);
	snprintf(item->error, sizeof(item->error), "%s", stray->note);
}

static void add_left(struct plan *p)
{
	struct drover_err err = { 0 };

	for (size_t i = 0; i < p->disks.count; i++) {
		const struct drover_pools_disk *d = &p->disks.list[i];
		struct drover_pools_item *item;

		if (d->pool != p->from || !d->fixed[0])
			continue;
		item = add_item(p, d);
		if (item)
			strcpy(item->error, d->fixed);
	}
	if (drover_pools_strays(&p->agent->conf, p->from, &p->disks, add_stray, p, &err) < 0)
		log_warning("%s", err.text);
}

/* Nothing at all can move for want of space: then nothing is begun, and the first says why. */
static int add_moves(struct plan *p, const struct drover_pools_figures *figures,
		     const struct drover_pool_advice *advice, size_t count)
{
	size_t placed = 0;

	for (size_t i = 0; i < count; i++) {
		const struct drover_pool_advice *a = &advice[i];
		struct drover_pools_item *item =
			add_item(p, &p->disks.list[figures->places[a->disk]]);

		if (!item)
			return drover_err_set(&p->err, ENOMEM, "out of memory");
		strcpy(item->to, a->to);
		item->priority = a->priority;
		if (a->to[0])
			strcpy(item->reason, a->reason);
		else
			strcpy(item->error, a->reason);
		placed += a->to[0] != '\0';
	}
	if (count && !placed)
		return drover_err_set(&p->err, ENOSPC, "pool %s cannot be evacuated: %s",
				      p->from->name, advice[0].reason);
	return 0;
}

static int choose_targets(struct plan *p)
{
	struct drover_pool_advice *advice = NULL;
	struct drover_pools_figures figures;
	size_t count = 0;
	int r = drover_pools_view(&p->agent->conf, &p->disks, &figures, &p->err);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < p->agent->conf.pool_count; i++)
		figures.pools[i].leave_out = !p->target[i];
	for (size_t i = 0; i < figures.view.disk_count; i++)
		figures.disks[i].bytes = drover_space_with_margin(figures.disks[i].bytes);
	r = drover_pool_empty(&figures.view, p->from->name, &advice, &count, &p->err);
	if (r == 0)
		r = add_moves(p, &figures, advice, count);
	free(advice);
	drover_pools_view_free(&figures);
	return r;
}

static int make_plan(struct plan *p)
{
	int r = drover_pools_usable(&p->agent->conf, p->from, &p->disks, &p->err);

	if (r == 0)
		r = check_targets(p);
	if (r < 0)
		return r;
	measure_targets(p);
	drover_pools_look(&p->agent->conf, &p->disks);
	drover_pools_settle(&p->agent->conf, p->from, &p->disks);
	r = choose_targets(p);
	if (r == 0)
		add_left(p);
	return r;
}

/* --- in the control thread --- */

static int check_idle(struct drover_agent *agent, const struct drover_pool_conf *from,
		      struct drover_err *err)
{
	if (!drover_pools_job_active(drover_pools_job_find(agent, from->name)))
		return 0;
	return drover_err_set(err, EALREADY,
			      "pool %s is being evacuated already; drover pool report %s tells more",
			      from->name, from->name);
}

static void do_planned(void *data)
{
	struct plan *p = data;
	Drover__ControlReply *reply = NULL;
	int r = p->err.code;

	/* Somebody else may have begun meanwhile. */
	if (r == 0)
		r = check_idle(p->agent, p->from, &p->err);
	if (r == 0) {
		reply = drover_reply_new();
		if (reply)
			drover_pools_job_advice(p->job, reply);
	}
	if (r == 0 && !p->dry_run) {
		r = drover_pools_job_start(p->agent, p->job, &p->err);
		if (r == 0)
			p->job = NULL;
	}
	if (r < 0) {
		drover_reply_free(reply);
		drover_verbs_refuse(p->agent, p->request, &p->err);
	} else {
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

static int take_target(struct plan *p, const char *name, struct drover_err *err)
{
	const struct drover_pool_conf *to = drover_pools_named(p->agent, name, err);

	if (!to)
		return err->code;
	if (to == p->from)
		return drover_err_set(err, EINVAL, "pool %s cannot be evacuated onto itself", name);
	if (drover_pools_job_active(drover_pools_job_find(p->agent, name)))
		return drover_err_set(err, EBUSY, "pool %s is being evacuated itself", name);
	p->target[to - p->agent->conf.pools] = true;
	return 0;
}

static int take_targets(struct plan *p, const Drover__PoolEvacuate *q, struct drover_err *err)
{
	const struct drover_conf *conf = &p->agent->conf;
	int r = 0;

	p->named = q->n_to > 0;
	for (size_t i = 0; i < q->n_to && r == 0; i++)
		r = take_target(p, q->to[i], err);
	for (uint32_t i = 0; i < conf->pool_count && !p->named; i++)
		p->target[i] = &conf->pools[i] != p->from &&
			       !drover_pools_job_active(
				       drover_pools_job_find(p->agent, conf->pools[i].name));
	return r;
}

static int prepare(struct plan *p, const Drover__PoolEvacuate *q, struct drover_err *err)
{
	int r;

	p->from = drover_pools_named(p->agent, q->name, err);
	if (!p->from)
		return err->code;
	r = check_idle(p->agent, p->from, err);
	if (r == 0)
		r = take_targets(p, q, err);
	if (r == 0 && q->parallel > PARALLEL_MAX)
		r = drover_err_set(err, EINVAL, "at most %d disks move at a time", PARALLEL_MAX);
	if (r < 0)
		return r;
	p->job = drover_pools_job_new(q->name);
	if (!p->job)
		return drover_err_set(err, ENOMEM, "out of memory");
	p->job->parallel = q->parallel ? q->parallel : 1;
	p->job->bandwidth = q->bandwidth_mib * MIB;
	p->job->delete_old = q->delete_old || p->agent->conf.delete_old;
	p->dry_run = q->dry_run;
	return drover_pools_collect(p->agent, &p->disks, err);
}

void drover_pools_evacuate(struct drover_agent *agent, uint64_t id,
			   const Drover__ControlRequest *request)
{
	struct plan *p = calloc(1, sizeof(*p));
	struct drover_err err = { 0 };
	int r;

	if (p) {
		p->agent = agent;
		p->request = id;
		r = prepare(p, request->pool_evacuate, &err);
	} else {
		r = drover_err_set(&err, ENOMEM, "out of memory");
	}
	if (r == 0)
		r = drover_thread_detached(run_plan, p, &err);
	if (r < 0) {
		plan_free(p);
		drover_verbs_refuse(agent, id, &err);
	}
}
