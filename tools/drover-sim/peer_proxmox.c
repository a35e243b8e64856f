// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The dynamic load balancer of Proxmox VE 9.2 from its published description (its manual,
 * chapter "ha-manager", "CRS Load Balancer", and the mails to pve-devel that brought it in):
 * every round of 10 s it computes the imbalance, which is the coefficient of variation of the
 * nodes' loads, a load being the mean of CPU use and memory use. If that was above 0.3 for
 * three rounds, it tries every VM on every other node and takes the one migration that leaves
 * the lowest imbalance, if that is lower by a tenth at least. Then it counts rounds anew. VMs on
 * their way count on both nodes.
 */
#include "peer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define THRESHOLD 0.3
#define HOLD	  3
#define MARGIN	  0.1

/**
 * struct proxmox - what it remembers
 * @load: of each node; @cpu, @memory: of each node's VMs, as shares of the node's
 * @sum, @squares: of all @load
 * @rounds: for which the imbalance has been above the threshold
 */
struct proxmox {
	double *load;
	uint64_t *memory;
	double sum, squares;
	uint32_t rounds;
};

static void proxmox_destroy(void *state)
{
	struct proxmox *p = state;

	free(p->load);
	free(p->memory);
	free(p);
}

static void *proxmox_create(const struct sim_cluster *c)
{
	struct proxmox *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->load = calloc(c->host_count, sizeof(*p->load));
	p->memory = calloc(c->host_count, sizeof(*p->memory));
	if (p->load && p->memory)
		return p;
	proxmox_destroy(p);
	return NULL;
}

/* What a VM adds to a node's load. */
static double weight(const struct sim_view *v, size_t vm, size_t host)
{
	const struct sim_host *h = &v->cluster->hosts[host];

	return (v->demand[vm] / h->cpu_mhz +
		(double)v->cluster->vms[vm].memory_mib / (double)h->memory_mib) /
	       2;
}

static void add(struct proxmox *p, const struct sim_view *v, size_t vm, int32_t host)
{
	p->load[host] += weight(v, vm, host);
	p->memory[host] += v->cluster->vms[vm].memory_mib;
}

static void look(struct proxmox *p, const struct sim_view *v)
{
	size_t n = v->cluster->host_count;

	memset(p->load, 0, n * sizeof(*p->load));
	memset(p->memory, 0, n * sizeof(*p->memory));
	for (size_t i = 0; i < v->cluster->vm_count; i++) {
		add(p, v, i, v->host[i]);
		if (v->moving_to[i] != SIM_NOWHERE)
			add(p, v, i, v->moving_to[i]);
	}
	p->sum = p->squares = 0;
	for (size_t h = 0; h < n; h++) {
		p->sum += p->load[h];
		p->squares += p->load[h] * p->load[h];
	}
}

static double imbalance(double sum, double squares, size_t n)
{
	return sum > 0 ? sqrt(fmax(0, squares / n - sum / n * (sum / n))) / (sum / n) : 0;
}

static double imbalance_after(const struct proxmox *p, const struct sim_view *v, size_t vm,
			      size_t to)
{
	size_t from = v->host[vm];
	double a = p->load[from], b = p->load[to];
	double x = a - weight(v, vm, from), y = b + weight(v, vm, to);

	return imbalance(p->sum - a - b + x + y, p->squares - a * a - b * b + x * x + y * y,
			 v->cluster->host_count);
}

static bool fits(const struct proxmox *p, const struct sim_view *v, size_t vm, size_t to)
{
	return (int32_t)to != v->host[vm] && p->memory[to] + v->cluster->vms[vm].memory_mib <=
						     v->cluster->hosts[to].memory_mib;
}

static int proxmox_run(void *state, const struct sim_view *view, struct sim_orders *orders,
		       struct drover_err *err)
{
	struct proxmox *p = state;
	double now, best;
	size_t vm = 0, to = 0;

	look(p, view);
	now = imbalance(p->sum, p->squares, view->cluster->host_count);
	p->rounds = now > THRESHOLD ? p->rounds + 1 : 0;
	if (p->rounds < HOLD)
		return 0;
	p->rounds = 0;
	best = INFINITY;
	for (size_t i = 0; i < view->cluster->vm_count; i++) {
		if (view->moving_to[i] != SIM_NOWHERE)
			continue;
		for (size_t h = 0; h < view->cluster->host_count; h++) {
			double after = fits(p, view, i, h) ? imbalance_after(p, view, i, h) : best;

			if (after < best) {
				best = after;
				vm = i;
				to = h;
			}
		}
	}
	if (best <= now * (1 - MARGIN))
		sim_orders_add(orders, vm, to);
	return 0;
}

const struct sim_policy sim_policy_proxmox = {
	.name = "proxmox",
	.about = "imbalance above 0.3 for 3 rounds, margin 0.1",
	.period_s = 10,
	.create = proxmox_create,
	.run = proxmox_run,
	.destroy = proxmox_destroy,
};
