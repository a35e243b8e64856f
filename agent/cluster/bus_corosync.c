// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bus of a cluster: a closed process group of corosync (cpg_overview(3)) for messages and
 * members, votequorum (votequorum_overview(3)) for votes. Both speak to the corosync of this
 * host, which may come and go.
 */
#include <corosync/cpg.h>
#include <corosync/votequorum.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cluster/bus.h"

#define GROUP "drover"

#define CONNECT_US 1000000
/* How long corosync is left alone when it takes no more messages. */
#define FULL_US	   20000

struct message {
	struct message *next;
	size_t len;
	uint8_t data[];
};

/**
 * struct corosync - the bus
 * @timer: to connect, to be rid of a connection, or to send what could not be sent
 * @lost: the connection is of no more use
 * @ring: nodes of it
 * @group: members of the process group, those of earlier rings maybe among them
 */
struct corosync {
	struct drover_bus bus;
	sd_event *event;
	sd_event_source *timer, *cpg_source, *votes_source;
	cpg_handle_t cpg;
	votequorum_handle_t votes;
	bool has_cpg, has_votes, lost, told;
	struct message *first, **last;
	uint32_t ring[DROVER_BUS_MEMBERS_MAX];
	size_t ring_count;
	struct drover_bus_member group[DROVER_BUS_MEMBERS_MAX];
	size_t group_count;
	struct drover_bus_view view;
};

