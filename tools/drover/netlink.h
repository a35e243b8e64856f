/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One generic netlink socket to the family "drover". For mailbox.c alone. */
#ifndef DROVER_TOOL_NETLINK_H
#define DROVER_TOOL_NETLINK_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

/* Beyond the module's own timeout, so that its sentence is what operators see. */
#define NETLINK_TIMEOUT_S 35

/**
 * struct netlink - a socket
 * @group: number of the multicast group "events", 0 if the family has none
 * @error: what the kernel refused last, in its own words; may be empty
 */
struct netlink {
	struct mnl_socket *socket;
	uint16_t family;
	uint32_t group;
	uint32_t seq;
	mnl_cb_t handler;
	void *data;
	char error[256];
};

/**
 * netlink_open() - open the socket and look the family up
 *
 * Returns 0 or a negative errno: -ENOENT when there is no such family. To be closed in any case.
 */
int netlink_open(struct netlink *nl);
void netlink_close(struct netlink *nl);

/** netlink_send() - send a command with one attribute, or none if @data is NULL */
int netlink_send(struct netlink *nl, uint8_t command, uint16_t flags,
			uint16_t attribute, const void *data, size_t len);

/**
 * netlink_receive() - hand what comes in to @handler until it stops that
 * @handler: returns MNL_CB_OK, MNL_CB_STOP, or MNL_CB_ERROR with errno set
 *
 * Returns 0 or a negative errno: what the kernel refused with, -ETIMEDOUT, -ENOBUFS.
 */
int netlink_receive(struct netlink *nl, mnl_cb_t handler, void *data);

/** netlink_join() - hear the multicast group too */
int netlink_join(struct netlink *nl);

#endif
