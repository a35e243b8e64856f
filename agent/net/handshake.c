// SPDX-License-Identifier: GPL-2.0-or-later
/* Connecting, accepting, and the exchange of Hello that both begin with. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/clock.h"
#include "core/config.h"
#include "net/peer.h"
#include "net/tls.h"

/* A peer that is silent for this long while data is under way is dead. */
#define USER_TIMEOUT_MS 15000
/* Whoever connects has this long to say who he is, in no more than so many bytes. */
#define HELLO_TIMEOUT_S 5
#define HELLO_MAX	4096

static void set_options(int fd)
{
	int one = 1, idle = 5, interval = 2, count = 4;
	unsigned int user = USER_TIMEOUT_MS;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user, sizeof(user));
}

/* connect(2) with a limit; leaves the socket blocking. */
static int connect_within(int fd, const struct addrinfo *ai, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int e = 0, r;
	socklen_t len = sizeof(e);

	r = connect(fd, ai->ai_addr, ai->ai_addrlen);
	if (r < 0 && errno != EINPROGRESS)
		return -errno;
	if (r < 0) {
		do
			r = poll(&p, 1, timeout_ms);
		while (r < 0 && errno == EINTR);
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
			return -errno;
		if (e)
			return -e;
	}
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0 ? -errno : 0;
}

static int dial(const struct drover_peer_conf *to, struct drover_err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	char port[8];
	int fd = -1, r;

	snprintf(port, sizeof(port), "%u", to->port);
	r = getaddrinfo(to->address, port, &hints, &list);
	if (r)
		return drover_err_set(err, EHOSTUNREACH, "the address %s of %s cannot be found: %s",
				      to->address, to->name, gai_strerror(r));
	r = -EHOSTUNREACH;
	for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0) {
			r = -errno;
			continue;
		}
		r = connect_within(fd, ai, DROVER_PEER_CONNECT_MS);
		if (r == 0)
			break;
		close(fd);
	}
	freeaddrinfo(list);
	if (r < 0)
		return drover_err_set(err, r, "%s (%s:%u) cannot be reached: %s", to->name,
				      to->address, to->port, strerror(-r));
	return fd;
}

static struct drover_peer *peer_new(int fd)
{
	struct drover_peer *peer = calloc(1, sizeof(*peer));

	if (!peer) {
		close(fd);
		return NULL;
	}
	peer->fd = fd;
	set_options(fd);
	drover_peer_set_timeout(peer, DROVER_PEER_TIMEOUT_MS);
	return peer;
}

static int say_hello(struct drover_peer *peer, const struct drover_conf *conf,
		     Drover__Hello *hello, struct drover_err *err)
{
	Drover__HelloReply *reply = NULL;
	int r;

	hello->version_min = DROVER_PROTOCOL_VERSION_MIN;
	hello->version_max = DROVER_PROTOCOL_VERSION_MAX;
	hello->host = (char *)conf->host;
	r = drover_peer_send(peer, DROVER_FRAME_HELLO, &hello->base, 0, err);
	if (r < 0)
		return r;
	r = drover_peer_expect(peer, DROVER_FRAME_HELLO_REPLY, &drover__hello_reply__descriptor,
			       (ProtobufCMessage **)&reply, err);
	if (r < 0)
		return r;
	if (reply->version < DROVER_PROTOCOL_VERSION_MIN ||
	    reply->version > DROVER_PROTOCOL_VERSION_MAX)
		r = drover_err_set(err, EPROTO, "%s chose protocol version %u, which was not offered",
				   peer->host, reply->version);
	/* The wrong host would answer that it never will run a VM that the right one runs. */
	else if (strcmp(reply->host, peer->host))
		r = drover_err_set(err, EPROTO, "the host at the address of %s is not %s: it calls itself %.64s",
				   peer->host, peer->host,
				   drover_name_valid(reply->host) ? reply->host : "something else");
	drover__hello_reply__free_unpacked(reply, NULL);
	return r;
}

int drover_peer_connect(const struct drover_conf *conf, const struct drover_peer_conf *to,
			Drover__Hello *hello, struct drover_peer **ret_peer,
			struct drover_err *err)
{
	int fd = dial(to, err);
	struct drover_peer *peer;
	int r;

	if (fd < 0)
		return fd;
	peer = peer_new(fd);
	if (!peer)
		return drover_err_set(err, ENOMEM, "out of memory");
	snprintf(peer->host, sizeof(peer->host), "%s", to->name);
	r = conf->tls.on ? drover_tls_connect(conf, fd, to->name, err) : 0;
	if (r == 0)
		r = say_hello(peer, conf, hello, err);
	if (r < 0) {
		drover_peer_close(peer);
		return r;
	}
	*ret_peer = peer;
	return 0;
}

static int check_hello(const struct drover_conf *conf, const Drover__Hello *hello,
		       struct drover_err *err)
{
	if (hello->version_min > DROVER_PROTOCOL_VERSION_MAX ||
	    hello->version_max < DROVER_PROTOCOL_VERSION_MIN)
		return drover_err_set(err, EPROTO,
				      "protocol versions %u to %u are not spoken here, only %d to %d",
				      hello->version_min, hello->version_max,
				      DROVER_PROTOCOL_VERSION_MIN, DROVER_PROTOCOL_VERSION_MAX);
	if (!drover_name_valid(hello->host))
		return drover_err_set(err, EINVAL, "the peer gave no valid host name");
	if (!drover_config_find_peer(conf, hello->host))
		return drover_err_set(err, EACCES, "%s is no peer of %s: its drover.conf has no [peer %s]",
				      hello->host, conf->host, hello->host);
	return 0;
}

