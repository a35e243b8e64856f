/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to the agent: three functions, and netlink behind them. */
#ifndef DROVER_TOOL_MAILBOX_H
#define DROVER_TOOL_MAILBOX_H

#include <jansson.h>

#include "control.pb-c.h"

/**
 * mailbox_ask() - ask this host's agent
 * @request: the verb; the version is filled in
 *
 * Returns the answer, for drover__control_reply__free_unpacked(), or NULL after saying on
 * standard error why there is none; the caller then exits with EXIT_NO_AGENT.
 */
Drover__ControlReply *mailbox_ask(Drover__ControlRequest *request);

/**
 * mailbox_follow() - hand on events until @event returns non-zero
 *
 * Returns what @event returned, or EXIT_NO_AGENT.
 */
int mailbox_follow(int (*event)(const Drover__Event *event));

/** mailbox_sessions() - the module's sessions as a JSON array, or NULL after saying why */
json_t *mailbox_sessions(void);

#endif
