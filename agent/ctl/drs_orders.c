// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Moves that the leader has given order for: to the host that the VM leaves, which obeys only
 * the leader that it sees itself. The cluster remembers them, so a successor knows what is under
 * way, and what was done.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "core/clock.h"
#include "core/config.h"
#include "ctl/drs_run.h"

#define SECOND_US UINT64_C(1000000)
/* Until then the order itself may be under way. */
#define ORDER_US (15 * SECOND_US)
/* A host that was lost may come back with its VMs, or have them started elsewhere. */
#define LOST_US	   (120 * SECOND_US)
#define HOST_MOVES 2

#define MOVING DROVER__DRS_RECORD__STATE__MOVING
#define DONE   DROVER__DRS_RECORD__STATE__DONE
#define FAILED DROVER__DRS_RECORD__STATE__FAILED

/* --- the history --- */

static void save(struct drover_agent *agent)
{
	struct drover_err err = {0};

	if (drover_shared_set(agent, DROVER_SHARED_HISTORY, "", &agent->drs->history->base, NULL,
			      NULL, &err) < 0)
		log_warning("the history of moves is not kept: %s", err.text);
}

void drover_drs_orders_load(struct drover_agent *agent)
{
	Drover__DrsHistory *h = drover_shared_get(agent, DROVER_SHARED_HISTORY, "",
						  &drover__drs_history__descriptor);

	if (!h) {
		h = malloc(sizeof(*h));
		if (!h)
			return;
		drover__drs_history__init(h);
	}
	agent->drs->history = h;
}

static void drop_oldest(Drover__DrsHistory *h)
{
	size_t i = 0;

	while (i < h->n_records && h->records[i]->state == MOVING)
		i++;
	if (i == h->n_records)
		return;
	drover__drs_record__free_unpacked(h->records[i], NULL);
	memmove(h->records + i, h->records + i + 1, (h->n_records - i - 1) * sizeof(*h->records));
	h->n_records--;
}

static Drover__DrsRecord *add(struct drover_agent *agent, const struct drover_drs_move *move,
			      bool asked)
{
	const struct drover_drs_world *w = &agent->drs->world;
	Drover__DrsHistory *h = agent->drs->history;
	Drover__DrsRecord *r = malloc(sizeof(*r)), **more;

	if (h->n_records >= DROVER_DRS_HISTORY_MAX)
		drop_oldest(h);
	more = realloc(h->records, (h->n_records + 1) * sizeof(*more));
	if (more)
		h->records = more;
	if (!r || !more) {
		free(r);
		return NULL;
	}
	drover__drs_record__init(r);
	r->time_us = drover_clock_realtime();
	drover_shared_text(&r->vm, w->vms[move->vm].name);
	drover_shared_text(&r->from, w->hosts[move->from].name);
	drover_shared_text(&r->to, w->hosts[move->to].name);
	drover_shared_text(&r->reason, move->reason);
	r->priority = move->priority;
	r->asked = asked;
	r->evacuation = move->kind == DROVER_DRS_EVACUATE;
	h->records[h->n_records++] = r;
	return r;
}

static Drover__DrsRecord *find(struct drover_agent *agent, const char *vm, uint64_t time_us)
{
	Drover__DrsHistory *h = agent->drs->history;

	for (size_t i = 0; h && i < h->n_records; i++)
		if (h->records[i]->time_us == time_us && !strcmp(h->records[i]->vm, vm))
			return h->records[i];
	return NULL;
}

static void fail(struct drover_agent *agent, Drover__DrsRecord *r, const char *why)
{
	r->state = FAILED;
	r->total_us = drover_clock_realtime() - r->time_us;
	drover_shared_text(&r->error, why);
	drover_news_vm(agent, r->vm, "vm %s did not move from %s to %s: %s", r->vm, r->from, r->to,
		       why);
}

/* --- what has become of them --- */

static const Drover__HostReply *said(const struct drover_agent *agent, const char *host)
{
	const struct drover_drs_said *s = drover_drs_said(agent->drs, host);

	return s && drover_shared_is_member(agent, host) ? s->reply : NULL;
}

static const Drover__MigrationInfo *migration_of(const Drover__HostReply *source,
						 const Drover__DrsRecord *r)
{
	for (size_t i = 0; source && r->migration_id && i < source->n_migrations; i++)
		if (source->migrations[i]->id == r->migration_id)
			return source->migrations[i];
	return NULL;
}

static bool runs_on(const struct drover_agent *agent, const char *host, const char *vm)
{
	const Drover__HostReply *reply = said(agent, host);

	for (size_t i = 0; reply && i < reply->n_vms; i++)
		if (!strcmp(reply->vms[i]->name, vm) &&
		    (reply->vms[i]->state == DROVER__VM_STATE__VM_STATE_RUNNING ||
		     reply->vms[i]->state == DROVER__VM_STATE__VM_STATE_PAUSED))
			return true;
	return false;
}

