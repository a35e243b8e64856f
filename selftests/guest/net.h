/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_NET_H
#define GUEST_NET_H

struct options;

/* Brings up lo, and eth0 with the address asked for. */
void net_start(const struct options *opt);

/* A socket that listens on @port, or -1 and one error counted. */
int net_listen(unsigned long port);

#endif
