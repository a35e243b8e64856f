// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The world as a snapshot, a pass of power management, a pass of load balancing, and their
 * moves. Hosts that are off are all alike but for their type, so a few of each are enough.
 */
#include "dpm_drover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/drs.h"
#include "policy/power.h"

#define BASE_S	    (30 * 86400ULL) /* of the clock, so that there is time before the day */
#define STEP_S	    300
#define SPARES	    12		   /* hosts that are off, of each type, that a pass gets to see */
#define RAM_IS_FREE 4000	   /* percent, where the model lets memory not bind */
#define LEAVE_MAX   (CS_HOSTS / 4) /* the day begins with hosts that are all but empty */
#define TARGET	    70		   /* percent; peers fill hosts to 80 and more */

/**
 * struct shot - one snapshot, and what its indices stand for
 * @host_id, @vm_id: of the world; @index: of a host of the world here, or DROVER_DRS_NONE
 */
struct shot {
	struct drover_drs_snapshot s;
	struct drover_drs_host hosts[CS_HOSTS];
	struct drover_dpm_host power[CS_HOSTS];
	int host_id[CS_HOSTS], index[CS_HOSTS];
	struct drover_drs_vm *vms;
	float (*history)[CS_HISTORY];
	int *vm_id;
	struct cs_move *moves;
	int count, room;
};

int dpm_drover_init(struct dpm_drover *drover, size_t vms)
{
	*drover = (struct dpm_drover){0};
	drover->past = calloc(vms + 1, sizeof(*drover->past));
	return drover->past ? 0 : -ENOMEM;
}

void dpm_drover_exit(struct dpm_drover *drover)
{
	free(drover->past);
}

/* The machines that do more for a watt come first. */
int dpm_drover_place(struct cs_world *w, int vm, void *data)
{
	for (int type = 1; type >= 0; type--)
		for (int h = type; h < CS_HOSTS; h += 2)
			if (cs_host_takes(w, h, vm)) {
				w->hosts[h].wanted = true;
				return h;
			}
	return CS_NOWHERE;
}

/* --- the snapshot --- */

static void add_host(struct shot *shot, const struct cs_world *w, const struct dpm_drover *d, int h)
{
	const struct cs_host *host = &w->hosts[h];
	size_t i = shot->s.host_count++;
	bool leaving = !host->wanted && host->count;

	shot->host_id[i] = h;
	shot->index[h] = (int)i;
	shot->hosts[i] = (struct drover_drs_host){
		.state = host->wanted ? DROVER_DRS_HOST_UP
			 : leaving    ? DROVER_DRS_HOST_MAINTENANCE
				      : DROVER_DRS_HOST_STANDBY,
		.cores = 2,
		.cpu_mhz = host->total,
		.memory_mib = (uint64_t)host->type->ram,
		.link_mib_s = w->ram_binds ? 112 : 62.5,
		.sampled_s = shot->s.now_s,
	};
	snprintf(shot->hosts[i].name, sizeof(shot->hosts[i].name), "host%03d", h);
	shot->power[i] = (struct drover_dpm_host){
		.changing = leaving,
		.since_s = d->since_s[h],
		.tested = true,
		.wake_s = 120,
		.watts_idle = cs_watts(host->type, 0),
		.watts_full = cs_watts(host->type, 1),
	};
}

static void add_hosts(struct shot *shot, const struct cs_world *w, const struct dpm_drover *d)
{
	int spares[2] = {0};

	for (int h = 0; h < CS_HOSTS; h++) {
		const struct cs_host *host = &w->hosts[h];

		shot->index[h] = DROVER_DRS_NONE;
		if (host->wanted || host->count)
			add_host(shot, w, d, h);
		else if (d->since_s[h] + 2 * STEP_S <= shot->s.now_s && spares[h % 2]++ < SPARES)
			add_host(shot, w, d, h);
	}
}

static void add_past(struct drover_drs_vm *vm, const struct shot *shot, const struct dpm_past *past)
{
	uint32_t n = past->count < DROVER_DRS_PAST_MAX ? past->count : DROVER_DRS_PAST_MAX;

	for (uint32_t i = 0; i < n; i++)
		vm->past[i] = (struct drover_drs_past){
			.when_s = past->move[i].when_s,
			.from = shot->index[past->move[i].from],
			.to = shot->index[past->move[i].to],
		};
	vm->past_count = n;
}

