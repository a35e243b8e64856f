/* SPDX-License-Identifier: GPL-2.0-only */
/* What netlink tells of sessions: their attributes, and each change of state. */
#ifndef DROVER_NOTIFY_H
#define DROVER_NOTIFY_H

#include "session.h"

struct genl_family;
struct sk_buff;

int drover_notify_put(struct sk_buff *msg, const struct drover_session_info *info);
int drover_notify_start(const struct genl_family *family);
void drover_notify_stop(void);

#endif /* DROVER_NOTIFY_H */
