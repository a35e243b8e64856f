/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The power policies of CloudSim's example, to compare with. */
#ifndef DROVER_SIM_CLOUDSIM_PEER_H
#define DROVER_SIM_CLOUDSIM_PEER_H

#include "cloudsim.h"

/* When a host is too full: a fixed use, the spread of its past, or the trend of its past. */
enum cs_limit { CS_LIMIT_THR, CS_LIMIT_IQR, CS_LIMIT_LR };

/**
 * struct cs_peer - one of the policies that move VMs
 * @safety: the threshold of THR, else the factor that widens or scales
 *
 * A new one is needed for each run.
 */
struct cs_peer {
	enum cs_limit limit;
	double safety;
	double past[CS_HOSTS][CS_HISTORY];
	bool past_known[CS_HOSTS];
};

/** cs_first_fit() - the first host that has room; for the policies that move nothing */
int cs_first_fit(struct cs_world *world, int vm, void *data);

/** cs_peer_place(), cs_peer_plan() - for struct cs_policy; @data is a struct cs_peer */
int cs_peer_place(struct cs_world *world, int vm, void *data);
int cs_peer_plan(struct cs_world *world, struct cs_move *moves, int room, void *data);

#endif
