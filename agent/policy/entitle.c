// SPDX-License-Identifier: GPL-2.0-or-later
/* Who gets how much of what there is. */
#include "policy/entitle.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "policy/tree.h"

#define HALVINGS 64
#define SHARES	 1000.0

static double ceiling(const struct drover_drs_claim *c)
{
	double most = fmax(c->demand, 0);

	return c->alloc.limit > 0 ? fmin(most, c->alloc.limit) : most;
}

static double lowest(const struct drover_drs_claim *c)
{
	return fmin(fmax(c->alloc.reservation, 0), ceiling(c));
}

static double shares(const struct drover_drs_claim *c)
{
	return c->alloc.shares > 0 ? c->alloc.shares : SHARES;
}

static double at_level(const struct drover_drs_claim *c, double level)
{
	return fmin(fmax(level * shares(c), lowest(c)), ceiling(c));
}

static void cut(struct drover_drs_claim *claims, size_t count, double part)
{
	for (size_t i = 0; i < count; i++)
		claims[i].get = lowest(&claims[i]) * part;
}

/* Halving finds who is at the floor and who at the ceiling; the level of the rest is then exact. */
static double find_level(const struct drover_drs_claim *claims, size_t count, double capacity)
{
	double low = 0, high = 0, fixed = 0, weight = 0;

	for (size_t i = 0; i < count; i++)
		high = fmax(high, ceiling(&claims[i]) / shares(&claims[i]));
	for (int n = 0; n < HALVINGS; n++) {
		double mid = (low + high) / 2, sum = 0;

		for (size_t i = 0; i < count; i++)
			sum += at_level(&claims[i], mid);
		if (sum > capacity)
			high = mid;
		else
			low = mid;
	}
	for (size_t i = 0; i < count; i++) {
		double want = low * shares(&claims[i]);

		if (want > lowest(&claims[i]) && want < ceiling(&claims[i]))
			weight += shares(&claims[i]);
		else
			fixed += at_level(&claims[i], low);
	}
	return weight > 0 ? (capacity - fixed) / weight : low;
}

void drover_drs_share_out(struct drover_drs_claim *claims, size_t count, double capacity)
{
	double floors = 0, ceilings = 0, level;

	for (size_t i = 0; i < count; i++) {
		floors += lowest(&claims[i]);
		ceilings += ceiling(&claims[i]);
	}
	if (ceilings <= capacity) {
		for (size_t i = 0; i < count; i++)
			claims[i].get = ceiling(&claims[i]);
		return;
	}
	if (floors >= capacity) {
		cut(claims, count, floors > 0 ? fmax(capacity, 0) / floors : 0);
		return;
	}
	level = find_level(claims, count, capacity);
	for (size_t i = 0; i < count; i++)
		claims[i].get = at_level(&claims[i], level);
}

/* What lies on each host is shared out again. */
static int share_hosts(const struct drover_drs_snapshot *s, struct drover_drs_part *parts,
		       struct drover_err *err)
{
	auto_free struct drs_tree_list *on = calloc(s->host_count + 1, sizeof(*on));
	auto_free uint32_t *vms = calloc(s->vm_count + 1, sizeof(*vms));
	auto_free struct drover_drs_claim *claims = calloc(s->vm_count + 1, sizeof(*claims));

	if (!on || !vms || !claims)
		return drover_err_set(err, ENOMEM, "out of memory");
	drs_tree_sort(s, on, vms);
	for (size_t h = 0; h < s->host_count; h++) {
		const struct drover_drs_host *host = &s->hosts[h];
		const uint32_t *at = vms + on[h].first;
		uint32_t n = on[h].count;

		if (host->state != DROVER_DRS_HOST_UP && host->state != DROVER_DRS_HOST_MAINTENANCE)
			continue;
		for (uint32_t i = 0; i < n; i++)
			claims[i] = (struct drover_drs_claim){.alloc = s->vms[at[i]].cpu,
							      .demand = parts[at[i]].cpu};
		drover_drs_share_out(claims, n, host->cpu_mhz - host->cpu_other);
		for (uint32_t i = 0; i < n; i++)
			parts[at[i]].cpu_got = claims[i].get;
		for (uint32_t i = 0; i < n; i++)
			claims[i] = (struct drover_drs_claim){.alloc = s->vms[at[i]].memory,
							      .demand = parts[at[i]].memory};
		drover_drs_share_out(claims, n, (double)host->memory_mib - host->memory_other_mib);
		for (uint32_t i = 0; i < n; i++)
			parts[at[i]].memory_got = claims[i].get;
	}
	return 0;
}

int drover_drs_entitle(const struct drover_drs_snapshot *s, struct drover_drs_part **ret_parts,
		       struct drover_err *err)
{
	auto_free struct drover_drs_part *parts = calloc(s->vm_count + 1, sizeof(*parts));
	auto_free double *got = calloc(s->vm_count + 1, sizeof(*got));
	double cpu = 0, memory = 0;
	int r;

	if (!parts || !got)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = drs_tree_check(s, err);
	if (r < 0)
		return r;
	for (size_t h = 0; h < s->host_count; h++) {
		const struct drover_drs_host *host = &s->hosts[h];

		if (host->state != DROVER_DRS_HOST_UP && host->state != DROVER_DRS_HOST_MAINTENANCE)
			continue;
		cpu += host->cpu_mhz - host->cpu_other;
		memory += (double)host->memory_mib - host->memory_other_mib;
	}
	r = drs_tree_share(s, DRS_CPU, cpu, got, err);
	for (size_t i = 0; !r && i < s->vm_count; i++)
		parts[i].cpu = got[i];
	if (!r)
		r = drs_tree_share(s, DRS_MEMORY, memory, got, err);
	for (size_t i = 0; !r && i < s->vm_count; i++)
		parts[i].memory = got[i];
	if (!r)
		r = share_hosts(s, parts, err);
	if (r < 0)
		return r;
	*ret_parts = steal_ptr(parts);
	return 0;
}
