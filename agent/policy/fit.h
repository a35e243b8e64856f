/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs that go together, and where they may go. Private to policy. */
#ifndef DROVER_POLICY_FIT_H
#define DROVER_POLICY_FIT_H

#include "policy/work.h"

#define DRS_SCATTERED (-2)

/**
 * struct drs_unit - a VM, or all VMs that a rule keeps together
 * @vms: indices, @count of them
 * @at: their host; DROVER_DRS_NONE, or DRS_SCATTERED
 * @stay: what weighs most of theirs
 * @load, @ram, @cpu_reserved, @memory_reserved, @need: of all together
 */
struct drs_unit {
	const uint32_t *vms;
	uint32_t count;
	int32_t at;
	enum drs_stay stay;
	struct drs_load load;
	double ram, cpu_reserved, memory_reserved;
	uint64_t need[DROVER_DRS_CPU_WORDS];
};

/* Units of the whole cluster, each VM in one. */
struct drs_units {
	struct drs_unit *unit;
	uint32_t *vms;
	uint32_t *of; /* unit of each VM */
	uint32_t count;
};

int drs_units_init(struct drs_units *u, const struct drs_work *w, struct drover_err *err);
void drs_units_exit(struct drs_units *u);

/** drs_unit_look() - take over where its VMs are by now, and its sums */
void drs_unit_look(struct drs_unit *u, const struct drs_work *w);

enum drs_obstacle {
	DRS_FITS,
	DRS_TAKES_NONE,
	DRS_NOT_BELIEVED,
	DRS_NO_FLAG,	  /* @detail: number of a processor flag that is missing */
	DRS_NO_RAM,	  /* @detail: MiB that are free */
	DRS_CPU_RESERVED, /* @detail: MHz that are not reserved */
	DRS_RAM_RESERVED, /* @detail: MiB that are not reserved */
	DRS_MUST,	  /* @detail: rule */
	DRS_SHOULD,	  /* @detail: rule */
	DRS_RETURN,	  /* @detail: seconds since a VM left that host */
};

struct drs_verdict {
	enum drs_obstacle obstacle;
	uint32_t detail;
};

/** drs_fit() - may a unit go to a host at all? */
struct drs_verdict drs_fit(const struct drs_work *w, const struct drs_unit *u, int32_t host);

/** drs_fit_gladly() - and without breaking more rules that should be, nor going back? */
struct drs_verdict drs_fit_gladly(const struct drs_work *w, const struct drs_unit *u, int32_t host);

/**
 * drs_breaches() - rules that a unit on a host would break
 * @ret_rule: out: the first one; or NULL
 */
uint32_t drs_breaches(const struct drs_work *w, const struct drs_unit *u, int32_t host, bool must,
		      uint32_t *ret_rule);

#endif
