// SPDX-License-Identifier: GPL-2.0-or-later
/* The bus of a host by itself: what it sends comes back to it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/bus.h"

struct message {
	struct message *next;
	size_t len;
	uint8_t data[];
};

struct local {
	struct drover_bus bus;
	sd_event_source *source;
	struct message *first, **last;
	bool viewed;
};

static void show(struct local *l)
{
	const struct drover_bus_view view = {
		.connected = true, .quorate = true, .quorum = 1, .total = 1, .expected = 1,
		.ring_node = l->bus.node, .ring_seq = 1, .hosts = 1, .count = 1,
		.members = { { l->bus.node, l->bus.process, 1 } },
	};

	l->viewed = true;
	l->bus.events.view(l->bus.events.data, &view);
}

static int on_work(sd_event_source *source, void *data)
{
	struct local *l = data;
	struct message *m = l->first;

	if (!l->viewed) {
		show(l);
	} else if (m) {
		l->first = m->next;
		if (!l->first)
			l->last = &l->first;
		l->bus.events.deliver(l->bus.events.data, l->bus.node, l->bus.process, m->data,
				      m->len);
		free(m);
	}
	if (l->first || !l->viewed)
		sd_event_source_set_enabled(l->source, SD_EVENT_ONESHOT);
	return 0;
}

static int local_send(struct drover_bus *bus, const uint8_t *message, size_t len)
{
	struct local *l = (struct local *)bus;
	struct message *m = malloc(sizeof(*m) + len);

	if (!m)
		return -ENOMEM;
	m->next = NULL;
	m->len = len;
	memcpy(m->data, message, len);
	*l->last = m;
	l->last = &m->next;
	sd_event_source_set_enabled(l->source, SD_EVENT_ONESHOT);
	return 0;
}

static void local_drop(struct local *l)
{
	for (struct message *m = l->first, *next; m; m = next) {
		next = m->next;
		free(m);
	}
	l->first = NULL;
	l->last = &l->first;
}

static int local_weigh(struct drover_bus *bus, uint32_t node, uint32_t votes, uint32_t expected,
		       struct drover_err *err)
{
	return 0;
}

static void local_rejoin(struct drover_bus *bus)
{
	struct local *l = (struct local *)bus;

	/* Its state could not be kept, most likely: not at once again. */
	local_drop(l);
	l->viewed = false;
	sd_event_source_set_enabled(l->source, SD_EVENT_ONESHOT);
}

static void local_close(struct drover_bus *bus)
{
	struct local *l = (struct local *)bus;

	sd_event_source_disable_unref(l->source);
	local_drop(l);
	free(l);
}

int drover_bus_local(sd_event *event, const struct drover_bus_events *events,
		     struct drover_bus **ret_bus, struct drover_err *err)
{
	static const struct drover_bus_ops ops = { local_send, local_rejoin, local_weigh,
						   local_close };
	struct local *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return drover_err_set(err, ENOMEM, "out of memory");
	l->bus = (struct drover_bus){ &ops, *events, 1, getpid() };
	l->last = &l->first;
	r = sd_event_add_defer(event, &l->source, on_work, l);
	if (r < 0) {
		free(l);
		return drover_err_set(err, r, "cannot set up the event loop: %s", strerror(-r));
	}
	*ret_bus = &l->bus;
	return 0;
}
