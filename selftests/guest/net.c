// SPDX-License-Identifier: GPL-2.0-or-later
/* The guest's network interface. */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "count.h"
#include "options.h"

static bool set_address(int sock, const char *name, unsigned long request, struct in_addr addr)
{
	struct ifreq req = {0};
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = addr};

	strcpy(req.ifr_name, name);
	memcpy(&req.ifr_addr, &sin, sizeof(sin));
	return !ioctl(sock, request, &req);
}

static bool set_link(int sock, const char *name, bool up)
{
	struct ifreq req = {0};

	strcpy(req.ifr_name, name);
	if (ioctl(sock, SIOCGIFFLAGS, &req))
		return false;
	if (up)
		req.ifr_flags |= IFF_UP;
	else
		req.ifr_flags &= ~IFF_UP;
	return !ioctl(sock, SIOCSIFFLAGS, &req);
}

static bool parse(const char *text, struct in_addr *ret_addr, struct in_addr *ret_mask)
{
	char host[32], *slash;
	int length;

	snprintf(host, sizeof(host), "%s", text);
	slash = strchr(host, '/');
	if (!slash)
		return false;
	*slash = '\0';
	length = atoi(slash + 1);
	if (length < 1 || length > 32 || inet_pton(AF_INET, host, ret_addr) != 1)
		return false;
	ret_mask->s_addr = htonl(UINT32_MAX << (32 - length));
	return true;
}

void net_start(const struct options *opt)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct in_addr addr, mask;

	if (sock < 0 || !set_link(sock, "lo", true))
		fail(SETUP_ERRORS, "lo: %s", strerror(errno));
	if (!opt->ip[0])
		goto out;
	if (!parse(opt->ip, &addr, &mask))
		fail(SETUP_ERRORS, "drover.ip=%s is no ADDR/LEN", opt->ip);
	else if (!set_address(sock, "eth0", SIOCSIFADDR, addr) ||
		 !set_address(sock, "eth0", SIOCSIFNETMASK, mask) || !set_link(sock, "eth0", true))
		fail(SETUP_ERRORS, "eth0: %s", strerror(errno));
out:
	if (sock >= 0)
		close(sock);
}

void net_stop(void)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return;
	set_link(sock, "eth0", false);
	close(sock);
}

int net_listen(unsigned long port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (sock >= 0 && !setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) &&
	    !bind(sock, (struct sockaddr *)&addr, sizeof(addr)) && !listen(sock, 16))
		return sock;
	fail(SETUP_ERRORS, "port %lu: %s", port, strerror(errno));
	if (sock >= 0)
		close(sock);
	return -1;
}
