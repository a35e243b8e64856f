// SPDX-License-Identifier: GPL-2.0-or-later
/* Views, changes, signs of life. How the members of a view become equal: sync.c. */
#include "cluster/replica.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cluster/sync.h"

/* A pause of our own says nothing about the others. */
#define STALL_US (DROVER_SILENCE_US / 2)

void drover_replica_init(struct drover_replica *replica, uint32_t node, uint32_t process,
			 uint64_t client, const char *host, const struct drover_replica_ops *ops)
{
	memset(replica, 0, sizeof(*replica));
	replica->ops = *ops;
	replica->node = node;
	replica->process = process;
	replica->client = client;
	replica->fresh = true;
	snprintf(replica->host, sizeof(replica->host), "%s", host);
}

void drover_replica_exit(struct drover_replica *replica)
{
	drover_store_clear(&replica->store);
	free(replica->incoming);
	replica->incoming = NULL;
}

void drover_replica_enter(struct drover_replica *r, enum drover_replica_phase phase)
{
	r->phase = phase;
	if (phase == DROVER_REPLICA_SYNCING)
		r->syncing_us = r->now_us;
	r->ops.phase(r->ops.data);
}

int drover_replica_send(struct drover_replica *r, Drover__ClusterMessage *message)
{
	auto_free uint8_t *buf = NULL;
	size_t len;

	message->version = 1;
	message->client = r->client;
	len = drover__cluster_message__get_packed_size(message);
	buf = malloc(len + 1);
	if (!buf)
		return -ENOMEM;
	drover__cluster_message__pack(message, buf);
	return r->ops.send(r->ops.data, buf, len);
}

/* This member cannot go on with what it has. */
void drover_replica_leave(struct drover_replica *r)
{
	r->key = 0;
	r->announced = false;
	drover_replica_enter(r, DROVER_REPLICA_NO_QUORUM);
	r->ops.rejoin(r->ops.data);
}

/* --- views --- */

static struct drover_replica_peer *find_peer(struct drover_replica *r, uint32_t node,
					     uint32_t process)
{
	for (uint32_t i = 0; i < r->view.count; i++)
		if (r->peers[i].bus.node == node && r->peers[i].bus.process == process)
			return &r->peers[i];
	return NULL;
}

static uint64_t key_of(const struct drover_replica *r)
{
	uint64_t parts[2 + DROVER_BUS_MEMBERS_MAX] = { r->view.ring_node, r->view.ring_seq };
	size_t n = 2;

	for (uint32_t i = 0; i < r->view.count; i++)
		if (!r->peers[i].expelled)
			parts[n++] = (uint64_t)r->peers[i].bus.node << 32 | r->peers[i].bus.process;
	return XXH3_64bits(parts, n * sizeof(*parts)) | 1;
}

static bool is_quorate(struct drover_replica *r)
{
	const struct drover_replica_peer *self = find_peer(r, r->node, r->process);
	uint32_t votes = 0;

	for (uint32_t i = 0; i < r->view.count; i++)
		if (!r->peers[i].expelled)
			votes += r->peers[i].bus.votes;
	/* The hosts' quorum is not enough: their agents must be there, who keep the state. */
	return r->view.connected && r->view.quorate && self && !self->expelled &&
	       votes >= r->view.quorum;
}

/* The same key: only whether it is quorate can be new. */
static void weigh_again(struct drover_replica *r, bool was)
{
	if (was == r->quorate)
		return;
	if (was && r->announced) {
		/* Others may have counted on this member; they have to see it go. */
		drover_replica_leave(r);
		return;
	}
	drover_replica_enter(r, r->quorate ? DROVER_REPLICA_SYNCING : DROVER_REPLICA_NO_QUORUM);
	drover_sync_announce(r);
}

static void judge_view(struct drover_replica *r)
{
	uint64_t key = r->view.connected ? key_of(r) : 0;
	bool was = r->quorate;

	r->quorate = is_quorate(r);
	if (!r->quorate)
		r->quorate_us = 0;
	else if (!r->quorate_us)
		r->quorate_us = r->now_us;
	if (key && key == r->key) {
		weigh_again(r, was);
		return;
	}
	r->key = key;
	drover_sync_reset(r);
	drover_replica_enter(r, !r->view.connected ? DROVER_REPLICA_OFFLINE
				: r->quorate	   ? DROVER_REPLICA_SYNCING
						   : DROVER_REPLICA_NO_QUORUM);
	drover_sync_announce(r);
}

void drover_replica_view(struct drover_replica *r, const struct drover_bus_view *view)
{
	struct drover_replica_peer peers[DROVER_BUS_MEMBERS_MAX];

	for (uint32_t i = 0; i < view->count; i++) {
		const struct drover_bus_member *m = &view->members[i];
		const struct drover_replica_peer *old = find_peer(r, m->node, m->process);

		peers[i] = old ? *old : (struct drover_replica_peer){ .heard_us = r->now_us };
		peers[i].bus = *m;
	}
	memcpy(r->peers, peers, view->count * sizeof(*peers));
	r->view = *view;
	if (!view->connected)
		r->fresh = true;
	judge_view(r);
}

static void expel(struct drover_replica *r, const Drover__ClusterExpel *m)
{
	const struct drover_replica_peer *self;

	if (m->view != r->key)
		return;
	for (size_t i = 0; i < m->n_nodes; i++) {
		for (uint32_t j = 0; j < r->view.count; j++) {
			struct drover_replica_peer *p = &r->peers[j];

			if (p->bus.node != m->nodes[i] || p->expelled)
				continue;
			log_warning("the agent of node %u has been silent for too long: "
				    "the cluster goes on without it", p->bus.node);
			p->expelled = true;
		}
	}
	self = find_peer(r, r->node, r->process);
	if (self && self->expelled)
		drover_replica_leave(r);
	else
		judge_view(r);
}

