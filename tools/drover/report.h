/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of droverd and of the module, written to a stream; nothing is asked here. */
#ifndef DROVER_TOOL_REPORT_H
#define DROVER_TOOL_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "control.pb-c.h"
#include "mailbox.h"
#include "output.h"

/* Lists as tables, single things as lines of "name: value". */
void report_vms(FILE *out, const Drover__ControlReply *reply);
void report_vm(FILE *out, const Drover__VmInfo *vm);
void report_hosts(FILE *out, const Drover__ControlReply *reply);
void report_host(FILE *out, const Drover__HostInfo *host);
void report_cluster(FILE *out, const Drover__ClusterInfo *cluster);
void report_power(FILE *out, const Drover__ControlReply *reply);
void report_migrations(FILE *out, const Drover__ControlReply *reply);

/** report_json() - {KEY: [messages]}, one of the lists of a reply */
json_t *report_json(const Drover__ControlReply *reply, const char *key);

/* A line for each event, with the local time. */
void report_event(FILE *out, const Drover__Event *event);
void report_session_event(FILE *out, uint64_t time_us, const struct session_info *session);

/** report_sessions() - begin a table for report_session() */
void report_sessions(struct output_table *ret_table);
void report_session(struct output_table *table, const struct session_info *session);
json_t *report_session_json(const struct session_info *session);

#endif
