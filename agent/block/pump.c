// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One thread for both directions, which never waits for one while the other could
 * go on. Bytes go from socket to socket through a pipe, by reference: nobody here looks at them.
 */
#include "block/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK (256U << 10)
#define LOOK_MS 1000

/* Bytes on their way: @len of them in the pipe. */
struct flow {
	int pipe[2];
	size_t len;
};

static bool again(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/* Takes what is there; 0: the end, -1: errno. A TLS record is all that one splice(2) gives. */
static ssize_t take(int from, struct flow *f)
{
	ssize_t n = 0;

	do {
		f->len += n;
		n = splice(from, NULL, f->pipe[1], NULL, CHUNK - f->len, SPLICE_F_NONBLOCK);
	} while (n > 0 && f->len + n < CHUNK);
	if (n > 0)
		f->len += n;
	return f->len ? (ssize_t)f->len : n;
}

static ssize_t give(struct flow *f, int to)
{
	ssize_t n = splice(f->pipe[0], NULL, to, NULL, f->len, SPLICE_F_NONBLOCK);

	if (n > 0)
		f->len -= n;
	return n;
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

	if (!f->len) {
		n = take(local, f);
		if (again(n))
			return 0;
		if (n <= 0)
			return 1;
	}
	n = give(f, peer->fd);
	if (n < 0)
		return again(n) ? 0 : lost(peer, errno, err);
	atomic_fetch_add(sent, n);
	return 0;
}

/* From the peer to the local side. 1: the local side takes no more. */
static int pull(int local, struct drover_peer *peer, struct flow *f, struct drover_err *err)
{
	ssize_t n;

	if (!f->len) {
		n = take(peer->fd, f);
		if (again(n))
			return 0;
		if (n <= 0)
			return lost(peer, n == 0 ? ENODATA : errno, err);
	}
	n = give(f, local);
	return n < 0 && !again(n);
}

static int await(int local, const struct drover_peer *peer, const struct flow *out,
		 const struct flow *in)
{
	bool sending = out->len, receiving = in->len;
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

static int flow_open(struct flow *f)
{
	f->len = 0;
	if (pipe2(f->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	/* Smaller, it only carries less at a time. */
	fcntl(f->pipe[0], F_SETPIPE_SZ, CHUNK);
	return 0;
}

static void flow_close(struct flow *f)
{
	close(f->pipe[0]);
	close(f->pipe[1]);
}

/* splice(2) asks the socket itself whether it may wait. */
static int set_nonblocking(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ? -errno : 0;
}

int drover_pump_run(int local, struct drover_peer *peer, _Atomic uint64_t *sent,
		    struct drover_err *err)
{
	struct flow out, in;
	int r = set_nonblocking(local);

	if (r == 0)
		r = set_nonblocking(peer->fd);
	if (r == 0)
		r = flow_open(&out);
	if (r < 0)
		goto fail;
	r = flow_open(&in);
	if (r < 0)
		goto err_close;
	set_options(peer->fd);
	r = carry(local, peer, &out, &in, sent, err);
	flow_close(&in);
	flow_close(&out);
	return r;

err_close:
	flow_close(&out);
fail:
	return drover_err_set(err, r, "a connection for disks cannot be carried: %s", strerror(-r));
}
