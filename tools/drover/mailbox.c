// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink, by libmnl. */
#include "mailbox.h"

#include <drover.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "drover_tool.h"

/* The module gives up a little earlier. */
#define ANSWER_SECONDS 35
#define BUFFER (DROVER_CTL_PAYLOAD_MAX + 8192)

struct mailbox {
	struct mnl_socket *socket;
	uint16_t family;
	uint32_t events;	/* multicast group */
	uint32_t sequence;
	char buffer[BUFFER];
};

static int table_cb(const struct nlattr *attr, void *data, int max)
{
	const struct nlattr **table = data;
	int type = mnl_attr_get_type(attr);

	if (type <= max)
		table[type] = attr;
	return MNL_CB_OK;
}

static int ctrl_cb(const struct nlattr *attr, void *data)
{
	return table_cb(attr, data, CTRL_ATTR_MAX);
}

static int group_cb(const struct nlattr *attr, void *data)
{
	return table_cb(attr, data, CTRL_ATTR_MCAST_GRP_MAX);
}

static int drover_cb(const struct nlattr *attr, void *data)
{
	return table_cb(attr, data, DROVER_A_MAX);
}

static int session_cb(const struct nlattr *attr, void *data)
{
	return table_cb(attr, data, DROVER_A_SESSION_MAX);
}

static struct nlmsghdr *begin(struct mailbox *m, char *buffer, uint16_t type, uint16_t flags,
			      uint8_t command, uint8_t version)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++m->sequence;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command;
	genl->version = version;
	return nlh;
}

/* Takes the sentence out of an error message; returns minus its errno. */
static int error_of(const struct nlmsghdr *nlh, const char **ret_sentence)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	unsigned int skip = sizeof(*e);
	const struct nlattr *attr;

	*ret_sentence = NULL;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += mnl_nlmsg_get_payload_len(&e->msg);
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_for_each(attr, nlh, skip)
			if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
				*ret_sentence = mnl_attr_get_str(attr);
	return e->error;
}

static void take_groups(struct mailbox *m, const struct nlattr *groups)
{
	const struct nlattr *group;

	mnl_attr_for_each_nested(group, groups) {
		const struct nlattr *t[CTRL_ATTR_MCAST_GRP_MAX + 1] = { 0 };

		mnl_attr_parse_nested(group, group_cb, t);
		if (t[CTRL_ATTR_MCAST_GRP_NAME] && t[CTRL_ATTR_MCAST_GRP_ID] &&
		    !strcmp(mnl_attr_get_str(t[CTRL_ATTR_MCAST_GRP_NAME]), DROVER_GENL_GROUP_EVENTS))
			m->events = mnl_attr_get_u32(t[CTRL_ATTR_MCAST_GRP_ID]);
	}
}

static int find_family(struct mailbox *m)
{
	const struct nlattr *t[CTRL_ATTR_MAX + 1] = { 0 };
	struct nlmsghdr *nlh = begin(m, m->buffer, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, 1);
	ssize_t n;

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, DROVER_GENL_NAME);
	if (mnl_socket_sendto(m->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(m->socket, m->buffer, sizeof(m->buffer));
	if (n < 0)
		return -errno;
	nlh = (struct nlmsghdr *)m->buffer;
	if (!mnl_nlmsg_ok(nlh, n) || nlh->nlmsg_type == NLMSG_ERROR)
		return -ENOENT;
	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), ctrl_cb, t);
	if (!t[CTRL_ATTR_FAMILY_ID])
		return -ENOENT;
	m->family = mnl_attr_get_u16(t[CTRL_ATTR_FAMILY_ID]);
	if (t[CTRL_ATTR_MCAST_GROUPS])
		take_groups(m, t[CTRL_ATTR_MCAST_GROUPS]);
	return 0;
}

static void mailbox_close(struct mailbox *m)
{
	if (m && m->socket)
		mnl_socket_close(m->socket);
	free(m);
}

static struct mailbox *mailbox_open(void)
{
	struct mailbox *m = calloc(1, sizeof(*m));
	int on = 1;

