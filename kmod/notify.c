// SPDX-License-Identifier: GPL-2.0-only
/* See notify.h. */
#include <net/genetlink.h>

#include "notify.h"

static const struct genl_family *events_family;

/* Adds the nest SESSION. Return: 0 or -EMSGSIZE. */
int drover_notify_put(struct sk_buff *msg, const struct drover_session_info *info)
{
	static const u16 attr[DROVER_STATS] = {
		[DROVER_STAT_HARVESTS] = DROVER_A_SESSION_HARVESTS,
		[DROVER_STAT_LOG_PAGES] = DROVER_A_SESSION_LOG_PAGES,
		[DROVER_STAT_VMM_PAGES] = DROVER_A_SESSION_VMM_PAGES,
		[DROVER_STAT_KEPT_PAGES] = DROVER_A_SESSION_KEPT_PAGES,
		[DROVER_STAT_SENT_PAGES] = DROVER_A_SESSION_SENT_PAGES,
		[DROVER_STAT_ZERO_PAGES] = DROVER_A_SESSION_ZERO_PAGES,
		[DROVER_STAT_SENT_BYTES] = DROVER_A_SESSION_SENT_BYTES,
	};
	struct nlattr *nest = nla_nest_start(msg, DROVER_A_SESSION);
	unsigned int n;

	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u64_64bit(msg, DROVER_A_SESSION_ID, info->id, DROVER_A_SESSION_PAD) ||
	    nla_put_string(msg, DROVER_A_SESSION_NAME, info->name) ||
	    nla_put_u32(msg, DROVER_A_SESSION_STATE, info->state) ||
	    nla_put_u32(msg, DROVER_A_SESSION_PID, info->pid) ||
	    nla_put_u64_64bit(msg, DROVER_A_SESSION_RAM_PAGES, info->ram_pages,
			      DROVER_A_SESSION_PAD))
		goto cancel;
	for (n = 0; n < DROVER_STATS; n++)
		if (nla_put_u64_64bit(msg, attr[n], info->stats[n], DROVER_A_SESSION_PAD))
			goto cancel;
	nla_nest_end(msg, nest);
	return 0;

cancel:
	nla_nest_cancel(msg, nest);
	return -EMSGSIZE;
}

/* An event that finds no memory is lost: whoever follows events can always ask for the state. */
static int on_change(struct notifier_block *observer, unsigned long unused, void *data)
{
	struct sk_buff *msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *header;

	if (!msg)
		return NOTIFY_DONE;
	header = genlmsg_put(msg, 0, 0, events_family, 0, DROVER_CMD_SESSION_EVENT);
	if (!header || drover_notify_put(msg, data)) {
		nlmsg_free(msg);
		return NOTIFY_DONE;
	}
	genlmsg_end(msg, header);
	genlmsg_multicast(events_family, msg, 0, 0, GFP_KERNEL);
	return NOTIFY_OK;
}

static struct notifier_block observer = {
	.notifier_call = on_change,
};

/* From here on, changes of state are sent to the first multicast group of @family. */
int drover_notify_start(const struct genl_family *family)
{
	events_family = family;
	return drover_session_register(&observer);
}

void drover_notify_stop(void)
{
	drover_session_unregister(&observer);
}
