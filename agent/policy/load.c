// SPDX-License-Identifier: GPL-2.0-or-later
/* How well a cluster is doing. */
#include "policy/load.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "policy/entitle.h"
#include "policy/work.h"

/**
 * struct sums - of one host, or all of them
 * @want: MHz that VMs want and may have; @got: of those
 */
struct sums {
	double cpu, memory;
	double want, got;
};

/* VMs of each host, side by side. */
static int by_host(const struct drs_work *w, uint32_t **ret_vms, uint32_t **ret_first,
		   struct drover_err *err)
{
	auto_free uint32_t *vms = calloc(w->s->vm_count + 1, sizeof(*vms));
	auto_free uint32_t *first = calloc(w->s->host_count + 2, sizeof(*first));

	if (!vms || !first)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < w->s->vm_count; i++)
		if (w->vms[i].at != DROVER_DRS_NONE)
			first[w->vms[i].at + 2]++;
	for (size_t h = 2; h <= w->s->host_count; h++)
		first[h] += first[h - 1];
	for (size_t i = 0; i < w->s->vm_count; i++)
		if (w->vms[i].at != DROVER_DRS_NONE)
			vms[first[w->vms[i].at + 1]++] = i;
	*ret_vms = steal_ptr(vms);
	*ret_first = steal_ptr(first);
	return 0;
}

static double score_of(double got, double want)
{
	return want > 0 ? fmin(100, 100 * got / want) : 100;
}

static struct sums share_host(const struct drs_work *w, const struct drs_host *h,
			      const uint32_t *vms, uint32_t count, struct drover_drs_claim *claims,
			      double *vm_scores)
{
	struct sums sum = {0};

	for (uint32_t i = 0; i < count; i++) {
		const struct drs_vm *v = &w->vms[vms[i]];

		claims[i] = (struct drover_drs_claim){.alloc = v->vm->cpu, .demand = v->load.now};
		sum.cpu += v->entitled;
		sum.memory += v->entitled_memory;
	}
	drover_drs_share_out(claims, count, h->cap);
	for (uint32_t i = 0; i < count; i++) {
		double want = w->vms[vms[i]].load.now;

		sum.want += want;
		sum.got += claims[i].get;
		if (vm_scores)
			vm_scores[w->canon.vms.at[vms[i]]] = score_of(claims[i].get, want);
	}
	return sum;
}

static double part_of(double x, double whole)
{
	return whole > 0 ? x / whole : 0;
}

static struct drover_drs_host_load look_at(const struct drs_host *h, const struct sums *sum)
{
	const struct drover_drs_host *host = h->host;

	return (struct drover_drs_host_load){
		.cpu = part_of(sum->cpu + host->cpu_other, host->cpu_mhz),
		.memory = part_of(sum->memory + host->memory_other_mib, host->memory_mib),
		.unmet = drs_short(&h->load, h->cap, h->memory_cap),
		.expected = h->loss / DRS_HORIZON_S,
		.vms = h->vms,
	};
}

int drs_work_state(const struct drs_work *w, struct drover_drs_state *ret,
		   struct drover_drs_host_load *hosts, double *vm_scores, struct drover_err *err)
{
	auto_free struct drover_drs_claim *claims = calloc(w->s->vm_count + 1, sizeof(*claims));
	auto_free uint32_t *vms = NULL, *first = NULL;
	struct drover_drs_state state = {0};
	struct sums all = {0};
	double sum = 0, squares = 0;
	uint32_t n = 0;

	if (!claims || by_host(w, &vms, &first, err) < 0)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; vm_scores && i < w->s->vm_count; i++)
		vm_scores[i] = 0;
	for (size_t h = 0; h < w->s->host_count; h++) {
		struct drover_drs_host_load l = {0};
		struct sums one;

		if (drs_host_runs(&w->hosts[h])) {
			one = share_host(w, &w->hosts[h], vms + first[h], first[h + 1] - first[h],
					 claims, vm_scores);
			l = look_at(&w->hosts[h], &one);
			all.want += one.want;
			all.got += one.got;
			state.unmet += l.unmet;
			state.expected += l.expected;
		}
		if (w->hosts[h].host->state == DROVER_DRS_HOST_UP) {
			sum += l.cpu;
			squares += l.cpu * l.cpu;
			n++;
		}
		if (hosts)
			hosts[w->canon.hosts.at[h]] = l;
	}
	state.score = score_of(all.got, all.want);
	if (n)
		state.imbalance = sqrt(fmax(0, squares / n - sum / n * (sum / n)));
	*ret = state;
	return 0;
}

int drover_drs_load(const struct drover_drs_snapshot *s, struct drover_drs_state *ret_state,
		    struct drover_drs_host_load *hosts, double *vm_scores, struct drover_err *err)
{
	struct drs_work w;
	int r = drs_work_init(&w, s, NULL, 0, err);

	if (r < 0)
		return r;
	r = drs_work_state(&w, ret_state, hosts, vm_scores, err);
	drs_work_exit(&w);
	return r;
}
