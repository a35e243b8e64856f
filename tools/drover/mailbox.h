/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to drover.ko and, through its mailbox, to droverd. That it is generic
 * netlink is known behind these three functions only. Each returns 0, or the status
 * that drover is to end with and one sentence in @why.
 */
#ifndef DROVER_TOOL_MAILBOX_H
#define DROVER_TOOL_MAILBOX_H

#include <stdint.h>

#include "control.pb-c.h"

#define MAILBOX_WHY 512

/**
 * struct session_info - a VM that the module tracks
 * @state: enum drover_session_state of <drover.h>
 */
struct session_info {
	uint64_t id;
	char name[64];
	uint32_t state;
	uint32_t pid;
	uint64_t ram_pages;
	uint64_t harvests;
	uint64_t log_pages;
	uint64_t vmm_pages;
	uint64_t kept_pages;
	uint64_t sent_pages;
	uint64_t zero_pages;
	uint64_t sent_bytes;
};

/**
 * struct mailbox_listener - what to do with what is heard
 * @event: droverd published something
 * @session: the module saw a session change its state
 * @lost: some events came too fast and were lost
 */
struct mailbox_listener {
	void (*event)(void *data, const Drover__Event *event);
	void (*session)(void *data, const struct session_info *session);
	void (*lost)(void *data);
	void *data;
};

/**
 * mailbox_ask() - put a request to droverd and wait for the answer
 * @request: its version is filled in
 * @ret_reply: out: for drover__control_reply__free_unpacked(); its code may tell of a refusal
 */
int mailbox_ask(Drover__ControlRequest *request, Drover__ControlReply **ret_reply,
		       char why[MAILBOX_WHY]);

/** mailbox_sessions() - call @each for every session; needs no droverd */
int mailbox_sessions(void (*each)(void *data, const struct session_info *session),
			    void *data, char why[MAILBOX_WHY]);

/** mailbox_follow() - hear of events; returns only with an error */
int mailbox_follow(const struct mailbox_listener *listener, char why[MAILBOX_WHY]);

#endif
