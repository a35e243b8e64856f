/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the makers of clusters alone. */
#ifndef DROVER_SIM_CLUSTER_BUILD_H
#define DROVER_SIM_CLUSTER_BUILD_H

#include "cluster.h"

/** sim_cluster_alloc() - room for VMs and their load, all zero */
int sim_cluster_alloc(struct sim_cluster *c, size_t vms, size_t steps, struct drover_err *err);

/** sim_cluster_add_hosts() - @count hosts like @like; VMs are dealt out to them in turn */
int sim_cluster_add_hosts(struct sim_cluster *c, size_t count, const struct sim_host *like,
			  struct drover_err *err);

#endif
