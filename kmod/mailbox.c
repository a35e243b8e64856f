// SPDX-License-Identifier: GPL-2.0-only
/*
 * See mailbox.h.
 *
 *	operator         module             agent
 *	CTL_REQUEST ---> remember ---> CTL_REQUEST + id
 *	CTL_REPLY   <--- look up  <--- CTL_REPLY + id + MORE
 *	CTL_REPLY   <--- forget   <--- CTL_REPLY + id
 *
 * A request is forgotten when it is answered, when its time is up, when the agent goes away (the
 * operator is then told), and when the operator does (then nobody is).
 */
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>

#include "mailbox.h"
#include "uapi/drover.h"

#define REQUESTS_MAX	128
#define TIMEOUT		msecs_to_jiffies(DROVER_CTL_TIMEOUT_MS)

struct request {
	struct list_head node;
	u64 id;
	u32 portid;		/* the operator's socket */
	u32 seq;		/* of the operator's message */
	unsigned long deadline;	/* in jiffies */
};

static void expire(struct work_struct *work);

static const struct genl_family *box_family;
static DEFINE_MUTEX(box_lock);		/* all below */
static LIST_HEAD(requests);
static unsigned int request_count;
static u64 last_id;
static u32 agent;			/* port id of its socket; 0: there is none */
static DECLARE_DELAYED_WORK(expiry, expire);

struct letter {
	u32 portid;
	u32 seq;
	u8 cmd;
	u64 id;				/* 0: none */
	const struct nlattr *payload;
	const char *error;
	bool more;
};

static struct sk_buff *write_letter(const struct letter *letter)
{
	size_t len = letter->payload ? nla_len(letter->payload) : strlen(letter->error) + 1;
	struct sk_buff *msg;
	void *header;

	msg = genlmsg_new(nla_total_size(len) + nla_total_size_64bit(sizeof(u64)) +
			  nla_total_size(0), GFP_KERNEL);
	if (!msg)
		return NULL;
	header = genlmsg_put(msg, letter->portid, letter->seq, box_family, 0, letter->cmd);
	if (!header ||
	    (letter->id &&
	     nla_put_u64_64bit(msg, DROVER_A_REQUEST_ID, letter->id, DROVER_A_PAD)) ||
	    (letter->payload && nla_put(msg, DROVER_A_PAYLOAD, len, nla_data(letter->payload))) ||
	    (letter->error && nla_put_string(msg, DROVER_A_ERROR, letter->error)) ||
	    (letter->more && nla_put_flag(msg, DROVER_A_MORE))) {
		nlmsg_free(msg);
		return NULL;
	}
	genlmsg_end(msg, header);
	return msg;
}

static int post(const struct letter *letter)
{
	struct sk_buff *msg = write_letter(letter);

	return msg ? genlmsg_unicast(&init_net, msg, letter->portid) : -ENOMEM;
}

static void forget(struct request *request)
{
	list_del(&request->node);
	request_count--;
	kfree(request);
}

/* Tells the operator why there is no answer. If even that fails, its own timeout is left. */
static void give_up(struct request *request, const char *error)
{
	struct letter letter = {
		.portid = request->portid,
		.seq = request->seq,
		.cmd = DROVER_CMD_CTL_REPLY,
		.id = request->id,
		.error = error,
	};

	post(&letter);
	forget(request);
}

static struct request *find(u64 id)
{
	struct request *request;

	list_for_each_entry(request, &requests, node)
		if (request->id == id)
			return request;
	return NULL;
}

static void expire(struct work_struct *work)
{
	struct request *request, *next;
	unsigned long now = jiffies;

	mutex_lock(&box_lock);
	list_for_each_entry_safe(request, next, &requests, node)
		if (time_after_eq(now, request->deadline))
			give_up(request, "the agent did not answer in time");
	if (request_count)
		schedule_delayed_work(&expiry, HZ);
	mutex_unlock(&box_lock);
}

/* A netlink socket was closed: it may have been the agent's, or that of an operator who waits. */
static int on_netlink(struct notifier_block *block, unsigned long event, void *data)
{
	const struct netlink_notify *notify = data;
	struct request *request, *next;

	if (event != NETLINK_URELEASE || notify->protocol != NETLINK_GENERIC ||
	    !net_eq(notify->net, &init_net))
		return NOTIFY_DONE;
	mutex_lock(&box_lock);
	list_for_each_entry_safe(request, next, &requests, node)
		if (request->portid == notify->portid)
			forget(request);
	if (agent == notify->portid) {
		agent = 0;
		list_for_each_entry_safe(request, next, &requests, node)
			give_up(request, "the agent went away");
	}
	mutex_unlock(&box_lock);
	return NOTIFY_OK;
}

static struct notifier_block netlink_watch = {
	.notifier_call = on_netlink,
};

static int refuse(struct genl_info *info, int error, const char *sentence)
{
	if (info->extack)
		info->extack->_msg = sentence;
	return error;
}

