// SPDX-License-Identifier: GPL-2.0-or-later
/* What a migration costs. */
#include "policy/cost.h"

#include <math.h>

#define LINK_MIB_S    100.0
#define SETUP_S	      1.0
#define CPU_S_PER_GIB 0.5 /* each end spends */
#define BLACKOUT_S    0.1 /* of a VM that has no past */
#define DIRTY_MAX     0.9 /* of the link: a VM that writes more is slowed down to it */
#define MIB	      1048576.0

static double link_of(const struct drover_drs_host *h)
{
	return h->link_mib_s > 0 ? h->link_mib_s : LINK_MIB_S;
}

static double core_of(const struct drover_drs_host *h)
{
	return h->cores ? h->cpu_mhz / h->cores : h->cpu_mhz;
}

/*
 * RAM that is written during a round is sent again: with a rate r and writes of d the rounds
 * add up to RAM / (1 - d / r).
 */
struct drover_drs_cost drover_drs_move_cost(const struct drover_drs_vm *vm,
					    const struct drover_drs_host *from,
					    const struct drover_drs_host *to, uint32_t at_once)
{
	double rate = fmin(link_of(from), link_of(to)) / (at_once ? at_once : 1);
	double dirty = isfinite(vm->dirty_rate) ? fmax(vm->dirty_rate, 0) / MIB / rate : 0;
	double ram = fmax(vm->memory_mib, 1), mib = ram / (1 - fmin(dirty, DIRTY_MAX));
	struct drover_drs_cost c = {.bytes = mib * MIB, .duration_s = SETUP_S + mib / rate};
	double core = (core_of(from) + core_of(to)) / 2, seconds = mib / 1024 * CPU_S_PER_GIB;

	c.cpu_mhz = seconds * core / c.duration_s;
	c.blackout_s = vm->blackout_ms > 0 ? vm->blackout_ms / 1000
					   : BLACKOUT_S * (1 + fmin(dirty, DIRTY_MAX));
	c.work = 2 * seconds * core + c.blackout_s * fmax(vm->cpu_demand, 0);
	return c;
}
