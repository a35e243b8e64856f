/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What drover-sim --drs prints and writes. */
#ifndef DROVER_SIM_DRS_REPORT_H
#define DROVER_SIM_DRS_REPORT_H

#include <jansson.h>

#include "engine.h"

#define DRS_PEERS_MAX 8

/**
 * struct drs_report - figures so far
 * @results: of the cluster under way; @names: their policies
 */
struct drs_report {
	json_t *runs, *ratios, *passes;
	struct sim_result results[DRS_PEERS_MAX];
	const char *names[DRS_PEERS_MAX];
	size_t count;
};

void drs_report_begin(struct drs_report *report);
void drs_report_end(struct drs_report *report);

/** drs_report_add() - print a line for a policy's run, and keep it */
int drs_report_add(struct drs_report *report, const struct sim_cluster *c, const char *policy,
		   const struct sim_result *result, struct drover_err *err);

/**
 * drs_report_compare() - all policies have run on a cluster: print Drover's ratio to the best peer
 *
 * The best peer is the one with the least unmet demand.
 */
void drs_report_compare(struct drs_report *report, const struct sim_cluster *c);

/** drs_report_pass() - print and keep how long Drover's passes take on a cluster */
int drs_report_pass(struct drs_report *report, const struct sim_cluster *c,
		    const struct sim_result *result, struct drover_err *err);

/** drs_report_write() - all of it as JSON */
int drs_report_write(const struct drs_report *report, const char *path, struct drover_err *err);

#endif
