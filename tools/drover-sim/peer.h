/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who gives orders: Drover, and those it is compared with. */
#ifndef DROVER_SIM_PEER_H
#define DROVER_SIM_PEER_H

#include "engine.h"

/* Nobody moves anything. */
extern const struct sim_policy sim_policy_none;

/* Hosts above 80 % of their CPU give VMs away until they are not. */
extern const struct sim_policy sim_policy_threshold;

/* The dynamic load balancer of Proxmox VE 9.2, with its defaults. */
extern const struct sim_policy sim_policy_proxmox;

/* agent/policy, as droverd runs it. */
extern const struct sim_policy sim_policy_drover;

#endif
