// SPDX-License-Identifier: GPL-2.0-or-later
/* From the beginning of a view until it is active: all have the same state, on their disks. */
#include "cluster/sync.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/config.h"

#define PART_MAX (256U << 10)

void drover_sync_reset(struct drover_replica *r)
{
	r->announced = false;
	r->source = NULL;
	free(r->incoming);
	r->incoming = NULL;
	r->incoming_len = 0;
	r->incoming_parts = 0;
	for (uint32_t i = 0; i < r->view.count; i++) {
		r->peers[i].client = 0;
		r->peers[i].ready = false;
	}
}

/* Somebody who carries on from the view before has announced himself. */
static bool others_go_on(const struct drover_replica *r)
{
	for (uint32_t i = 0; i < r->view.count; i++)
		if (r->peers[i].client && !r->peers[i].fresh)
			return true;
	return false;
}

/*
 * When all hosts start at once, some agents come later than others, and one of those may have
 * the newest state: give them a moment.
 */
static bool time_to_announce(const struct drover_replica *r)
{
	if (!r->key || !r->quorate || r->announced)
		return false;
	return !r->fresh || r->view.count >= r->view.hosts || others_go_on(r) ||
	       r->now_us - r->quorate_us >= DROVER_GRACE_US;
}

void drover_sync_announce(struct drover_replica *r)
{
	Drover__ClusterMessage m = DROVER__CLUSTER_MESSAGE__INIT;
	Drover__ClusterAnnounce a = DROVER__CLUSTER_ANNOUNCE__INIT;

	if (!time_to_announce(r))
		return;
	a.view = r->key;
	a.epoch = r->store.epoch;
	a.active = r->store.active;
	a.version = r->store.version;
	a.digest = drover_store_digest(&r->store);
	a.fresh = r->fresh;
	a.host = r->host;
	m.what_case = DROVER__CLUSTER_MESSAGE__WHAT_ANNOUNCE;
	m.announce = &a;
	r->announced = drover_replica_send(r, &m) == 0;
}

/* --- members that count other votes --- */

static bool is_here(const struct drover_replica *r, uint32_t node)
{
	for (uint32_t i = 0; i < r->view.count; i++)
		if (r->peers[i].bus.node == node && !r->peers[i].expelled)
			return true;
	return false;
}

/* Of the newest active view, as this member has it; unknown to one that was started since. */
static bool most_are_here(const struct drover_replica *r)
{
	uint32_t here = 0;

	for (uint32_t i = 0; i < r->active_count; i++)
		here += is_here(r, r->active_nodes[i]);
	return 2 * here > r->active_count;
}

/* Somebody is waited for, and this is the first of those who wait. */
static bool is_first_to_wait(const struct drover_replica *r)
{
	const struct drover_replica_peer *first = NULL;
	bool waits = false;

	for (uint32_t i = 0; i < r->view.count; i++) {
		const struct drover_replica_peer *p = &r->peers[i];

		if (p->expelled)
			continue;
		waits |= !p->client;
		if (!first && p->client)
			first = p;
	}
	return waits && first && first->bus.node == r->node;
}

void drover_sync_agree(struct drover_replica *r)
{
	const struct drover_bus_view *v = &r->view;

	if (r->phase != DROVER_REPLICA_SYNCING || r->now_us - r->syncing_us < DROVER_AGREE_US ||
	    !is_first_to_wait(r) || !most_are_here(r))
		return;
	r->syncing_us = r->now_us;
	/* The bus takes no sum that is less than what is there. */
	r->ops.expect(r->ops.data, v->expected > v->total ? v->expected : v->total);
}

/* --- the best state --- */

static bool better(const struct drover_replica_peer *a, const struct drover_replica_peer *b)
{
	if (a->active != b->active)
		return a->active > b->active;
	if (a->version != b->version)
		return a->version > b->version;
	return a->bus.node < b->bus.node;
}

static bool equal(const struct drover_replica_peer *a, const struct drover_replica_peer *b)
{
	return a->digest == b->digest;
}

