/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster in one process: replicas on a bus that orders messages and views as corosync does.
 * Hosts can be cut apart, die, hang and come back; time passes only when a test says so.
 */
#ifndef SELFTESTS_CLUSTER_BUS_H
#define SELFTESTS_CLUSTER_BUS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/replica.h"

#define HOSTS	   5
#define EVENTS_MAX 4096

/* A message, or with @view the view that begins here. */
struct bus_event {
	uint64_t number;
	bool is_view;
	uint32_t node, process;
	uint8_t *data;
	size_t len;
	struct drover_bus_view view;
};

/**
 * struct bus_host - a host of the test
 * @up: it is part of a ring; @agent: and its agent of a group
 * @side: hosts of the same side reach each other
 * @outbox: what it sends while the bus is being cut
 * @delivered: number of the event last taken
 * @hung: its agent takes nothing, and gets it later
 * @disk: what it kept
 * @counts: votes that its host expects in the cluster, 0: of all hosts
 * @told: calls of changed()
 * @result: of the change last made
 */
struct bus_host {
	struct drover_replica replica;
	bool up, agent, hung, rejoins, disk_full;
	int side;
	uint32_t node, process;
	struct bus_event queue[EVENTS_MAX];
	size_t first, last;
	struct bus_event outbox[64];
	size_t sent;
	uint64_t delivered;
	uint8_t *disk;
	size_t disk_len;
	uint32_t counts;
	uint32_t told;
	uint64_t sequence;
	uint64_t done_sequence;
	int result;
};

struct bus {
	struct bus_host host[HOSTS];
	int hosts;
	uint64_t ring, client, now, events;
	bool cutting;
};

static struct bus bus;

static inline void bus_push(struct bus_host *to, const struct bus_event *event)
{
	struct bus_event *e = &to->queue[to->last++ % EVENTS_MAX];

	assert_true(to->last - to->first <= EVENTS_MAX);
	*e = *event;
	if (event->data) {
		e->data = malloc(event->len + 1);
		memcpy(e->data, event->data, event->len);
	}
}

static inline void bus_drop(struct bus_host *h)
{
	while (h->first < h->last)
		free(h->queue[h->first++ % EVENTS_MAX].data);
}

/* --- what a replica calls --- */

/* To all agents of a side. */
static inline void bus_broadcast(int side, struct bus_event *e)
{
	e->number = ++bus.events;
	for (int i = 0; i < bus.hosts; i++)
		if (bus.host[i].agent && bus.host[i].side == side)
			bus_push(&bus.host[i], e);
}

static inline int bus_send(void *data, const uint8_t *message, size_t len)
{
	struct bus_host *from = data;
	struct bus_event e = {
		.node = from->node, .process = from->process, .data = (uint8_t *)message, .len = len,
	};

	if (!bus.cutting) {
		bus_broadcast(from->side, &e);
		return 0;
	}
	assert_true(from->sent < sizeof(from->outbox) / sizeof(*from->outbox));
	e.data = malloc(len + 1);
	memcpy(e.data, message, len);
	from->outbox[from->sent++] = e;
	return 0;
}

static inline void bus_rejoin(void *data)
{
	((struct bus_host *)data)->rejoins = true;
}

static inline void bus_save(struct bus_host *h)
{
	free(h->disk);
	h->disk = drover_store_pack(&h->replica.store, &h->disk_len);
}

static inline int bus_keep(void *data, const struct drover_store *store, struct drover_err *err)
{
	struct bus_host *h = data;

	if (h->disk_full)
		return drover_err_set(err, ENOSPC, "the disk is full");
	bus_save(h);
	return 0;
}

static inline void bus_changed(void *data, const char *key, const uint8_t *value, size_t len)
{
	struct bus_host *h = data;

	h->told++;
	bus_save(h);
}

static inline void bus_applied(void *data, uint64_t sequence, int r, const struct drover_err *err)
{
	struct bus_host *h = data;

	h->done_sequence = sequence;
	h->result = r;
}

static inline void bus_phase(void *data)
{
	struct bus_host *h = data;

	if (h->replica.phase == DROVER_REPLICA_ACTIVE)
		bus_save(h);
}

