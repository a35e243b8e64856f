// SPDX-License-Identifier: GPL-2.0-or-later
/* The TCP socket that peers connect to. */
#include "net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

static int bind_one(const struct addrinfo *ai)
{
	auto_close int fd = -1;
	int one = 1;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 64) < 0)
		return -errno;
	return steal_fd(&fd);
}

int drover_listener_open(const struct drover_conf *conf, struct drover_err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *list = NULL;
	char port[8];
	int r;

	snprintf(port, sizeof(port), "%u", conf->port);
	r = getaddrinfo(conf->address, port, &hints, &list);
	if (r)
		return drover_err_set(err, EADDRNOTAVAIL, "the address %s cannot be used: %s",
				      conf->address, gai_strerror(r));
	r = bind_one(list);
	freeaddrinfo(list);
	if (r < 0)
		return drover_err_set(err, r, "cannot listen on %s port %u: %s", conf->address,
				      conf->port, strerror(-r));
	return r;
}