static int need_payload(struct genl_info *info)
{
	return info->attrs[DROVER_A_PAYLOAD] ? 0 : refuse(info, -EINVAL, "PAYLOAD is missing");
}

/* AGENT_REGISTER: the sender's socket is the agent until it is closed. */
int drover_mailbox_register(struct genl_info *info)
{
	int ret = 0;

	mutex_lock(&box_lock);
	if (agent)
		ret = refuse(info, -EBUSY, "this host has an agent already");
	else
		agent = info->snd_portid;
	mutex_unlock(&box_lock);
	return ret;
}

static int submit(struct genl_info *info)
{
	struct request *request;
	struct letter letter;
	int ret;

	if (!agent)
		return refuse(info, -ECONNREFUSED, "no agent is running on this host");
	if (request_count == REQUESTS_MAX)
		return refuse(info, -EBUSY, "too many requests are waiting for the agent");
	request = kzalloc(sizeof(*request), GFP_KERNEL);
	if (!request)
		return -ENOMEM;
	request->id = ++last_id;
	request->portid = info->snd_portid;
	request->seq = info->snd_seq;
	request->deadline = jiffies + TIMEOUT;
	letter = (struct letter){
		.portid = agent,
		.cmd = DROVER_CMD_CTL_REQUEST,
		.id = request->id,
		.payload = info->attrs[DROVER_A_PAYLOAD],
	};
	ret = post(&letter);
	if (ret) {
		kfree(request);
		return refuse(info, ret, "the agent does not take requests at the moment");
	}
	list_add_tail(&request->node, &requests);
	request_count++;
	schedule_delayed_work(&expiry, HZ);
	return 0;
}

/* CTL_REQUEST, from an operator. */
int drover_mailbox_request(struct genl_info *info)
{
	int ret = need_payload(info);

	if (ret)
		return ret;
	mutex_lock(&box_lock);
	ret = submit(info);
	mutex_unlock(&box_lock);
	return ret;
}

static int deliver(struct genl_info *info)
{
	struct request *request;
	struct letter letter;
	int ret;

	if (info->snd_portid != agent)
		return refuse(info, -EPERM, "only the registered agent may answer");
	request = find(nla_get_u64(info->attrs[DROVER_A_REQUEST_ID]));
	if (!request)
		return refuse(info, -ENOENT, "nobody waits for this answer any more");
	letter = (struct letter){
		.portid = request->portid,
		.seq = request->seq,
		.cmd = DROVER_CMD_CTL_REPLY,
		.id = request->id,
		.payload = info->attrs[DROVER_A_PAYLOAD],
		.more = nla_get_flag(info->attrs[DROVER_A_MORE]),
	};
	ret = post(&letter);
	if (ret == -EAGAIN)
		return refuse(info, ret, "the operator's socket is full: try again");
	if (ret == -ENOMEM)
		return ret;
	if (ret || !letter.more)
		forget(request);
	else
		request->deadline = jiffies + TIMEOUT;
	return ret ? refuse(info, ret, "the operator is gone") : 0;
}

/* CTL_REPLY, from the agent. */
int drover_mailbox_reply(struct genl_info *info)
{
	int ret = need_payload(info);

	if (ret)
		return ret;
	if (!info->attrs[DROVER_A_REQUEST_ID])
		return refuse(info, -EINVAL, "REQUEST_ID is missing");
	mutex_lock(&box_lock);
	ret = deliver(info);
	mutex_unlock(&box_lock);
	return ret;
}

/* CTL_EVENT, from the agent, to the first multicast group. */
int drover_mailbox_event(struct genl_info *info)
{
	struct letter letter = {
		.cmd = DROVER_CMD_CTL_EVENT,
		.payload = info->attrs[DROVER_A_PAYLOAD],
	};
	int ret = need_payload(info);
	struct sk_buff *msg;

	if (ret)
		return ret;
	mutex_lock(&box_lock);
	if (info->snd_portid != agent)
		ret = refuse(info, -EPERM, "only the registered agent may publish events");
	mutex_unlock(&box_lock);
	if (ret)
		return ret;
	msg = write_letter(&letter);
	if (!msg)
		return -ENOMEM;
	ret = genlmsg_multicast(box_family, msg, 0, 0, GFP_KERNEL);
	/* nobody listens */
	return ret == -ESRCH ? 0 : ret;
}

int drover_mailbox_start(const struct genl_family *family)
{
	box_family = family;
	return netlink_register_notifier(&netlink_watch);
}

/* The family is gone by now: no message comes in any more. */
void drover_mailbox_stop(void)
{
	struct request *request, *next;

	netlink_unregister_notifier(&netlink_watch);
	cancel_delayed_work_sync(&expiry);
	list_for_each_entry_safe(request, next, &requests, node)
		forget(request);
	agent = 0;
}
