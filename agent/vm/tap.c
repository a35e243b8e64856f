// SPDX-License-Identifier: GPL-2.0-or-later
/* Tap interfaces in bridges. */
#include "vm/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

/* FNV-1a (Fowler, Noll, Vo): an interface's name has 15 bytes, a VM's may have 63. */
static uint32_t hash(const char *a, const char *b)
{
	uint32_t h = 2166136261U;

	for (const char *p = a; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619U;
	h = (h ^ '/') * 16777619U;
	for (const char *p = b; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619U;
	return h;
}

static int join_bridge(const char *tap, const char *bridge, struct drover_err *err)
{
	auto_close int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 };

	if (s < 0)
		return drover_err_set(err, errno, "cannot open a socket: %s", strerror(errno));
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", bridge);
	req.ifr_ifindex = if_nametoindex(tap);
	if (ioctl(s, SIOCBRADDIF, &req) < 0)
		return drover_err_set(err, errno, "cannot put a tap into bridge %s: %s", bridge,
				      strerror(errno));
	memset(&req, 0, sizeof(req));
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", tap);
	if (ioctl(s, SIOCGIFFLAGS, &req) < 0)
		return drover_err_set(err, errno, "cannot read the state of %s: %s", tap,
				      strerror(errno));
	req.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &req) < 0)
		return drover_err_set(err, errno, "cannot bring %s up: %s", tap, strerror(errno));
	return 0;
}

int drover_tap_open(const char *vm, const char *nic, const char *bridge, struct drover_err *err)
{
	auto_close int fd = -1;
	struct ifreq req = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int r;

	if (!if_nametoindex(bridge))
		return drover_err_set(err, ENODEV, "there is no bridge %s for NIC %s of vm %s", bridge,
				      nic, vm);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return drover_err_set(err, errno, "cannot open /dev/net/tun: %s", strerror(errno));
	snprintf(req.ifr_name, sizeof(req.ifr_name), "dr%08x", hash(vm, nic));
	if (ioctl(fd, TUNSETIFF, &req) < 0)
		return drover_err_set(err, errno, "cannot make the tap %s: %s", req.ifr_name,
				      strerror(errno));
	r = join_bridge(req.ifr_name, bridge, err);
	return r < 0 ? r : steal_fd(&fd);
}