static void add_vm(struct shot *shot, const struct cs_world *w, const struct dpm_drover *d, int v)
{
	const struct cs_vm *from = &w->vms[v];
	size_t i = shot->s.vm_count++;
	struct drover_drs_vm *vm = &shot->vms[i];

	shot->vm_id[i] = v;
	for (int k = 0; k < from->history_len; k++)
		shot->history[i][k] =
			(float)(from->history[from->history_len - 1 - k] * from->mips);
	*vm = (struct drover_drs_vm){
		.host = shot->index[from->host],
		.moving_to = DROVER_DRS_NONE,
		.override = from->moving ? DROVER_DRS_VM_FIXED : DROVER_DRS_AS_CLUSTER,
		.vcpus = 1,
		.cpu_demand = from->demand,
		.cpu.limit = from->mips,
		.memory_mib = (uint64_t)from->ram,
		.memory_demand_mib = w->ram_binds ? (uint64_t)from->ram : 0,
		.respool = DROVER_DRS_NONE,
		.history = shot->history[i],
		.history_count = (uint32_t)from->history_len,
		.sampled_s = shot->s.now_s,
	};
	snprintf(vm->name, sizeof(vm->name), "vm%04d", v);
	add_past(vm, shot, &d->past[v]);
}

static int shot_init(struct shot *shot, const struct cs_world *w, const struct dpm_drover *d)
{
	size_t vms = (size_t)w->vm_count + 1;

	shot->vms = calloc(vms, sizeof(*shot->vms));
	shot->history = calloc(vms, sizeof(*shot->history));
	shot->vm_id = calloc(vms, sizeof(*shot->vm_id));
	if (!shot->vms || !shot->history || !shot->vm_id)
		return -ENOMEM;
	shot->s = (struct drover_drs_snapshot){
		.now_s = BASE_S + (uint64_t)w->step * STEP_S,
		.hosts = shot->hosts,
		.vms = shot->vms,
		.history_step_s = STEP_S,
		.options = {.automation = DROVER_AUTOMATION_FULL,
			    .memory_percent = w->ram_binds ? 100 : RAM_IS_FREE},
	};
	add_hosts(shot, w, d);
	for (int v = 0; v < w->vm_count; v++)
		if (!w->vms[v].gone && w->vms[v].host >= 0)
			add_vm(shot, w, d, v);
	return 0;
}

static void shot_free(struct shot *shot)
{
	free(shot->vms);
	free(shot->history);
	free(shot->vm_id);
	free(shot);
}

/* --- orders --- */

static void order(struct shot *shot, const struct cs_world *w, struct dpm_drover *d, size_t vm,
		  int32_t to)
{
	int v = shot->vm_id[vm], h = shot->host_id[to];
	struct dpm_past *past = &d->past[v];
	uint32_t i = past->count++ % DROVER_DRS_PAST_MAX;

	if (shot->count == shot->room)
		return;
	past->move[i].when_s = shot->s.now_s;
	past->move[i].from = w->vms[v].host;
	past->move[i].to = h;
	shot->moves[shot->count++] = (struct cs_move){.vm = v, .to = h};
	shot->vms[vm].moving_to = to;
}

static void set_wanted(struct shot *shot, struct cs_world *w, struct dpm_drover *d, size_t host,
		       bool wanted)
{
	w->hosts[shot->host_id[host]].wanted = wanted;
	d->since_s[shot->host_id[host]] = shot->s.now_s;
	shot->hosts[host].state = wanted ? DROVER_DRS_HOST_UP : DROVER_DRS_HOST_MAINTENANCE;
}

static int manage_power(struct shot *shot, struct cs_world *w, struct dpm_drover *d)
{
	struct drover_dpm_view view = {
		.snapshot = &shot->s,
		.hosts = shot->power,
		.options = {.mode = DROVER_DPM_AUTOMATIC,
			    .leave_max = LEAVE_MAX,
			    .target_percent = TARGET},
	};
	struct drover_dpm_plan plan;
	int r = drover_dpm_plan(&view, &plan, NULL);

	if (r < 0)
		return r;
	for (size_t i = 0; i < plan.advice_count; i++) {
		const struct drover_dpm_advice *a = &plan.advice[i];

		set_wanted(shot, w, d, a->host, a->kind == DROVER_DPM_WAKE);
		for (size_t m = a->first_move; m < a->first_move + a->move_count; m++)
			order(shot, w, d, plan.moves[m].vm, plan.moves[m].to);
	}
	drover_dpm_plan_free(&plan);
	return 0;
}

static int balance(struct shot *shot, struct cs_world *w, struct dpm_drover *d)
{
	struct drover_drs_plan plan;
	int r = drover_drs_balance(&shot->s, &plan, NULL);

	if (r < 0)
		return r;
	for (size_t i = 0; i < plan.move_count; i++)
		if (plan.moves[i].to >= 0)
			order(shot, w, d, plan.moves[i].vm, plan.moves[i].to);
	drover_drs_plan_free(&plan);
	return 0;
}

int dpm_drover_plan(struct cs_world *w, struct cs_move *moves, int room, void *data)
{
	struct shot *shot = calloc(1, sizeof(*shot));
	struct dpm_drover *d = data;
	int r;

	if (!shot)
		return -ENOMEM;
	shot->moves = moves;
	shot->room = room;
	r = shot_init(shot, w, d);
	if (r == 0)
		r = manage_power(shot, w, d);
	if (r == 0)
		r = balance(shot, w, d);
	if (r == 0)
		r = shot->count;
	shot_free(shot);
	return r;
}
