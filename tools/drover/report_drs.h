/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Load balancing, for people. */
#ifndef DROVER_TOOL_REPORT_DRS_H
#define DROVER_TOOL_REPORT_DRS_H

#include <stdio.h>

#include "control.pb-c.h"

/** report_drs() - settings, hosts and VMs */
void report_drs(FILE *out, const Drover__DrsInfo *drs);

/** report_drs_moves() - what is recommended */
void report_drs_moves(FILE *out, const Drover__DrsInfo *drs);

/** report_drs_explain() - the last pass: what it proposes, what it rejected, what it noticed */
void report_drs_explain(FILE *out, const Drover__DrsInfo *drs, const char *vm);

/** report_drs_history() - moves that were ordered, the newest last */
void report_drs_history(FILE *out, const Drover__DrsInfo *drs);

void report_rules(FILE *out, const Drover__ControlReply *reply);

/** report_shares() - resource pools, then VMs that have something of their own */
void report_shares(FILE *out, const Drover__ControlReply *reply);

#endif
