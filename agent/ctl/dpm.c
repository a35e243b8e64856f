// SPDX-License-Identifier: GPL-2.0-or-later
/* Power management as it runs. */
#include "ctl/dpm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/clock.h"
#include "ctl/sleep.h"

#define SECOND_US  UINT64_C(1000000)
#define KEEP_US	   (300 * SECOND_US)
#define WATTS_IDLE 100.0
/* The policy's. */
#define SLEEP_WINDOW_S 2400

void drover_dpm_settings(const struct drover_agent *agent, struct drover_dpm_options *ret)
{
	Drover__DpmSettings *s =
		drover_shared_get(agent, DROVER_SHARED_DPM, "", &drover__dpm_settings__descriptor);

	*ret = (struct drover_dpm_options){
		.mode = DROVER_DPM_OFF, .threshold = 3, .hosts_min = 1, .target_percent = 63};
	if (!s)
		return;
	/* The numbers are the same on purpose. */
	if (s->mode)
		ret->mode = (enum drover_dpm_mode)s->mode;
	if (s->threshold)
		ret->threshold = s->threshold;
	if (s->hosts_min)
		ret->hosts_min = s->hosts_min;
	if (s->target_percent)
		ret->target_percent = s->target_percent;
	ret->wake_window_s = s->wake_window_s;
	ret->sleep_window_s = s->sleep_window_s;
	ret->stay_on_s = s->stay_on_s;
	ret->stay_off_s = s->stay_off_s;
	ret->quiet_s = s->quiet_s;
	drover__dpm_settings__free_unpacked(s, NULL);
}

/* --- what there is to know of the hosts --- */

static void take_host(const struct drover_agent *agent, const struct drover_drs_host *host,
		      struct drover_dpm_host *ret)
{
	const Drover__SleepRecord *sleep = drover_sleep_find(agent, host->name);
	Drover__PowerRecord *p = drover_shared_get(agent, DROVER_SHARED_POWER, host->name,
						   &drover__power_record__descriptor);

	/* One that failed keeps nobody else from sleeping. */
	ret->changing = sleep && sleep->state != DROVER__SLEEP_RECORD__STATE__ASLEEP &&
			sleep->state != DROVER__SLEEP_RECORD__STATE__FAILED;
	if (sleep)
		ret->since_s = sleep->since_us / SECOND_US;
	if (!p)
		return;
	ret->mode = (enum drover_dpm_mode)p->mode;
	ret->tested = p->tested_us && p->tested_us > p->failed_us;
	ret->wake_s = p->wake_s;
	ret->watts_idle = p->watts_idle;
	ret->watts_full = p->watts_full;
	if (!sleep)
		ret->since_s = p->since_us / SECOND_US;
	drover__power_record__free_unpacked(p, NULL);
}

/* --- savings --- */

static double watts_of(const struct drover_agent *agent, const char *host, bool *ret_measured)
{
	Drover__PowerRecord *p = drover_shared_get(agent, DROVER_SHARED_POWER, host,
						   &drover__power_record__descriptor);
	double watts = p && p->watts_idle > 0 ? p->watts_idle : WATTS_IDLE;

	*ret_measured = p && p->measured;
	if (p)
		drover__power_record__free_unpacked(p, NULL);
	return watts;
}

static void count_savings(struct drover_agent *agent)
{
	struct drover_dpm_run *dpm = agent->drs->dpm;
	Drover__PowerHistory *h = (Drover__PowerHistory *)drover_sleep_history(agent);
	uint64_t now = drover_clock_monotonic();
	double seconds = dpm->counted_us ? (now - dpm->counted_us) / 1e6 : 0;

	dpm->counted_us = now;
	for (size_t i = 0; h && i < agent->drs->world.snapshot.host_count; i++) {
		const char *host = agent->drs->world.hosts[i].name;
		const Drover__SleepRecord *sleep = drover_sleep_find(agent, host);
		bool measured;
		double joules;

		if (!sleep || sleep->state != DROVER__SLEEP_RECORD__STATE__ASLEEP)
			continue;
		joules = seconds * watts_of(agent, host, &measured);
		h->saved_j += joules;
		h->measured_j += measured ? joules : 0;
	}
	if (!h || now - dpm->saved_us < KEEP_US)
		return;
	dpm->saved_us = now;
	h->counted_us = drover_clock_realtime();
	drover_shared_set(agent, DROVER_SHARED_POWER_PAST, "", &h->base, NULL, NULL, NULL);
}

/* --- a pass --- */

