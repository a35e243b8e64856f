/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unmet demand that is to be expected of a host. Private to policy. */
#ifndef DROVER_POLICY_EXPECT_H
#define DROVER_POLICY_EXPECT_H

#include "policy/snapshot.h"

#define DRS_NOW_S     150 /* what is wanted now is wanted so long: half a step of histories */
#define DRS_NEAR_S    300 /* then the next step's forecast holds, up to here */
#define DRS_HORIZON_S 600 /* a move looks no further ahead */

/**
 * struct drs_load - what a VM wants, or all VMs of a host
 * @now: MHz; @near, @far: MHz expected in the next DRS_NEAR_S, and from then to DRS_HORIZON_S
 * @near_var, @far_var: variances around those
 * @memory: MiB in use
 */
struct drs_load {
	double now;
	double near, near_var;
	double far, far_var;
	double memory;
};

static inline void drs_load_add(struct drs_load *sum, const struct drs_load *l, double sign)
{
	sum->now += sign * l->now;
	sum->near += sign * l->near;
	sum->near_var += sign * l->near_var;
	sum->far += sign * l->far;
	sum->far_var += sign * l->far_var;
	sum->memory += sign * l->memory;
}

/** drs_load_of() - what a VM wants, its demand and all forecasts at most @allowed MHz */
struct drs_load drs_load_of(const struct drover_drs_vm *vm, uint64_t now_s, uint32_t step_s,
			    double allowed);

/**
 * drs_expect() - mean of what a normal variable has above a capacity
 *
 * E max(X - cap, 0) = sd x phi(z) + (mean - cap) x Phi(z), z = (mean - cap) / sd: the loss
 * function of inventory theory.
 */
double drs_expect(double mean, double var, double cap);

/**
 * drs_short() - MHz that VMs want now and do not get
 *
 * RAM in use that the host does not have counts as the same part of its CPU.
 */
double drs_short(const struct drs_load *l, double cap, double memory_cap);

/**
 * drs_loss() - unmet demand to be expected up to DRS_HORIZON_S, in MHz x s
 *
 * What VMs want above nine tenths of the CPU counts already: to wait until a host is full is
 * to come too late.
 */
double drs_loss(const struct drs_load *l, double cap, double memory_cap);

#endif