/* The best of those who belong to the view, or NULL while somebody has not announced himself. */
static struct drover_replica_peer *choose(struct drover_replica *r, bool *ret_all_equal)
{
	struct drover_replica_peer *best = NULL;

	for (uint32_t i = 0; i < r->view.count; i++) {
		struct drover_replica_peer *p = &r->peers[i];

		if (p->expelled)
			continue;
		if (!p->client)
			return NULL;
		if (!best || better(p, best))
			best = p;
	}
	*ret_all_equal = true;
	for (uint32_t i = 0; i < r->view.count; i++)
		if (!r->peers[i].expelled && !equal(&r->peers[i], best))
			*ret_all_equal = false;
	return best;
}

static uint64_t next_epoch(const struct drover_replica *r)
{
	uint64_t epoch = 0;

	for (uint32_t i = 0; i < r->view.count; i++)
		if (!r->peers[i].expelled && r->peers[i].epoch > epoch)
			epoch = r->peers[i].epoch;
	return epoch + 1;
}

/* All stores of the view have the same content now, at the same message. */
static void begin_epoch(struct drover_replica *r)
{
	struct drover_store_member members[DROVER_BUS_MEMBERS_MAX];
	Drover__ClusterMessage m = DROVER__CLUSTER_MESSAGE__INIT;
	Drover__ClusterReady ready = DROVER__CLUSTER_READY__INIT;
	struct drover_err err = { 0 };
	size_t n = 0;
	int e;

	for (uint32_t i = 0; i < r->view.count; i++) {
		const struct drover_replica_peer *p = &r->peers[i];

		if (p->expelled)
			continue;
		members[n].node = p->bus.node;
		members[n].client = p->client;
		snprintf(members[n].host, sizeof(members[n].host), "%s", p->host);
		n++;
	}
	e = drover_store_begin(&r->store, next_epoch(r), members, n);
	if (e < 0)
		drover_err_set(&err, e, "out of memory");
	else
		e = r->ops.keep(r->ops.data, &r->store, &err);
	if (e < 0) {
		log_error("this agent leaves the cluster for now: %s", err.text);
		drover_replica_leave(r);
		return;
	}
	ready.view = r->key;
	ready.epoch = r->store.epoch;
	m.what_case = DROVER__CLUSTER_MESSAGE__WHAT_READY;
	m.ready = &ready;
	drover_replica_send(r, &m);
}

/* --- sending the state --- */

static void send_part(struct drover_replica *r, uint32_t number, const uint8_t *data, size_t len,
		      bool last)
{
	Drover__ClusterMessage m = DROVER__CLUSTER_MESSAGE__INIT;
	Drover__ClusterPart part = DROVER__CLUSTER_PART__INIT;

	part.view = r->key;
	part.number = number;
	part.last = last;
	part.data.data = (uint8_t *)data;
	part.data.len = len;
	m.what_case = DROVER__CLUSTER_MESSAGE__WHAT_PART;
	m.part = &part;
	drover_replica_send(r, &m);
}

static void send_state(struct drover_replica *r)
{
	size_t len = 0, at = 0;
	auto_free uint8_t *data = drover_store_pack(&r->store, &len);
	uint32_t number = 0;

	if (!data) {
		log_error("out of memory: this agent leaves the cluster for now");
		drover_replica_leave(r);
		return;
	}
	do {
		size_t n = len - at < PART_MAX ? len - at : PART_MAX;

		send_part(r, number++, data + at, n, at + n == len);
		at += n;
	} while (at < len);
}

void drover_sync_announced(struct drover_replica *r, struct drover_replica_peer *from,
			   uint64_t client, const Drover__ClusterAnnounce *m)
{
	struct drover_replica_peer *best;
	bool all_equal;

	if (m->view != r->key || from->client || !client)
		return;
	from->client = client;
	from->epoch = m->epoch;
	from->active = m->active;
	from->version = m->version;
	from->digest = m->digest;
	from->fresh = m->fresh;
	snprintf(from->host, sizeof(from->host), "%s",
		 drover_name_valid(m->host) ? m->host : "unknown");
	drover_sync_announce(r);
	best = choose(r, &all_equal);
	if (!best)
		return;
	if (all_equal) {
		begin_epoch(r);
		return;
	}
	r->source = best;
	if (best->bus.node == r->node)
		send_state(r);
}