void drover_dpm_forget(struct drover_drs_run *run)
{
	struct drover_dpm_run *dpm = run->dpm;

	if (!dpm)
		return;
	drover_dpm_plan_free(&dpm->plan);
	free(dpm->hosts);
	free(dpm->ids);
	free(dpm);
	run->dpm = NULL;
}

static struct drover_dpm_id *numbers(struct drover_agent *agent, const struct drover_dpm_plan *plan)
{
	struct drover_dpm_run *dpm = agent->drs->dpm;
	struct drover_dpm_id *ids = calloc(plan->advice_count + 1, sizeof(*ids));

	for (size_t i = 0; ids && i < plan->advice_count; i++) {
		const struct drover_dpm_advice *a = &plan->advice[i];

		strcpy(ids[i].host, agent->drs->world.hosts[a->host].name);
		ids[i].kind = a->kind;
		for (size_t k = 0; dpm->passed && k < dpm->plan.advice_count; k++)
			if (dpm->ids[k].kind == a->kind && !strcmp(dpm->ids[k].host, ids[i].host))
				ids[i].id = dpm->ids[k].id;
		if (!ids[i].id)
			ids[i].id = ++dpm->last_id;
	}
	return ids;
}

static int think(struct drover_agent *agent, struct drover_err *err)
{
	struct drover_drs_run *run = agent->drs;
	struct drover_dpm_run *dpm = run->dpm;
	const struct drover_drs_snapshot *s = &run->world.snapshot;
	struct drover_dpm_host *hosts = calloc(s->host_count + 1, sizeof(*hosts));
	struct drover_dpm_view view = {.snapshot = s, .hosts = hosts};
	struct drover_dpm_plan plan = {0};
	struct drover_dpm_id *ids;
	int r;

	if (!hosts)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < s->host_count; i++)
		take_host(agent, &s->hosts[i], &hosts[i]);
	drover_dpm_settings(agent, &view.options);
	r = drover_dpm_plan(&view, &plan, err);
	ids = r == 0 ? numbers(agent, &plan) : NULL;
	if (!ids) {
		free(hosts);
		drover_dpm_plan_free(&plan);
		return r < 0 ? r : drover_err_set(err, ENOMEM, "out of memory");
	}
	drover_dpm_plan_free(&dpm->plan);
	free(dpm->hosts);
	free(dpm->ids);
	dpm->plan = plan;
	dpm->hosts = hosts;
	dpm->ids = ids;
	dpm->passed = true;
	return 0;
}

int drover_dpm_do(struct drover_agent *agent, size_t advice, bool asked, struct drover_err *err)
{
	const struct drover_dpm_advice *a = &agent->drs->dpm->plan.advice[advice];
	const char *host = agent->drs->world.hosts[a->host].name;

	return a->kind == DROVER_DPM_SLEEP
		       ? drover_sleep_begin(agent, host, false, asked, a->reason, err)
		       : drover_sleep_wake(agent, host, asked, a->reason, err);
}

bool drover_dpm_has_seen_enough(const struct drover_agent *agent)
{
	struct drover_dpm_options o;

	drover_dpm_settings(agent, &o);
	return drover_clock_monotonic() - agent->drs->dpm->begun_us >=
	       (o.sleep_window_s ? o.sleep_window_s : SLEEP_WINDOW_S) * SECOND_US;
}

static void carry_out(struct drover_agent *agent)
{
	const struct drover_dpm_plan *plan = &agent->drs->dpm->plan;
	bool may_sleep = drover_dpm_has_seen_enough(agent);
	struct drover_err err = {0};

	for (size_t i = 0; i < plan->advice_count; i++) {
		const struct drover_dpm_advice *a = &plan->advice[i];

		if (!a->automatic || (a->kind == DROVER_DPM_SLEEP && !may_sleep))
			continue;
		if (drover_dpm_do(agent, i, false, &err) < 0)
			log_warning("power management: %s", err.text);
	}
}

void drover_dpm_pass(struct drover_agent *agent)
{
	struct drover_drs_run *run = agent->drs;
	struct drover_err err = {0};

	if (!run->dpm) {
		run->dpm = calloc(1, sizeof(*run->dpm));
		if (run->dpm)
			run->dpm->begun_us = drover_clock_monotonic();
	}
	if (!run->dpm || think(agent, &err) < 0) {
		log_warning("power management: %s", err.code ? err.text : "out of memory");
		return;
	}
	count_savings(agent);
	carry_out(agent);
}
