// SPDX-License-Identifier: GPL-2.0-only
/* See netlink.h. The handlers only translate. */
#include <linux/module.h>
#include <net/genetlink.h>

#include "mailbox.h"
#include "netlink.h"
#include "notify.h"

static struct genl_family family;

static const struct nla_policy session_policy[] = {
	[DROVER_A_SESSION_ID] = { .type = NLA_U64 },
};

static const struct nla_policy get_policy[] = {
	[DROVER_A_SESSION] = NLA_POLICY_NESTED(session_policy),
};

static const struct nla_policy payload_policy[] = {
	[DROVER_A_PAYLOAD] = { .type = NLA_BINARY, .len = DROVER_CTL_PAYLOAD_MAX },
};

static const struct nla_policy reply_policy[] = {
	[DROVER_A_REQUEST_ID] = { .type = NLA_U64 },
	[DROVER_A_PAYLOAD] = { .type = NLA_BINARY, .len = DROVER_CTL_PAYLOAD_MAX },
	[DROVER_A_MORE] = { .type = NLA_FLAG },
};

static int put_session(struct sk_buff *msg, u32 portid, u32 seq, int flags,
		       const struct drover_session_info *info)
{
	void *header = genlmsg_put(msg, portid, seq, &family, flags, DROVER_CMD_SESSION_GET);

	if (!header)
		return -EMSGSIZE;
	if (drover_notify_put(msg, info)) {
		genlmsg_cancel(msg, header);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, header);
	return 0;
}

static int copy_info(const struct drover_session_info *info, void *arg)
{
	*(struct drover_session_info *)arg = *info;
	return 1;
}

/* Return: the session id of the request, or 0 with a sentence. */
static u64 requested_id(struct genl_info *info)
{
	struct nlattr *attr[ARRAY_SIZE(session_policy)];

	if (!info->attrs[DROVER_A_SESSION] ||
	    nla_parse_nested(attr, ARRAY_SIZE(attr) - 1, info->attrs[DROVER_A_SESSION],
			     session_policy, info->extack) ||
	    !attr[DROVER_A_SESSION_ID]) {
		GENL_SET_ERR_MSG(info, "SESSION with SESSION_ID is missing");
		return 0;
	}
	return nla_get_u64(attr[DROVER_A_SESSION_ID]);
}

static int session_get(struct sk_buff *skb, struct genl_info *info)
{
	struct drover_session_info session = {};
	u64 id = requested_id(info);
	struct sk_buff *msg;
	int ret;

	if (!id)
		return -EINVAL;
	drover_session_each(id, copy_info, &session);
	if (session.id != id) {
		GENL_SET_ERR_MSG(info, "there is no such session");
		return -ENOENT;
	}
	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	ret = put_session(msg, info->snd_portid, info->snd_seq, 0, &session);
	if (ret) {
		nlmsg_free(msg);
		return ret;
	}
	return genlmsg_reply(msg, info);
}

struct dump {
	struct sk_buff *msg;
	struct netlink_callback *cb;
};

/* cb->args[0] is the id from which to go on. */
static int dump_one(const struct drover_session_info *info, void *arg)
{
	struct dump *dump = arg;
	int ret;

	ret = put_session(dump->msg, NETLINK_CB(dump->cb->skb).portid, dump->cb->nlh->nlmsg_seq,
			  NLM_F_MULTI, info);
	if (!ret)
		dump->cb->args[0] = info->id + 1;
	return ret;
}

static int session_dump(struct sk_buff *msg, struct netlink_callback *cb)
{
	struct dump dump = { msg, cb };

	drover_session_each(cb->args[0], dump_one, &dump);
	return msg->len;
}

static int agent_register(struct sk_buff *skb, struct genl_info *info)
{
	return drover_mailbox_register(info);
}

static int ctl_request(struct sk_buff *skb, struct genl_info *info)
{
	return drover_mailbox_request(info);
}

static int ctl_reply(struct sk_buff *skb, struct genl_info *info)
{
	return drover_mailbox_reply(info);
}

static int ctl_event(struct sk_buff *skb, struct genl_info *info)
{
	return drover_mailbox_event(info);
}

static const struct genl_ops operations[] = {
	{
		.cmd = DROVER_CMD_SESSION_GET,
		.flags = GENL_ADMIN_PERM,
		.policy = get_policy,
		.maxattr = ARRAY_SIZE(get_policy) - 1,
		.doit = session_get,
		.dumpit = session_dump,
	},
	{
		.cmd = DROVER_CMD_AGENT_REGISTER,
		.flags = GENL_ADMIN_PERM,
		.doit = agent_register,
	},
	{
		.cmd = DROVER_CMD_CTL_REQUEST,
		.flags = GENL_ADMIN_PERM,
		.policy = payload_policy,
		.maxattr = ARRAY_SIZE(payload_policy) - 1,
		.doit = ctl_request,
	},
	{
		.cmd = DROVER_CMD_CTL_REPLY,
		.flags = GENL_ADMIN_PERM,
		.policy = reply_policy,
		.maxattr = ARRAY_SIZE(reply_policy) - 1,
		.doit = ctl_reply,
	},
	{
		.cmd = DROVER_CMD_CTL_EVENT,
		.flags = GENL_ADMIN_PERM,
		.policy = payload_policy,
		.maxattr = ARRAY_SIZE(payload_policy) - 1,
		.doit = ctl_event,
	},
};

static const struct genl_multicast_group groups[] = {
	{ .name = DROVER_GENL_GROUP_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

static struct genl_family family __ro_after_init = {
	.name = DROVER_GENL_NAME,
	.version = DROVER_GENL_VERSION,
	.module = THIS_MODULE,
	.netnsok = false,
	.ops = operations,
	.n_ops = ARRAY_SIZE(operations),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int drover_netlink_init(void)
{
	int ret;

	ret = drover_mailbox_start(&family);
	if (ret)
		return ret;
	ret = genl_register_family(&family);
	if (ret)
		goto stop_mailbox;
	ret = drover_notify_start(&family);
	if (ret)
		goto unregister;
	return 0;

unregister:
	genl_unregister_family(&family);
stop_mailbox:
	drover_mailbox_stop();
	return ret;
}

void drover_netlink_exit(void)
{
	drover_notify_stop();
	genl_unregister_family(&family);
	drover_mailbox_stop();
}

MODULE_ALIAS_GENL_FAMILY(DROVER_GENL_NAME);
