// SPDX-License-Identifier: GPL-2.0-or-later
/* What operators ask of power management, and of the power of single hosts. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "ctl/dpm.h"
#include "ctl/reply.h"
#include "ctl/sleep.h"

/* --- messages --- */

/* What the cluster shares of a host's power. */
static Drover__DpmHost *host_message(const struct drover_agent *agent, const char *host)
{
	Drover__DpmHost *p = malloc(sizeof(*p));

	if (!p)
		return NULL;
	drover__dpm_host__init(p);
	p->host = strdup(host);
	p->member = drover_shared_is_member(agent, host);
	p->record = drover_shared_get(agent, DROVER_SHARED_POWER, host,
				      &drover__power_record__descriptor);
	p->sleep = drover_shared_get(agent, DROVER_SHARED_SLEEP, host,
				     &drover__sleep_record__descriptor);
	return p;
}

static Drover__DpmAdvice *advice_message(const struct drover_dpm_advice *a,
					 const struct drover_dpm_id *id)
{
	Drover__DpmAdvice *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	drover__dpm_advice__init(m);
	m->id = id->id;
	m->host = strdup(id->host);
	/* The numbers are the same on purpose. */
	m->kind = (Drover__DpmAdvice__Kind)a->kind;
	m->priority = a->priority;
	m->automatic = a->automatic;
	m->watts = a->watts;
	m->quiet_s = a->quiet_s;
	m->benefit_j = a->benefit_j;
	m->cost_j = a->cost_j;
	m->reason = strdup(a->reason);
	return m;
}

static Drover__DpmAdvice *reject_message(const char *host, const char *reason)
{
	Drover__DpmAdvice *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	drover__dpm_advice__init(m);
	m->host = strdup(host);
	m->reason = strdup(reason);
	return m;
}

static void add_plan(Drover__DpmInfo *info, const struct drover_agent *agent)
{
	const struct drover_drs_run *run = agent->drs;
	const struct drover_dpm_run *dpm = run->dpm;
	const struct drover_dpm_plan *p = &dpm->plan;

	info->load = p->load;
	info->note = strdup(*p->note || drover_dpm_has_seen_enough(agent)
				    ? p->note
				    : "Nobody sleeps by itself yet: the leader has looked on for "
				      "less than the sleep window");
	info->advice = calloc(p->advice_count + 1, sizeof(*info->advice));
	for (size_t i = 0; info->advice && i < p->advice_count; i++)
		if ((info->advice[info->n_advice] = advice_message(&p->advice[i], &dpm->ids[i])))
			info->n_advice++;
	info->rejects = calloc(p->reject_count + 1, sizeof(*info->rejects));
	for (size_t i = 0; info->rejects && i < p->reject_count; i++)
		if ((info->rejects[info->n_rejects] = reject_message(
			     run->world.hosts[p->rejects[i].host].name, p->rejects[i].reason)))
			info->n_rejects++;
}

static Drover__PowerHistory *copy_history(const Drover__PowerHistory *h)
{
	size_t len = h ? drover__power_history__get_packed_size(h) : 0;
	uint8_t *bytes = h ? malloc(len + 1) : NULL;
	Drover__PowerHistory *copy;

	if (!bytes)
		return NULL;
	drover__power_history__pack(h, bytes);
	copy = drover__power_history__unpack(NULL, len, bytes);
	free(bytes);
	return copy;
}

static Drover__DpmInfo *info_of(struct drover_agent *agent)
{
	const struct drover_drs_run *run = agent->drs;
	Drover__DpmInfo *info = malloc(sizeof(*info));
	struct drover_dpm_options o;

	if (!info)
		return NULL;
	drover__dpm_info__init(info);
	drover_dpm_settings(agent, &o);
	info->leader = strdup(agent->conf.host);
	info->mode = (Drover__PowerMode)o.mode;
	info->threshold = o.threshold;
	info->hosts_min = o.hosts_min;
	info->target_percent = o.target_percent;
	info->history = copy_history(drover_sleep_history(agent));
	if (!run->passes || !run->dpm || !run->dpm->passed)
		return info;
	add_plan(info, agent);
	info->hosts = calloc(run->world.snapshot.host_count + 1, sizeof(*info->hosts));
	for (size_t i = 0; info->hosts && i < run->world.snapshot.host_count; i++)
		if ((info->hosts[info->n_hosts] = host_message(agent, run->world.hosts[i].name)))
			info->n_hosts++;
	return info;
}

static void answer(struct drover_agent *agent, uint64_t id)
{
	Drover__ControlReply *reply = drover_reply_new();

	if (reply)
		reply->dpm = info_of(agent);
	drover_verbs_reply(agent, id, reply);
}

static void answer_or_refuse(struct drover_agent *agent, uint64_t id, int r,
			     const struct drover_err *err)
{
	if (r < 0)
		drover_verbs_refuse(agent, id, err);
	else
		answer(agent, id);
}

/* --- the cluster's --- */

void drover_dpm_show(struct drover_agent *agent, uint64_t id, const Drover__ControlRequest *request)
{
	if (drover_drs_is_ours(agent, id, request))
		answer(agent, id);
}

static int apply(struct drover_agent *agent, uint64_t wanted, struct drover_err *err)
{
	const struct drover_dpm_run *dpm = agent->drs->dpm;

	for (size_t i = 0; dpm && dpm->passed && i < dpm->plan.advice_count; i++)
		if (dpm->ids[i].id == wanted)
			return drover_dpm_do(agent, i, true, err);
	return drover_err_set(err, ENOENT, "there is no recommendation %" PRIu64 " now", wanted);
}

