/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether all VMs still fit when hosts fail. Private to policy. */
#ifndef DROVER_POLICY_ROOM_H
#define DROVER_POLICY_ROOM_H

#include "policy/fit.h"

/**
 * struct drs_room - sums over the hosts that would be left, and over all VMs
 * @ram, @cpu, @memory: MiB for VMs' RAM, MHz and MiB for reservations
 * @ram_used, @cpu_used, @memory_used: of those that run
 */
struct drs_room {
	double ram, cpu, memory;
	double ram_used, cpu_used, memory_used;
};

/** drs_room_init() - @without: a host that is left out, or DROVER_DRS_NONE */
int drs_room_init(struct drs_room *room, const struct drs_work *w, int32_t without,
		  struct drover_err *err);

/** drs_room_fits() - all that runs, and one more unit, or NULL */
bool drs_room_fits(const struct drs_room *room, const struct drs_unit *more, char *why, size_t len);

void drs_room_take(struct drs_room *room, const struct drs_unit *more);

#endif
