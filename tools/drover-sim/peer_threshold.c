// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Nobody, and a threshold balancer: each minute, hosts above 80 % of their CPU give VMs away
 * until they are at 80 %, to the host with the lowest load, if it stays at 80 % or below. As
 * few VMs as do go: the smallest that is enough alone, else the largest there is. VMs on
 * their way count where they go.
 */
#include "peer.h"

#include <stdlib.h>

#define ACT_ABOVE 0.80

struct threshold {
	double *load;		/* MHz of each host */
	uint64_t *memory;	/* MiB of each host's VMs, leaving ones included */
	bool *leaves;		/* of each VM */
};

static void threshold_destroy(void *state)
{
	struct threshold *t = state;

	free(t->load);
	free(t->memory);
	free(t->leaves);
	free(t);
}

static void *threshold_create(const struct sim_cluster *c)
{
	struct threshold *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->load = calloc(c->host_count, sizeof(*t->load));
	t->memory = calloc(c->host_count, sizeof(*t->memory));
	t->leaves = calloc(c->vm_count, sizeof(*t->leaves));
	if (t->load && t->memory && t->leaves)
		return t;
	threshold_destroy(t);
	return NULL;
}

static void threshold_look(struct threshold *t, const struct sim_view *v)
{
	for (size_t h = 0; h < v->cluster->host_count; h++) {
		t->load[h] = 0;
		t->memory[h] = 0;
	}
	for (size_t i = 0; i < v->cluster->vm_count; i++) {
		int32_t to = v->moving_to[i] == SIM_NOWHERE ? v->host[i] : v->moving_to[i];

		t->leaves[i] = v->moving_to[i] != SIM_NOWHERE;
		t->load[to] += v->demand[i];
		t->memory[v->host[i]] += v->cluster->vms[i].memory_mib;
		if (to != v->host[i])
			t->memory[to] += v->cluster->vms[i].memory_mib;
	}
}

static double share(const struct threshold *t, const struct sim_view *v, size_t host)
{
	return t->load[host] / v->cluster->hosts[host].cpu_mhz;
}

static int32_t target_for(const struct threshold *t, const struct sim_view *v, size_t vm)
{
	int32_t best = SIM_NOWHERE;

	for (size_t h = 0; h < v->cluster->host_count; h++) {
		const struct sim_host *host = &v->cluster->hosts[h];

		if ((int32_t)h == v->host[vm] ||
		    t->load[h] + v->demand[vm] > ACT_ABOVE * host->cpu_mhz ||
		    t->memory[h] + v->cluster->vms[vm].memory_mib > host->memory_mib)
			continue;
		if (best == SIM_NOWHERE || share(t, v, h) < share(t, v, best))
			best = h;
	}
	return best;
}

/* The smallest VM that is enough alone, else the largest; @max: larger ones had no target. */
static size_t vm_to_leave(const struct threshold *t, const struct sim_view *v, size_t host,
			  double excess, double max)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < v->cluster->vm_count; i++) {
		double d = v->demand[i], b = best == SIZE_MAX ? 0 : v->demand[best];

		if (t->leaves[i] || v->host[i] != (int32_t)host || d >= max || d <= 0)
			continue;
		if (best == SIZE_MAX || (b >= excess ? d >= excess && d < b : d > b))
			best = i;
	}
	return best;
}

static void relieve(struct threshold *t, const struct sim_view *v, size_t host,
		    struct sim_orders *orders)
{
	double keep = ACT_ABOVE * v->cluster->hosts[host].cpu_mhz, max = 1e30;

	while (t->load[host] > keep) {
		size_t vm = vm_to_leave(t, v, host, t->load[host] - keep, max);
		int32_t to = vm == SIZE_MAX ? SIM_NOWHERE : target_for(t, v, vm);

		if (vm == SIZE_MAX)
			return;
		if (to == SIM_NOWHERE) {
			max = v->demand[vm];
			continue;
		}
		if (!sim_orders_add(orders, vm, to))
			return;
		t->leaves[vm] = true;
		t->load[host] -= v->demand[vm];
		t->load[to] += v->demand[vm];
		t->memory[to] += v->cluster->vms[vm].memory_mib;
	}
}

static int threshold_run(void *state, const struct sim_view *view, struct sim_orders *orders,
			 struct drover_err *err)
{
	struct threshold *t = state;

	threshold_look(t, view);
	for (size_t h = 0; h < view->cluster->host_count; h++)
		relieve(t, view, h, orders);
	return 0;
}

const struct sim_policy sim_policy_threshold = {
	.name = "threshold",
	.about = "hosts above 80 % give VMs away",
	.period_s = 60,
	.create = threshold_create,
	.run = threshold_run,
	.destroy = threshold_destroy,
};

const struct sim_policy sim_policy_none = { .name = "none", .about = "nobody moves anything" };
