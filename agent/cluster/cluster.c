// SPDX-License-Identifier: GPL-2.0-or-later
/* Bus, replica and disk, put together. */
#include "cluster/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"
#include "core/clock.h"

#define TICK_US 1000000

/* A change that has not come back yet. */
struct pending {
	struct pending *next;
	uint64_t sequence;
	uint8_t *op; /* packed */
	size_t len;
	drover_cluster_done done;
	void *data;
};

struct drover_cluster {
	struct drover_replica replica;
	struct drover_bus *bus;
	sd_event_source *tick;
	char path[DROVER_PATH_MAX];
	uint64_t saved_epoch, saved_version;
	uint64_t sequence;
	struct pending *first, **last;
	struct drover_cluster_events events;
};

/* --- the disk --- */

static int save(struct drover_cluster *c, struct drover_err *err)
{
	const struct drover_store *s = &c->replica.store;
	int r = drover_store_save(s, c->path, err);

	if (r == 0) {
		c->saved_epoch = s->epoch;
		c->saved_version = s->version;
	}
	return r;
}

static void save_changes(struct drover_cluster *c)
{
	const struct drover_store *s = &c->replica.store;
	struct drover_err err = { 0 };

	if (s->epoch == c->saved_epoch && s->version == c->saved_version)
		return;
	if (save(c, &err) < 0)
		log_error("the cluster's state is not on disk: %s", err.text);
}

static int load(struct drover_cluster *c, struct drover_err *err)
{
	struct drover_store *s = &c->replica.store;
	char aside[DROVER_PATH_MAX];
	int r = drover_store_load(s, c->path, err);

	if (r == -EBADMSG && drover_io_path(aside, NULL, "%s.damaged", c->path) == 0) {
		log_error("%s; it is kept as %s, the state comes from the other hosts", err->text,
			  aside);
		r = rename(c->path, aside) < 0 ? drover_err_set(err, errno, "%s cannot be renamed: %s",
								c->path, strerror(errno))
					       : 0;
	}
	if (r == -ENOENT)
		r = 0;
	c->saved_epoch = s->epoch;
	c->saved_version = s->version;
	return r;
}

/* --- changes under way --- */

static void send_pending(struct drover_cluster *c, const struct pending *p)
{
	Drover__ClusterOp *op = drover__cluster_op__unpack(NULL, p->len, p->op);

	/* What is not sent now is sent in the next view. */
	if (op)
		drover_replica_propose(&c->replica, op);
	else
		log_error("out of memory");
	if (op)
		drover__cluster_op__free_unpacked(op, NULL);
}

static void free_pending(struct pending *p)
{
	free(p->op);
	free(p);
}

