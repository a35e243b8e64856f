// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bulk network load: numbered pages go out over one TCP connection; whatever
 * the other end sends back must be the same pages in the same order. A
 * connection that ends is made anew: net_connects tells.
 */
#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "count.h"
#include "options.h"
#include "page.h"
#include "task.h"

#define CONNECT_MS 10000

/* One direction: the page under way and how much of it is through. */
struct lane {
	struct page page;
	uint64_t number;
	size_t at;
};

static struct sockaddr_in target;
static uint64_t period_ns;
static uint64_t run; /* one more with each connection */
static struct lane out, in;

/* Moves what goes; false when the connection is over. */
static bool move(int sock, struct lane *lane)
{
	char *data = (char *)&lane->page + lane->at;
	size_t size = sizeof(lane->page) - lane->at;
	ssize_t n;

	n = lane == &out ? send(sock, data, size, MSG_NOSIGNAL) : recv(sock, data, size, 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	lane->at += (size_t)n;
	count_add(NET_BYTES, (uint64_t)n);
	return true;
}

static bool check(struct lane *lane)
{
	char text[128];

	if (lane->at < sizeof(lane->page))
		return true;
	lane->at = 0;
	if (page_is(&lane->page, PAGE_STREAM, lane->number++, run))
		return true;
	fail(NET_ERRORS, "page %" PRIu64 " of stream %" PRIu64 ", seen: %s", lane->number - 1, run,
	     page_describe(&lane->page, text, sizeof(text)));
	return false;
}

static void exchange(int sock)
{
	uint64_t due = task_now(CLOCK_MONOTONIC), now;
	struct pollfd poll_fd = {.fd = sock};

	out.number = in.number = 0;
	in.at = 0;
	out.at = sizeof(out.page);
	for (;;) {
		now = task_now(CLOCK_MONOTONIC);
		if (out.at == sizeof(out.page) && now >= due) {
			page_stamp(&out.page, PAGE_STREAM, out.number++, run);
			out.at = 0;
			due = due + period_ns > now ? due + period_ns : now + period_ns;
		}
		poll_fd.events = out.at < sizeof(out.page) ? POLLIN | POLLOUT : POLLIN;
		if (poll(&poll_fd, 1, due > now ? (int)((due - now) / 1000000) + 1 : -1) < 0)
			return;
		if ((poll_fd.revents & POLLOUT) && !move(sock, &out))
			return;
		if ((poll_fd.revents & (POLLIN | POLLERR | POLLHUP)) &&
		    !(move(sock, &in) && check(&in)))
			return;
	}
}

static bool reach(int sock)
{
	struct pollfd poll_fd = {.fd = sock, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int err = 0;

	if (!connect(sock, (struct sockaddr *)&target, sizeof(target)))
		return true;
	if (errno != EINPROGRESS || poll(&poll_fd, 1, CONNECT_MS) != 1)
		return false;
	return !getsockopt(sock, SOL_SOCKET, SO_ERROR, &err, &size) && !err;
}

static void *work(void *arg)
{
	int sock;

	for (;;) {
		sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (sock >= 0 && reach(sock)) {
			run++;
			count_add(NET_CONNECTS, 1);
			exchange(sock);
		}
		if (sock >= 0)
			close(sock);
		task_sleep(1000000000);
	}
	return arg;
}

void stream_start(const struct options *opt)
{
	if (!opt->net[0])
		return;
	period_ns = 1000000000ull * sizeof(struct page) / 1024 / (opt->netrate ? opt->netrate : 1);
	if (options_address(opt->net, &target))
		task_start("stream", TASK_LOAD, work, NULL);
	else
		fail(SETUP_ERRORS, "drover.net=%s is no ADDR:PORT", opt->net);
}