static void wake(struct corosync *c, uint64_t us)
{
	sd_event_source_set_time_relative(c->timer, us);
	sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

static void lose(struct corosync *c)
{
	c->lost = true;
	wake(c, 0);
}

/* --- who is there --- */

static uint32_t votes_of(struct corosync *c, uint32_t node)
{
	struct votequorum_info info;

	return votequorum_getinfo(c->votes, node, &info) == CS_OK ? info.node_votes : 0;
}

static bool in_ring(const struct corosync *c, uint32_t node)
{
	for (size_t i = 0; i < c->ring_count; i++)
		if (c->ring[i] == node)
			return true;
	return false;
}

static int by_node(const void *a, const void *b)
{
	const struct drover_bus_member *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return (x->process > y->process) - (x->process < y->process);
}

/* Ring, group and votes are told one after the other: a host counts that all of them have. */
static void compose(struct corosync *c)
{
	struct drover_bus_view *v = &c->view;
	struct votequorum_info info = { 0 };

	v->connected = true;
	if (votequorum_getinfo(c->votes, c->bus.node, &info) != CS_OK)
		info.flags = 0;
	v->quorate = info.flags & VOTEQUORUM_INFO_QUORATE;
	v->quorum = info.quorum;
	v->total = info.total_votes;
	v->expected = info.node_expected_votes;
	v->hosts = c->ring_count;
	v->count = 0;
	for (size_t i = 0; i < c->group_count; i++) {
		struct drover_bus_member *m = &v->members[v->count];

		if (!in_ring(c, c->group[i].node))
			continue;
		*m = c->group[i];
		m->votes = votes_of(c, m->node);
		v->count++;
	}
	qsort(v->members, v->count, sizeof(v->members[0]), by_node);
}

static void show(struct corosync *c)
{
	struct drover_bus_view was = c->view;

	compose(c);
	if (c->told && !memcmp(&was, &c->view, sizeof(was)))
		return;
	c->told = true;
	c->bus.events.view(c->bus.events.data, &c->view);
}

/* --- what corosync tells --- */

static struct corosync *of_cpg(cpg_handle_t handle)
{
	void *context = NULL;

	return cpg_context_get(handle, &context) == CS_OK ? context : NULL;
}

static void on_message(cpg_handle_t handle, const struct cpg_name *group, uint32_t node,
		       uint32_t process, void *data, size_t len)
{
	struct corosync *c = of_cpg(handle);

	if (c && !c->lost)
		c->bus.events.deliver(c->bus.events.data, node, process, data, len);
}

static void on_group(cpg_handle_t handle, const struct cpg_name *group,
		     const struct cpg_address *members, size_t count, const struct cpg_address *left,
		     size_t left_count, const struct cpg_address *joined, size_t joined_count)
{
	struct corosync *c = of_cpg(handle);

	if (!c || c->lost)
		return;
	c->group_count = 0;
	for (size_t i = 0; i < count && i < DROVER_BUS_MEMBERS_MAX; i++)
		c->group[c->group_count++] = (struct drover_bus_member){
			.node = members[i].nodeid,
			.process = members[i].pid,
		};
	show(c);
}

static void on_ring(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t count,
		    const uint32_t *nodes)
{
	struct corosync *c = of_cpg(handle);

	if (!c || c->lost)
		return;
	c->view.ring_node = ring.nodeid;
	c->view.ring_seq = ring.seq;
	c->ring_count = 0;
	for (uint32_t i = 0; i < count && i < DROVER_BUS_MEMBERS_MAX; i++)
		c->ring[c->ring_count++] = nodes[i];
	c->told = false;
	show(c);
}

static void on_quorum(votequorum_handle_t handle, uint64_t context, uint32_t quorate,
		      uint32_t count, votequorum_node_t nodes[])
{
	struct corosync *c = (struct corosync *)(uintptr_t)context;

	if (!c->lost)
		show(c);
}

static void on_expected(votequorum_handle_t handle, uint64_t context, uint32_t expected)
{
	on_quorum(handle, context, 0, 0, NULL);
}

static int on_cpg(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct corosync *c = data;

	if (!c->lost && cpg_dispatch(c->cpg, CS_DISPATCH_ALL) != CS_OK)
		lose(c);
	return 0;
}

static int on_votes(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct corosync *c = data;

	if (!c->lost && votequorum_dispatch(c->votes, CS_DISPATCH_ALL) != CS_OK)
		lose(c);
	return 0;
}

/* --- sending --- */

static void drop(struct corosync *c)
{
	for (struct message *m = c->first, *next; m; m = next) {
		next = m->next;
		free(m);
	}
	c->first = NULL;
	c->last = &c->first;
}

/* Returns whether it is on its way, or never will be. */
static bool sent(struct corosync *c, const struct message *m)
{
	struct iovec iov = { .iov_base = (void *)m->data, .iov_len = m->len };
	cs_error_t e = cpg_mcast_joined(c->cpg, CPG_TYPE_AGREED, &iov, 1);

	if (e == CS_ERR_TRY_AGAIN)
		return false;
	if (e != CS_OK)
		lose(c);
	return true;
}

static void flush(struct corosync *c)
{
	struct message *m;

	while (!c->lost && (m = c->first)) {
		if (!sent(c, m)) {
			wake(c, FULL_US);
			return;
		}
		c->first = m->next;
		if (!c->first)
			c->last = &c->first;
		free(m);
	}
}

static int corosync_send(struct drover_bus *bus, const uint8_t *message, size_t len)
{
	struct corosync *c = (struct corosync *)bus;
	struct message *m;

	if (!c->has_cpg || c->lost)
		return -ENOTCONN;
	m = malloc(sizeof(*m) + len);
	if (!m)
		return -ENOMEM;
	m->next = NULL;
	m->len = len;
	memcpy(m->data, message, len);
	*c->last = m;
	c->last = &m->next;
	if (c->first == m)
		flush(c);
	return 0;
}

/* --- connecting --- */

static void disconnect(struct corosync *c)
{
	c->cpg_source = sd_event_source_disable_unref(c->cpg_source);
	c->votes_source = sd_event_source_disable_unref(c->votes_source);
	if (c->has_cpg)
		cpg_finalize(c->cpg);
	if (c->has_votes)
		votequorum_finalize(c->votes);
	c->has_cpg = false;
	c->has_votes = false;
	c->lost = false;
	c->told = false;
	c->ring_count = 0;
	c->group_count = 0;
	memset(&c->view, 0, sizeof(c->view));
	drop(c);
}

static cs_error_t connect_votes(struct corosync *c)
{
	votequorum_callbacks_t callbacks = {
		.votequorum_quorum_notify_fn = on_quorum,
		.votequorum_expectedvotes_notify_fn = on_expected,
	};
	cs_error_t e = votequorum_initialize(&c->votes, &callbacks);

	if (e != CS_OK)
		return e;
	c->has_votes = true;
	return votequorum_trackstart(c->votes, (uint64_t)(uintptr_t)c, CS_TRACK_CHANGES);
}

static cs_error_t connect_cpg(struct corosync *c)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1,
		.cpg_deliver_fn = on_message,
		.cpg_confchg_fn = on_group,
		.cpg_totem_confchg_fn = on_ring,
		.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF,
	};
	struct cpg_name group = { .length = strlen(GROUP), .value = GROUP };
	cs_error_t e = cpg_model_initialize(&c->cpg, CPG_MODEL_V1, (cpg_model_data_t *)&model, c);

	if (e != CS_OK)
		return e;
	c->has_cpg = true;
	return cpg_join(c->cpg, &group);
}

