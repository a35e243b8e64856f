// SPDX-License-Identifier: GPL-2.0-or-later
/* Load balancing as it runs: the leader's passes. */
#include "ctl/drs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/thread.h"
#include "core/clock.h"
#include "core/config.h"
#include "ctl/allot.h"
#include "ctl/dpm.h"
#include "ctl/drs_run.h"
#include "ctl/habits.h"
#include "ctl/passes.h"
#include "ctl/shared.h"

#define SECOND_US UINT64_C(1000000)
#define PASS_US	  (10 * SECOND_US)

/* --- what the hosts say --- */

/**
 * struct asking - a peer being asked, in a thread of its own
 * @allot: what its VMs may use, told first; or NULL
 * @plain: which is whatever they want
 * @heard: it has answered to that
 */
struct asking {
	pthread_t thread;
	bool runs;
	const struct drover_conf *conf;
	const struct drover_peer_conf *peer;
	Drover__Allot *allot;
	bool plain, heard;
	Drover__HostReply *reply;
};

/* One look at all members but this one. */
struct look {
	struct drover_agent *agent;
	size_t count;
	struct asking asking[DROVER_PEERS_MAX];
};

static void *run_ask(void *data)
{
	struct asking *a = data;
	struct drover_err err = {0};

	a->heard = a->allot && drover_elsewhere_allot(a->conf, a->peer, a->allot, &err) == 0;
	if (a->allot && !a->heard)
		log_debug("%s: %s", a->peer->name, err.text);
	if (drover_elsewhere_schedule(a->conf, a->peer, &a->reply, &err) < 0) {
		log_debug("%s: %s", a->peer->name, err.text);
		a->reply = NULL;
	}
	return NULL;
}

/* --- a pass --- */

static void forget_pass(struct drover_drs_run *run)
{
	drover_drs_plan_free(&run->plan);
	drover_drs_world_free(&run->world);
	free(run->ids);
	run->plan = (struct drover_drs_plan){0};
	run->ids = NULL;
}

static void forget(struct drover_drs_run *run)
{
	drover_dpm_forget(run);
	forget_pass(run);
	while (run->said) {
		struct drover_drs_said *next = run->said->next;

		drover__host_reply__free_unpacked(run->said->reply, NULL);
		free(run->said);
		run->said = next;
	}
	drover_drs_kept_free(&run->kept);
	if (run->history)
		drover__drs_history__free_unpacked(run->history, NULL);
	run->history = NULL;
	free(run->approved);
	run->approved = NULL;
	run->approved_count = 0;
	run->passes = 0;
}

/* A recommendation keeps its number from pass to pass. */
static uint64_t number_of(const struct drover_drs_run *run, const struct drover_drs_world *world,
			  const struct drover_drs_move *move)
{
	for (size_t i = 0; run->ids && i < run->plan.move_count; i++) {
		const struct drover_drs_move *m = &run->plan.moves[i];

		if (m->to >= 0 && move->to >= 0 && m->kind == move->kind &&
		    !strcmp(run->world.vms[m->vm].name, world->vms[move->vm].name) &&
		    !strcmp(run->world.hosts[m->to].name, world->hosts[move->to].name))
			return run->ids[i];
	}
	return 0;
}

static uint64_t *numbers(struct drover_drs_run *run, const struct drover_drs_world *world,
			 const struct drover_drs_plan *plan)
{
	uint64_t *ids = calloc(plan->move_count + 1, sizeof(*ids));

	for (size_t i = 0; ids && i < plan->move_count; i++) {
		ids[i] = number_of(run, world, &plan->moves[i]);
		if (!ids[i])
			ids[i] = ++run->last_id;
	}
	return ids;
}

static int think(struct drover_agent *agent, struct drover_err *err)
{
	struct drover_drs_run *run = agent->drs;
	struct drover_drs_world world;
	struct drover_drs_plan plan = {0};
	struct drover_drs_facts facts;
	uint64_t start = drover_clock_monotonic(), *ids;
	int r = drover_drs_facts(agent, &facts, err);

	if (r < 0)
		return r;
	r = drover_drs_world_make(&facts, &run->kept, &world, err);
	drover_drs_facts_free(&facts);
	if (r < 0)
		return r;
	r = drover_drs_balance(&world.snapshot, &plan, err);
	ids = r == 0 ? numbers(run, &world, &plan) : NULL;
	if (!ids) {
		drover_drs_plan_free(&plan);
		drover_drs_world_free(&world);
		return r < 0 ? r : drover_err_set(err, ENOMEM, "out of memory");
	}
	drover_passes_keep(&agent->conf, &world.snapshot, &plan);
	forget_pass(run);
	run->world = world;
	run->plan = plan;
	run->ids = ids;
	run->passes++;
	run->pass_time_us = drover_clock_realtime();
	run->pass_us = drover_clock_monotonic() - start;
	return 0;
}

static void pass(struct drover_agent *agent)
{
	struct drover_err err = {0};

	drover_drs_orders_look(agent);
	if (think(agent, &err) < 0)
		log_warning("load balancing: %s", err.text);
	else
		drover_drs_orders_give(agent);
	if (agent->drs->passes)
		drover_dpm_pass(agent);
	drover_habits_save(agent, agent->drs->kept);
}

static bool leads(const struct drover_agent *agent)
{
	return !agent->alone && agent->cluster && drover_cluster_leads(agent->cluster) &&
	       !agent->ending;
}

