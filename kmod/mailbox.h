/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mailbox between operators and the one agent of this host. The module does
 * not look into payloads: it checks who may speak, routes by request id, and
 * sees to it that every request gets an answer.
 */
#ifndef DROVER_MAILBOX_H
#define DROVER_MAILBOX_H

#include <linux/types.h>

struct genl_family;
struct genl_info;

int drover_mailbox_register(struct genl_info *info);
int drover_mailbox_request(struct genl_info *info);
int drover_mailbox_reply(struct genl_info *info);
int drover_mailbox_event(struct genl_info *info);
int drover_mailbox_start(const struct genl_family *family);
void drover_mailbox_stop(void);

#endif /* DROVER_MAILBOX_H */
