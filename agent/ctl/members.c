// SPDX-License-Identifier: GPL-2.0-or-later
/* The cluster as operators see it, and this agent's way into it and out of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "cluster/cluster.h"
#include "cluster/conf.h"
#include "ctl/agent.h"
#include "ctl/drs.h"
#include "ctl/reply.h"
#include "ctl/sleep.h"

#define CONF_MAX      (1 << 20)
#define CLUSTER_STATE "cluster.state"

static const Drover__ClusterState phases[] = {
	[DROVER_REPLICA_OFFLINE] = DROVER__CLUSTER_STATE__CLUSTER_STATE_OFFLINE,
	[DROVER_REPLICA_NO_QUORUM] = DROVER__CLUSTER_STATE__CLUSTER_STATE_NO_QUORUM,
	[DROVER_REPLICA_SYNCING] = DROVER__CLUSTER_STATE__CLUSTER_STATE_SYNCING,
	[DROVER_REPLICA_ACTIVE] = DROVER__CLUSTER_STATE__CLUSTER_STATE_ACTIVE,
};

static void on_changed(void *data, const char *key, const uint8_t *value, size_t len)
{
}

static const char *leader_of(const struct drover_replica *r)
{
	return r->phase == DROVER_REPLICA_ACTIVE && r->store.member_count
		       ? r->store.members[0].host
		       : "";
}

static void on_phase(void *data)
{
	struct drover_agent *agent = data;
	const struct drover_replica *r = drover_cluster_replica(agent->cluster);

	if (agent->alone)
		return;
	drover_drs_phase(agent);
	drover_sleep_phase(agent);
	if (r->phase == DROVER_REPLICA_ACTIVE)
		log_info("the cluster has quorum: %zu agents, %s leads", r->store.member_count,
			 leader_of(r));
	else if (r->phase == DROVER_REPLICA_NO_QUORUM)
		log_warning("the cluster has no quorum: %u votes of %u that are needed",
			    r->view.total, r->view.quorum);
	else if (r->phase == DROVER_REPLICA_OFFLINE)
		log_warning("corosync does not answer: this host is out of the cluster");
}

int drover_members_open(struct drover_agent *agent, struct drover_err *err)
{
	const struct drover_cluster_events events = { on_changed, on_phase, agent };
	const char *host = agent->conf.host;
	auto_free char *text = NULL;
	char path[DROVER_PATH_MAX];
	uint32_t node = 0;
	int r = drover_io_read_file(DROVER_COROSYNC_CONF, CONF_MAX, &text, NULL, NULL);

	if (r == 0)
		node = drover_cluster_conf_node(text, host);
	agent->alone = !node;
	/* What a host knew by itself is not what its cluster knows. */
	r = drover_io_path(path, err, "%s/%s", agent->conf.state_dir,
			   agent->alone ? "alone.state" : CLUSTER_STATE);
	if (r == 0)
		r = drover_io_mkdirs(agent->conf.state_dir, 0700, err);
	if (r == 0)
		r = drover_cluster_open(agent->event, host, node, path, &events, &agent->cluster,
					err);
	return r;
}

/*
 * A host that has left would bring its state into the next cluster that it joins, and where that is
 * younger, what the host has would count. Asked to look again, it sees that it has left by its
 * corosync.conf being gone, which it is not while corosync alone is down. Whoever is only started
 * forgets nothing: the file may be on its way back.
 */
static int forget_if_left(const struct drover_agent *agent, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r;

	if (access(DROVER_COROSYNC_CONF, F_OK) == 0 || errno != ENOENT)
		return 0;
	r = drover_io_path(path, err, "%s/" CLUSTER_STATE, agent->conf.state_dir);
	return r < 0 ? r : drover_io_remove_durable(path, err);
}

/* --- what operators ask --- */

static Drover__ClusterMemberInfo *member(const struct drover_replica *r,
					 const struct drover_store_member *m, bool leads)
{
	Drover__ClusterMemberInfo *info = malloc(sizeof(*info));

	if (!info)
		return NULL;
	drover__cluster_member_info__init(info);
	info->host = strdup(m->host);
	info->node = m->node;
	info->self = m->client == r->client;
	info->leads = leads;
	for (uint32_t i = 0; i < r->view.count; i++)
		if (r->view.members[i].node == m->node)
			info->votes = r->view.members[i].votes;
	return info;
}

static void add_members(Drover__ClusterInfo *info, const struct drover_replica *r)
{
	size_t n = r->phase == DROVER_REPLICA_ACTIVE ? r->store.member_count : 0;

	info->members = calloc(n + 1, sizeof(*info->members));
	for (size_t i = 0; info->members && i < n; i++) {
		info->members[i] = member(r, &r->store.members[i], i == 0);
		if (!info->members[i])
			return;
		info->n_members++;
	}
}

void drover_members_status(struct drover_agent *agent, uint64_t id,
			   const Drover__ControlRequest *request)
{
	Drover__ControlReply *reply = drover_reply_new();
	Drover__ClusterInfo *info = malloc(sizeof(*info));
	const struct drover_replica *r;

	if (!reply || !info || !agent->cluster) {
		drover_reply_free(reply);
		free(info);
		return;
	}
	r = drover_cluster_replica(agent->cluster);
	drover__cluster_info__init(info);
	info->alone = agent->alone;
	info->state = phases[r->phase];
	info->leader = strdup(leader_of(r));
	info->votes = r->view.total;
	info->quorum = r->view.quorum;
	info->expected = r->view.expected;
	info->entries = r->store.entry_count;
	add_members(info, r);
	reply->cluster = info;
	drover_verbs_reply(agent, id, reply);
}

void drover_members_conf(struct drover_agent *agent, uint64_t id,
			 const Drover__ControlRequest *request)
{
	Drover__ControlReply *reply;
	struct drover_err err = { 0 };
	char *text = NULL;

	/* corosync counts all votes anew when it reads the file. */
	if (drover_sleep_check_awake(agent, &err) < 0 ||
	    drover_cluster_conf(&agent->conf, &text, &err) < 0) {
		drover_verbs_refuse(agent, id, &err);
		return;
	}
	reply = drover_reply_new();
	if (reply)
		reply->text = text;
	else
		free(text);
	drover_verbs_reply(agent, id, reply);
}

void drover_members_reload(struct drover_agent *agent, uint64_t id,
			   const Drover__ControlRequest *request)
{
	struct drover_err err = { 0 }, why = { 0 };
	int forgot;

	drover_cluster_close(agent->cluster);
	agent->cluster = NULL;
	forgot = forget_if_left(agent, &why);
	if (drover_members_open(agent, &err) < 0) {
		/* Without its part in the cluster it could do nothing right. */
		log_error("%s: droverd ends", err.text);
		drover_verbs_refuse(agent, id, &err);
		drover_end_begin(agent);
		return;
	}
	if (forgot < 0)
		drover_verbs_refuse(agent, id, &why);
	else
		drover_verbs_reply(agent, id, drover_reply_new());
}