/* What came of asking one host. */
static void take_answer(struct drover_agent *agent, struct asking *a)
{
	if (a->reply && leads(agent))
		drover_drs_hear(agent->drs, a->peer->name, a->reply);
	else if (a->reply)
		drover__host_reply__free_unpacked(a->reply, NULL);
	if (!a->allot)
		return;
	drover_drs_told(agent->drs, a->peer->name, a->plain, a->heard);
	drover__allot__free_unpacked(a->allot, NULL);
}

static void do_looked(void *data)
{
	struct look *l = data;
	struct drover_agent *agent = l->agent;

	agent->drs->looking = false;
	for (size_t i = 0; i < l->count; i++)
		take_answer(agent, &l->asking[i]);
	if (leads(agent) && agent->drs->history)
		pass(agent);
	free(l);
}

static void *run_look(void *data)
{
	struct look *l = data;

	for (size_t i = 0; i < l->count; i++) {
		struct asking *a = &l->asking[i];

		a->runs = pthread_create(&a->thread, NULL, run_ask, a) == 0;
		if (!a->runs)
			run_ask(a);
	}
	for (size_t i = 0; i < l->count; i++)
		if (l->asking[i].runs)
			pthread_join(l->asking[i].thread, NULL);
	if (drover_call_post(l->agent->calls, do_looked, l) < 0)
		log_error("out of memory");
	return NULL;
}

/* --- what VMs may use --- */

/* Is there any share, reservation or limit in the cluster? */
static bool is_allotted(const struct drover_drs_world *w)
{
	for (size_t i = 0; i < w->snapshot.vm_count; i++) {
		const struct drover_drs_alloc *c = &w->vms[i].cpu, *m = &w->vms[i].memory;

		if (c->reservation > 0 || c->limit > 0 || c->shares > 0 || m->reservation > 0 ||
		    m->limit > 0 || m->shares > 0)
			return true;
	}
	return w->snapshot.respool_count > 0;
}

/* What a host is to be told, or NULL. */
static Drover__Allot *allot_for(struct drover_agent *agent, const char *host, bool wanted)
{
	const struct drover_drs_world *w = &agent->drs->world;

	/* Before the first pass it is not known what is wanted. */
	if (!agent->drs->passes || !drover_drs_owes(agent->drs, host, wanted))
		return NULL;
	for (size_t i = 0; i < w->snapshot.host_count; i++)
		if (!strcmp(w->hosts[i].name, host))
			return drover_allot_make(&w->snapshot, i, !wanted);
	return NULL;
}

static void allot_here(struct drover_agent *agent, bool wanted)
{
	Drover__Allot *own = allot_for(agent, agent->conf.host, wanted);

	if (!own)
		return;
	drover_allot_apply(agent, own);
	drover_drs_told(agent->drs, agent->conf.host, !wanted, true);
	drover__allot__free_unpacked(own, NULL);
}

/* --- from time to time --- */

static void look(struct drover_agent *agent, struct drover_err *err)
{
	struct drover_drs_run *run = agent->drs;
	struct look *l = calloc(1, sizeof(*l));
	Drover__HostReply *self = drover_hosts_reply(agent, true);
	bool wanted = run->passes && is_allotted(&run->world);

	if (self && self->host)
		drover_drs_hear(run, agent->conf.host, self);
	allot_here(agent, wanted);
	if (!l) {
		drover_err_set(err, ENOMEM, "out of memory");
		return;
	}
	l->agent = agent;
	for (uint32_t i = 0; i < agent->conf.peer_count; i++) {
		const struct drover_peer_conf *peer = &agent->conf.peers[i];

		if (!drover_shared_is_member(agent, peer->name))
			continue;
		l->asking[l->count++] = (struct asking){
			.conf = &agent->conf,
			.peer = peer,
			.allot = allot_for(agent, peer->name, wanted),
			.plain = !wanted,
		};
	}
	run->looking = drover_thread_detached(run_look, l, err) == 0;
	if (!run->looking)
		free(l);
}

static int on_pass(sd_event_source *source, uint64_t usec, void *data)
{
	struct drover_agent *agent = data;
	struct drover_err err = {0};

	if (leads(agent) && agent->drs->history && !agent->drs->looking)
		look(agent, &err);
	if (err.code)
		log_warning("load balancing: %s", err.text);
	return sd_event_source_set_time_relative(source, PASS_US);
}

void drover_drs_phase(struct drover_agent *agent)
{
	struct drover_drs_run *run = agent->drs;

	/* In a moment it is known who leads: who did before may have a lot to remember. */
	if (!run || drover_shared_changes(agent))
		return;
	if (!leads(agent)) {
		forget(run);
	} else if (!run->history) {
		drover_drs_orders_load(agent);
		drover_habits_load(agent, &run->kept);
		sd_event_source_set_time_relative(run->timer, SECOND_US);
	}
}

int drover_drs_open(struct drover_agent *agent, struct drover_err *err)
{
	struct drover_drs_run *run = calloc(1, sizeof(*run));
	int r;

	if (!run)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = sd_event_add_time_relative(agent->event, &run->timer, CLOCK_MONOTONIC, PASS_US, 0,
				       on_pass, agent);
	if (r >= 0)
		r = sd_event_source_set_enabled(run->timer, SD_EVENT_ON);
	if (r < 0) {
		free(run);
		return drover_err_set(err, r, "cannot set up the event loop: %s", strerror(-r));
	}
	agent->drs = run;
	drover_drs_phase(agent);
	return 0;
}
