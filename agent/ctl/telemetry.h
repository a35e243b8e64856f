/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches the load of this host and its VMs, from a thread of its own: every 5 s the
 * figures of /proc, and twice a minute for each VM a sample of what it does to its memory.
 */
#ifndef DROVER_CTL_TELEMETRY_H
#define DROVER_CTL_TELEMETRY_H

#include "ctl/agent.h"

struct drover_telemetry;

/** drover_telemetry_open() - begin; it goes on until the agent ends */
int drover_telemetry_open(struct drover_agent *agent, struct drover_err *err);

/** drover_telemetry_host() - the host's load as last seen, or NULL before the first look */
Drover__HostLoad *drover_telemetry_host(struct drover_telemetry *t);

/** drover_telemetry_vm() - a VM's, or NULL when nothing is known of it yet */
Drover__VmLoad *drover_telemetry_vm(struct drover_telemetry *t, const char *name);

#endif
