/* SPDX-License-Identifier: GPL-2.0-only */
/* The generic netlink family; Documentation/netlink/drover.yaml is its specification. */
#ifndef DROVER_NETLINK_H
#define DROVER_NETLINK_H

int drover_netlink_init(void);
void drover_netlink_exit(void);

#endif /* DROVER_NETLINK_H */
