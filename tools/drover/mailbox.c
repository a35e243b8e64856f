// SPDX-License-Identifier: GPL-2.0-or-later
/* See mailbox.h. */
#include "mailbox.h"

#include <drover.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "drover_tool.h"
#include "netlink.h"

#define ANSWER_MAX (64U << 20)

/* --- what went wrong, in words --- */

static int say(char *why, int status, const char *sentence, const char *rest)
{
	snprintf(why, MAILBOX_WHY, "%s%s", sentence, rest);
	return status;
}

static int explain(const struct netlink *nl, int error, char *why)
{
	const char *sentence = nl->error[0] ? nl->error : strerror(-error);

	if (!nl->socket)
		return say(why, EXIT_NO_AGENT, "netlink is not to be had: ", sentence);
	if (!nl->family && error == -ENOENT)
		return say(why, EXIT_NO_AGENT,
			   "the kernel module drover is not loaded; try: modprobe drover", "");
	switch (error) {
	case -EPERM:
		return say(why, EXIT_REFUSED, "this needs CAP_NET_ADMIN; run drover as root",
			   "");
	case -ECONNREFUSED:
		return say(why, EXIT_NO_AGENT, sentence,
			   "; start droverd, e.g. by: systemctl start droverd");
	case -ETIMEDOUT:
		return say(why, EXIT_NO_AGENT, "droverd did not answer in time", "");
	case -EMSGSIZE:
		return say(why, EXIT_REFUSED, "the request is too long", "");
	}
	return say(why, EXIT_REFUSED, sentence, "");
}

/* --- requests --- */

struct answer {
	uint32_t seq;
	uint8_t *bytes;
	size_t len;
	char error[256];
};

static bool append(struct answer *answer, const void *bytes, size_t len)
{
	uint8_t *p = answer->len + len <= ANSWER_MAX ? realloc(answer->bytes, answer->len + len + 1)
						     : NULL;

	if (!p)
		return false;
	memcpy(p + answer->len, bytes, len);
	answer->bytes = p;
	answer->len += len;
	return true;
}

static int on_reply(const struct nlmsghdr *message, void *data)
{
	const struct genlmsghdr *header = mnl_nlmsg_get_payload(message);
	struct answer *answer = data;
	const struct nlattr *attr;
	bool more = false, ok = true;

	if (message->nlmsg_seq != answer->seq || header->cmd != DROVER_CMD_CTL_REPLY)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*header)) {
		switch (mnl_attr_get_type(attr)) {
		case DROVER_A_PAYLOAD:
			ok = append(answer, mnl_attr_get_payload(attr),
				    mnl_attr_get_payload_len(attr));
			break;
		case DROVER_A_MORE:
			more = true;
			break;
		case DROVER_A_ERROR:
			snprintf(answer->error, sizeof(answer->error), "%.*s",
				 (int)mnl_attr_get_payload_len(attr), mnl_attr_get_str(attr));
			return MNL_CB_STOP;
		}
	}
	if (!ok) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	return more ? MNL_CB_OK : MNL_CB_STOP;
}

static int exchange(struct netlink *nl, const Drover__ControlRequest *request,
		    struct answer *answer)
{
	size_t len = drover__control_request__get_packed_size(request);
	auto_free uint8_t *bytes = malloc(len + 1);
	int ret = netlink_open(nl);

	if (ret < 0 || !bytes)
		return ret < 0 ? ret : -ENOMEM;
	drover__control_request__pack(request, bytes);
	ret = netlink_send(nl, DROVER_CMD_CTL_REQUEST, 0, DROVER_A_PAYLOAD, bytes, len);
	answer->seq = nl->seq;
	return ret < 0 ? ret : netlink_receive(nl, on_reply, answer);
}

int mailbox_ask(Drover__ControlRequest *request, Drover__ControlReply **ret_reply,
		       char why[MAILBOX_WHY])
{
	struct answer answer = { 0 };
	struct netlink nl;
	int status = EXIT_DONE, ret;

	request->version = 1;
	ret = exchange(&nl, request, &answer);
	if (ret < 0) {
		status = explain(&nl, ret, why);
	} else if (answer.error[0]) {
		status = say(why, EXIT_NO_AGENT, "no answer from droverd: ",
			     answer.error);
	} else {
		*ret_reply = drover__control_reply__unpack(NULL, answer.len, answer.bytes);
		if (!*ret_reply)
			status = say(why, EXIT_REFUSED, "droverd's answer cannot be read", "");
	}
	free(answer.bytes);
	netlink_close(&nl);
	return status;
}

/* --- sessions --- */

