/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This agent's part in the cluster: its bus, its copy of the shared state and the disk that
 * keeps it. For the control thread alone.
 */
#ifndef DROVER_CLUSTER_CLUSTER_H
#define DROVER_CLUSTER_CLUSTER_H

#include <systemd/sd-event.h>

#include "base/err.h"
#include "cluster/replica.h"

struct drover_cluster;

/**
 * struct drover_cluster_events - what its owner hears; never from within a call to it
 * @changed: an entry is other than before; @value NULL: it is gone
 * @phase: quorum, members or leader are other than before; the whole state may be
 */
struct drover_cluster_events {
	void (*changed)(void *data, const char *key, const uint8_t *value, size_t len);
	void (*phase)(void *data);
	void *data;
};

/**
 * drover_cluster_open() - take part
 * @host: name of this host
 * @node: its number in corosync.conf, or 0 for a host by itself, which needs no corosync
 * @path: file that keeps the state; one that is damaged is set aside, with a word in the journal
 */
int drover_cluster_open(sd_event *event, const char *host, uint32_t node, const char *path,
			const struct drover_cluster_events *events,
			struct drover_cluster **ret_cluster, struct drover_err *err);

/** drover_cluster_close() - leave; changes under way are not told of any more. NULL: nothing */
void drover_cluster_close(struct drover_cluster *cluster);

/** drover_cluster_replica() - to read: state, phase, members; valid until the event loop goes on */
const struct drover_replica *drover_cluster_replica(const struct drover_cluster *cluster);

/** drover_cluster_leads() - this agent is the one that runs the policies */
bool drover_cluster_leads(const struct drover_cluster *cluster);

/** drover_cluster_weigh() - votes of a host, and of all together; see drover_bus_ops in bus.h */
int drover_cluster_weigh(struct drover_cluster *cluster, uint32_t node, uint32_t votes,
			 uint32_t expected, struct drover_err *err);

/** drover_cluster_step_down() - leave and come back, as the youngest member: another one leads */
void drover_cluster_step_down(struct drover_cluster *cluster);

/**
 * typedef drover_cluster_done - a change has been made on all members, or refused
 * @r: 0, -EAGAIN (the entry was not of that revision), -EBUSY (another agent has the lock),
 *	-ENOENT, -ENOSPC
 *
 * Without quorum it is called once there is quorum again.
 */
typedef void (*drover_cluster_done)(void *data, int r, const struct drover_err *err);

/* Revisions for drover_cluster_set(). */
#define DROVER_CLUSTER_ANY UINT64_MAX /* whatever there is */
#define DROVER_CLUSTER_NEW 0	      /* nothing may be there */

/**
 * drover_cluster_set() - change an entry
 * @value: NULL: remove it
 * @revision: that it must have, DROVER_CLUSTER_ANY or DROVER_CLUSTER_NEW. Where the view ends in
 *	between it may be refused although it was made: look at the entry then.
 * @done: or NULL
 *
 * Errors: -EINVAL for a key or a value that no store takes, -ENOMEM.
 */
int drover_cluster_set(struct drover_cluster *cluster, const char *key, const void *value,
		       size_t len, uint64_t revision, drover_cluster_done done, void *data,
		       struct drover_err *err);

/**
 * drover_cluster_lock() - be the only one in the cluster that holds a name
 *
 * It is held until it is unlocked, or this agent is gone from a quorate view.
 */
int drover_cluster_lock(struct drover_cluster *cluster, const char *name, drover_cluster_done done,
			void *data, struct drover_err *err);
int drover_cluster_unlock(struct drover_cluster *cluster, const char *name,
			  drover_cluster_done done, void *data, struct drover_err *err);

#endif
