/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A snapshot made ready for the search: what is expected of each host and VM, and sums that
 * follow each move. All indices are those of the canonical copy. Private to policy.
 */
#ifndef DROVER_POLICY_WORK_H
#define DROVER_POLICY_WORK_H

#include "policy/canon.h"
#include "policy/expect.h"

/* Why a VM stays where it is, whatever there is to gain; what weighs more comes later. */
enum drs_stay {
	DRS_MOVABLE,
	DRS_SETTLES,
	DRS_STALE,
	DRS_FIXED,
	DRS_MIGRATES,
	DRS_NOT_RUNNING,
};

/**
 * struct drs_vm - a VM
 * @at: host, or where it is going to; DROVER_DRS_NONE: it does not run
 * @home: @at when the pass began
 * @load: what it wants and may have
 * @entitled: to MHz of the whole cluster; @entitled_memory: MiB likewise
 * @moved: there is a move for it
 * @rules: indices of those that name it
 */
struct drs_vm {
	const struct drover_drs_vm *vm;
	int32_t at, home;
	enum drs_stay stay;
	bool moved;
	struct drs_load load;
	double entitled, entitled_memory;
	const uint32_t *rules;
	uint32_t rule_count;
};

/**
 * struct drs_host - a host
 * @takes: VMs may come; @believed: its figures can be relied upon
 * @cap: MHz that VMs may use; @memory_cap: MiB in use that fit; @ram_cap: MiB as defined
 * @load: sum over its VMs
 * @ram, @cpu_reserved, @memory_reserved: of its VMs, those that leave included
 * @loss: drs_loss() of it
 * @moves: for balance, in and out, of the plan so far
 */
struct drs_host {
	const struct drover_drs_host *host;
	bool takes, believed;
	double cap, memory_cap, ram_cap;
	struct drs_load load;
	double ram, cpu_reserved, memory_reserved;
	double loss;
	uint32_t vms, moves;
};

/**
 * struct drs_work - the whole
 * @count_on: of each rule and host: how many of the rule's VMs are there; or 1 where a rule
 *	of kind ON or NOT_ON names the host
 * @running: how many VMs of each rule run at all
 */
struct drs_work {
	struct drs_canon canon;
	const struct drover_drs_snapshot *s; /* &canon.s */
	struct drs_host *hosts;
	struct drs_vm *vms;
	uint32_t *count_on;
	uint32_t *running;
	uint32_t *vm_rules;
};

int drs_work_init(struct drs_work *w, const struct drover_drs_snapshot *s,
		  const struct drover_drs_change *changes, size_t count, struct drover_err *err);
void drs_work_exit(struct drs_work *w);

/** drs_work_put() - a VM is on another host now; its RAM stays taken where it was */
void drs_work_put(struct drs_work *w, uint32_t vm, int32_t host);

/** drs_work_state() - as drover_drs_load(), each VM being where the search has put it */
int drs_work_state(const struct drs_work *w, struct drover_drs_state *ret,
		   struct drover_drs_host_load *hosts, double *vm_scores, struct drover_err *err);

static inline uint32_t *drs_count_on(const struct drs_work *w, uint32_t rule, int32_t host)
{
	return &w->count_on[(size_t)rule * w->s->host_count + host];
}

static inline bool drs_host_runs(const struct drs_host *h)
{
	return h->host->state == DROVER_DRS_HOST_UP ||
	       h->host->state == DROVER_DRS_HOST_MAINTENANCE;
}

static inline bool drs_rule_counts(const struct drover_drs_rule *r)
{
	return r->kind == DROVER_DRS_TOGETHER || r->kind == DROVER_DRS_APART;
}

#endif
