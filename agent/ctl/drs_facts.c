// SPDX-License-Identifier: GPL-2.0-or-later
/* What the leader knows: the last words of the hosts, and what the cluster shares. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "ctl/drs_run.h"
#include "ctl/sleep.h"

/* Of the newest figure, in what is known of a host's own needs. */
#define OWN_SHARE 0.3

struct drover_drs_said *drover_drs_said(struct drover_drs_run *run, const char *host)
{
	struct drover_drs_said *s = run->said;

	while (s && strcmp(s->host, host))
		s = s->next;
	return s;
}

void drover_drs_hear(struct drover_drs_run *run, const char *host, Drover__HostReply *reply)
{
	struct drover_drs_said *s = drover_drs_said(run, host);
	double own;

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s) {
			drover__host_reply__free_unpacked(reply, NULL);
			return;
		}
		snprintf(s->host, sizeof(s->host), "%s", host);
		s->own_cpus = -1;
		s->next = run->said;
		run->said = s;
	}
	if (s->reply)
		drover__host_reply__free_unpacked(s->reply, NULL);
	/*
	 * Its figures are of the last five seconds, in which a VM may still have been on its way.
	 * What was needed for so short a time alone moves no VMs.
	 */
	if (drover_drs_world_own(reply, &own) && s->quiet)
		s->own_cpus = s->own_cpus < 0 ? own : s->own_cpus + OWN_SHARE * (own - s->own_cpus);
	s->quiet = drover_drs_world_own(reply, &own);
	s->reply = reply;
	s->when_us = drover_clock_monotonic();
}

bool drover_drs_owes(struct drover_drs_run *run, const char *host, bool wanted)
{
	const struct drover_drs_said *s = drover_drs_said(run, host);

	return wanted || !s || !s->plain;
}

void drover_drs_told(struct drover_drs_run *run, const char *host, bool plain, bool heard)
{
	struct drover_drs_said *s = drover_drs_said(run, host);

	/* What was lost on the way may have come there all the same. */
	if (s)
		s->plain = plain && heard;
}

void drover_drs_settings(const struct drover_agent *agent, struct drover_drs_options *ret)
{
	Drover__DrsSettings *s =
		drover_shared_get(agent, DROVER_SHARED_DRS, "", &drover__drs_settings__descriptor);

	*ret = (struct drover_drs_options){.threshold = 3, .automation = DROVER_AUTOMATION_MANUAL};
	if (!s)
		return;
	if (s->threshold)
		ret->threshold = s->threshold;
	if (s->automation == DROVER__AUTOMATION__AUTOMATION_PARTIAL)
		ret->automation = DROVER_AUTOMATION_PARTIAL;
	if (s->automation == DROVER__AUTOMATION__AUTOMATION_FULL)
		ret->automation = DROVER_AUTOMATION_FULL;
	ret->failover_hosts = s->failover_hosts;
	ret->settle_s = s->settle_s;
	drover__drs_settings__free_unpacked(s, NULL);
}

static bool has_entry(const struct drover_agent *agent, const char *prefix, const char *name,
		      const ProtobufCMessageDescriptor *descriptor)
{
	void *m = drover_shared_get(agent, prefix, name, descriptor);

	if (m)
		protobuf_c_message_free_unpacked(m, NULL);
	return m != NULL;
}

/* One in maintenance is not woken for others: it is as if it were gone. */
static bool may_wake(const Drover__SleepRecord *sleep, bool maintenance)
{
	return sleep && sleep->state != DROVER__SLEEP_RECORD__STATE__FAILED && !maintenance;
}

/* What is left of a host that is gone is its record: its VMs are not there any more. */
static void report(struct drover_agent *agent, const char *host, struct drover_drs_report *ret)
{
	bool there = drover_shared_is_member(agent, host);
	bool maintenance = has_entry(agent, DROVER_SHARED_MAINTENANCE, host,
				     &drover__maintenance_record__descriptor);
	const Drover__SleepRecord *sleep = drover_sleep_find(agent, host);
	struct drover_drs_said *s = there ? drover_drs_said(agent->drs, host) : NULL;

	*ret = (struct drover_drs_report){.host = host, .state = DROVER_DRS_HOST_DOWN};
	if (!there && may_wake(sleep, maintenance))
		ret->state = DROVER_DRS_HOST_STANDBY;
	if (!s)
		return;
	ret->reply = s->reply;
	ret->age_us = drover_clock_monotonic() - s->when_us;
	ret->own_cpus = s->own_cpus;
	ret->state = sleep || maintenance ? DROVER_DRS_HOST_MAINTENANCE : DROVER_DRS_HOST_UP;
}

static int make_reports(struct drover_agent *agent, struct drover_drs_facts *f)
{
	struct drover_drs_report *reports = calloc(agent->conf.peer_count + 1, sizeof(*reports));

	if (!reports)
		return -ENOMEM;
	report(agent, agent->conf.host, &reports[f->report_count++]);
	for (uint32_t i = 0; i < agent->conf.peer_count; i++) {
		const char *host = agent->conf.peers[i].name;

		if (drover_shared_is_member(agent, host) ||
		    has_entry(agent, DROVER_SHARED_HOST, host, &drover__host_record__descriptor))
			report(agent, host, &reports[f->report_count++]);
	}
	f->reports = reports;
	return 0;
}

int drover_drs_facts(struct drover_agent *agent, struct drover_drs_facts *ret_facts,
		     struct drover_err *err)
{
	struct drover_drs_facts f = {
		.history = agent->drs->history,
		.now_us = drover_clock_realtime(),
	};
	const struct {
		const char *prefix;
		const ProtobufCMessageDescriptor *descriptor;
		struct drover_shared_list *list;
	} lists[] = {
		{DROVER_SHARED_HOST, &drover__host_record__descriptor, &f.hosts},
		{DROVER_SHARED_VM, &drover__vm_record__descriptor, &f.vms},
		{DROVER_SHARED_RULE, &drover__rule_record__descriptor, &f.rules},
		{DROVER_SHARED_SHARE, &drover__resource_record__descriptor, &f.shares},
		{DROVER_SHARED_RESPOOL, &drover__resource_record__descriptor, &f.respools},
	};
	int r = make_reports(agent, &f);

	drover_drs_settings(agent, &f.options);
	for (size_t i = 0; r == 0 && i < sizeof(lists) / sizeof(*lists); i++)
		r = drover_shared_list(agent, lists[i].prefix, lists[i].descriptor, lists[i].list);
	if (r < 0) {
		drover_drs_facts_free(&f);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	*ret_facts = f;
	return 0;
}

void drover_drs_facts_free(struct drover_drs_facts *f)
{
	free((void *)f->reports);
	drover_shared_free(&f->hosts);
	drover_shared_free(&f->vms);
	drover_shared_free(&f->rules);
	drover_shared_free(&f->shares);
	drover_shared_free(&f->respools);
}