/* --- what a test does --- */

/* The view of one side, to all agents in it. */
static inline void bus_view(int side)
{
	struct bus_event e = { .is_view = true };
	struct drover_bus_view *v = &e.view;

	v->connected = true;
	v->ring_seq = bus.ring;
	v->ring_node = side + 1;
	v->quorum = bus.hosts / 2 + 1;
	v->expected = bus.hosts;
	for (int i = 0; i < bus.hosts; i++) {
		const struct bus_host *h = &bus.host[i];

		if (h->side != side || !h->up)
			continue;
		v->hosts++;
		v->total++;
		if (h->agent)
			v->members[v->count++] = (struct drover_bus_member){ h->node, h->process, 1 };
	}
	v->quorate = v->total >= v->quorum;
	bus_broadcast(side, &e);
}

static inline void bus_expect(void *data, uint32_t votes)
{
	const struct bus_host *from = data;

	for (int i = 0; i < bus.hosts; i++)
		if (bus.host[i].up && bus.host[i].side == from->side)
			bus.host[i].counts = votes;
	bus_view(from->side);
}

/* The ring changed: everybody has a new view. */
static inline void bus_views(void)
{
	bus.ring++;
	for (int side = 0; side < HOSTS; side++)
		bus_view(side);
}

/* As its corosync counts. */
static inline void bus_count(const struct bus_host *h, struct drover_bus_view *v)
{
	if (!h->counts)
		return;
	v->expected = h->counts;
	v->quorum = h->counts / 2 + 1;
	v->quorate = v->total >= v->quorum;
}

static inline bool bus_step(struct bus_host *h)
{
	struct bus_event e;

	if (!h->agent || h->hung || h->first == h->last)
		return false;
	e = h->queue[h->first++ % EVENTS_MAX];
	h->delivered = e.number;
	bus_count(h, &e.view);
	if (e.is_view)
		drover_replica_view(&h->replica, &e.view);
	else
		drover_replica_deliver(&h->replica, e.node, e.process, e.data, e.len);
	free(e.data);
	return true;
}

static inline void bus_come_back(struct bus_host *h)
{
	h->rejoins = false;
	h->agent = false;
	bus_drop(h);
	bus_view(h->side);
	h->agent = true;
	h->process += 100;
	h->replica.process = h->process;
	bus_view(h->side);
}

/* Until nothing is left to say. */
static inline void bus_run(void)
{
	bool more = true;

	for (int i = 0; more && i < 100000; i++) {
		more = false;
		for (int j = 0; j < bus.hosts; j++) {
			more |= bus_step(&bus.host[j]);
			if (bus.host[j].rejoins && !bus.host[j].disk_full) {
				bus_come_back(&bus.host[j]);
				more = true;
			} else if (bus.host[j].rejoins && bus.host[j].agent) {
				bus.host[j].agent = false;
				bus_drop(&bus.host[j]);
				bus_view(bus.host[j].side);
				more = true;
			}
		}
	}
	assert_false(more);
}

static inline void bus_time(uint64_t us)
{
	for (uint64_t end = bus.now + us; bus.now < end;) {
		bus.now += 1000000;
		for (int i = 0; i < bus.hosts; i++)
			if (bus.host[i].agent && !bus.host[i].hung)
				drover_replica_tick(&bus.host[i].replica, bus.now);
		bus_run();
	}
}

/* The agent starts with what is on its disk, if there is something. */
static inline void bus_agent(int i)
{
	const struct drover_replica_ops ops = {
		.send = bus_send, .rejoin = bus_rejoin, .keep = bus_keep, .changed = bus_changed,
		.applied = bus_applied, .phase = bus_phase, .expect = bus_expect, .data = &bus.host[i],
	};
	struct bus_host *h = &bus.host[i];
	char name[16];

	snprintf(name, sizeof(name), "host%d", i + 1);
	h->up = h->agent = true;
	h->node = i + 1;
	h->process += 1;
	h->rejoins = h->hung = false;
	drover_replica_init(&h->replica, h->node, h->process, ++bus.client, name, &ops);
	if (h->disk)
		assert_int_equal(drover_store_unpack(&h->replica.store, h->disk, h->disk_len, NULL), 0);
	drover_replica_tick(&h->replica, bus.now);
}

