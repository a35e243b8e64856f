/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power management as it runs: after each pass of load balancing the leader looks who may sleep. */
#ifndef DROVER_CTL_DPM_H
#define DROVER_CTL_DPM_H

#include "ctl/drs_run.h"
#include "policy/power.h"

/* Advice keeps its number from pass to pass: one host, one direction. */
struct drover_dpm_id {
	uint64_t id;
	char host[DROVER_NAME_LEN];
	enum drover_dpm_kind kind;
};

/**
 * struct drover_dpm_run - of the last pass
 * @hosts: of the snapshot, in its order
 * @ids: number of each advice
 * @begun_us: when this host came to lead, monotonic
 * @counted_us: up to when savings are counted, monotonic; @saved_us: when they were last kept
 */
struct drover_dpm_run {
	bool passed;
	struct drover_dpm_plan plan;
	struct drover_dpm_host *hosts;
	struct drover_dpm_id *ids;
	uint64_t last_id;
	uint64_t begun_us;
	uint64_t counted_us, saved_us;
};

/** drover_dpm_pass() - think, and do what may be done; agent->drs has just had its pass */
void drover_dpm_pass(struct drover_agent *agent);

/**
 * drover_dpm_has_seen_enough() - who came to lead a moment ago knows of no busier time than now,
 * and puts nobody to sleep by itself before it has looked on for as long as the sleep window
 */
bool drover_dpm_has_seen_enough(const struct drover_agent *agent);

/** drover_dpm_forget() - this host leads no more */
void drover_dpm_forget(struct drover_drs_run *run);

/** drover_dpm_settings() - of the cluster, with defaults */
void drover_dpm_settings(const struct drover_agent *agent, struct drover_dpm_options *ret);

/** drover_dpm_do() - carry out one advice of the last pass */
int drover_dpm_do(struct drover_agent *agent, size_t advice, bool asked, struct drover_err *err);

/* dpm_verbs.c */
drover_verb drover_dpm_show, drover_dpm_apply, drover_dpm_set, drover_dpm_set_host, drover_dpm_sleep,
	drover_dpm_wake;

#endif