void drover_dpm_apply(struct drover_agent *agent, uint64_t id,
		      const Drover__ControlRequest *request)
{
	const Drover__DpmApply *q = request->dpm_apply;
	const struct drover_dpm_run *dpm;
	struct drover_err err = {0};
	int r = 0;

	if (!drover_drs_is_ours(agent, id, request))
		return;
	dpm = agent->drs->dpm;
	for (size_t i = 0; r == 0 && i < q->n_ids; i++)
		r = apply(agent, q->ids[i], &err);
	for (size_t i = 0; r == 0 && !q->n_ids && dpm && i < dpm->plan.advice_count; i++)
		r = drover_dpm_do(agent, i, true, &err);
	answer_or_refuse(agent, id, r, &err);
}

static int check_settings(const struct drover_agent *agent, const Drover__DpmSet *q,
			  struct drover_err *err)
{
	if (agent->alone)
		return drover_err_set(err, ENOTCONN,
				      "this host is in no cluster; drover cluster init makes one");
	if (q->mode > DROVER__POWER_MODE__POWER_MODE_AUTOMATIC)
		return drover_err_set(err, EINVAL, "the mode is off, manual or automatic");
	if (q->threshold > 5)
		return drover_err_set(err, EINVAL, "the threshold is 1 to 5");
	if (q->target_percent > 95)
		return drover_err_set(err, EINVAL, "the load to aim at is 1 to 95 %%");
	return 0;
}

void drover_dpm_set(struct drover_agent *agent, uint64_t id, const Drover__ControlRequest *request)
{
	const Drover__DpmSet *q = request->dpm_set;
	Drover__DpmSettings now = DROVER__DPM_SETTINGS__INIT, *before;
	struct drover_err err = {0};

	if (check_settings(agent, q, &err) < 0) {
		drover_verbs_refuse(agent, id, &err);
		return;
	}
	before = drover_shared_get(agent, DROVER_SHARED_DPM, "", &drover__dpm_settings__descriptor);
	if (before)
		now = *before;
	if (q->mode)
		now.mode = q->mode;
	if (q->threshold)
		now.threshold = q->threshold;
	if (q->hosts_min)
		now.hosts_min = q->hosts_min;
	if (q->target_percent)
		now.target_percent = q->target_percent;
	if (q->wake_window_s)
		now.wake_window_s = q->wake_window_s;
	if (q->sleep_window_s)
		now.sleep_window_s = q->sleep_window_s;
	if (q->stay_on_s)
		now.stay_on_s = q->stay_on_s;
	if (q->stay_off_s)
		now.stay_off_s = q->stay_off_s;
	if (q->shutdown_s)
		now.shutdown_s = q->shutdown_s;
	if (q->boot_s)
		now.boot_s = q->boot_s;
	if (q->quiet_s)
		now.quiet_s = q->quiet_s;
	drover_wishes_put(agent, id, DROVER_SHARED_DPM, "", &now.base);
	if (before)
		drover__dpm_settings__free_unpacked(before, NULL);
}

/* --- single hosts --- */

void drover_dpm_sleep(struct drover_agent *agent, uint64_t id,
		      const Drover__ControlRequest *request)
{
	const Drover__HostSleep *q = request->host_sleep;
	struct drover_err err = {0};

	if (drover_drs_is_ours(agent, id, request))
		answer_or_refuse(agent, id,
				 drover_sleep_begin(agent, q->host, q->test, true,
						    q->test ? "its wake was to be tested"
							    : "it was asked for",
						    &err),
				 &err);
}

void drover_dpm_wake(struct drover_agent *agent, uint64_t id, const Drover__ControlRequest *request)
{
	struct drover_err err = {0};

	if (drover_drs_is_ours(agent, id, request))
		answer_or_refuse(agent, id,
				 drover_sleep_wake(agent, request->host_wake->host, true,
						   "it was asked for", &err),
				 &err);
}

void drover_dpm_set_host(struct drover_agent *agent, uint64_t id,
			 const Drover__ControlRequest *request)
{
	const Drover__PowerRecord *q = request->dpm_set_host->power;
	uint32_t mask = request->dpm_set_host->mask;
	Drover__PowerRecord now = DROVER__POWER_RECORD__INIT, *before;
	struct drover_err err = {0};
	int r = 0;

	if (agent->alone)
		r = drover_err_set(&err, ENOTCONN,
				   "this host is in no cluster; drover cluster init makes one");
	else if (!q || (strcmp(q->host, agent->conf.host) &&
			!drover_config_find_peer(&agent->conf, q->host)))
		r = drover_err_set(&err, ENOENT, "%s knows no host %s", agent->conf.host,
				   q ? q->host : "");
	else if (q->mode > DROVER__POWER_MODE__POWER_MODE_AUTOMATIC)
		r = drover_err_set(&err, EINVAL, "the mode is cluster, off, manual or automatic");
	else if (!(q->watts_idle >= 0 && q->watts_full >= q->watts_idle))
		r = drover_err_set(&err, EINVAL, "a host draws no less when it is busy");
	if (r < 0) {
		drover_verbs_refuse(agent, id, &err);
		return;
	}
	before = drover_shared_get(agent, DROVER_SHARED_POWER, q->host,
				   &drover__power_record__descriptor);
	if (before)
		now = *before;
	now.host = q->host;
	if (mask & 1)
		now.mode = q->mode;
	if (mask & 2) {
		now.watts_idle = q->watts_idle;
		now.watts_full = q->watts_full;
		now.measured = false;
	}
	drover_wishes_put(agent, id, DROVER_SHARED_POWER, q->host, &now.base);
	if (before)
		drover__power_record__free_unpacked(before, NULL);
}
