/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the shared state the same on every member of the quorate partition. No I/O and no
 * clock of its own: a bus carries its messages, the owner keeps its state on disk.
 *
 * Each change of the view, and the start, goes through this::
 *
 *                        every member     where they      every member    all of them
 *   view --> quorate? --> ANNOUNCE ------> PARTS --------> keeps it ------> READY -----> ACTIVE
 *              | no       what it has      of the best     on its disk                   changes
 *              v                           are not equal                                 are made
 *          NO QUORUM, until a view is quorate
 *
 * Each such passage has an epoch, one more than any that a member knows; it is on the disk of
 * each before the first change is made. Two quorate views have a member in common, so no two
 * active views have the same epoch. The best state is that of the newest active view, and of
 * those the one with the most changes: it has every change that all members of that view had.
 *
 * A change is a message, too. It counts if it is delivered while its view is active, on every
 * member or on none, and in the same order everywhere; the sender sends it again in the next
 * view until it has come back to him, which is harmless, as doing it twice is doing it once.
 *
 * Quorum is each member's own view: one that has just come may count hosts that sleep, and see none where
 * the others see one. It says nothing then, and they wait. After a while one of them has corosync count
 * as they do, if those who were in the newest active view are here by more than half: no two parts of a
 * divided cluster have that, however many hosts wake in each.
 *
 * A member that has said nothing for a while is expelled by an ordered message: its agent hangs.
 */
#ifndef DROVER_CLUSTER_REPLICA_H
#define DROVER_CLUSTER_REPLICA_H

#include "cluster/bus.h"
#include "cluster/store.h"

#define DROVER_BEAT_US	  5000000ULL	/* between signs of life */
#define DROVER_SILENCE_US 20000000ULL	/* until a member is expelled */
#define DROVER_GRACE_US	  10000000ULL	/* in which agents that were just started wait for others */
#define DROVER_AGREE_US	  5000000ULL	/* until quorate members make the others count as they do */

enum drover_replica_phase {
	DROVER_REPLICA_OFFLINE,		/* no bus */
	DROVER_REPLICA_NO_QUORUM,	/* nothing may be changed, nothing should be done */
	DROVER_REPLICA_SYNCING,		/* a view has begun */
	DROVER_REPLICA_ACTIVE,
};

/**
 * struct drover_replica_ops - its owner
 * @send: put a message on the bus
 * @rejoin: leave the bus and come back
 * @keep: the state must be on disk when this returns; an error keeps this member out
 * @changed: an entry is other than before; @len bytes, or NULL when it is gone
 * @applied: the change of this agent with that number has been made, or refused with @r
 * @phase: the phase, the view or the leader is other than before
 * @expect: have all hosts of the view count so many votes in the cluster
 */
struct drover_replica_ops {
	int (*send)(void *data, const uint8_t *message, size_t len);
	void (*rejoin)(void *data);
	int (*keep)(void *data, const struct drover_store *store, struct drover_err *err);
	void (*changed)(void *data, const char *key, const uint8_t *value, size_t len);
	void (*applied)(void *data, uint64_t sequence, int r, const struct drover_err *err);
	void (*phase)(void *data);
	void (*expect)(void *data, uint32_t votes);
	void *data;
};

/* A member of the view. */
struct drover_replica_peer {
	struct drover_bus_member bus;
	uint64_t client;	/* 0: it has not announced itself */
	char host[DROVER_NAME_LEN];
	uint64_t epoch, active, version, digest;
	bool fresh;
	bool ready;
	bool expelled;
	uint64_t heard_us;
};

/**
 * struct drover_replica - an agent's part
 * @client: drawn at random, not 0
 * @view: as the bus told it
 * @key: of the view with those who were expelled left out; 0: none
 * @peers: as view.members
 * @quorate: this view, as it is now
 * @announced: in this view
 * @fresh: has not been active since it was started, or met its bus again
 * @quorate_us: since when views have been quorate, 0: they are not
 * @syncing_us: since when the view is quorate and not active, or was last told what to count
 * @source: the peer that sends its state, or NULL
 * @incoming: what has come of it, in @incoming_parts
 * @active_nodes: @active_count of them: who was in the newest view that became active
 */
struct drover_replica {
	struct drover_replica_ops ops;
	struct drover_store store;
	uint32_t node, process;
	uint64_t client;
	char host[DROVER_NAME_LEN];
	enum drover_replica_phase phase;
	struct drover_bus_view view;
	uint64_t key;
	struct drover_replica_peer peers[DROVER_BUS_MEMBERS_MAX];
	bool quorate, announced, fresh;
	struct drover_replica_peer *source;
	uint8_t *incoming;
	size_t incoming_len;
	uint32_t incoming_parts;
	uint64_t now_us, quorate_us, syncing_us, beat_us;
	uint32_t active_nodes[DROVER_BUS_MEMBERS_MAX];
	uint32_t active_count;
};

/**
 * drover_replica_init() - with an empty store, which the owner may fill before the first view
 * @node, @process: as the bus knows this agent
 */
void drover_replica_init(struct drover_replica *replica, uint32_t node, uint32_t process,
			 uint64_t client, const char *host, const struct drover_replica_ops *ops);
void drover_replica_exit(struct drover_replica *replica);

/* What the bus tells. */
void drover_replica_view(struct drover_replica *replica, const struct drover_bus_view *view);
void drover_replica_deliver(struct drover_replica *replica, uint32_t node, uint32_t process,
			    const uint8_t *message, size_t len);

/**
 * drover_replica_tick() - time passes
 * @now_us: monotonic; call it once a second, and before each of the above
 */
void drover_replica_tick(struct drover_replica *replica, uint64_t now_us);

/**
 * drover_replica_propose() - send a change
 * @op: its sequence is the caller's, its view is filled in
 *
 * Only while ACTIVE; else -EAGAIN. That it comes back is told by @applied, or not at all when
 * the view ends before.
 */
int drover_replica_propose(struct drover_replica *replica, Drover__ClusterOp *op);

/** drover_replica_leads() - it is the oldest member of an active view */
bool drover_replica_leads(const struct drover_replica *replica);

#endif
