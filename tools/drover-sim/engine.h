/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens in a made-up cluster over time, and what it adds up to. All policies see the same
 * telemetry, at their own pace: what each VM wanted in the tick that just ended, nothing of
 * what is to come. Migrations take time, link and CPU on both ends.
 */
#ifndef DROVER_SIM_ENGINE_H
#define DROVER_SIM_ENGINE_H

#include <stdbool.h>

#include "cluster.h"

#define SIM_TICK_S	 10
#define SIM_HOST_MOVES	 2	/* migrations of a host at a time, either way */

/**
 * struct sim_view - what a policy sees
 * @host: of each VM; @moving_to: its target while it migrates or waits to, else SIM_NOWHERE
 * @demand: MHz of each VM in the last tick
 */
struct sim_view {
	const struct sim_cluster *cluster;
	uint64_t now_s;
	const int32_t *host;
	const int32_t *moving_to;
	const double *demand;
};

/**
 * struct sim_orders - what a policy wants
 * @count, @max: orders given, and room for them
 */
struct sim_order {
	size_t vm;
	int32_t to;
};

struct sim_orders {
	struct sim_order *order;
	size_t count, max;
};

/** sim_orders_add() - false when there is no room */
bool sim_orders_add(struct sim_orders *o, size_t vm, int32_t to);

/**
 * struct sim_policy - who gives orders
 * @period_s: how often it is asked, a multiple of SIM_TICK_S
 * @create: state of its own; NULL on lack of memory
 * @run: 0 or a negative errno
 */
struct sim_policy {
	const char *name;
	const char *about;
	uint32_t period_s;
	void *(*create)(const struct sim_cluster *c);
	int (*run)(void *state, const struct sim_view *view, struct sim_orders *orders,
		   struct drover_err *err);
	void (*destroy)(void *state);
};

/**
 * struct sim_result - what it added up to
 * @demand, @unmet: MHz x s that VMs wanted, and did not get
 * @over_s: host x s in which a host's VMs wanted more than it has
 * @imbalance: mean over time of the standard deviation of the hosts' load
 * @moves: migrations that were begun; @undone: that took a VM back to where it had been in the
 *	hour before
 * @blackout_s: in which guests did not run because of moves
 * @run_s, @run_max_s: wall time of the policy, in all and in its longest pass
 */
struct sim_result {
	double demand, unmet;
	double over_s;
	double imbalance;
	uint64_t moves, undone;
	double blackout_s;
	double run_s, run_max_s;
	uint64_t runs;
};

int sim_run(const struct sim_cluster *c, const struct sim_policy *policy,
	    struct sim_result *ret, struct drover_err *err);

#endif
