// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs that look at pools. Stores may be slow or dead, so a thread does it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "core/clock.h"
#include "ctl/pools.h"
#include "ctl/reply.h"

/* An answer must come within 30 s. */
#define MEASURE_US 20000000

struct survey {
	struct drover_agent *agent;
	uint64_t request;
	const struct drover_pool_conf *only;
	bool measure;
	struct drover_pools_disks disks;
	Drover__ControlReply *reply;
};

static void survey_free(struct survey *s)
{
	if (!s)
		return;
	drover_pools_free(&s->disks);
	drover_reply_free(s->reply);
	free(s);
}

static void do_answer(void *data)
{
	struct survey *s = data;

	if (s->only)
		drover_pools_job_advice(drover_pools_job_find(s->agent, s->only->name), s->reply);
	drover_verbs_reply(s->agent, s->request, s->reply);
	s->reply = NULL;
	survey_free(s);
}

static void look(struct survey *s, const struct drover_pool_conf *pool, bool measure)
{
	const struct drover_conf *conf = &s->agent->conf;
	struct drover_err err = { 0 };
	Drover__PoolInfo *info;

	if (measure && drover_pools_measure(conf, pool, &err) < 0)
		log_warning("%s", err.text);
	info = drover_pools_info(conf, pool, &s->disks, s->only);
	/* Why it was not measured, when nothing else is wrong with it. */
	if (info && err.code && !info->error[0])
		info->error = strdup(err.text);
	drover_reply_add_pool(s->reply, info);
}

static void *run_survey(void *data)
{
	struct survey *s = data;
	const struct drover_conf *conf = &s->agent->conf;
	uint64_t start = drover_clock_monotonic();

	for (uint32_t i = 0; i < conf->pool_count; i++)
		if (!s->only || s->only == &conf->pools[i])
			look(s, &conf->pools[i],
			     s->measure && drover_clock_monotonic() - start < MEASURE_US);
	if (drover_call_post(s->agent->calls, do_answer, s) < 0)
		log_error("out of memory");
	return NULL;
}

static void survey(struct drover_agent *agent, uint64_t id, const struct drover_pool_conf *only,
		   bool measure)
{
	struct survey *s = calloc(1, sizeof(*s));
	struct drover_err err = { 0 };
	int r = 0;

	if (!s || !(s->reply = drover_reply_new()))
		r = drover_err_set(&err, ENOMEM, "out of memory");
	if (r == 0)
		r = drover_pools_collect(agent, &s->disks, &err);
	if (r == 0) {
		s->agent = agent;
		s->request = id;
		s->only = only;
		s->measure = measure;
		r = drover_thread_detached(run_survey, s, &err);
	}
	if (r < 0) {
		survey_free(s);
		drover_verbs_refuse(agent, id, &err);
	}
}

void drover_pools_list(struct drover_agent *agent, uint64_t id,
		       const Drover__ControlRequest *request)
{
	survey(agent, id, NULL, request->pool_list->measure);
}

const struct drover_pool_conf *drover_pools_named(struct drover_agent *agent, const char *name,
						  struct drover_err *err)
{
	const struct drover_pool_conf *pool = *name ? drover_pool_find(&agent->conf, name) : NULL;

	if (!pool)
		drover_err_set(err, ENOENT, "%s knows no pool %s: drover.conf has no [pool %s]",
			       agent->conf.host, name, name);
	return pool;
}

void drover_pools_show(struct drover_agent *agent, uint64_t id,
		       const Drover__ControlRequest *request)
{
	struct drover_err err = { 0 };
	const struct drover_pool_conf *pool =
		drover_pools_named(agent, request->pool_show->name, &err);

	if (pool)
		survey(agent, id, pool, request->pool_show->measure);
	else
		drover_verbs_refuse(agent, id, &err);
}

/* --- jobs --- */

static struct drover_pools_job *job_of(struct drover_agent *agent, const char *name,
				       struct drover_err *err)
{
	struct drover_pools_job *job = drover_pools_job_find(agent, name);

	if (*name && !drover_pools_named(agent, name, err))
		return NULL;
	if (!job && *name)
		drover_err_set(err, ENOENT,
			       "pool %s was not evacuated since droverd was started", name);
	else if (!job)
		drover_err_set(err, ENOENT,
			       "the pools were not balanced since droverd was started");
	return job;
}

static void reply_job(struct drover_agent *agent, uint64_t id, const struct drover_pools_job *job)
{
	Drover__ControlReply *reply = drover_reply_new();

	if (reply)
		drover_pools_job_advice(job, reply);
	drover_verbs_reply(agent, id, reply);
}

void drover_pools_report(struct drover_agent *agent, uint64_t id,
			 const Drover__ControlRequest *request)
{
	struct drover_err err = { 0 };
	struct drover_pools_job *job = job_of(agent, request->pool_report->name, &err);

	if (job)
		reply_job(agent, id, job);
	else
		drover_verbs_refuse(agent, id, &err);
}

void drover_pools_stop(struct drover_agent *agent, uint64_t id,
		       const Drover__ControlRequest *request)
{
	struct drover_err err = { 0 };
	struct drover_pools_job *job = job_of(agent, request->pool_stop->name, &err);

	if (job && !drover_pools_job_active(job)) {
		drover_err_set(&err, EALREADY, "it has ended already");
		job = NULL;
	}
	if (!job) {
		drover_verbs_refuse(agent, id, &err);
		return;
	}
	drover_pools_job_stop(job);
	reply_job(agent, id, job);
}
