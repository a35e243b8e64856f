// SPDX-License-Identifier: GPL-2.0-or-later
/* Tap interfaces in bridges. */
#include "vm/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"

/* An interface's name has 15 bytes, a VM's may have 63. */
void drover_tap_name(const char *vm, const char *nic, char *buf)
{
	snprintf(buf, DROVER_TAP_NAME_LEN, "dr%08x", drover_hash_pair(vm, nic));
}

/*
 * A bridge takes the lowest address among its ports for its own. The host must not get
 * another one when a VM comes or goes, so a tap's is higher than any real one.
 */
static int set_address(int s, const char *tap, uint32_t h, struct drover_err *err)
{
	struct ifreq req = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };
	const unsigned char mac[] = { 0xfe, 0x54, h >> 24, h >> 16, h >> 8, h };

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", tap);
	memcpy(req.ifr_hwaddr.sa_data, mac, sizeof(mac));
	if (ioctl(s, SIOCSIFHWADDR, &req) < 0)
		return drover_err_set(err, errno, "cannot set the address of %s: %s", tap,
				      strerror(errno));
	return 0;
}

static int bring_up(int s, const char *tap, struct drover_err *err)
{
	struct ifreq req = { 0 };

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", tap);
	if (ioctl(s, SIOCGIFFLAGS, &req) < 0)
		return drover_err_set(err, errno, "cannot read the state of %s: %s", tap,
				      strerror(errno));
	req.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &req) < 0)
		return drover_err_set(err, errno, "cannot bring %s up: %s", tap, strerror(errno));
	return 0;
}

static int join_bridge(const char *tap, const char *bridge, uint32_t h,
		       struct drover_err *err)
{
	auto_close int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 };
	int r;

	if (s < 0)
		return drover_err_set(err, errno, "cannot open a socket: %s", strerror(errno));
	r = set_address(s, tap, h, err);
	if (r < 0)
		return r;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", bridge);
	req.ifr_ifindex = if_nametoindex(tap);
	if (ioctl(s, SIOCBRADDIF, &req) < 0)
		return drover_err_set(err, errno, "cannot put a tap into bridge %s: %s", bridge,
				      strerror(errno));
	return bring_up(s, tap, err);
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
	drover_tap_name(vm, nic, req.ifr_name);
	if (ioctl(fd, TUNSETIFF, &req) < 0)
		return drover_err_set(err, errno, "cannot make the tap %s: %s", req.ifr_name,
				      strerror(errno));
	r = join_bridge(req.ifr_name, bridge, drover_hash_pair(vm, nic), err);
	return r < 0 ? r : steal_fd(&fd);
}
