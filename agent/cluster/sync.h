/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the members of a view become equal. Between replica.c and sync.c alone. */
#ifndef DROVER_CLUSTER_SYNC_H
#define DROVER_CLUSTER_SYNC_H

#include "cluster/replica.h"

/* --- replica.c --- */

void drover_replica_enter(struct drover_replica *r, enum drover_replica_phase phase);
int drover_replica_send(struct drover_replica *r, Drover__ClusterMessage *message);

/** drover_replica_leave() - leave the bus and come back: what this member has is of no use */
void drover_replica_leave(struct drover_replica *r);

/* --- sync.c --- */

/** drover_sync_reset() - another view: forget what was said in the one before */
void drover_sync_reset(struct drover_replica *r);

/** drover_sync_announce() - say what this member has, if it is time and has not been done */
void drover_sync_announce(struct drover_replica *r);

/** drover_sync_agree() - when others wait for long: have them count votes as this member does */
void drover_sync_agree(struct drover_replica *r);

void drover_sync_announced(struct drover_replica *r, struct drover_replica_peer *from,
			   uint64_t client, const Drover__ClusterAnnounce *m);
void drover_sync_part(struct drover_replica *r, struct drover_replica_peer *from,
		      const Drover__ClusterPart *m);
void drover_sync_ready(struct drover_replica *r, struct drover_replica_peer *from,
		       const Drover__ClusterReady *m);

#endif
