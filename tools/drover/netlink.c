// SPDX-License-Identifier: GPL-2.0-or-later
/* See netlink.h. */
#include "netlink.h"

#include <drover.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"

#define BUFFER_SIZE  (DROVER_CTL_PAYLOAD_MAX + 8192)
#define RECEIVE_SIZE (1 << 20)

/* --- sending --- */

static int transmit(struct netlink *nl, uint16_t family, const struct genlmsghdr *header,
		    uint16_t flags, uint16_t attribute, const void *data, size_t len)
{
	auto_free char *buffer = malloc(BUFFER_SIZE);
	struct nlmsghdr *message;

	if (!buffer)
		return -ENOMEM;
	message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = family;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++nl->seq;
	memcpy(mnl_nlmsg_put_extra_header(message, sizeof(*header)), header, sizeof(*header));
	if (data && !mnl_attr_put_check(message, BUFFER_SIZE, attribute, len, data))
		return -EMSGSIZE;
	nl->error[0] = '\0';
	while (mnl_socket_sendto(nl->socket, message, message->nlmsg_len) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int netlink_send(struct netlink *nl, uint8_t command, uint16_t flags,
			uint16_t attribute, const void *data, size_t len)
{
	struct genlmsghdr header = { .cmd = command, .version = DROVER_GENL_VERSION };

	if (len > DROVER_CTL_PAYLOAD_MAX)
		return -EMSGSIZE;
	return transmit(nl, nl->family, &header, flags, attribute, data, len);
}

/* --- receiving --- */

/* The kernel's sentence (extack) stands behind the error, and behind what it echoes of ours. */
static void read_sentence(struct netlink *nl, const struct nlmsghdr *message)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	size_t offset = sizeof(*error);
	const struct nlattr *attr;

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		offset += error->msg.nlmsg_len - sizeof(error->msg);
	if (mnl_nlmsg_get_payload_len(message) < offset)
		return;
	mnl_attr_for_each(attr, message, offset)
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			snprintf(nl->error, sizeof(nl->error), "%s", mnl_attr_get_str(attr));
}

static int on_error(const struct nlmsghdr *message, void *data)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_len < mnl_nlmsg_size(sizeof(*error))) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	if (error->error == 0)
		return MNL_CB_STOP;
	read_sentence(data, message);
	errno = error->error < 0 ? -error->error : EBADMSG;
	return MNL_CB_ERROR;
}

static int on_message(const struct nlmsghdr *message, void *data)
{
	struct netlink *nl = data;

	if (message->nlmsg_len < mnl_nlmsg_size(sizeof(struct genlmsghdr)))
		return MNL_CB_OK;
	return nl->handler(message, nl->data);
}

/* Return: MNL_CB_OK to go on, MNL_CB_STOP, or a negative errno. */
static int receive_some(struct netlink *nl, void *buffer)
{
	static mnl_cb_t control[] = { [NLMSG_ERROR] = on_error };
	ssize_t len = mnl_socket_recvfrom(nl->socket, buffer, BUFFER_SIZE);
	int ret;

	if (len < 0 && errno == EINTR)
		return MNL_CB_OK;
	if (len < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? -ETIMEDOUT : -errno;
	/* Answers carry our number; what is multicast carries none. */
	ret = mnl_cb_run2(buffer, len, 0, 0, on_message, nl, control, MNL_ARRAY_SIZE(control));
	return ret < 0 ? -errno : ret;
}

int netlink_receive(struct netlink *nl, mnl_cb_t handler, void *data)
{
	auto_free char *buffer = malloc(BUFFER_SIZE);
	int ret = MNL_CB_OK;

	if (!buffer)
		return -ENOMEM;
	nl->handler = handler;
	nl->data = data;
	while (ret > MNL_CB_STOP)
		ret = receive_some(nl, buffer);
	return ret;
}

/* --- the family --- */

static void read_group(struct netlink *nl, const struct nlattr *group)
{
	const struct nlattr *attr;
	const char *name = "";
	uint32_t id = 0;

	mnl_attr_for_each_nested(attr, group) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID &&
			 mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			id = mnl_attr_get_u32(attr);
	}
	if (!strcmp(name, DROVER_GENL_GROUP_EVENTS))
		nl->group = id;
}

static int on_family(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attr, *group;
	struct netlink *nl = data;

	mnl_attr_for_each(attr, message, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U16) == 0)
			nl->family = mnl_attr_get_u16(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			mnl_attr_for_each_nested(group, attr)
				read_group(nl, group);
	}
	return MNL_CB_STOP;
}

static int find_family(struct netlink *nl)
{
	struct genlmsghdr header = { .cmd = CTRL_CMD_GETFAMILY, .version = 2 };
	int ret = transmit(nl, GENL_ID_CTRL, &header, 0, CTRL_ATTR_FAMILY_NAME, DROVER_GENL_NAME,
			   sizeof(DROVER_GENL_NAME));

	if (ret == 0)
		ret = netlink_receive(nl, on_family, nl);
	return ret == 0 && !nl->family ? -ENOENT : ret;
}

int netlink_open(struct netlink *nl)
{
	struct timeval timeout = { .tv_sec = NETLINK_TIMEOUT_S };
	int yes = 1, size = RECEIVE_SIZE, fd;

	*nl = (struct netlink){ 0 };
	nl->socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!nl->socket || mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	fd = mnl_socket_get_fd(nl->socket);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	/* Without these only sentences and long answers suffer. */
	mnl_socket_setsockopt(nl->socket, NETLINK_EXT_ACK, &yes, sizeof(yes));
	mnl_socket_setsockopt(nl->socket, NETLINK_CAP_ACK, &yes, sizeof(yes));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return find_family(nl);
}

void netlink_close(struct netlink *nl)
{
	if (nl->socket)
		mnl_socket_close(nl->socket);
	nl->socket = NULL;
}

int netlink_join(struct netlink *nl)
{
	if (!nl->group)
		return -ENOENT;
	if (mnl_socket_setsockopt(nl->socket, NETLINK_ADD_MEMBERSHIP, &nl->group,
				  sizeof(nl->group)) < 0)
		return -errno;
	return 0;
}
