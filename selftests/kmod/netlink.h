/* SPDX-License-Identifier: GPL-2.0-only */
/* Just enough generic netlink, over a plain socket, for the tests. */
#ifndef DROVER_TEST_NETLINK_H
#define DROVER_TEST_NETLINK_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>

#include "drover.h"
#include "harness.h"

#define MESSAGE_MAX 65536

struct message {
	union {
		struct nlmsghdr header;
		char bytes[MESSAGE_MAX];
	};
};

static unsigned int last_seq;
static char sentence[256];	/* of the last refusal */

static inline int nl_open(void)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), one = 1;
	int room = 1 << 20;

	NEED(fd >= 0 && !bind(fd, (void *)&at, sizeof(at)));
	NEED(!setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one)));
	/* root's only */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	return fd;
}

static inline void *nl_put(struct message *m, uint16_t type, const void *data, uint16_t len)
{
	struct nlattr *attr = (void *)(m->bytes + NLMSG_ALIGN(m->header.nlmsg_len));

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((char *)attr + NLA_HDRLEN, data, len);
	m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + NLA_ALIGN(attr->nla_len);
	return attr;
}

static inline void nl_begin(struct message *m, uint16_t family, uint8_t command, uint16_t flags)
{
	struct genlmsghdr *genl;

	memset(m, 0, NLMSG_HDRLEN + GENL_HDRLEN);
	m->header.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN;
	m->header.nlmsg_type = family;
	m->header.nlmsg_flags = NLM_F_REQUEST | flags;
	m->header.nlmsg_seq = ++last_seq;
	genl = NLMSG_DATA(&m->header);
	genl->cmd = command;
	genl->version = 1;
}

static inline void nl_send(int fd, const struct message *m)
{
	NEED(send(fd, m, m->header.nlmsg_len, 0) == m->header.nlmsg_len);
}

/* Returns 0 if nothing came within the time. */
static inline int nl_receive(int fd, struct message *m, int ms)
{
	struct pollfd poller = { fd, POLLIN, 0 };
	ssize_t len;

	if (poll(&poller, 1, ms) != 1)
		return 0;
	len = recv(fd, m, sizeof(*m), MSG_TRUNC);
	NEED(len >= (ssize_t)NLMSG_HDRLEN && len <= (ssize_t)sizeof(*m), "%zd", len);
	return 1;
}

static inline const struct nlattr *find_attr(const void *at, size_t len, uint16_t type)
{
	const char *p = at, *end = p + len;

	while (p + NLA_HDRLEN <= end) {
		const struct nlattr *attr = (const void *)p;

		if (attr->nla_len < NLA_HDRLEN)
			return NULL;
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		p += NLA_ALIGN(attr->nla_len);
	}
	return NULL;
}

static inline const struct nlattr *nl_attr(const struct message *m, uint16_t type)
{
	size_t skip = NLMSG_HDRLEN + GENL_HDRLEN;

	return find_attr(m->bytes + skip, m->header.nlmsg_len - skip, type);
}

static inline const struct nlattr *nl_nested(const struct nlattr *nest, uint16_t type)
{
	return nest ? find_attr((const char *)nest + NLA_HDRLEN, nest->nla_len - NLA_HDRLEN, type)
		    : NULL;
}

static inline const void *nl_data(const struct nlattr *attr)
{
	return attr ? (const char *)attr + NLA_HDRLEN : "";
}

static inline uint64_t nl_u64(const struct nlattr *attr)
{
	uint64_t value = 0;

	if (CHECK(attr && attr->nla_len == NLA_HDRLEN + sizeof(value)))
		memcpy(&value, nl_data(attr), sizeof(value));
	return value;
}

static inline uint32_t nl_u32(const struct nlattr *attr)
{
	uint32_t value = 0;

	if (CHECK(attr && attr->nla_len == NLA_HDRLEN + sizeof(value)))
		memcpy(&value, nl_data(attr), sizeof(value));
	return value;
}

static inline uint8_t nl_command(const struct message *m)
{
	return ((struct genlmsghdr *)NLMSG_DATA(&m->header))->cmd;
}

/* The error of an NLMSG_ERROR, whose sentence goes to sentence[]; 0 is an acknowledgement. */
static inline int nl_error(const struct message *m)
{
	const struct nlmsgerr *error = NLMSG_DATA(&m->header);
	const struct nlattr *text = NULL;
	size_t skip = NLMSG_HDRLEN + sizeof(*error);

	NEED(m->header.nlmsg_type == NLMSG_ERROR, "type %u", m->header.nlmsg_type);
	if (!(m->header.nlmsg_flags & NLM_F_CAPPED))
		skip += error->msg.nlmsg_len - NLMSG_HDRLEN;
	if (m->header.nlmsg_flags & NLM_F_ACK_TLVS)
		text = find_attr(m->bytes + skip, m->header.nlmsg_len - skip, NLMSGERR_ATTR_MSG);
	snprintf(sentence, sizeof(sentence), "%s", text ? (const char *)nl_data(text) : "");
	return error->error;
}

/* Sends, and waits for the acknowledgement. */
static inline int nl_call(int fd, struct message *m)
{
	m->header.nlmsg_flags |= NLM_F_ACK;
	nl_send(fd, m);
	NEED(nl_receive(fd, m, 5000));
	return nl_error(m);
}

struct family {
	uint16_t id;
	uint32_t events;	/* the group */
};

static inline struct family nl_family(int fd)
{
	struct family family = {};
	static struct message m;
	const struct nlattr *groups, *group;

	nl_begin(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	nl_put(&m, CTRL_ATTR_FAMILY_NAME, DROVER_GENL_NAME, sizeof(DROVER_GENL_NAME));
	nl_send(fd, &m);
	NEED(nl_receive(fd, &m, 5000));
	if (m.header.nlmsg_type == NLMSG_ERROR)
		SKIP("there is no family %s: is drover.ko loaded?", DROVER_GENL_NAME);
	memcpy(&family.id, nl_data(nl_attr(&m, CTRL_ATTR_FAMILY_ID)), sizeof(family.id));
	groups = nl_attr(&m, CTRL_ATTR_MCAST_GROUPS);
	group = nl_nested(groups, 1);
	NEED(group && !strcmp(nl_data(nl_nested(group, CTRL_ATTR_MCAST_GRP_NAME)),
			      DROVER_GENL_GROUP_EVENTS));
	family.events = nl_u32(nl_nested(group, CTRL_ATTR_MCAST_GRP_ID));
	return family;
}

#endif /* DROVER_TEST_NETLINK_H */
