/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of load balancing, for each other. Control thread only. */
#ifndef DROVER_CTL_DRS_RUN_H
#define DROVER_CTL_DRS_RUN_H

#include "ctl/drs.h"
#include "ctl/drs_world.h"

/* Moves that the cluster remembers. */
#define DROVER_DRS_HISTORY_MAX 60

/**
 * struct drover_drs_said - the last word of a host
 * @when_us: monotonic
 * @own_cpus: that it needed for itself when no VM came or went; -1: not known yet
 * @quiet: no VM has come or gone since the word before
 * @plain: it knows, by this leader, that nothing is promised to its VMs, nor forbidden
 */
struct drover_drs_said {
	char host[DROVER_NAME_LEN];
	Drover__HostReply *reply;
	uint64_t when_us;
	double own_cpus;
	bool quiet;
	bool plain;
	struct drover_drs_said *next;
};

/**
 * struct drover_drs_run - what the leader keeps from pass to pass
 * @looking: a thread asks the hosts
 * @said: by host
 * @kept: by VM
 * @history: as the cluster has it, with what is not written yet; NULL until this host leads
 * @passes: since it leads; the fields below are of the last one, if this is not 0
 * @ids: number of each of the plan's moves
 * @dpm: what power management keeps; dpm.c
 * @approved: numbers that an operator has approved and that are not ordered yet
 */
struct drover_drs_run {
	sd_event_source *timer;
	bool looking;
	struct drover_drs_said *said;
	struct drover_drs_kept *kept;
	Drover__DrsHistory *history;
	uint64_t passes, pass_time_us, pass_us;
	struct drover_drs_world world;
	struct drover_drs_plan plan;
	uint64_t *ids;
	uint64_t last_id;
	uint64_t *approved;
	size_t approved_count;
	struct drover_dpm_run *dpm;
};

/* --- drs_facts.c --- */

/** drover_drs_said() - the last word of a host, or NULL */
struct drover_drs_said *drover_drs_said(struct drover_drs_run *run, const char *host);

/** drover_drs_hear() - a host has said something; takes the reply over */
void drover_drs_hear(struct drover_drs_run *run, const char *host, Drover__HostReply *reply);

/**
 * drover_drs_owes() - is a host to be told what its VMs may use?
 * @wanted: something is promised or forbidden in the cluster
 *
 * When nothing is any more, each host is told so until it has heard it, and by each new leader.
 */
bool drover_drs_owes(struct drover_drs_run *run, const char *host, bool wanted);

/** drover_drs_told() - it was told; @plain: that nothing is promised; @heard: it has answered */
void drover_drs_told(struct drover_drs_run *run, const char *host, bool plain, bool heard);

/** drover_drs_settings() - of the cluster, with defaults */
void drover_drs_settings(const struct drover_agent *agent, struct drover_drs_options *ret);

/** drover_drs_facts() - gather what is known; free with drover_drs_facts_free() */
int drover_drs_facts(struct drover_agent *agent, struct drover_drs_facts *ret_facts,
		     struct drover_err *err);
void drover_drs_facts_free(struct drover_drs_facts *facts);

/* --- drs_orders.c --- */

/** drover_drs_orders_load() - this host leads from now on */
void drover_drs_orders_load(struct drover_agent *agent);

/** drover_drs_orders_look() - what has become of the moves under way? */
void drover_drs_orders_look(struct drover_agent *agent);

/** drover_drs_orders_give() - carry out what may be, as far as hosts have room for it */
void drover_drs_orders_give(struct drover_agent *agent);

#endif
