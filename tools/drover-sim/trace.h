/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recorded loads: one VM a line, its name, then what it used at each step. */
#ifndef DROVER_SIM_TRACE_H
#define DROVER_SIM_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SIM_TRACE_NAME_LEN 32

/**
 * struct sim_trace - loads of VMs over time
 * @percent: of a VM's CPU, 0 to 100, @steps figures for each VM in the order of the file
 * @name: of each VM
 */
struct sim_trace {
	size_t vms;
	size_t steps;
	float *percent;
	char (*name)[SIM_TRACE_NAME_LEN];
};

/**
 * sim_trace_read() - read a CSV file, maybe compressed by gzip
 *
 * Lines are NAME,PERCENT,PERCENT,...; all have the same number of figures. Empty lines and
 * those that start with # are passed over. End it with sim_trace_free().
 *
 * Errors: -ENOENT etc. of the file, -EINVAL for what is no trace.
 */
int sim_trace_read(const char *path, struct sim_trace *ret_trace, struct drover_err *err);
void sim_trace_free(struct sim_trace *trace);

/** sim_trace_row() - the @steps figures of a VM */
static inline const float *sim_trace_row(const struct sim_trace *trace, size_t vm)
{
	return trace->percent + vm * trace->steps;
}

#endif
