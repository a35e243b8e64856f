/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of "drover host" that tests look at. */
#ifndef DROVER_TOOL_HOST_H
#define DROVER_TOOL_HOST_H

#include <stdint.h>

#include "control.pb-c.h"

/* Not VMs: nobody knows yet, and the host is off or out of reach. */
#define HOST_LEFT_UNKNOWN (-1)
#define HOST_LEFT_GONE	  (-2)

/**
 * host_left_on() - how many VMs are left on a host that is to be empty, or one of the above
 * @since_us: when that was asked for; passes before it say nothing
 */
int host_left_on(const Drover__DrsInfo *drs, const char *host, uint64_t since_us);

#endif
