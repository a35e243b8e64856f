/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the members of a cluster share, as messages; control thread only. */
#ifndef DROVER_CTL_SHARED_H
#define DROVER_CTL_SHARED_H

#include "cluster.pb-c.h"
#include "cluster/cluster.h"
#include "ctl/agent.h"

/* Where entries are: a prefix and a name. proto/cluster.proto tells their messages. */
#define DROVER_SHARED_HOST	  "host/"
#define DROVER_SHARED_VM	  "vm/"
#define DROVER_SHARED_SHARE	  "share/"
#define DROVER_SHARED_RESPOOL	  "respool/"
#define DROVER_SHARED_RULE	  "rule/"
#define DROVER_SHARED_POOL	  "pool/"
#define DROVER_SHARED_MAINTENANCE "maintenance/"
#define DROVER_SHARED_POWER	  "power/"
#define DROVER_SHARED_SLEEP	  "sleep/"
#define DROVER_SHARED_DPM	  "setting/dpm"
#define DROVER_SHARED_POWER_PAST  "dpm/history"
#define DROVER_SHARED_DRS	  "setting/drs"
#define DROVER_SHARED_HABIT	  "habit/"
#define DROVER_SHARED_HISTORY	  "drs/history"

/**
 * drover_shared_get() - the message of an entry, or NULL where there is none
 * @name: behind @prefix, or ""
 *
 * Free it with protobuf_c_message_free_unpacked().
 */
void *drover_shared_get(const struct drover_agent *agent, const char *prefix, const char *name,
			const ProtobufCMessageDescriptor *descriptor);

/**
 * struct drover_shared_list - messages of all entries with a prefix, in the order of their names
 */
struct drover_shared_list {
	ProtobufCMessage **messages;
	size_t count;
};

/** drover_shared_list() - entries that are no such message are left out; -ENOMEM */
int drover_shared_list(const struct drover_agent *agent, const char *prefix,
		       const ProtobufCMessageDescriptor *descriptor,
		       struct drover_shared_list *ret_list);
void drover_shared_free(struct drover_shared_list *list);

/**
 * drover_shared_set() - change an entry on all members
 * @message: NULL: remove it
 * @done: or NULL
 *
 * Errors: -ENOTCONN without quorum: it would wait, and nobody knows how long.
 */
int drover_shared_set(struct drover_agent *agent, const char *prefix, const char *name,
		      const ProtobufCMessage *message, drover_cluster_done done, void *data,
		      struct drover_err *err);

/** drover_shared_text() - give a message's field another text, a copy */
void drover_shared_text(char **field, const char *text);

/** drover_shared_active() - this host is in the quorate partition (or in no cluster) */
bool drover_shared_active(const struct drover_agent *agent);

/** drover_shared_changes() - it is becoming one: for a moment nobody leads */
bool drover_shared_changes(const struct drover_agent *agent);

/** drover_shared_leader() - host that runs the policies, "" where there is none */
const char *drover_shared_leader(const struct drover_agent *agent);

/** drover_shared_is_member() - is that host there, with its agent? */
bool drover_shared_is_member(const struct drover_agent *agent, const char *host);

#endif
