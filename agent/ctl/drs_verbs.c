// SPDX-License-Identifier: GPL-2.0-or-later
/* What operators ask of load balancing; the leader answers. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/config.h"
#include "ctl/drs_run.h"
#include "ctl/forward.h"
#include "ctl/reply.h"
#include "policy/entitle.h"
#include "policy/load.h"
#include "policy/rules.h"

/* --- messages --- */

static const char *host_name(const struct drover_drs_world *w, int32_t host)
{
	return host == DROVER_DRS_NONE ? "" : w->hosts[host].name;
}

static Drover__DrsMove *move_message(const struct drover_drs_world *w,
				     const struct drover_drs_move *move, const uint64_t *ids,
				     uint64_t id)
{
	Drover__DrsMove *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	drover__drs_move__init(m);
	m->id = id;
	m->vm = strdup(w->vms[move->vm].name);
	m->from = strdup(host_name(w, move->from));
	m->to = strdup(host_name(w, move->to));
	/* The numbers are the same on purpose. */
	m->kind = (Drover__DrsMove__Kind)move->kind;
	m->priority = move->priority;
	m->automatic = move->automatic || move->kind == DROVER_DRS_EVACUATE;
	m->benefit_mhz_s = move->benefit;
	m->cost_mhz_s = move->cost;
	m->duration_s = move->duration_s;
	m->blackout_s = move->blackout_s;
	m->reason = strdup(move->reason);
	if (move->swap != DROVER_DRS_NONE && ids)
		m->with = ids[move->swap];
	return m;
}

static Drover__DrsMove *reject_message(const struct drover_drs_world *w,
				       const struct drover_drs_reject *reject)
{
	Drover__DrsMove *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	drover__drs_move__init(m);
	m->vm = strdup(w->vms[reject->vm].name);
	m->from = strdup(host_name(w, reject->from));
	m->to = strdup(host_name(w, reject->to));
	m->kind = DROVER__DRS_MOVE__KIND__BALANCE;
	m->reason = strdup(reject->reason);
	return m;
}

static void add_note(Drover__DrsInfo *info, const char *text)
{
	info->notes[info->n_notes] = strdup(text);
	if (info->notes[info->n_notes])
		info->n_notes++;
}

/* A VM that was started there with "cpu = host" finds them nowhere else. */
static void note_baseline(Drover__DrsInfo *info, const struct drover_drs_world *w, size_t host)
{
	uint64_t baseline[DROVER_DRS_CPU_WORDS];
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "host %s has processor flags that others lack:", w->hosts[host].name),
	    before = n;

	drover_drs_cpu_baseline(&w->snapshot, baseline);
	for (uint32_t i = 0; i < w->snapshot.flag_count && n < (int)sizeof(text) - 32; i++)
		if ((w->hosts[host].cpu_flags[i / 64] & ~baseline[i / 64]) >> i % 64 & 1)
			n += snprintf(text + n, sizeof(text) - n, " %.28s", w->flags[i]);
	if (n > before && w->hosts[host].state <= DROVER_DRS_HOST_MAINTENANCE)
		add_note(info, text);
}

static void add_notes(Drover__DrsInfo *info, const struct drover_drs_run *run)
{
	const struct drover_drs_world *w = &run->world;
	uint64_t now = drover_clock_realtime();

	info->notes =
		calloc(run->plan.note_count + w->snapshot.vm_count + w->snapshot.host_count + 1,
		       sizeof(*info->notes));
	for (size_t i = 0; info->notes && i < run->plan.note_count; i++)
		add_note(info, run->plan.notes[i].text);
	for (size_t i = 0; info->notes && i < w->snapshot.vm_count; i++) {
		uint32_t rest = drover_drs_world_rest(run->history, w->vms[i].name, now);
		char text[256];

		snprintf(text, sizeof(text), "vm %s rests for %u s more, as its last move failed",
			 w->vms[i].name, rest);
		if (rest)
			add_note(info, text);
	}
	for (size_t i = 0; info->notes && i < w->snapshot.host_count; i++)
		note_baseline(info, w, i);
}

static void add_plan(Drover__DrsInfo *info, const struct drover_drs_run *run)
{
	const struct drover_drs_plan *p = &run->plan;

	info->moves = calloc(p->move_count + 1, sizeof(*info->moves));
	for (size_t i = 0; info->moves && i < p->move_count; i++) {
		Drover__DrsMove *m =
			move_message(&run->world, &p->moves[i], run->ids,
				     p->moves[i].to == DROVER_DRS_NONE ? 0 : run->ids[i]);

		if (m)
			info->moves[info->n_moves++] = m;
	}
	info->rejects = calloc(p->reject_count + 1, sizeof(*info->rejects));
	for (size_t i = 0; info->rejects && i < p->reject_count; i++) {
		Drover__DrsMove *m = reject_message(&run->world, &p->rejects[i]);

		if (m)
			info->rejects[info->n_rejects++] = m;
	}
	add_notes(info, run);
}