/* --- receiving it --- */

static int collect(struct drover_replica *r, const Drover__ClusterPart *m)
{
	uint8_t *more;

	if (r->incoming_len + m->data.len > DROVER_SNAPSHOT_MAX)
		return -EMSGSIZE;
	more = realloc(r->incoming, r->incoming_len + m->data.len + 1);
	if (!more)
		return -ENOMEM;
	if (m->data.len)
		memcpy(more + r->incoming_len, m->data.data, m->data.len);
	r->incoming = more;
	r->incoming_len += m->data.len;
	return 0;
}

/* Both are sorted. The same revision may be another value in another partition: compare all. */
static void tell_changes(struct drover_replica *r, const struct drover_store *old,
			 const struct drover_store *new)
{
	size_t i = 0, j = 0;

	while (i < old->entry_count || j < new->entry_count) {
		const struct drover_store_entry *a = &old->entries[i], *b = &new->entries[j];
		int order = i == old->entry_count   ? 1
			    : j == new->entry_count ? -1
						    : strcmp(a->key, b->key);

		if (order < 0)
			r->ops.changed(r->ops.data, a->key, NULL, 0);
		else if (order > 0 || a->len != b->len || memcmp(a->value, b->value, a->len))
			r->ops.changed(r->ops.data, b->key, b->value, b->len);
		i += order <= 0;
		j += order >= 0;
	}
}

static int install(struct drover_replica *r)
{
	struct drover_store new = { 0 }, old;
	struct drover_err err = { 0 };
	int e = drover_store_unpack(&new, r->incoming, r->incoming_len, &err);

	if (e == 0 && drover_store_digest(&new) != r->source->digest) {
		e = drover_err_set(&err, EBADMSG, "it is not the one that was announced");
		drover_store_clear(&new);
	}
	if (e < 0) {
		log_error("the state that node %u sent cannot be taken: %s", r->source->bus.node,
			  err.text);
		return e;
	}
	old = r->store;
	r->store = new;
	tell_changes(r, &old, &r->store);
	drover_store_clear(&old);
	return 0;
}

/* Does this member have what the source has? */
static bool has_it(struct drover_replica *r)
{
	for (uint32_t i = 0; i < r->view.count; i++)
		if (r->peers[i].bus.node == r->node)
			return equal(&r->peers[i], r->source);
	return false;
}

void drover_sync_part(struct drover_replica *r, struct drover_replica_peer *from,
		      const Drover__ClusterPart *m)
{
	bool has = r->source && has_it(r);

	if (m->view != r->key || !r->source || from != r->source || r->phase == DROVER_REPLICA_ACTIVE ||
	    m->number != r->incoming_parts)
		return;
	r->incoming_parts++;
	if (!has && collect(r, m) < 0) {
		log_error("the state that node %u sends is too large", from->bus.node);
		drover_replica_leave(r);
		return;
	}
	if (!m->last)
		return;
	if (!has && install(r) < 0) {
		drover_replica_leave(r);
		return;
	}
	r->source = NULL;
	free(r->incoming);
	r->incoming = NULL;
	begin_epoch(r);
}

/* The next one may begin, and never become active. */
static void note_active(struct drover_replica *r)
{
	r->active_count = 0;
	for (size_t i = 0; i < r->store.member_count; i++)
		r->active_nodes[r->active_count++] = r->store.members[i].node;
}

void drover_sync_ready(struct drover_replica *r, struct drover_replica_peer *from,
		       const Drover__ClusterReady *m)
{
	if (m->view != r->key || m->epoch != r->store.epoch || r->phase != DROVER_REPLICA_SYNCING)
		return;
	from->ready = true;
	for (uint32_t i = 0; i < r->view.count; i++)
		if (!r->peers[i].expelled && !r->peers[i].ready)
			return;
	r->fresh = false;
	r->store.active = r->store.epoch;
	note_active(r);
	drover_replica_enter(r, DROVER_REPLICA_ACTIVE);
}
