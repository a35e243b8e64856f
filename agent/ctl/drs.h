/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load balancing as it runs: the leader looks at all hosts every ten seconds, lets the policy
 * think, and gives order for what may be done without asking, or was approved.
 *
 * Nothing of it has to survive but what the cluster shares: rules, settings, moves, habits. Each
 * pass thinks anew, so a successor goes on where the leader was lost.
 */
#ifndef DROVER_CTL_DRS_H
#define DROVER_CTL_DRS_H

#include "ctl/agent.h"

/** drover_drs_open() - begin; it works while this host leads */
int drover_drs_open(struct drover_agent *agent, struct drover_err *err);

/** drover_drs_phase() - quorum, members or the leader are other than before */
void drover_drs_phase(struct drover_agent *agent);

/**
 * drover_drs_is_ours() - does this host lead, so that it answers the request?
 *
 * If not, the request has been seen to: refused, or handed on to the leader.
 */
bool drover_drs_is_ours(struct drover_agent *agent, uint64_t id,
			const Drover__ControlRequest *request);

/**
 * drover_wishes_put() - change an entry that all members share, and answer the request once that is
 * done everywhere
 */
void drover_wishes_put(struct drover_agent *agent, uint64_t id, const char *prefix,
		       const char *name, const ProtobufCMessage *message);

/* drs_verbs.c */
drover_verb drover_drs_show, drover_drs_apply, drover_drs_where;

/* wishes.c: what operators want of the cluster, which all members share */
drover_verb drover_wishes_drs, drover_wishes_rule_set, drover_wishes_rule_list,
	drover_wishes_rule_remove, drover_wishes_share_set, drover_wishes_share_list,
	drover_wishes_share_remove, drover_wishes_maintenance;

#endif
