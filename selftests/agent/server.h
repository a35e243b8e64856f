/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host that is connected to, in tests of connections: host2, in a thread of its own. */
#ifndef SELFTESTS_SERVER_H
#define SELFTESTS_SERVER_H

#include <pthread.h>

#include "core/clock.h"
#include "loop.h"

struct server {
	struct drover_conf conf;
	int listener;
	uint16_t port;
	pthread_t thread;
	int result;
	uint64_t took_us;
	struct drover_err err;
	struct drover_peer *peer;
	Drover__Hello *hello;
};

static void *serve(void *data)
{
	struct server *s = data;
	int fd = accept(s->listener, NULL, NULL);
	uint64_t begin = drover_clock_monotonic();

	s->result = drover_peer_accept(&s->conf, fd, &s->peer, &s->hello, &s->err);
	s->took_us = drover_clock_monotonic() - begin;
	return NULL;
}

static inline void server_start(struct server *s, void (*fill)(struct drover_conf *conf, const char *host,
							       const char *peer))
{
	memset(s, 0, sizeof(*s));
	fill(&s->conf, "host2", "host1");
	s->listener = loop_listen(&s->port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static inline int server_join(struct server *s)
{
	pthread_join(s->thread, NULL);
	close(s->listener);
	return s->result;
}

#endif
