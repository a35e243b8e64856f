/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a VM was in the last hour. */
#ifndef DROVER_SIM_PAST_H
#define DROVER_SIM_PAST_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_PAST_MAX 16
#define SIM_UNDONE_S 3600

/* A ring: @count moves in all, of which the last ones are held. */
struct sim_past {
	uint32_t count;
	int32_t from[SIM_PAST_MAX];
	uint64_t when_s[SIM_PAST_MAX];
};

static inline void sim_past_add(struct sim_past *p, int32_t from, uint64_t when_s)
{
	p->from[p->count % SIM_PAST_MAX] = from;
	p->when_s[p->count++ % SIM_PAST_MAX] = when_s;
}

/** sim_past_was_at() - did it leave @host less than an hour ago? */
static inline bool sim_past_was_at(const struct sim_past *p, int32_t host, uint64_t now_s)
{
	for (uint32_t i = 0; i < SIM_PAST_MAX && i < p->count; i++)
		if (p->from[i] == host && now_s < p->when_s[i] + SIM_UNDONE_S)
			return true;
	return false;
}

#endif
