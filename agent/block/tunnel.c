// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The source's end of the tunnel. Referenced by its owner, its listening thread and a
 * thread for each connection; the last one frees it, so that closing waits for nobody:
 * a thread that is just connecting to a dead host may take seconds to see its end.
 */
#include "block/tunnel.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/unix.h"
#include "block/pump.h"

#define CONNECTIONS_MAX (2 * DROVER_DISKS_MAX)

/**
 * struct drover_tunnel - the listening end
 * @lock: guards what is below but @sent
 * @allowed: connections are carried, and @token is good for them
 * @turn: counts allow and cut: a connection belongs to one turn
 * @local, @peer: of the connections that are carried
 */
struct drover_tunnel {
	const struct drover_conf *conf;
	struct drover_peer_conf to;
	uint64_t id;
	char path[512];
	int listener;
	_Atomic uint64_t sent;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int references;
	bool closed, allowed, broken;
	struct drover_err why;
	uint32_t turn;
	uint8_t token[DROVER_PEER_TOKEN_SIZE];
	struct connection *connections[CONNECTIONS_MAX];
};

struct connection {
	struct drover_tunnel *tunnel;
	int local;
	struct drover_peer *peer;
	uint32_t turn;
};

static void put(struct drover_tunnel *t)
{
	int left;

	pthread_mutex_lock(&t->lock);
	left = --t->references;
	pthread_mutex_unlock(&t->lock);
	if (left)
		return;
	close(t->listener);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* --- one connection --- */

static bool hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

/* Until the tunnel may be used. False: QEMU has gone, or the tunnel is closed. */
static bool await_turn(struct connection *c, uint8_t *ret_token)
{
	struct drover_tunnel *t = c->tunnel;
	scope_lock(&t->lock);

	while (!t->closed && !t->allowed) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		pthread_cond_clockwait(&t->changed, &t->lock, CLOCK_MONOTONIC, &until);
		if (hung_up(c->local))
			return false;
	}
	c->turn = t->turn;
	memcpy(ret_token, t->token, sizeof(t->token));
	return !t->closed;
}

static int dial(struct connection *c, const uint8_t *token, struct drover_err *err)
{
	struct drover_tunnel *t = c->tunnel;
	Drover__Hello hello = DROVER__HELLO__INIT;

	hello.role = DROVER__ROLE__ROLE_TUNNEL;
	hello.migration_id = t->id;
	hello.token.data = (uint8_t *)token;
	hello.token.len = DROVER_PEER_TOKEN_SIZE;
	return drover_peer_connect(t->conf, &t->to, &hello, &c->peer, err);
}

/* From here on the connection can be cut. */
static int enlist(struct connection *c, struct drover_err *err)
{
	struct drover_tunnel *t = c->tunnel;
	scope_lock(&t->lock);

	if (t->closed || t->turn != c->turn)
		return drover_err_set(err, ECANCELED, "the connection for disks was cut");
	for (int i = 0; i < CONNECTIONS_MAX; i++) {
		if (!t->connections[i]) {
			t->connections[i] = c;
			return 0;
		}
	}
	return drover_err_set(err, EMFILE, "there are too many connections for disks");
}

static void end_connection(struct connection *c, int result, const struct drover_err *why)
{
	struct drover_tunnel *t = c->tunnel;

	pthread_mutex_lock(&t->lock);
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		if (t->connections[i] == c)
			t->connections[i] = NULL;
	if (result < 0 && t->turn == c->turn && t->allowed && !t->broken) {
		t->broken = true;
		t->why = *why;
	}
	pthread_mutex_unlock(&t->lock);
	/* Only now does QEMU see the end: whoever looks then finds the reason. */
	close(c->local);
	drover_peer_close(c->peer);
}

static void *run_connection(void *data)
{
	struct connection *c = data;
	struct drover_tunnel *t = c->tunnel;
	uint8_t token[DROVER_PEER_TOKEN_SIZE];
	struct drover_err err = { 0 };
	int r = 0;

	if (await_turn(c, token)) {
		r = dial(c, token, &err);
		if (r == 0)
			r = enlist(c, &err);
		if (r == 0)
			r = drover_pump_run(c->local, c->peer, &t->sent, &err);
		if (r < 0)
			log_debug("tunnel of migration %llu: %s", (unsigned long long)t->id,
				  err.text);
	}
	end_connection(c, r, &err);
	put(t);
	free(c);
	return NULL;
}

/* --- the listening end --- */

static void take(struct drover_tunnel *t, int local)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c) {
		close(local);
		return;
	}
	c->tunnel = t;
	c->local = local;
	pthread_mutex_lock(&t->lock);
	t->references++;
	pthread_mutex_unlock(&t->lock);
	if (drover_thread_detached(run_connection, c, NULL) < 0) {
		close(local);
		free(c);
		put(t);
	}
}

static void *run_listener(void *data)
{
	const struct timespec nap = { .tv_nsec = 100000000 };
	struct drover_tunnel *t = data;

	for (;;) {
		int fd = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			take(t, fd);
		/* What shutdown(2) of the listener leads to. */
		else if (errno == EINVAL)
			break;
		else
			nanosleep(&nap, NULL);
	}
	put(t);
	return NULL;
}

int drover_tunnel_open(const struct drover_conf *conf, const struct drover_peer_conf *to,
		       uint64_t id, const char *path, struct drover_tunnel **ret_tunnel,
		       struct drover_err *err)
{
	struct drover_tunnel *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return drover_err_set(err, ENOMEM, "out of memory");
	t->conf = conf;
	t->to = *to;
	t->id = id;
	snprintf(t->path, sizeof(t->path), "%s", path);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	t->references = 1;
	t->listener = drover_unix_listen(path, err);
	if (t->listener < 0) {
		r = t->listener;
		put(t);
		return r;
	}
	t->references++;
	r = drover_thread_detached(run_listener, t, err);
	if (r < 0) {
		t->references--;
		drover_tunnel_close(t);
		return r;
	}
	*ret_tunnel = t;
	return 0;
}

void drover_tunnel_allow(struct drover_tunnel *t, const uint8_t token[DROVER_PEER_TOKEN_SIZE])
{
	scope_lock(&t->lock);

	memcpy(t->token, token, sizeof(t->token));
	t->allowed = true;
	t->broken = false;
	t->turn++;
	pthread_cond_broadcast(&t->changed);
}

void drover_tunnel_cut(struct drover_tunnel *t)
{
	scope_lock(&t->lock);

	t->allowed = false;
	t->turn++;
	for (int i = 0; i < CONNECTIONS_MAX; i++) {
		if (!t->connections[i])
			continue;
		shutdown(t->connections[i]->local, SHUT_RDWR);
		drover_peer_interrupt(t->connections[i]->peer);
	}
}

bool drover_tunnel_broken(struct drover_tunnel *t, struct drover_err *ret_why)
{
	scope_lock(&t->lock);

	if (t->broken)
		*ret_why = t->why;
	return t->broken;
}

uint64_t drover_tunnel_sent(struct drover_tunnel *t)
{
	return atomic_load(&t->sent);
}

void drover_tunnel_close(struct drover_tunnel *t)
{
	if (!t)
		return;
	drover_tunnel_cut(t);
	unlink(t->path);
	shutdown(t->listener, SHUT_RDWR);
	pthread_mutex_lock(&t->lock);
	t->closed = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	put(t);
}
