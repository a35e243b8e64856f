// SPDX-License-Identifier: GPL-2.0-or-later
/* The netlink mailbox, by libnl. Used by the control thread only. */
#include "ctl/mailbox.h"

#include <drover.h>
#include <errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "base/log.h"

/* Requests that may come while the agent registers; an operator whose request is lost asks again. */
#define EARLY_MAX 32

/**
 * struct drover_mailbox - the agent's end
 * @registered: the module has answered, with @refusal (0 or a negative errno)
 * @early: requests that came before that answer, for the event loop
 */
struct drover_mailbox {
	struct nl_sock *sock;
	int family;
	sd_event_source *source, *early_source;
	drover_mailbox_request *request;
	void *data;
	bool registered;
	int refusal;
	struct nl_msg *early[EARLY_MAX];
	int early_count;
};

static void refuse(struct drover_mailbox *mailbox, uint64_t id, const char *sentence)
{
	Drover__ControlReply reply = DROVER__CONTROL_REPLY__INIT;

	reply.code = EPROTO;
	reply.error = (char *)sentence;
	drover_mailbox_reply(mailbox, id, &reply);
}

static int on_message(struct nl_msg *msg, void *data)
{
	struct drover_mailbox *mailbox = data;
	struct genlmsghdr *header = genlmsg_hdr(nlmsg_hdr(msg));
	struct nlattr *attrs[DROVER_A_MAX + 1];
	Drover__ControlRequest *request;
	uint64_t id;

	if (header->cmd != DROVER_CMD_CTL_REQUEST ||
	    genlmsg_parse(nlmsg_hdr(msg), 0, attrs, DROVER_A_MAX, NULL) < 0 ||
	    !attrs[DROVER_A_REQUEST_ID] || !attrs[DROVER_A_PAYLOAD])
		return NL_OK;
	id = nla_get_u64(attrs[DROVER_A_REQUEST_ID]);
	request = drover__control_request__unpack(NULL, nla_len(attrs[DROVER_A_PAYLOAD]),
						  nla_data(attrs[DROVER_A_PAYLOAD]));
	if (!request)
		refuse(mailbox, id, "the request cannot be read");
	else if (request->version != 1)
		refuse(mailbox, id, "drover and droverd are of different versions");
	else
		mailbox->request(mailbox->data, id, request);
	if (request)
		drover__control_request__free_unpacked(request, NULL);
	return NL_OK;
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct drover_mailbox *mailbox = data;
	int r = nl_recvmsgs_default(mailbox->sock);

	if (r < 0 && r != -NLE_AGAIN)
		log_warning("the netlink mailbox: %s", nl_geterror(r));
	return 0;
}

static int on_error(struct sockaddr_nl *nla, struct nlmsgerr *e, void *data)
{
	/* An operator who did not wait for the answer. */
	if (e->error != -ENOENT)
		log_debug("the netlink mailbox: %s", strerror(-e->error));
	return NL_SKIP;
}

static struct nl_msg *message(struct drover_mailbox *mailbox, int flags, uint8_t command)
{
	struct nl_msg *msg = nlmsg_alloc_size(DROVER_CTL_PAYLOAD_MAX + 512);

	if (msg && !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, mailbox->family, 0, flags, command,
				DROVER_GENL_VERSION)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int transmit(struct drover_mailbox *mailbox, struct nl_msg *msg)
{
	int r = nl_send_auto(mailbox->sock, msg);

	nlmsg_free(msg);
	return r < 0 ? -EIO : 0;
}

/* --- registering: an operator may be faster than the module's answer --- */

static int on_early(struct nl_msg *msg, void *data)
{
	struct drover_mailbox *mailbox = data;

	if (mailbox->early_count < EARLY_MAX) {
		nlmsg_get(msg);
		mailbox->early[mailbox->early_count++] = msg;
	}
	return NL_OK;
}

static int on_any_number(struct nl_msg *msg, void *data)
{
	return NL_OK;
}

static int on_ack(struct nl_msg *msg, void *data)
{
	struct drover_mailbox *mailbox = data;

	mailbox->registered = true;
	return NL_STOP;
}

static int on_refusal(struct sockaddr_nl *nla, struct nlmsgerr *e, void *data)
{
	struct drover_mailbox *mailbox = data;

	mailbox->registered = true;
	mailbox->refusal = e->error;
	return NL_STOP;
}

static int await_answer(struct drover_mailbox *mailbox)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int r = 0;

	if (!cb)
		return -NLE_NOMEM;
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_any_number, NULL);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_early, mailbox);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, mailbox);
	nl_cb_err(cb, NL_CB_CUSTOM, on_refusal, mailbox);
	while (r >= 0 && !mailbox->registered)
		r = nl_recvmsgs(mailbox->sock, cb);
	nl_cb_put(cb);
	return mailbox->registered ? 0 : r;
}

static int register_agent(struct drover_mailbox *mailbox, struct drover_err *err)
{
	struct nl_msg *msg = message(mailbox, NLM_F_ACK, DROVER_CMD_AGENT_REGISTER);
	int r;

	if (!msg)
		return drover_err_set(err, ENOMEM, "out of memory");
	if (transmit(mailbox, msg) < 0)
		return drover_err_set(err, EIO, "drover.ko cannot be asked to take this agent");
	r = await_answer(mailbox);
	if (r < 0)
		return drover_err_set(err, EIO, "drover.ko does not answer this agent: %s",
				      nl_geterror(r));
	if (mailbox->refusal == -EBUSY)
		return drover_err_set(err, EBUSY, "another droverd runs on this host");
	if (mailbox->refusal < 0)
		return drover_err_set(err, EIO, "drover.ko does not take this agent: %s",
				      strerror(-mailbox->refusal));
	return 0;
}

