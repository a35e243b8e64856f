// SPDX-License-Identifier: GPL-2.0-or-later
/* agent/policy, as droverd runs it: every ten seconds, fully automatic, threshold 3. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "policy/drs.h"
#include "policy/predict.h"

#define PERIOD_S  10
#define HISTORY_S 300
#define HISTORY	  288

/**
 * struct drover - what droverd knows of the cluster
 * @history: HISTORY figures of each VM; @known: of them, the newest last
 * @sum, @samples: of each VM's demand in the history step that runs
 */
struct drover {
	struct drover_drs_snapshot snapshot;
	struct drover_drs_host *hosts;
	struct drover_drs_vm *vms;
	struct drover_drs_habit *habits;
	float *history;
	double *sum;
	uint32_t known, samples;
};

static void drover_destroy(void *state)
{
	struct drover *d = state;

	free(d->hosts);
	free(d->vms);
	free(d->habits);
	free(d->history);
	free(d->sum);
	free(d);
}

static void describe_hosts(struct drover *d, const struct sim_cluster *c)
{
	for (size_t i = 0; i < c->host_count; i++) {
		struct drover_drs_host *h = &d->hosts[i];

		snprintf(h->name, sizeof(h->name), "%s", c->hosts[i].name);
		h->cores = c->hosts[i].cores;
		h->cpu_mhz = c->hosts[i].cpu_mhz;
		h->memory_mib = c->hosts[i].memory_mib;
		h->link_mib_s = c->hosts[i].link_mib_s;
	}
}

static void describe_vms(struct drover *d, const struct sim_cluster *c)
{
	for (size_t i = 0; i < c->vm_count; i++) {
		struct drover_drs_vm *vm = &d->vms[i];

		snprintf(vm->name, sizeof(vm->name), "%s-%zu", c->vms[i].name, i);
		vm->vcpus = c->vms[i].vcpus;
		vm->memory_mib = c->vms[i].memory_mib;
		vm->memory_demand_mib = c->vms[i].memory_mib;
		vm->respool = DROVER_DRS_NONE;
		vm->habit = &d->habits[i];
	}
}

static void *drover_create(const struct sim_cluster *c)
{
	struct drover *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->hosts = calloc(c->host_count, sizeof(*d->hosts));
	d->vms = calloc(c->vm_count, sizeof(*d->vms));
	d->habits = calloc(c->vm_count, sizeof(*d->habits));
	d->history = calloc(c->vm_count * HISTORY, sizeof(*d->history));
	d->sum = calloc(c->vm_count, sizeof(*d->sum));
	if (!d->hosts || !d->vms || !d->habits || !d->history || !d->sum) {
		drover_destroy(d);
		return NULL;
	}
	describe_hosts(d, c);
	describe_vms(d, c);
	d->snapshot = (struct drover_drs_snapshot){
		.hosts = d->hosts,
		.host_count = c->host_count,
		.vms = d->vms,
		.vm_count = c->vm_count,
		.history_step_s = HISTORY_S,
		.options.automation = DROVER_AUTOMATION_FULL,
	};
	return d;
}

/* Means over the step that just ended. */
static void remember_step(struct drover *d, uint64_t now_s)
{
	for (size_t i = 0; i < d->snapshot.vm_count; i++) {
		float *h = d->history + i * HISTORY, mean = d->sum[i] / d->samples;

		if (d->known == HISTORY)
			memmove(h, h + 1, (HISTORY - 1) * sizeof(*h));
		h[d->known == HISTORY ? HISTORY - 1 : d->known] = mean;
		drover_drs_habit_learn(&d->habits[i], now_s - HISTORY_S / 2, mean);
		d->sum[i] = 0;
	}
	if (d->known < HISTORY)
		d->known++;
	d->samples = 0;
}

static void look(struct drover *d, const struct sim_view *view)
{
	for (size_t i = 0; i < view->cluster->host_count; i++)
		d->hosts[i].sampled_s = view->now_s;
	d->samples++;
	for (size_t i = 0; i < view->cluster->vm_count; i++) {
		const struct sim_vm *is = &view->cluster->vms[i];
		struct drover_drs_vm *vm = &d->vms[i];

		vm->host = view->host[i];
		vm->moving_to = view->moving_to[i];
		vm->cpu_demand = view->demand[i];
		vm->dirty_rate = is->dirty_mib_s * (1 << 20) * view->demand[i] / fmax(is->max_mhz, 1);
		vm->sampled_s = view->now_s;
		d->sum[i] += view->demand[i];
	}
	if (view->now_s % HISTORY_S == 0)
		remember_step(d, view->now_s);
	for (size_t i = 0; i < view->cluster->vm_count; i++) {
		d->vms[i].history = d->known ? d->history + i * HISTORY : NULL;
		d->vms[i].history_count = d->known;
	}
	d->snapshot.now_s = view->now_s;
}

static void note_move(struct drover_drs_vm *vm, const struct drover_drs_move *move, uint64_t now_s)
{
	if (vm->past_count == DROVER_DRS_PAST_MAX)
		memmove(vm->past, vm->past + 1, --vm->past_count * sizeof(*vm->past));
	vm->past[vm->past_count++] = (struct drover_drs_past){ now_s, move->from, move->to };
}

static int drover_run(void *state, const struct sim_view *view, struct sim_orders *orders,
		      struct drover_err *err)
{
	struct drover *d = state;
	struct drover_drs_plan plan;
	int r;

	look(d, view);
	r = drover_drs_balance(&d->snapshot, &plan, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < plan.move_count; i++) {
		const struct drover_drs_move *move = &plan.moves[i];

		if (!move->automatic || move->to == DROVER_DRS_NONE ||
		    !sim_orders_add(orders, move->vm, move->to))
			continue;
		note_move(&d->vms[move->vm], move, view->now_s);
	}
	drover_drs_plan_free(&plan);
	return 0;
}

const struct sim_policy sim_policy_drover = {
	.name = "drover",
	.about = "agent/policy, fully automatic, threshold 3",
	.period_s = PERIOD_S,
	.create = drover_create,
	.run = drover_run,
	.destroy = drover_destroy,
};