	if (!m || !(m->socket = mnl_socket_open(NETLINK_GENERIC)) ||
	    mnl_socket_bind(m->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		tool_fail(0, "cannot open netlink: %s", strerror(errno));
		mailbox_close(m);
		return NULL;
	}
	mnl_socket_setsockopt(m->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	if (find_family(m) < 0) {
		tool_fail(0, "the kernel module is not loaded; try: modprobe drover");
		mailbox_close(m);
		return NULL;
	}
	return m;
}

static void say_refusal(const struct nlmsghdr *nlh)
{
	const char *sentence;
	int e = -error_of(nlh, &sentence);

	if (sentence)
		tool_fail(0, "%s", sentence);
	else if (e == EPERM)
		tool_fail(0, "only root (CAP_NET_ADMIN) may ask droverd");
	else
		tool_fail(0, "drover.ko refused the request: %s", strerror(e));
}

/* --- a request and its answer --- */

static int send_request(struct mailbox *m, const Drover__ControlRequest *request)
{
	size_t len = drover__control_request__get_packed_size(request);
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	uint8_t *payload = malloc(len + 1);
	struct nlmsghdr *nlh;
	ssize_t n;

	if (!payload || len > DROVER_CTL_PAYLOAD_MAX) {
		free(payload);
		return tool_fail(-1, "the request is too long");
	}
	drover__control_request__pack(request, payload);
	nlh = begin(m, m->buffer, m->family, 0, DROVER_CMD_CTL_REQUEST, DROVER_GENL_VERSION);
	mnl_attr_put(nlh, DROVER_A_PAYLOAD, len, payload);
	free(payload);
	setsockopt(mnl_socket_get_fd(m->socket), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	n = mnl_socket_sendto(m->socket, nlh, nlh->nlmsg_len);
	return n < 0 ? tool_fail(-1, "netlink: %s", strerror(errno)) : 0;
}

/* Receives one message; NULL after a sentence. Acknowledgements are passed over. */
static const struct nlmsghdr *receive(struct mailbox *m)
{
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(m->socket, m->buffer, sizeof(m->buffer));
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)m->buffer;
		const char *sentence;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			tool_fail(0, errno == EAGAIN ? "droverd did not answer in time"
						     : "netlink: an answer was lost");
			return NULL;
		}
		if (!mnl_nlmsg_ok(nlh, n))
			continue;
		if (nlh->nlmsg_type != NLMSG_ERROR)
			return nlh;
		if (error_of(nlh, &sentence) == 0)
			continue;
		say_refusal(nlh);
		return NULL;
	}
}

struct answer {
	uint8_t *data;
	size_t len;
	bool whole;
};

static int take_part(struct answer *answer, const struct nlmsghdr *nlh)
{
	const struct nlattr *t[DROVER_A_MAX + 1] = { 0 };
	size_t n;
	uint8_t *more;

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), drover_cb, t);
	if (t[DROVER_A_ERROR])
		return tool_fail(-1, "%s", mnl_attr_get_str(t[DROVER_A_ERROR]));
	n = t[DROVER_A_PAYLOAD] ? mnl_attr_get_payload_len(t[DROVER_A_PAYLOAD]) : 0;
	more = realloc(answer->data, answer->len + n + 1);
	if (!more)
		return tool_fail(-1, "out of memory");
	if (n)
		memcpy(more + answer->len, mnl_attr_get_payload(t[DROVER_A_PAYLOAD]), n);
	answer->data = more;
	answer->len += n;
	answer->whole = !t[DROVER_A_MORE];
	return 0;
}

static bool is_reply(const struct mailbox *m, const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	return nlh->nlmsg_type == m->family && genl->cmd == DROVER_CMD_CTL_REPLY;
}

Drover__ControlReply *mailbox_ask(Drover__ControlRequest *request)
{
	struct mailbox *m = mailbox_open();
	Drover__ControlReply *reply = NULL;
	struct answer answer = { 0 };
	int r;

	if (!m)
		return NULL;
	request->version = 1;
	r = send_request(m, request);
	while (r == 0 && !answer.whole) {
		const struct nlmsghdr *nlh = receive(m);

		if (!nlh)
			r = -1;
		else if (is_reply(m, nlh))
			r = take_part(&answer, nlh);
	}
	if (r == 0) {
		reply = drover__control_reply__unpack(NULL, answer.len, answer.data);
		if (!reply)
			tool_fail(0, "the answer of droverd cannot be read");
	}
	free(answer.data);
	mailbox_close(m);
	return reply;
}

/* --- events --- */

static int hand_on(const struct nlmsghdr *nlh, int (*event)(const Drover__Event *event))
{
	const struct nlattr *t[DROVER_A_MAX + 1] = { 0 };
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	Drover__Event *e;
	int r;

	if (genl->cmd != DROVER_CMD_CTL_EVENT)
		return 0;
	mnl_attr_parse(nlh, sizeof(*genl), drover_cb, t);
	if (!t[DROVER_A_PAYLOAD])
		return 0;
	e = drover__event__unpack(NULL, mnl_attr_get_payload_len(t[DROVER_A_PAYLOAD]),
				  mnl_attr_get_payload(t[DROVER_A_PAYLOAD]));
	if (!e)
		return 0;
	r = event(e);
	drover__event__free_unpacked(e, NULL);
	return r;
}

