// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One thread for both directions, which never waits for one while the other could
 * go on. peer_recv() and peer_send() are all that touches the connection.
 */
#include "block/pump.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define CHUNK (256U << 10)
#define LOOK_MS 1000

/* Bytes on their way: @buf holds those from @begin to @end. */
struct flow {
	uint8_t *buf;
	size_t begin, end;
};

static ssize_t local_recv(int fd, void *buf, size_t len)
{
	return recv(fd, buf, len, MSG_DONTWAIT);
}

static ssize_t local_send(int fd, const void *buf, size_t len)
{
	return send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t peer_recv(struct drover_peer *peer, void *buf, size_t len)
{
	return recv(peer->fd, buf, len, MSG_DONTWAIT);
}

static ssize_t peer_send(struct drover_peer *peer, const void *buf, size_t len)
{
	return send(peer->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool again(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/*
 * An idle connection is probed, so that a dead one is found out within the same time. What
 * waits in the socket waits in front of the guest's next write: not more than a little.
 */
static void set_options(int fd)
{
	int idle = 2, interval = 1, count = 3, unsent = CHUNK / 2;

	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}

/* A host that cannot take more for now acknowledges all the same: it is not dead. */
static bool is_dead(const struct drover_peer *peer)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return getsockopt(peer->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_unacked &&
	       info.tcpi_last_ack_recv > DROVER_PUMP_DEAD_MS &&
	       info.tcpi_last_data_sent > DROVER_PUMP_DEAD_MS / 10;
}

static int lost(const struct drover_peer *peer, int code, struct drover_err *err)
{
	if (code == ENODATA)
		return drover_err_set(err, code, "%s closed a connection for disks", peer->host);
	return drover_err_set(err, code, "a connection for disks to %s was lost: %s", peer->host,
			      strerror(code));
}

/* From the local side to the peer. 1: the local side has ended and all is sent. */
static int push(int local, struct drover_peer *peer, struct flow *f, _Atomic uint64_t *sent,
		struct drover_err *err)
{
	ssize_t n;

	if (f->begin == f->end) {
		n = local_recv(local, f->buf, CHUNK);
		if (again(n))
			return 0;
		if (n <= 0)
			return 1;
		f->begin = 0;
		f->end = n;
	}
	n = peer_send(peer, f->buf + f->begin, f->end - f->begin);
	if (n < 0)
		return again(n) ? 0 : lost(peer, errno, err);
	f->begin += n;
	atomic_fetch_add(sent, n);
	return 0;
}

/* From the peer to the local side. 1: the local side takes no more. */
static int pull(int local, struct drover_peer *peer, struct flow *f, struct drover_err *err)
{
	ssize_t n;

	if (f->begin == f->end) {
		n = peer_recv(peer, f->buf, CHUNK);
		if (again(n))
			return 0;
		if (n <= 0)
			return lost(peer, n == 0 ? ENODATA : errno, err);
		f->begin = 0;
		f->end = n;
	}
	n = local_send(local, f->buf + f->begin, f->end - f->begin);
	if (n < 0)
		return !again(n);
	f->begin += n;
	return 0;
}

static int await(int local, const struct drover_peer *peer, const struct flow *out,
		 const struct flow *in)
{
	bool sending = out->begin < out->end, receiving = in->begin < in->end;
	struct pollfd p[] = {
		{ .fd = local, .events = (sending ? 0 : POLLIN) | (receiving ? POLLOUT : 0) },
		{ .fd = peer->fd, .events = (receiving ? 0 : POLLIN) | (sending ? POLLOUT : 0) },
	};
	int r = poll(p, 2, LOOK_MS);

	/* poll(2) tells of an end also where nothing was asked for. */
	if (r > 0 && !(p[0].revents & p[0].events) && !(p[1].revents & p[1].events))
		return (p[1].revents & (POLLHUP | POLLERR)) ? -ENODATA : 1;
	return 0;
}

static int carry(int local, struct drover_peer *peer, struct flow *out, struct flow *in,
		 _Atomic uint64_t *sent, struct drover_err *err)
{
	for (;;) {
		int r = await(local, peer, out, in);

		if (r > 0)
			return 0;
		if (r < 0)
			return lost(peer, ENODATA, err);
		r = push(local, peer, out, sent, err);
		if (r == 0)
			r = pull(local, peer, in, err);
		if (r)
			return r < 0 ? r : 0;
		if (is_dead(peer))
			return lost(peer, ETIMEDOUT, err);
	}
}

int drover_pump_run(int local, struct drover_peer *peer, _Atomic uint64_t *sent,
		    struct drover_err *err)
{
	auto_free uint8_t *buf = malloc(2 * CHUNK);
	struct flow out = { .buf = buf }, in = { .buf = buf + CHUNK };

	if (!buf)
		return drover_err_set(err, ENOMEM, "out of memory");
	set_options(peer->fd);
	return carry(local, peer, &out, &in, sent, err);
}
