/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the shared state travels on: messages that every agent of a partition gets in the same
 * order, its own included, and views of who that is, in the same order as the messages.
 * bus_corosync.c has it from corosync, bus_local.c for a host by itself, tests from a fake.
 */
#ifndef DROVER_CLUSTER_BUS_H
#define DROVER_CLUSTER_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"

#define DROVER_BUS_MEMBERS_MAX 128

/**
 * struct drover_bus_member - an agent on the bus
 * @node: number of its host
 * @process: tells apart agents that a host had one after the other
 * @votes: of its host
 */
struct drover_bus_member {
	uint32_t node;
	uint32_t process;
	uint32_t votes;
};

/**
 * struct drover_bus_view - who is there
 * @connected: there is a bus at all
 * @quorate: the bus says that the ring's hosts are the quorate part
 * @quorum: votes that this takes
 * @total: votes of all hosts of the ring, those without an agent included
 * @expected: votes of all hosts of the cluster
 * @ring_node, @ring_seq: name the ring
 * @hosts: of the ring; some may have no agent
 * @members: agents, in the order of their nodes
 */
struct drover_bus_view {
	bool connected;
	bool quorate;
	uint32_t quorum, total, expected;
	uint32_t ring_node;
	uint64_t ring_seq;
	uint32_t hosts;
	uint32_t count;
	struct drover_bus_member members[DROVER_BUS_MEMBERS_MAX];
};

/**
 * struct drover_bus_events - what a bus tells; never from within a call to it
 * @view: something of the view is other than before
 * @deliver: a message, from @node's @process
 */
struct drover_bus_events {
	void (*view)(void *data, const struct drover_bus_view *view);
	void (*deliver)(void *data, uint32_t node, uint32_t process, const uint8_t *message,
			size_t len);
	void *data;
};

struct drover_bus;

/**
 * struct drover_bus_ops - a kind of bus
 * @send: to all members, this one included; kept until it can be sent. Messages of up to
 *	DROVER_BUS_MESSAGE_MAX bytes. Returns -ENOTCONN, -ENOMEM.
 * @rejoin: leave and come back, as if the agent had been started anew
 * @weigh: a host has so many votes from now on (node 0: none is meant), and all have so many together;
 *	until a host comes whose corosync.conf says otherwise. -EIO with corosync's word for it: it
 *	takes no votes with which the quorum could not be reached, and no sum that is less than
 *	the votes that are there.
 * @close: free it; nothing is told any more
 */
struct drover_bus_ops {
	int (*send)(struct drover_bus *bus, const uint8_t *message, size_t len);
	void (*rejoin)(struct drover_bus *bus);
	int (*weigh)(struct drover_bus *bus, uint32_t node, uint32_t votes, uint32_t expected,
		     struct drover_err *err);
	void (*close)(struct drover_bus *bus);
};

#define DROVER_BUS_MESSAGE_MAX (512U << 10)

/* A kind of bus begins with this. */
struct drover_bus {
	const struct drover_bus_ops *ops;
	struct drover_bus_events events;
	uint32_t node;		/* this host's */
	uint32_t process;	/* this agent's */
};

/** drover_bus_local() - of a host by itself, which is always quorate */
int drover_bus_local(sd_event *event, const struct drover_bus_events *events,
		     struct drover_bus **ret_bus, struct drover_err *err);

/**
 * drover_bus_corosync() - of a cluster
 * @node: this host's number in corosync.conf
 *
 * corosync need not run yet, and may end: the bus connects whenever it can. Its views tell.
 */
int drover_bus_corosync(sd_event *event, uint32_t node, const struct drover_bus_events *events,
			struct drover_bus **ret_bus, struct drover_err *err);

#endif
