/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What VMs may use of their host, from their reservations, limits and shares. */
#ifndef DROVER_CTL_ALLOT_H
#define DROVER_CTL_ALLOT_H

#include "ctl/agent.h"
#include "policy/snapshot.h"

/**
 * drover_allot_make() - for the VMs of one host
 * @host: index in the snapshot
 * @plain: nobody is promised anything: as if there were no cgroups
 *
 * cpu.weight is the larger of what a VM is entitled to now and what it would be if all wanted all
 * they can use, in ten thousandths of the host: one that wakes up does not have to wait for the
 * next pass. cpu.max and memory.high are limits, memory.low is the entitlement where memory is
 * reserved for the VM, or by its shares.
 *
 * Free it with drover__allot__free_unpacked(); NULL: out of memory.
 */
Drover__Allot *drover_allot_make(const struct drover_drs_snapshot *s, size_t host, bool plain);

/** drover_allot_apply() - to the VMs that run here; what cannot be is said in the journal */
void drover_allot_apply(struct drover_agent *agent, const Drover__Allot *allot);

#endif