int mailbox_follow(int (*event)(const Drover__Event *event))
{
	struct mailbox *m = mailbox_open();
	int r = 0;

	if (!m)
		return EXIT_NO_AGENT;
	if (mnl_socket_setsockopt(m->socket, NETLINK_ADD_MEMBERSHIP, &m->events,
				  sizeof(m->events)) < 0)
		r = tool_fail(EXIT_NO_AGENT, "events cannot be followed: %s", strerror(errno));
	while (r == 0) {
		const struct nlmsghdr *nlh = receive(m);

		r = nlh ? hand_on(nlh, event) : EXIT_NO_AGENT;
	}
	mailbox_close(m);
	return r;
}

/* --- sessions --- */

static const char *state_word(uint32_t state)
{
	static const char *const words[] = { "unspecified", "created", "started", "stopped",
					     "dead", "closed" };

	return state < sizeof(words) / sizeof(*words) ? words[state] : "unknown";
}

static void put_number(json_t *o, const char *key, const struct nlattr *attr)
{
	if (attr)
		json_object_set_new(o, key,
				    json_integer(mnl_attr_get_payload_len(attr) == 8
							 ? (json_int_t)mnl_attr_get_u64(attr)
							 : (json_int_t)mnl_attr_get_u32(attr)));
}

static int session_to_json(const struct nlmsghdr *nlh, void *data)
{
	static const struct {
		const char *key;
		int attr;
	} numbers[] = {
		{ "id", DROVER_A_SESSION_ID },
		{ "pid", DROVER_A_SESSION_PID },
		{ "ram_pages", DROVER_A_SESSION_RAM_PAGES },
		{ "harvests", DROVER_A_SESSION_HARVESTS },
		{ "log_pages", DROVER_A_SESSION_LOG_PAGES },
		{ "vmm_pages", DROVER_A_SESSION_VMM_PAGES },
		{ "kept_pages", DROVER_A_SESSION_KEPT_PAGES },
		{ "sent_pages", DROVER_A_SESSION_SENT_PAGES },
		{ "zero_pages", DROVER_A_SESSION_ZERO_PAGES },
		{ "sent_bytes", DROVER_A_SESSION_SENT_BYTES },
	};
	const struct nlattr *t[DROVER_A_MAX + 1] = { 0 }, *s[DROVER_A_SESSION_MAX + 1] = { 0 };
	json_t *o;

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), drover_cb, t);
	if (!t[DROVER_A_SESSION])
		return MNL_CB_OK;
	mnl_attr_parse_nested(t[DROVER_A_SESSION], session_cb, s);
	o = json_object();
	if (s[DROVER_A_SESSION_NAME])
		json_object_set_new(o, "name",
				    json_string(mnl_attr_get_str(s[DROVER_A_SESSION_NAME])));
	if (s[DROVER_A_SESSION_STATE])
		json_object_set_new(o, "state", json_string(state_word(mnl_attr_get_u32(
							s[DROVER_A_SESSION_STATE]))));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		put_number(o, numbers[i].key, s[numbers[i].attr]);
	json_array_append_new(data, o);
	return MNL_CB_OK;
}

json_t *mailbox_sessions(void)
{
	struct mailbox *m = mailbox_open();
	json_t *list = json_array();
	struct nlmsghdr *nlh;
	int r = 1;

	if (!m || !list)
		goto err;
	nlh = begin(m, m->buffer, m->family, NLM_F_DUMP, DROVER_CMD_SESSION_GET,
		    DROVER_GENL_VERSION);
	if (mnl_socket_sendto(m->socket, nlh, nlh->nlmsg_len) < 0)
		r = -1;
	while (r > 0) {
		ssize_t n = mnl_socket_recvfrom(m->socket, m->buffer, sizeof(m->buffer));

		r = n < 0 ? -1 : mnl_cb_run(m->buffer, n, 0, 0, session_to_json, list);
	}
	if (r == 0) {
		mailbox_close(m);
		return list;
	}
	tool_fail(0, "the sessions cannot be listed: %s", strerror(errno));
err:
	json_decref(list);
	mailbox_close(m);
	return NULL;
}