static void learn_blackout(struct drover_agent *agent, const Drover__DrsRecord *r)
{
	for (struct drover_drs_kept *k = agent->drs->kept; k; k = k->next)
		if (!strcmp(k->name, r->vm))
			k->blackout_ms = r->blackout_us / 1000.0;
}

static void done(struct drover_agent *agent, Drover__DrsRecord *r)
{
	r->state = DONE;
	if (!r->total_us)
		r->total_us = drover_clock_realtime() - r->time_us;
	learn_blackout(agent, r);
}

/* By the word of the host that it leaves. */
static void judge(struct drover_agent *agent, Drover__DrsRecord *r, const Drover__MigrationInfo *m)
{
	switch (m->state) {
	case DROVER__MIGRATION_STATE__MIGRATION_STATE_DONE:
		r->blackout_us = m->blackout_us;
		r->total_us = m->total_us;
		done(agent, r);
		return;
	case DROVER__MIGRATION_STATE__MIGRATION_STATE_CANCELLED:
	case DROVER__MIGRATION_STATE__MIGRATION_STATE_FAILED:
		fail(agent, r, *m->error ? m->error : "it was cancelled");
		return;
	default:
		return;
	}
}

/* That host cannot be asked, or has forgotten it. */
static void guess(struct drover_agent *agent, Drover__DrsRecord *r)
{
	uint64_t age = drover_clock_realtime() - r->time_us;

	if (runs_on(agent, r->to, r->vm))
		done(agent, r);
	else if (age < ORDER_US)
		return;
	else if (said(agent, r->from) && !r->migration_id)
		fail(agent, r, "the order did not come to a migration");
	else if (said(agent, r->from) || age > LOST_US)
		fail(agent, r, "its migration has ended, and it does not run there");
}

void drover_drs_orders_look(struct drover_agent *agent)
{
	Drover__DrsHistory *h = agent->drs->history;
	bool changed = false;

	for (size_t i = 0; i < h->n_records; i++) {
		Drover__DrsRecord *r = h->records[i];
		const Drover__MigrationInfo *m;

		if (r->state != MOVING)
			continue;
		m = migration_of(said(agent, r->from), r);
		if (m)
			judge(agent, r, m);
		else
			guess(agent, r);
		changed |= r->state != MOVING;
	}
	if (changed)
		save(agent);
}

/* --- new ones --- */

/* One move, or both halves of a swap: the second is begun only if the first was. */
struct giving {
	struct drover_agent *agent;
	size_t count;
	struct given {
		char vm[DROVER_NAME_LEN];
		char to[DROVER_NAME_LEN];
		uint64_t time_us;
		const struct drover_peer_conf *from; /* NULL: this host */
		uint64_t migration_id;
		struct drover_err err;
	} moves[2];
};

static void do_given(void *data)
{
	struct giving *g = data;

	for (size_t i = 0; i < g->count; i++) {
		const struct given *m = &g->moves[i];
		Drover__DrsRecord *r = find(g->agent, m->vm, m->time_us);

		if (!r)
			continue;
		r->migration_id = m->migration_id;
		if (m->err.code)
			fail(g->agent, r, m->err.text);
	}
	if (g->agent->drs->history)
		save(g->agent);
	free(g);
}

static void do_own(void *data)
{
	struct giving *g = data;
	Drover__Migrate q = DROVER__MIGRATE__INIT;

	for (size_t i = 0; i < g->count; i++) {
		struct given *m = &g->moves[i];

		if (m->from || m->migration_id || m->err.code)
			continue;
		q.vm = m->vm;
		q.host = m->to;
		drover_moves_begin(g->agent, &q, &m->migration_id, &m->err);
		return;
	}
}

static void *run_give(void *data)
{
	struct giving *g = data;
	bool ok = true;

	for (size_t i = 0; i < g->count; i++) {
		struct given *m = &g->moves[i];

		if (!ok)
			drover_err_set(&m->err, ECANCELED,
				       "the other half of the swap did not begin");
		else if (m->from)
			drover_elsewhere_order(&g->agent->conf, m->from, m->vm, m->to,
					       &m->migration_id, &m->err);
		else
			drover_call_wait(g->agent->calls, do_own, g);
		ok = !m->err.code;
	}
	if (drover_call_post(g->agent->calls, do_given, g) < 0)
		log_error("out of memory");
	return NULL;
}

