/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What VMs are like at each time of day outlives the leader that learned it. */
#ifndef DROVER_CTL_HABITS_H
#define DROVER_CTL_HABITS_H

#include "ctl/drs_world.h"

/** drover_habits_load() - what the cluster has; of VMs that it does not know any more it is dropped
 */
void drover_habits_load(struct drover_agent *agent, struct drover_drs_kept **kept);

/** drover_habits_save() - what has been learned since */
void drover_habits_save(struct drover_agent *agent, struct drover_drs_kept *kept);

#endif
