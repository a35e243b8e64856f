// SPDX-License-Identifier: GPL-2.0-or-later
/* Hosts that are asked to sleep or to wake, and the leader that sees to it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/config.h"
#include "ctl/sleeper.h"
#include "power/credentials.h"

#define EMPTYING DROVER__SLEEP_RECORD__STATE__EMPTYING
#define ASLEEP	 DROVER__SLEEP_RECORD__STATE__ASLEEP
#define WAKING	 DROVER__SLEEP_RECORD__STATE__WAKING
#define FAILED	 DROVER__SLEEP_RECORD__STATE__FAILED

const Drover__SleepRecord *drover_sleep_find(const struct drover_agent *agent, const char *host)
{
	const struct sleeper *s = sleeper_find(agent, host);

	return s ? s->r : NULL;
}

const Drover__PowerHistory *drover_sleep_history(const struct drover_agent *agent)
{
	return agent->sleep ? agent->sleep->history : NULL;
}

static uint32_t node_of(const struct drover_agent *agent, const char *host)
{
	const struct drover_replica *r = drover_cluster_replica(agent->cluster);

	for (size_t i = 0; i < r->store.member_count; i++)
		if (!strcmp(r->store.members[i].host, host))
			return r->store.members[i].node;
	return 0;
}

static Drover__SleepRecord *new_record(const char *host, bool test, bool asked, const char *reason)
{
	Drover__SleepRecord *r = malloc(sizeof(*r));

	if (!r)
		return NULL;
	drover__sleep_record__init(r);
	drover_shared_text(&r->host, host);
	drover_shared_text(&r->reason, reason);
	r->test = test;
	r->asked = asked;
	r->begun_us = drover_clock_realtime();
	return r;
}

int drover_sleep_begin(struct drover_agent *agent, const char *host, bool test, bool asked,
		       const char *reason, struct drover_err *err)
{
	struct drover_power_host way;
	struct sleeper *s = sleeper_find(agent, host);
	Drover__SleepRecord *r;
	int e;

	if (s && s->r->state == ASLEEP)
		return drover_err_set(err, EALREADY, "host %s sleeps already", host);
	if (s)
		return drover_err_set(
			err, EBUSY,
			"host %s is on its way already; drover host power status tells more", host);
	if (!drover_shared_is_member(agent, host))
		return drover_err_set(err, ENOENT, "host %s is not in the cluster now", host);
	if (sleeper_others(agent, host) < 1)
		return drover_err_set(err, EPERM, "host %s is the last one that is on", host);
	/* Who cannot be woken must not sleep. */
	e = drover_power_load(DROVER_POWER_DIR, host, &way, err);
	if (e < 0)
		return e;
	drover_power_forget(&way);
	r = new_record(host, test, asked, reason);
	s = r ? sleeper_add(agent, r) : NULL;
	if (!s) {
		if (r)
			drover__sleep_record__free_unpacked(r, NULL);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	r->node = node_of(agent, host);
	sleeper_enter(s, EMPTYING);
	return 0;
}

static bool is_known(const struct drover_agent *agent, const char *host)
{
	return !strcmp(agent->conf.host, host) || drover_config_find_peer(&agent->conf, host);
}

int drover_sleep_wake(struct drover_agent *agent, const char *host, bool asked, const char *reason,
		      struct drover_err *err)
{
	struct sleeper *s = sleeper_find(agent, host);
	/* One that went by itself may only be out of reach, and run VMs. */
	bool lost = !s;