static cs_error_t watch(struct corosync *c)
{
	int cpg_fd, votes_fd;
	cs_error_t e = cpg_fd_get(c->cpg, &cpg_fd);

	if (e == CS_OK)
		e = votequorum_fd_get(c->votes, &votes_fd);
	if (e == CS_OK && (sd_event_add_io(c->event, &c->cpg_source, cpg_fd, EPOLLIN, on_cpg, c) < 0 ||
			   sd_event_add_io(c->event, &c->votes_source, votes_fd, EPOLLIN, on_votes,
					   c) < 0))
		e = CS_ERR_NO_MEMORY;
	return e;
}

static void try_to_connect(struct corosync *c)
{
	cs_error_t e = connect_votes(c);

	if (e == CS_OK)
		e = connect_cpg(c);
	if (e == CS_OK)
		e = watch(c);
	if (e == CS_OK)
		return;
	log_debug("corosync is not there: %s", cs_strerror(e));
	disconnect(c);
	wake(c, CONNECT_US);
}

static int on_timer(sd_event_source *source, uint64_t now, void *data)
{
	struct corosync *c = data;

	if (c->lost) {
		disconnect(c);
		c->bus.events.view(c->bus.events.data, &c->view);
		wake(c, CONNECT_US);
	} else if (c->has_cpg) {
		flush(c);
	} else {
		try_to_connect(c);
	}
	return 0;
}

static int corosync_weigh(struct drover_bus *bus, uint32_t node, uint32_t votes, uint32_t expected,
			  struct drover_err *err)
{
	struct corosync *c = (struct corosync *)bus;
	cs_error_t e = CS_OK;

	if (c->lost || !c->has_votes)
		return drover_err_set(err, ENOTCONN, "corosync does not answer");
	if (node)
		e = votequorum_setvotes(c->votes, node, votes);
	if (e == CS_OK)
		e = votequorum_setexpected(c->votes, expected);
	return e == CS_OK ? 0
			  : drover_err_set(err, EIO, "corosync does not count votes anew: %s",
					   cs_strerror(e));
}

static void corosync_rejoin(struct drover_bus *bus)
{
	lose((struct corosync *)bus);
}

static void corosync_close(struct drover_bus *bus)
{
	struct corosync *c = (struct corosync *)bus;

	disconnect(c);
	sd_event_source_disable_unref(c->timer);
	free(c);
}

int drover_bus_corosync(sd_event *event, uint32_t node, const struct drover_bus_events *events,
			struct drover_bus **ret_bus, struct drover_err *err)
{
	static const struct drover_bus_ops ops = {
		corosync_send, corosync_rejoin, corosync_weigh, corosync_close
	};
	struct corosync *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return drover_err_set(err, ENOMEM, "out of memory");
	c->bus = (struct drover_bus){ &ops, *events, node, getpid() };
	c->last = &c->first;
	c->event = event;
	r = sd_event_add_time_relative(event, &c->timer, CLOCK_MONOTONIC, 0, 0, on_timer, c);
	if (r < 0) {
		free(c);
		return drover_err_set(err, r, "cannot set up the event loop: %s", strerror(-r));
	}
	*ret_bus = &c->bus;
	return 0;
}