static int on_loop(sd_event_source *source, void *data)
{
	struct drover_mailbox *mailbox = data;

	for (int i = 0; i < mailbox->early_count; i++) {
		on_message(mailbox->early[i], mailbox);
		nlmsg_free(mailbox->early[i]);
	}
	mailbox->early_count = 0;
	return 0;
}

static int connect_family(struct drover_mailbox *mailbox, struct drover_err *err)
{
	int r = genl_connect(mailbox->sock);

	if (r < 0)
		return drover_err_set(err, EIO, "cannot open netlink: %s", nl_geterror(r));
	mailbox->family = genl_ctrl_resolve(mailbox->sock, DROVER_GENL_NAME);
	if (mailbox->family < 0)
		return drover_err_set(err, ENOENT, "drover.ko is not loaded; try: modprobe drover");
	nl_socket_set_buffer_size(mailbox->sock, 1 << 20, 1 << 20);
	nl_socket_set_msg_buf_size(mailbox->sock, DROVER_CTL_PAYLOAD_MAX + 4096);
	return register_agent(mailbox, err);
}

static int listen_for_requests(struct drover_mailbox *mailbox, sd_event *event,
			       struct drover_err *err)
{
	int r;

	nl_socket_disable_seq_check(mailbox->sock);
	nl_socket_disable_auto_ack(mailbox->sock);
	nl_socket_modify_cb(mailbox->sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, mailbox);
	nl_socket_modify_err_cb(mailbox->sock, NL_CB_CUSTOM, on_error, mailbox);
	nl_socket_set_nonblocking(mailbox->sock);
	r = sd_event_add_io(event, &mailbox->source, nl_socket_get_fd(mailbox->sock), EPOLLIN,
			    on_ready, mailbox);
	if (r >= 0)
		r = sd_event_add_defer(event, &mailbox->early_source, on_loop, mailbox);
	return r < 0 ? drover_err_set(err, r, "cannot watch netlink: %s", strerror(-r)) : 0;
}

int drover_mailbox_open(sd_event *event, drover_mailbox_request *request, void *data,
			struct drover_mailbox **ret_mailbox, struct drover_err *err)
{
	struct drover_mailbox *mailbox = calloc(1, sizeof(*mailbox));
	int r;

	if (!mailbox || !(mailbox->sock = nl_socket_alloc())) {
		free(mailbox);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	mailbox->request = request;
	mailbox->data = data;
	r = connect_family(mailbox, err);
	if (r == 0)
		r = listen_for_requests(mailbox, event, err);
	if (r < 0) {
		drover_mailbox_close(mailbox);
		return r;
	}
	*ret_mailbox = mailbox;
	return 0;
}

void drover_mailbox_close(struct drover_mailbox *mailbox)
{
	if (!mailbox)
		return;
	sd_event_source_disable_unref(mailbox->source);
	sd_event_source_disable_unref(mailbox->early_source);
	for (int i = 0; i < mailbox->early_count; i++)
		nlmsg_free(mailbox->early[i]);
	nl_socket_free(mailbox->sock);
	free(mailbox);
}

static int send_part(struct drover_mailbox *mailbox, uint64_t id, const uint8_t *part, size_t len,
		     bool more)
{
	struct nl_msg *msg = message(mailbox, 0, DROVER_CMD_CTL_REPLY);

	if (!msg)
		return -ENOMEM;
	if (nla_put_u64(msg, DROVER_A_REQUEST_ID, id) < 0 ||
	    nla_put(msg, DROVER_A_PAYLOAD, len, part) < 0 ||
	    (more && nla_put_flag(msg, DROVER_A_MORE) < 0)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	return transmit(mailbox, msg);
}

int drover_mailbox_reply(struct drover_mailbox *mailbox, uint64_t id,
			 const Drover__ControlReply *reply)
{
	size_t len = drover__control_reply__get_packed_size(reply), at = 0;
	auto_free uint8_t *buf = malloc(len + 1);
	int r;

	if (!buf)
		return -ENOMEM;
	drover__control_reply__pack(reply, buf);
	do {
		size_t n = len - at < DROVER_CTL_PAYLOAD_MAX ? len - at : DROVER_CTL_PAYLOAD_MAX;

		r = send_part(mailbox, id, buf + at, n, at + n < len);
		at += n;
	} while (r == 0 && at < len);
	return r;
}

int drover_mailbox_event(struct drover_mailbox *mailbox, const Drover__Event *event)
{
	size_t len = drover__event__get_packed_size(event);
	auto_free uint8_t *buf = malloc(len + 1);
	struct nl_msg *msg;

	if (len > DROVER_CTL_PAYLOAD_MAX)
		return -EMSGSIZE;
	msg = buf ? message(mailbox, 0, DROVER_CMD_CTL_EVENT) : NULL;
	if (!msg)
		return -ENOMEM;
	drover__event__pack(event, buf);
	if (nla_put(msg, DROVER_A_PAYLOAD, len, buf) < 0) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	return transmit(mailbox, msg);
}
