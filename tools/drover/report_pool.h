/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools and what is done about them, for people. Nothing is asked here. */
#ifndef DROVER_TOOL_REPORT_POOL_H
#define DROVER_TOOL_REPORT_POOL_H

#include <stdbool.h>
#include <stdio.h>

#include "control.pb-c.h"

void report_pools(FILE *out, const Drover__ControlReply *reply);
void report_pool(FILE *out, const Drover__PoolInfo *pool);

/** report_advice() - what could be done, and why */
void report_advice(FILE *out, const Drover__ControlReply *reply);

/** report_job() - what became of each disk, with a summary as the last line */
void report_job(FILE *out, const Drover__ControlReply *reply);

/**
 * struct pool_job - disks of an evacuation or a balancing, counted
 * @waiting: not begun yet
 * @left: disks that are not moved, and files of no VM
 * @left_disks: the former of these
 */
struct pool_job {
	unsigned int all, waiting, moving, moved, failed, left, left_disks;
	uint64_t moved_bytes;
};

void pool_job_count(const Drover__ControlReply *reply, struct pool_job *ret_job);

/** pool_job_word() - how an item of it stands, in a word */
const char *pool_job_word(const Drover__PoolAdvice *a, char *buf, size_t size);

#endif