	if (!s && !is_known(agent, host))
		return drover_err_set(err, ENOENT, "%s knows no host %s", agent->conf.host, host);
	if (drover_shared_is_member(agent, host) && !s)
		return drover_err_set(err, EALREADY, "host %s is awake", host);
	if (s && s->r->state == EMPTYING) {
		sleeper_give_up(s, "it is wanted again");
		return 0;
	}
	if (s && s->r->state != ASLEEP && s->r->state != FAILED)
		return drover_err_set(
			err, EBUSY,
			"host %s is on its way already; drover host power status tells more", host);
	if (!s) {
		Drover__SleepRecord *r = new_record(host, false, asked, reason);

		s = r ? sleeper_add(agent, r) : NULL;
		if (!s) {
			if (r)
				drover__sleep_record__free_unpacked(r, NULL);
			return drover_err_set(err, ENOMEM, "out of memory");
		}
	}
	s->r->lost |= lost;
	s->r->asked = asked;
	s->r->test = false;
	s->r->cut = false;
	s->r->begun_us = drover_clock_realtime();
	drover_shared_text(&s->r->reason, reason);
	drover_shared_text(&s->r->error, "");
	sleeper_enter(s, WAKING);
	return 0;
}

int drover_sleep_check_awake(const struct drover_agent *agent, struct drover_err *err)
{
	struct drover_shared_list list;
	int r = drover_shared_list(agent, DROVER_SHARED_SLEEP, &drover__sleep_record__descriptor,
				   &list);

	if (r < 0)
		return drover_err_set(err, r, "out of memory");
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		const char *host = ((const Drover__SleepRecord *)list.messages[i])->host;

		/* One that is to be no member any more is not counted again. */
		if (is_known(agent, host))
			r = drover_err_set(
				err, EBUSY,
				"host %s sleeps or is on its way, and its vote would count "
				"again; drover host standby %s off wakes it, without quorum "
				"drover host power on %s",
				host, host, host);
	}
	drover_shared_free(&list);
	return r;
}

/* --- the leader --- */

static void unload(struct drover_agent *agent)
{
	while (agent->sleep->sleepers)
		sleeper_drop(agent->sleep->sleepers);
	if (agent->sleep->history)
		drover__power_history__free_unpacked(agent->sleep->history, NULL);
	agent->sleep->history = NULL;
}

static void load(struct drover_agent *agent)
{
	struct drover_shared_list list;
	Drover__PowerHistory *h = drover_shared_get(agent, DROVER_SHARED_POWER_PAST, "",
						    &drover__power_history__descriptor);

	if (!h) {
		h = malloc(sizeof(*h));
		if (!h)
			return;
		drover__power_history__init(h);
		h->begun_us = drover_clock_realtime();
	}
	agent->sleep->history = h;
	if (drover_shared_list(agent, DROVER_SHARED_SLEEP, &drover__sleep_record__descriptor,
			       &list) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		if (sleeper_add(agent, (Drover__SleepRecord *)list.messages[i]))
			list.messages[i] = NULL;
	}
	for (size_t i = 0; i < list.count; i++)
		if (list.messages[i])
			protobuf_c_message_free_unpacked(list.messages[i], NULL);
	free(list.messages);
}

static bool leads(const struct drover_agent *agent)
{
	return !agent->alone && agent->cluster && drover_cluster_leads(agent->cluster) &&
	       !agent->ending;
}

void drover_sleep_phase(struct drover_agent *agent)
{
	if (!agent->sleep || drover_shared_changes(agent))
		return;
	if (!leads(agent))
		unload(agent);
	else if (!agent->sleep->history)
		load(agent);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *data)
{
	struct drover_agent *agent = data;
	struct sleeper *next;

	if (leads(agent) && agent->sleep->history) {
		for (struct sleeper *s = agent->sleep->sleepers; s; s = next) {
			next = s->next;
			sleeper_step(s);
		}
	}
	return sd_event_source_set_time_relative(source, SLEEPER_TICK_US);
}

int drover_sleep_open(struct drover_agent *agent, struct drover_err *err)
{
	struct drover_sleep_run *run = calloc(1, sizeof(*run));
	int r;

	if (!run)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = sd_event_add_time_relative(agent->event, &run->timer, CLOCK_MONOTONIC, SLEEPER_TICK_US,
				       0, on_tick, agent);
	if (r >= 0)
		r = sd_event_source_set_enabled(run->timer, SD_EVENT_ON);
	if (r < 0) {
		free(run);
		return drover_err_set(err, r, "cannot set up the event loop: %s", strerror(-r));
	}
	agent->sleep = run;
	return 0;
}