static uint64_t number(const struct nlattr *attr)
{
	if (mnl_attr_get_payload_len(attr) == sizeof(uint64_t))
		return mnl_attr_get_u64(attr);
	return mnl_attr_get_payload_len(attr) == sizeof(uint32_t) ? mnl_attr_get_u32(attr) : 0;
}

static void read_session(const struct nlattr *nest, struct session_info *session)
{
	uint64_t *const numbers[DROVER_A_SESSION_MAX + 1] = {
		[DROVER_A_SESSION_ID] = &session->id,
		[DROVER_A_SESSION_RAM_PAGES] = &session->ram_pages,
		[DROVER_A_SESSION_HARVESTS] = &session->harvests,
		[DROVER_A_SESSION_LOG_PAGES] = &session->log_pages,
		[DROVER_A_SESSION_VMM_PAGES] = &session->vmm_pages,
		[DROVER_A_SESSION_KEPT_PAGES] = &session->kept_pages,
		[DROVER_A_SESSION_SENT_PAGES] = &session->sent_pages,
		[DROVER_A_SESSION_ZERO_PAGES] = &session->zero_pages,
		[DROVER_A_SESSION_SENT_BYTES] = &session->sent_bytes,
	};
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == DROVER_A_SESSION_NAME)
			snprintf(session->name, sizeof(session->name), "%.*s",
				 (int)mnl_attr_get_payload_len(attr), mnl_attr_get_str(attr));
		else if (type == DROVER_A_SESSION_STATE)
			session->state = number(attr);
		else if (type == DROVER_A_SESSION_PID)
			session->pid = number(attr);
		else if (type <= DROVER_A_SESSION_MAX && numbers[type])
			*numbers[type] = number(attr);
	}
}

struct each {
	void (*call)(void *data, const struct session_info *session);
	void *data;
};

static int on_session(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attr;
	struct each *each = data;

	mnl_attr_for_each(attr, message, sizeof(struct genlmsghdr)) {
		struct session_info session = { 0 };

		if (mnl_attr_get_type(attr) != DROVER_A_SESSION)
			continue;
		read_session(attr, &session);
		each->call(each->data, &session);
	}
	return MNL_CB_OK;
}

int mailbox_sessions(void (*each)(void *data, const struct session_info *session),
			    void *data, char why[MAILBOX_WHY])
{
	struct each e = { each, data };
	struct netlink nl;
	int status = EXIT_DONE, ret = netlink_open(&nl);

	if (ret == 0)
		ret = netlink_send(&nl, DROVER_CMD_SESSION_GET, NLM_F_DUMP, 0, NULL, 0);
	if (ret == 0)
		ret = netlink_receive(&nl, on_session, &e);
	if (ret < 0)
		status = explain(&nl, ret, why);
	netlink_close(&nl);
	return status;
}

/* --- events --- */

static void hear(const struct mailbox_listener *listener, const struct nlattr *payload)
{
	Drover__Event *event = drover__event__unpack(NULL, mnl_attr_get_payload_len(payload),
						     mnl_attr_get_payload(payload));

	if (!event)
		return;
	listener->event(listener->data, event);
	drover__event__free_unpacked(event, NULL);
}

static int on_event(const struct nlmsghdr *message, void *data)
{
	const struct genlmsghdr *header = mnl_nlmsg_get_payload(message);
	const struct mailbox_listener *listener = data;
	struct each each = { listener->session, listener->data };
	const struct nlattr *attr;

	if (header->cmd == DROVER_CMD_SESSION_EVENT)
		return on_session(message, &each);
	if (header->cmd != DROVER_CMD_CTL_EVENT)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*header))
		if (mnl_attr_get_type(attr) == DROVER_A_PAYLOAD)
			hear(listener, attr);
	return MNL_CB_OK;
}

/* A group that is gone falls silent for ever: look from time to time whether it is. */
static bool is_there(const struct netlink *nl)
{
	struct netlink other;
	bool same = netlink_open(&other) == 0 && other.group == nl->group;

	netlink_close(&other);
	return same;
}

int mailbox_follow(const struct mailbox_listener *listener, char why[MAILBOX_WHY])
{
	struct netlink nl;
	int status, ret = netlink_open(&nl);

	if (ret == 0)
		ret = netlink_join(&nl);
	while (ret == 0) {
		ret = netlink_receive(&nl, on_event, (void *)listener);
		if (ret == -ENOBUFS)
			listener->lost(listener->data);
		if (ret == -ENOBUFS || (ret == -ETIMEDOUT && is_there(&nl)))
			ret = 0;
	}
	status = ret == -ETIMEDOUT ? say(why, EXIT_NO_AGENT,
					 "the kernel module drover was unloaded", "")
				   : explain(&nl, ret, why);
	netlink_close(&nl);
	return status;
}
