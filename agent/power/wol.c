// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Wake-on-LAN: a magic packet in a UDP broadcast. Nothing answers, nothing is known afterwards,
 * and a machine cannot be turned off by it.
 */
#include "power/wol.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "power/deadline.h"
#include "power/power.h"

/* Nobody says that one was lost. */
#define TIMES	 3
#define PAUSE_US 20000

void drover_wol_packet(const uint8_t mac[static 6],
		       uint8_t ret_packet[static DROVER_WOL_PACKET_LEN])
{
	memset(ret_packet, 0xff, 6);
	for (int i = 1; i <= 16; i++)
		memcpy(ret_packet + i * 6, mac, 6);
}

static int check_interface(const char *name, int fd, struct drover_err *err)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return drover_err_set(err, errno, "interface %s cannot be used: %s", name,
				      strerror(errno));
	if (!(ifr.ifr_flags & IFF_UP))
		return drover_err_set(err, ENETDOWN, "interface %s is down", name);
	return 0;
}

/* A socket from which a broadcast leaves by the configured interface, if there is one. */
static int open_socket(const struct drover_power_access *access, struct drover_err *err)
{
	const char *name = access->interface;
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = 0, yes = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes)) < 0)
		return drover_err_set(err, errno, "no socket for a magic packet: %s",
				      strerror(errno));
	if (*name)
		r = check_interface(name, fd, err);
	if (r == 0 && *name && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, strlen(name)) < 0)
		r = drover_err_set(err, errno, "interface %s cannot be used: %s", name,
				   strerror(errno));
	return r < 0 ? r : steal_fd(&fd);
}

static int target(const struct drover_power_access *access, struct sockaddr_in *ret_to,
		  struct drover_err *err)
{
	*ret_to = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(access->port),
		.sin_addr.s_addr = INADDR_BROADCAST,
	};
	if (*access->address && inet_pton(AF_INET, access->address, &ret_to->sin_addr) != 1)
		return drover_err_set(err, EINVAL, "\"%s\" is no IPv4 address", access->address);
	return 0;
}

/* Socket and target, once both are known to be right. */
static int open_to(const struct drover_power_access *access, struct sockaddr_in *ret_to,
		   struct drover_err *err)
{
	int r = target(access, ret_to, err);

	return r < 0 ? r : open_socket(access, err);
}

static const char *target_name(const struct drover_power_access *access)
{
	return *access->address ? access->address : "255.255.255.255";
}

static int wol_on(const struct drover_power_access *access, uint64_t deadline_us,
		  struct drover_err *err)
{
	uint8_t packet[DROVER_WOL_PACKET_LEN];
	struct sockaddr_in to;
	auto_close int fd = open_to(access, &to, err);
	int r;

	if (fd < 0)
		return fd;
	drover_wol_packet(access->mac, packet);
	for (int i = 0; i < TIMES; i++) {
		r = drover_deadline_check(deadline_us, err);
		if (r < 0)
			return i ? 0 : r;
		if (sendto(fd, packet, sizeof(packet), 0, (void *)&to, sizeof(to)) < 0)
			return drover_err_set(err, errno, "no magic packet could be sent to %s: %s",
					      target_name(access), strerror(errno));
		if (i < TIMES - 1)
			usleep(PAUSE_US);
	}
	log_debug("wol: sent to %s", target_name(access));
	return 0;
}

static int wol_off(const struct drover_power_access *access, enum drover_power_how how,
		   uint64_t deadline_us, struct drover_err *err)
{
	return drover_err_set(err, EOPNOTSUPP, "Wake-on-LAN cannot turn a machine off");
}

static int wol_state(const struct drover_power_access *access, uint64_t deadline_us,
		     enum drover_power_state *ret_state, struct drover_err *err)
{
	return drover_err_set(err, EOPNOTSUPP, "Wake-on-LAN cannot tell whether a machine is on");
}

static int wol_test(const struct drover_power_access *access, uint64_t deadline_us, char *text,
		    struct drover_err *err)
{
	const uint8_t *m = access->mac;
	struct sockaddr_in to;
	auto_close int fd = open_to(access, &to, err);

	if (fd < 0)
		return fd;
	snprintf(
		text, DROVER_POWER_TEXT_MAX,
		"magic packets for %02x:%02x:%02x:%02x:%02x:%02x can leave to %s%s%s; whether they "
		"wake the machine only waking it can show",
		m[0], m[1], m[2], m[3], m[4], m[5], target_name(access),
		*access->interface ? " by " : "", access->interface);
	return 0;
}

const struct drover_power_ops drover_power_wol = {
	.name = "wol",
	.on = wol_on,
	.off = wol_off,
	.state = wol_state,
	.test = wol_test,
};