/* Only the agent ends; its host stays in the ring. */
static inline void bus_kill(int i)
{
	struct bus_host *h = &bus.host[i];

	bus_drop(h);
	drover_replica_exit(&h->replica);
	h->agent = false;
}

static inline void bus_power_off(int i)
{
	if (bus.host[i].agent)
		bus_kill(i);
	bus.host[i].up = false;
}

static inline void bus_open(int hosts)
{
	memset(&bus, 0, sizeof(bus));
	bus.hosts = hosts;
	bus.now = 1000000;
	for (int i = 0; i < hosts; i++)
		bus_agent(i);
	bus_views();
	bus_run();
}

static inline void bus_close(void)
{
	for (int i = 0; i < bus.hosts; i++) {
		bus_power_off(i);
		free(bus.host[i].disk);
	}
}

/*
 * Hosts that stay together take the same events that were under way: all of them on
 * @lucky sides (bits), else as many as the one that had come farthest.
 */
static inline void bus_split(const int *sides, unsigned int lucky)
{
	uint64_t target[HOSTS] = { 0 };

	bus.cutting = true;
	for (int i = 0; i < bus.hosts; i++)
		for (int j = 0; j < bus.hosts; j++)
			if (bus.host[i].side == bus.host[j].side && sides[i] == sides[j] &&
			    bus.host[j].delivered > target[i])
				target[i] = bus.host[j].delivered;
	for (int i = 0; i < bus.hosts; i++) {
		struct bus_host *h = &bus.host[i];

		while (h->first < h->last && (lucky & 1U << sides[i] ||
					      h->queue[h->first % EVENTS_MAX].number <= target[i]))
			if (!bus_step(h))
				break;
		bus_drop(h);
	}
	for (int i = 0; i < bus.hosts; i++)
		bus.host[i].side = sides[i];
	bus.cutting = false;
	bus_views();
	for (int i = 0; i < bus.hosts; i++) {
		struct bus_host *h = &bus.host[i];

		for (size_t n = 0; n < h->sent; n++) {
			if (h->agent)
				bus_broadcast(h->side, &h->outbox[n]);
			free(h->outbox[n].data);
		}
		h->sent = 0;
	}
}

static inline int bus_op(int i, Drover__ClusterOp *op)
{
	op->sequence = ++bus.host[i].sequence;
	return drover_replica_propose(&bus.host[i].replica, op);
}

static inline int bus_set(int i, const char *key, const char *value)
{
	Drover__ClusterOp op = DROVER__CLUSTER_OP__INIT;
	Drover__ClusterSet set = DROVER__CLUSTER_SET__INIT;

	set.key = (char *)key;
	set.value.data = (uint8_t *)value;
	set.value.len = strlen(value);
	op.what_case = DROVER__CLUSTER_OP__WHAT_SET;
	op.set = &set;
	return bus_op(i, &op);
}

static inline int bus_lock(int i, const char *name)
{
	Drover__ClusterOp op = DROVER__CLUSTER_OP__INIT;

	op.what_case = DROVER__CLUSTER_OP__WHAT_LOCK;
	op.lock = (char *)name;
	return bus_op(i, &op);
}

/* The value as text, or "-". Four calls may be in use at once. */
static inline const char *bus_get(int i, const char *key)
{
	static char text[4][64];
	static int turn;
	const struct drover_store_entry *e = drover_store_find(&bus.host[i].replica.store, key);

	turn = (turn + 1) % 4;
	snprintf(text[turn], sizeof(text[turn]), "%.*s", e ? (int)e->len : 1,
		 e ? (const char *)e->value : "-");
	return text[turn];
}

static inline bool bus_active(int i)
{
	return bus.host[i].agent && bus.host[i].replica.phase == DROVER_REPLICA_ACTIVE;
}

static inline int bus_leader(void)
{
	int leader = -1;

	for (int i = 0; i < bus.hosts; i++)
		if (bus.host[i].agent && drover_replica_leads(&bus.host[i].replica)) {
			assert_int_equal(leader, -1);
			leader = i;
		}
	return leader;
}

#endif