static Drover__DrsHost *host_message(const struct drover_drs_host *host,
				     const struct drover_drs_host_load *load)
{
	Drover__DrsHost *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	drover__drs_host__init(m);
	m->name = strdup(host->name);
	/* The numbers are the same on purpose. */
	m->state = (Drover__DrsHostState)host->state;
	m->cpu = load->cpu;
	m->memory = load->memory;
	m->unmet_mhz = load->unmet;
	m->vms = load->vms;
	m->cpu_mhz = host->cpu_mhz;
	return m;
}

static Drover__DrsVm *vm_message(const struct drover_drs_world *w, const struct drover_drs_vm *vm,
				 double score, double entitled)
{
	Drover__DrsVm *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	drover__drs_vm__init(m);
	m->name = strdup(vm->name);
	m->host = strdup(host_name(w, vm->host));
	m->score = score;
	m->demand_mhz = vm->cpu_demand;
	m->entitled_mhz = entitled;
	m->moving_to = strdup(host_name(w, vm->moving_to));
	return m;
}

static void add_loads(Drover__DrsInfo *info, const struct drover_drs_world *w)
{
	const struct drover_drs_snapshot *s = &w->snapshot;
	struct drover_drs_host_load *loads = calloc(s->host_count + 1, sizeof(*loads));
	double *scores = calloc(s->vm_count + 1, sizeof(*scores));
	struct drover_drs_part *parts = NULL;
	struct drover_drs_state state;

	info->hosts = calloc(s->host_count + 1, sizeof(*info->hosts));
	info->vms = calloc(s->vm_count + 1, sizeof(*info->vms));
	if (loads && scores && info->hosts && info->vms &&
	    drover_drs_load(s, &state, loads, scores, NULL) == 0 &&
	    drover_drs_entitle(s, &parts, NULL) == 0) {
		for (size_t i = 0; i < s->host_count; i++)
			if ((info->hosts[info->n_hosts] = host_message(&w->hosts[i], &loads[i])))
				info->n_hosts++;
		for (size_t i = 0; i < s->vm_count; i++)
			if ((info->vms[info->n_vms] =
				     vm_message(w, &w->vms[i], scores[i], parts[i].cpu)))
				info->n_vms++;
	}
	free(parts);
	free(scores);
	free(loads);
}

static void add_history(Drover__DrsInfo *info, const Drover__DrsHistory *h)
{
	size_t len = drover__drs_history__get_packed_size(h);
	uint8_t *bytes = malloc(len + 1);
	Drover__DrsHistory *copy;

	if (!bytes)
		return;
	drover__drs_history__pack(h, bytes);
	copy = drover__drs_history__unpack(NULL, len, bytes);
	free(bytes);
	if (!copy)
		return;
	info->history = copy->records;
	info->n_history = copy->n_records;
	copy->records = NULL;
	copy->n_records = 0;
	drover__drs_history__free_unpacked(copy, NULL);
}

static Drover__DrsInfo *info_of(struct drover_agent *agent)
{
	const struct drover_drs_run *run = agent->drs;
	Drover__DrsInfo *info = malloc(sizeof(*info));
	struct drover_drs_options o;

	if (!info)
		return NULL;
	drover__drs_info__init(info);
	drover_drs_settings(agent, &o);
	info->leader = strdup(agent->conf.host);
	info->automation = (Drover__Automation)(o.automation + 1);
	info->threshold = o.threshold;
	info->failover_hosts = o.failover_hosts;
	info->settle_s = o.settle_s;
	info->passes = run->passes;
	if (run->history)
		add_history(info, run->history);
	if (!run->passes)
		return info;
	info->pass_time_us = run->pass_time_us;
	info->pass_us = run->pass_us;
	info->imbalance = run->plan.before.imbalance;
	info->imbalance_after = run->plan.after.imbalance;
	info->unmet_mhz = run->plan.before.unmet;
	info->score = run->plan.before.score;
	add_plan(info, run);
	add_loads(info, &run->world);
	return info;
}

static void answer(struct drover_agent *agent, uint64_t id)
{
	Drover__ControlReply *reply = drover_reply_new();

	if (reply)
		reply->drs = info_of(agent);
	drover_verbs_reply(agent, id, reply);
}

/* --- verbs --- */

bool drover_drs_is_ours(struct drover_agent *agent, uint64_t id,
			const Drover__ControlRequest *request)
{
	struct drover_err err = {0};

	if (agent->alone) {
		drover_err_set(&err, ENOTCONN,
			       "this host is in no cluster; drover cluster init makes one");
		drover_verbs_refuse(agent, id, &err);
		return false;
	}
	if (agent->cluster && drover_cluster_leads(agent->cluster) && agent->drs->history)
		return true;
	drover_forward_to_leader(agent, id, request);
	return false;
}

void drover_drs_show(struct drover_agent *agent, uint64_t id, const Drover__ControlRequest *request)
{
	if (drover_drs_is_ours(agent, id, request))
		answer(agent, id);
}

