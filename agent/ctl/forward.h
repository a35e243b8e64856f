/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that the agent of another host answers: the leader's, or where a VM is to start. */
#ifndef DROVER_CTL_FORWARD_H
#define DROVER_CTL_FORWARD_H

#include "ctl/agent.h"

/**
 * drover_forward_to_leader() - have a request answered by the leader, which is another host
 *
 * The answer goes to the operator, whatever it is. Control thread only.
 */
void drover_forward_to_leader(struct drover_agent *agent, uint64_t id,
			      const Drover__ControlRequest *request);

/**
 * drover_forward_serve() - answer a peer's request, for a thread of a connection
 *
 * Errors: -EPERM for a verb that is not for other hosts, -ETIMEDOUT, -ENOMEM.
 */
int drover_forward_serve(struct drover_agent *agent, const Drover__ControlRequest *request,
			 Drover__ControlReply **ret_reply, struct drover_err *err);

/** drover_forward_is() - is that the number of a peer's request? */
bool drover_forward_is(uint64_t id);

/** drover_forward_answer() - a verb has answered one; takes the reply over */
void drover_forward_answer(uint64_t id, Drover__ControlReply *reply);

#endif