static int put(struct giving *g, const struct drover_drs_move *move, bool asked)
{
	struct drover_agent *agent = g->agent;
	struct given *m = &g->moves[g->count];
	Drover__DrsRecord *r = add(agent, move, asked);

	if (!r)
		return -ENOMEM;
	g->count++;
	snprintf(m->vm, sizeof(m->vm), "%s", r->vm);
	snprintf(m->to, sizeof(m->to), "%s", r->to);
	m->time_us = r->time_us;
	if (strcmp(r->from, agent->conf.host))
		m->from = drover_config_find_peer(&agent->conf, r->from);
	drover_news_vm(agent, r->vm, "vm %s moves from %s to %s: %s", r->vm, r->from, r->to,
		       r->reason);
	return 0;
}

static bool is_moving(const struct drover_drs_run *run, size_t vm)
{
	const struct drover_drs_vm *v = &run->world.vms[vm];

	if (v->moving_to != DROVER_DRS_NONE)
		return true;
	for (size_t i = 0; i < run->history->n_records; i++)
		if (run->history->records[i]->state == MOVING &&
		    !strcmp(run->history->records[i]->vm, v->name))
			return true;
	return false;
}

static uint32_t moves_of(const struct drover_drs_run *run, int32_t host)
{
	const struct drover_drs_world *w = &run->world;
	uint32_t n = 0;

	for (size_t i = 0; i < w->snapshot.vm_count; i++)
		n += w->vms[i].moving_to != DROVER_DRS_NONE &&
		     (w->vms[i].host == host || w->vms[i].moving_to == host);
	for (size_t i = 0; i < run->history->n_records; i++) {
		const Drover__DrsRecord *r = run->history->records[i];
		bool seen = false;

		for (size_t j = 0; j < w->snapshot.vm_count; j++)
			seen |= !strcmp(w->vms[j].name, r->vm) &&
				w->vms[j].moving_to != DROVER_DRS_NONE;
		n += r->state == MOVING && !seen &&
		     (!strcmp(r->from, w->hosts[host].name) || !strcmp(r->to, w->hosts[host].name));
	}
	return n;
}

static bool is_approved(const struct drover_drs_run *run, size_t i)
{
	for (size_t k = 0; k < run->approved_count; k++)
		if (run->approved[k] == run->ids[i])
			return true;
	return false;
}

/* Emptying a host is what its operator has asked for. */
static bool may_go(const struct drover_drs_run *run, size_t i)
{
	const struct drover_drs_move *m = &run->plan.moves[i];

	return m->to != DROVER_DRS_NONE && m->from != DROVER_DRS_NONE && !is_moving(run, m->vm) &&
	       !drover_drs_world_rest(run->history, run->world.vms[m->vm].name,
				      drover_clock_realtime()) &&
	       (m->automatic || m->kind == DROVER_DRS_EVACUATE || is_approved(run, i));
}

static bool has_room(const struct drover_drs_run *run, const struct drover_drs_move *m)
{
	return moves_of(run, m->from) < HOST_MOVES && moves_of(run, m->to) < HOST_MOVES;
}

static void give(struct drover_agent *agent, size_t i)
{
	struct drover_drs_run *run = agent->drs;
	const struct drover_drs_move *move = &run->plan.moves[i];
	struct giving *g = calloc(1, sizeof(*g));
	struct drover_err err = {0};
	int r = -ENOMEM;

	if (g) {
		g->agent = agent;
		r = put(g, move, is_approved(run, i));
	}
	if (r == 0 && move->swap != DROVER_DRS_NONE && may_go(run, move->swap))
		r = put(g, &run->plan.moves[move->swap], is_approved(run, move->swap));
	if (r == 0)
		r = drover_thread_detached(run_give, g, &err);
	if (r < 0) {
		/* Records without a migration are judged later. */
		log_error("load balancing: %s", err.code ? err.text : "out of memory");
		free(g);
	}
}

/* Approvals of what is not recommended any more have lapsed. */
static void forget_approvals(struct drover_drs_run *run)
{
	size_t n = 0;

	for (size_t k = 0; k < run->approved_count; k++) {
		bool there = false;

		for (size_t i = 0; i < run->plan.move_count; i++)
			there |= run->ids[i] == run->approved[k] &&
				 !is_moving(run, run->plan.moves[i].vm);
		if (there)
			run->approved[n++] = run->approved[k];
	}
	run->approved_count = n;
}

void drover_drs_orders_give(struct drover_agent *agent)
{
	struct drover_drs_run *run = agent->drs;
	size_t before = run->history->n_records;
	uint64_t newest = before ? run->history->records[before - 1]->time_us : 0;

	for (size_t i = 0; i < run->plan.move_count; i++)
		if (may_go(run, i) && has_room(run, &run->plan.moves[i]))
			give(agent, i);
	forget_approvals(run);
	if (run->history->n_records &&
	    run->history->records[run->history->n_records - 1]->time_us != newest)
		save(agent);
}
