/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Begins an evacuation or a balancing, and shows it until it ends. */
#ifndef DROVER_TOOL_FOLLOW_POOL_H
#define DROVER_TOOL_FOLLOW_POOL_H

#include "control.pb-c.h"

/**
 * follow_pool() - begin, follow, report
 * @request: what begins it
 * @name: of the pool; "" for balancing
 *
 * Ctrl-C has droverd begin no more moves; pressed once more it leaves all to droverd. Returns
 * what drover is to end with: EXIT_DONE when all disks of VMs have moved.
 */
int follow_pool(Drover__ControlRequest *request, const char *name);

#endif