static int check_id(const struct drover_drs_run *run, uint64_t id, struct drover_err *err)
{
	for (size_t i = 0; i < run->plan.move_count; i++)
		if (run->ids[i] == id && run->plan.moves[i].to != DROVER_DRS_NONE)
			return 0;
	return drover_err_set(err, ENOENT, "there is no recommendation %" PRIu64 " now", id);
}

static int approve(struct drover_drs_run *run, const Drover__DrsApply *q, struct drover_err *err)
{
	size_t room = run->approved_count + 2 * q->n_ids + run->plan.move_count;
	uint64_t *more;

	for (size_t i = 0; i < q->n_ids; i++)
		if (check_id(run, q->ids[i], err) < 0)
			return err->code;
	more = realloc(run->approved, (room + 1) * sizeof(*more));
	if (!more)
		return drover_err_set(err, ENOMEM, "out of memory");
	run->approved = more;
	for (size_t i = 0; i < q->n_ids; i++)
		more[run->approved_count++] = q->ids[i];
	for (size_t i = 0; !q->n_ids && i < run->plan.move_count; i++)
		if (run->plan.moves[i].to != DROVER_DRS_NONE)
			more[run->approved_count++] = run->ids[i];
	/* Half a swap is none. */
	for (size_t i = 0; q->n_ids && i < run->plan.move_count; i++) {
		int32_t swap = run->plan.moves[i].swap;

		for (size_t k = 0; swap != DROVER_DRS_NONE && k < q->n_ids; k++)
			if (q->ids[k] == run->ids[i])
				more[run->approved_count++] = run->ids[swap];
	}
	return 0;
}

void drover_drs_apply(struct drover_agent *agent, uint64_t id,
		      const Drover__ControlRequest *request)
{
	struct drover_drs_run *run = agent->drs;
	struct drover_err err = {0};
	int r;

	if (!drover_drs_is_ours(agent, id, request))
		return;
	if (!run->passes)
		r = drover_err_set(
			&err, EAGAIN,
			"%s leads only since a moment ago, and has not looked yet; try again "
			"in a few seconds",
			agent->conf.host);
	else
		r = approve(run, request->drs_apply, &err);
	if (r < 0) {
		drover_verbs_refuse(agent, id, &err);
		return;
	}
	drover_drs_orders_give(agent);
	answer(agent, id);
}

/* --- where should a VM start? --- */

static int place(struct drover_agent *agent, const struct drover_vm_def *def,
		 Drover__DrsMove **ret_move, struct drover_err *err)
{
	struct drover_drs_world world;
	struct drover_drs_plan plan = {0};
	struct drover_drs_facts facts;
	size_t vm;
	int r = drover_drs_facts(agent, &facts, err);

	if (r < 0)
		return r;
	facts.place = def;
	r = drover_drs_world_make(&facts, &agent->drs->kept, &world, err);
	drover_drs_facts_free(&facts);
	if (r < 0)
		return r;
	vm = world.snapshot.vm_count - 1;
	r = drover_drs_place(&world.snapshot, &vm, 1, &plan, err);
	if (r == 0 && (!plan.move_count || plan.moves[0].to == DROVER_DRS_NONE))
		r = drover_err_set(err, ENOSPC, "there is no place for vm %s: %s", def->name,
				   plan.move_count ? plan.moves[0].reason : "no host takes VMs");
	if (r == 0)
		*ret_move = move_message(&world, &plan.moves[0], NULL, 0);
	drover_drs_plan_free(&plan);
	drover_drs_world_free(&world);
	return r;
}

static int where(struct drover_agent *agent, const Drover__VmPlace *q, Drover__DrsMove **ret_move,
		 struct drover_err *err)
{
	struct drover_vm_def def;
	char *text;
	int r;

	if (!agent->drs->passes)
		return drover_err_set(
			err, EAGAIN,
			"%s leads only since a moment ago, and has not looked yet; try "
			"again in a few seconds",
			agent->conf.host);
	text = strndup((const char *)q->definition.data, q->definition.len);
	if (!text)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = drover_vmdef_parse(text, q->name, &def, err);
	free(text);
	if (r == 0)
		snprintf(def.name, sizeof(def.name), "%s", q->name);
	return r < 0 ? r : place(agent, &def, ret_move, err);
}

void drover_drs_where(struct drover_agent *agent, uint64_t id,
		      const Drover__ControlRequest *request)
{
	Drover__ControlReply *reply;
	Drover__DrsMove *move = NULL;
	struct drover_err err = {0};

	if (!drover_drs_is_ours(agent, id, request))
		return;
	if (where(agent, request->vm_place, &move, &err) < 0) {
		drover_verbs_refuse(agent, id, &err);
		return;
	}
	reply = drover_reply_new();
	if (reply && move) {
		reply->drs = malloc(sizeof(*reply->drs));
		if (reply->drs) {
			drover__drs_info__init(reply->drs);
			reply->drs->moves = calloc(1, sizeof(*reply->drs->moves));
			if (reply->drs->moves)
				reply->drs->moves[reply->drs->n_moves++] = move;
		}
	}
	drover_verbs_reply(agent, id, reply);
}