/* --- changes --- */

static void apply(struct drover_replica *r, const struct drover_replica_peer *from,
		  const Drover__ClusterOp *op)
{
	struct drover_err err = { 0 };
	bool changed;
	int result;

	if (r->phase != DROVER_REPLICA_ACTIVE || op->view != r->key)
		return;
	result = drover_store_apply(&r->store, op, from->client, &changed, &err);
	if (result == -ENOMEM) {
		/* The others could do it: this store is not like theirs any more. */
		log_error("out of memory: this agent leaves the cluster for now");
		drover_replica_leave(r);
		return;
	}
	if (changed)
		r->ops.changed(r->ops.data, op->set->key,
			       op->set->remove ? NULL : op->set->value.data, op->set->value.len);
	if (from->bus.node == r->node)
		r->ops.applied(r->ops.data, op->sequence, result, &err);
}

int drover_replica_propose(struct drover_replica *replica, Drover__ClusterOp *op)
{
	Drover__ClusterMessage m = DROVER__CLUSTER_MESSAGE__INIT;

	if (replica->phase != DROVER_REPLICA_ACTIVE)
		return -EAGAIN;
	op->view = replica->key;
	m.what_case = DROVER__CLUSTER_MESSAGE__WHAT_OP;
	m.op = op;
	return drover_replica_send(replica, &m);
}

/* --- messages --- */

static void dispatch(struct drover_replica *r, struct drover_replica_peer *from,
		     const Drover__ClusterMessage *m)
{
	switch (m->what_case) {
	case DROVER__CLUSTER_MESSAGE__WHAT_ANNOUNCE:
		drover_sync_announced(r, from, m->client, m->announce);
		break;
	case DROVER__CLUSTER_MESSAGE__WHAT_PART:
		drover_sync_part(r, from, m->part);
		break;
	case DROVER__CLUSTER_MESSAGE__WHAT_READY:
		drover_sync_ready(r, from, m->ready);
		break;
	case DROVER__CLUSTER_MESSAGE__WHAT_OP:
		if (from->client == m->client)
			apply(r, from, m->op);
		break;
	case DROVER__CLUSTER_MESSAGE__WHAT_EXPEL:
		expel(r, m->expel);
		break;
	case DROVER__CLUSTER_MESSAGE__WHAT_BEAT:
	case DROVER__CLUSTER_MESSAGE__WHAT__NOT_SET:
	case _DROVER__CLUSTER_MESSAGE__WHAT__CASE_IS_INT_SIZE:
		break;
	}
}

void drover_replica_deliver(struct drover_replica *r, uint32_t node, uint32_t process,
			    const uint8_t *message, size_t len)
{
	struct drover_replica_peer *from = find_peer(r, node, process);
	Drover__ClusterMessage *m;

	if (!from || from->expelled || !r->key)
		return;
	m = drover__cluster_message__unpack(NULL, len, message);
	if (!m || m->version != 1) {
		log_warning("node %u speaks another version of the cluster's protocol", node);
	} else {
		from->heard_us = r->now_us;
		dispatch(r, from, m);
	}
	if (m)
		drover__cluster_message__free_unpacked(m, NULL);
}

/* --- time --- */

static void send_beat(struct drover_replica *r)
{
	Drover__ClusterMessage m = DROVER__CLUSTER_MESSAGE__INIT;
	Drover__ClusterBeat beat = DROVER__CLUSTER_BEAT__INIT;

	m.what_case = DROVER__CLUSTER_MESSAGE__WHAT_BEAT;
	m.beat = &beat;
	drover_replica_send(r, &m);
}

static void expel_silent(struct drover_replica *r)
{
	Drover__ClusterMessage m = DROVER__CLUSTER_MESSAGE__INIT;
	Drover__ClusterExpel list = DROVER__CLUSTER_EXPEL__INIT;
	uint32_t nodes[DROVER_BUS_MEMBERS_MAX];

	list.view = r->key;
	list.nodes = nodes;
	for (uint32_t i = 0; i < r->view.count; i++) {
		const struct drover_replica_peer *p = &r->peers[i];

		if (p->bus.node != r->node && !p->expelled &&
		    r->now_us - p->heard_us > DROVER_SILENCE_US)
			nodes[list.n_nodes++] = p->bus.node;
	}
	if (!list.n_nodes)
		return;
	m.what_case = DROVER__CLUSTER_MESSAGE__WHAT_EXPEL;
	m.expel = &list;
	drover_replica_send(r, &m);
}

void drover_replica_tick(struct drover_replica *r, uint64_t now_us)
{
	bool stalled = now_us - r->now_us > STALL_US;

	r->now_us = now_us;
	for (uint32_t i = 0; stalled && i < r->view.count; i++)
		r->peers[i].heard_us = now_us;
	drover_sync_announce(r);
	drover_sync_agree(r);
	if (!r->key || now_us - r->beat_us < DROVER_BEAT_US)
		return;
	r->beat_us = now_us;
	if (r->view.count > 1)
		send_beat(r);
	if (r->quorate)
		expel_silent(r);
}

bool drover_replica_leads(const struct drover_replica *replica)
{
	return replica->phase == DROVER_REPLICA_ACTIVE && replica->store.member_count &&
	       replica->store.members[0].client == replica->client;
}