static int change(struct drover_cluster *c, Drover__ClusterOp *op, drover_cluster_done done,
		  void *data, struct drover_err *err)
{
	struct pending *p;
	int r = drover_store_check(op, err);

	if (r < 0)
		return r;
	op->sequence = ++c->sequence;
	p = calloc(1, sizeof(*p));
	if (p)
		p->op = malloc(drover__cluster_op__get_packed_size(op) + 1);
	if (!p || !p->op) {
		free(p);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	p->len = drover__cluster_op__pack(op, p->op);
	p->sequence = op->sequence;
	p->done = done;
	p->data = data;
	*c->last = p;
	c->last = &p->next;
	drover_replica_propose(&c->replica, op);
	return 0;
}

int drover_cluster_set(struct drover_cluster *c, const char *key, const void *value, size_t len,
		       uint64_t revision, drover_cluster_done done, void *data,
		       struct drover_err *err)
{
	Drover__ClusterOp op = DROVER__CLUSTER_OP__INIT;
	Drover__ClusterSet set = DROVER__CLUSTER_SET__INIT;

	op.what_case = DROVER__CLUSTER_OP__WHAT_SET;
	op.set = &set;
	set.key = (char *)key;
	set.remove = !value;
	set.value.data = (uint8_t *)value;
	set.value.len = value ? len : 0;
	set.conditional = revision != DROVER_CLUSTER_ANY;
	set.revision = set.conditional ? revision : 0;
	return change(c, &op, done, data, err);
}

int drover_cluster_lock(struct drover_cluster *c, const char *name, drover_cluster_done done,
			void *data, struct drover_err *err)
{
	Drover__ClusterOp op = DROVER__CLUSTER_OP__INIT;

	op.what_case = DROVER__CLUSTER_OP__WHAT_LOCK;
	op.lock = (char *)name;
	return change(c, &op, done, data, err);
}

int drover_cluster_unlock(struct drover_cluster *c, const char *name, drover_cluster_done done,
			  void *data, struct drover_err *err)
{
	Drover__ClusterOp op = DROVER__CLUSTER_OP__INIT;

	op.what_case = DROVER__CLUSTER_OP__WHAT_UNLOCK;
	op.unlock = (char *)name;
	return change(c, &op, done, data, err);
}

int drover_cluster_weigh(struct drover_cluster *c, uint32_t node, uint32_t votes,
			 uint32_t expected, struct drover_err *err)
{
	return c->bus->ops->weigh(c->bus, node, votes, expected, err);
}

void drover_cluster_step_down(struct drover_cluster *c)
{
	c->bus->ops->rejoin(c->bus);
}

/* --- the replica's owner --- */

static int on_send(void *data, const uint8_t *message, size_t len)
{
	struct drover_cluster *c = data;

	return c->bus->ops->send(c->bus, message, len);
}

static void on_rejoin(void *data)
{
	struct drover_cluster *c = data;

	c->bus->ops->rejoin(c->bus);
}

static int on_keep(void *data, const struct drover_store *store, struct drover_err *err)
{
	return save(data, err);
}

static void on_changed(void *data, const char *key, const uint8_t *value, size_t len)
{
	struct drover_cluster *c = data;

	c->events.changed(c->events.data, key, value, len);
}

static void on_applied(void *data, uint64_t sequence, int r, const struct drover_err *err)
{
	struct drover_cluster *c = data;
	struct pending **at = &c->first, *p;

	while (*at && (*at)->sequence != sequence)
		at = &(*at)->next;
	p = *at;
	if (!p)
		return;
	*at = p->next;
	if (!p->next)
		c->last = at;
	if (p->done)
		p->done(p->data, r, err);
	free_pending(p);
}

static void on_phase(void *data)
{
	struct drover_cluster *c = data;

	if (c->replica.phase == DROVER_REPLICA_ACTIVE)
		for (const struct pending *p = c->first; p; p = p->next)
			send_pending(c, p);
	c->events.phase(c->events.data);
}

static void on_expect(void *data, uint32_t votes)
{
	struct drover_cluster *c = data;
	struct drover_err err = { 0 };

	log_info("members that have come count other votes: %u are expected", votes);
	if (c->bus->ops->weigh(c->bus, 0, 0, votes, &err) < 0)
		log_warning("%s", err.text);
}

/* --- the bus and the clock --- */

static void on_view(void *data, const struct drover_bus_view *view)
{
	struct drover_cluster *c = data;

	drover_replica_tick(&c->replica, drover_clock_monotonic());
	drover_replica_view(&c->replica, view);
}

static void on_deliver(void *data, uint32_t node, uint32_t process, const uint8_t *message,
		       size_t len)
{
	struct drover_cluster *c = data;

	drover_replica_tick(&c->replica, drover_clock_monotonic());
	drover_replica_deliver(&c->replica, node, process, message, len);
}

static int on_tick(sd_event_source *source, uint64_t now, void *data)
{
	struct drover_cluster *c = data;

	drover_replica_tick(&c->replica, drover_clock_monotonic());
	save_changes(c);
	sd_event_source_set_time_relative(source, TICK_US);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int set_up(struct drover_cluster *c, sd_event *event, const char *host, uint32_t node,
		  struct drover_err *err)
{
	const struct drover_bus_events events = { on_view, on_deliver, c };
	const struct drover_replica_ops ops = {
		on_send, on_rejoin, on_keep, on_changed, on_applied, on_phase, on_expect, c
	};
	uint64_t client = 0;
	int r;

	while (!client)
		if (getrandom(&client, sizeof(client), 0) != sizeof(client))
			return drover_err_set(err, errno, "no random numbers: %s", strerror(errno));
	r = node ? drover_bus_corosync(event, node, &events, &c->bus, err)
		 : drover_bus_local(event, &events, &c->bus, err);
	if (r < 0)
		return r;
	drover_replica_init(&c->replica, c->bus->node, c->bus->process, client, host, &ops);
	r = load(c, err);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(event, &c->tick, CLOCK_MONOTONIC, 0, 0, on_tick, c);
	return r < 0 ? drover_err_set(err, r, "cannot set up the event loop: %s", strerror(-r)) : 0;
}

int drover_cluster_open(sd_event *event, const char *host, uint32_t node, const char *path,
			const struct drover_cluster_events *events,
			struct drover_cluster **ret_cluster, struct drover_err *err)
{
	struct drover_cluster *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return drover_err_set(err, ENOMEM, "out of memory");
	c->last = &c->first;
	c->events = *events;
	r = drover_io_path(c->path, err, "%s", path);
	if (r == 0)
		r = set_up(c, event, host, node, err);
	if (r < 0) {
		c->saved_epoch = c->replica.store.epoch;
		c->saved_version = c->replica.store.version;
		drover_cluster_close(c);
		return r;
	}
	*ret_cluster = c;
	return 0;
}

void drover_cluster_close(struct drover_cluster *c)
{
	if (!c)
		return;
	save_changes(c);
	if (c->bus)
		c->bus->ops->close(c->bus);
	sd_event_source_disable_unref(c->tick);
	drover_replica_exit(&c->replica);
	for (struct pending *p = c->first, *next; p; p = next) {
		next = p->next;
		free_pending(p);
	}
	free(c);
}

const struct drover_replica *drover_cluster_replica(const struct drover_cluster *cluster)
{
	return &cluster->replica;
}

bool drover_cluster_leads(const struct drover_cluster *cluster)
{
	return drover_replica_leads(&cluster->replica);
}
