/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power management, for people. */
#ifndef DROVER_TOOL_REPORT_DPM_H
#define DROVER_TOOL_REPORT_DPM_H

#include <stdio.h>

#include "control.pb-c.h"

/** report_dpm() - settings and hosts */
void report_dpm(FILE *out, const Drover__DpmInfo *dpm);

/** report_dpm_advice() - what is recommended, and why other hosts stay as they are */
void report_dpm_advice(FILE *out, const Drover__DpmInfo *dpm);

/** report_dpm_history() - hosts that slept and woke, the newest last */
void report_dpm_history(FILE *out, const Drover__DpmInfo *dpm);

/** report_dpm_savings() - what hosts that slept did not draw, and how that is known */
void report_dpm_savings(FILE *out, const Drover__DpmInfo *dpm);

#endif
