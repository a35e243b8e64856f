/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's side of drover.ko's netlink mailbox: requests in, replies and events out. */
#ifndef DROVER_CTL_MAILBOX_H
#define DROVER_CTL_MAILBOX_H

#include <systemd/sd-event.h>

#include "base/err.h"
#include "control.pb-c.h"

struct drover_mailbox;

/* A request that came in; answer it with drover_mailbox_reply(), now or later. */
typedef void drover_mailbox_request(void *data, uint64_t id, const Drover__ControlRequest *request);

/**
 * drover_mailbox_open() - become the agent of this host
 *
 * Errors: -ENOENT when drover.ko is not loaded, -EBUSY when another agent runs.
 */
int drover_mailbox_open(sd_event *event, drover_mailbox_request *request, void *data,
			struct drover_mailbox **ret_mailbox, struct drover_err *err);
void drover_mailbox_close(struct drover_mailbox *mailbox);

/** drover_mailbox_reply() - answer request @id, in several messages if it is long */
int drover_mailbox_reply(struct drover_mailbox *mailbox, uint64_t id,
			 const Drover__ControlReply *reply);

/** drover_mailbox_event() - tell all who follow; one that is too long is dropped */
int drover_mailbox_event(struct drover_mailbox *mailbox, const Drover__Event *event);

#endif
