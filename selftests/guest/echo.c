// SPDX-License-Identifier: GPL-2.0-or-later
/* The TCP echo server: what comes in goes out again, for several clients. */
#include "echo.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "count.h"
#include "net.h"
#include "options.h"
#include "task.h"

#define CLIENTS_MAX 32

/* A client's next bytes are read only when its last ones are sent. */
struct client {
	size_t sent, filled;
	char data[8192];
};

static struct client clients[CLIENTS_MAX];
/* Slot i serves clients[i]; the last one is the listening socket. */
static struct pollfd polls[CLIENTS_MAX + 1];

static void drop(size_t i)
{
	close(polls[i].fd);
	polls[i].fd = -1;
	count_add(TCP_CLIENTS, -1ull);
}

static void accept_client(void)
{
	int one = 1, sock;
	size_t i = 0;

	while (i < CLIENTS_MAX && polls[i].fd >= 0)
		i++;
	sock = accept4(polls[CLIENTS_MAX].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (sock < 0)
		return;
	if (i == CLIENTS_MAX) {
		close(sock);
		return;
	}
	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	clients[i].sent = clients[i].filled = 0;
	polls[i] = (struct pollfd){.fd = sock, .events = POLLIN};
	count_add(TCP_CLIENTS, 1);
}

static void serve(size_t i)
{
	struct client *client = &clients[i];
	int sock = polls[i].fd;
	ssize_t n;

	if (client->sent == client->filled) {
		n = recv(sock, client->data, sizeof(client->data), 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			return drop(i);
		client->sent = 0;
		client->filled = (size_t)n;
	}
	n = send(sock, client->data + client->sent, client->filled - client->sent, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		return drop(i);
	if (n > 0) {
		client->sent += (size_t)n;
		count_add(TCP_BYTES, (uint64_t)n);
	}
	polls[i].events = client->sent == client->filled ? POLLIN : POLLOUT;
}

static void *work(void *arg)
{
	for (;;) {
		if (poll(polls, CLIENTS_MAX + 1, -1) < 0) {
			task_sleep(1000000);
			continue;
		}
		for (size_t i = 0; i < CLIENTS_MAX; i++)
			if (polls[i].fd >= 0 && polls[i].revents)
				serve(i);
		if (polls[CLIENTS_MAX].revents)
			accept_client();
	}
	return arg;
}

void echo_start(const struct options *opt)
{
	int sock = net_listen(opt->tcp);

	if (sock < 0)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		polls[i].fd = -1;
	polls[CLIENTS_MAX] = (struct pollfd){.fd = sock, .events = POLLIN};
	task_start("echo", TASK_SERVICE, work, NULL);
}
