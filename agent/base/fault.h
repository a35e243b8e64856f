/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Places at which a test can have the agent die as by a power loss: where the
 * environment's DROVER_FAULT names the place, the process kills itself there.
 */
#ifndef DROVER_BASE_FAULT_H
#define DROVER_BASE_FAULT_H

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static inline void drover_fault(const char *place)
{
	const char *wanted = getenv("DROVER_FAULT");

	if (wanted && !strcmp(wanted, place))
		raise(SIGKILL);
}

#endif