static int no_hello(struct drover_err *err)
{
	return drover_err_set(err, ETIMEDOUT, "no whole Hello came in %d s", HELLO_TIMEOUT_S);
}

/*
 * Waits until @wanted bytes have come, by looking at them: a stranger who sends them one by one holds
 * the connection no longer than one who sends nothing. 0 too at an end: whoever reads will see it.
 */
static int await_bytes(struct drover_peer *peer, void *buf, ssize_t wanted, struct drover_err *err)
{
	struct timeval limit = { .tv_sec = HELLO_TIMEOUT_S };
	ssize_t n;
	int e;

	setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	n = recv(peer->fd, buf, wanted, MSG_PEEK | MSG_WAITALL);
	e = errno;
	drover_peer_set_timeout(peer, DROVER_PEER_TIMEOUT_MS);
	if ((n < 0 && e == EAGAIN) || (n > 0 && n < wanted))
		return no_hello(err);
	return 0;
}

/* Either both sides encrypt or neither does, and whoever differs is told. */
static int secure(const struct drover_conf *conf, struct drover_peer *peer,
		  struct drover_tls_id *ret_id, struct drover_err *err)
{
	uint8_t bytes[DROVER_TLS_PEEK] = { 0 };
	int r = await_bytes(peer, bytes, sizeof(bytes), err);

	if (r < 0)
		return r;
	if (drover_tls_is_client(bytes) != conf->tls.on)
		return drover_err_set(err, EACCES,
				      conf->tls.on ? "connections to %s must be encrypted: the peer's "
						     "drover.conf needs a section [tls]"
						   : "connections to %s cannot be encrypted: its "
						     "drover.conf has no section [tls]",
				      conf->host);
	return conf->tls.on ? drover_tls_accept(conf, peer->fd, ret_id, err) : 0;
}

/*
 * Nothing is read from somebody whose certificate is worth nothing. But only one who has said something
 * can hear: his kernel takes no keys for a connection that is closed already.
 */
static int distrust(struct drover_peer *peer, const struct drover_tls_id *id, struct drover_err *err)
{
	uint8_t byte;
	int r = await_bytes(peer, &byte, sizeof(byte), err);

	return r < 0 ? r : drover_err_set(err, EACCES, "the certificate of the peer %s", id->problem.text);
}

/* @since_us: when it could be sent; the limits are there for who is not known yet, encrypted or not. */
static int expect_hello(struct drover_peer *peer, uint64_t since_us, Drover__Hello **ret_hello,
			struct drover_err *err)
{
	int r;

	drover_peer_limit(peer, since_us + HELLO_TIMEOUT_S * UINT64_C(1000000), HELLO_MAX);
	r = drover_peer_expect(peer, DROVER_FRAME_HELLO, &drover__hello__descriptor,
			       (ProtobufCMessage **)ret_hello, err);
	drover_peer_limit(peer, 0, 0);
	return r == -ETIMEDOUT ? no_hello(err) : r;
}

static int answer_hello(const struct drover_conf *conf, struct drover_peer *peer,
			Drover__Hello **ret_hello, struct drover_err *err)
{
	Drover__HelloReply reply = DROVER__HELLO_REPLY__INIT;
	uint64_t since_us = drover_clock_monotonic();
	Drover__Hello *hello = NULL;
	struct drover_tls_id id;
	int r;

	r = secure(conf, peer, &id, err);
	if (r == 0 && conf->tls.on && id.problem.code)
		r = distrust(peer, &id, err);
	if (r == 0)
		r = expect_hello(peer, conf->tls.on ? drover_clock_monotonic() : since_us, &hello, err);
	if (r < 0)
		return r;
	r = check_hello(conf, hello, err);
	if (r == 0 && conf->tls.on)
		r = drover_tls_id_check(&id, hello->host, err);
	if (r < 0)
		goto err_free;
	snprintf(peer->host, sizeof(peer->host), "%s", hello->host);
	reply.version = hello->version_max < DROVER_PROTOCOL_VERSION_MAX
				? hello->version_max
				: DROVER_PROTOCOL_VERSION_MAX;
	reply.host = (char *)conf->host;
	r = drover_peer_send(peer, DROVER_FRAME_HELLO_REPLY, &reply.base, 0, err);
	if (r < 0)
		goto err_free;
	*ret_hello = hello;
	return 0;

err_free:
	drover__hello__free_unpacked(hello, NULL);
	return r;
}

int drover_peer_accept(const struct drover_conf *conf, int fd, struct drover_peer **ret_peer,
		       Drover__Hello **ret_hello, struct drover_err *err)
{
	struct drover_peer *peer = peer_new(fd);
	struct drover_err why = { 0 };
	int r;

	if (!peer)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = answer_hello(conf, peer, ret_hello, &why);
	if (r < 0) {
		drover_peer_refuse(peer, &why);
		drover_peer_close(peer);
		return drover_err_set(err, r, "%s", why.text);
	}
	*ret_peer = peer;
	return 0;
}
