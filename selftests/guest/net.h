/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_NET_H
#define GUEST_NET_H

struct options;

/* Brings up lo, and eth0 with the address asked for. */
void net_start(const struct options *opt);

/*
 * Takes eth0 down. A kernel that ends with it up may spin for ever in virtio_net,
 * whose queues are broken by then: Linux before 0d0eff39ceb3.
 */
void net_stop(void);

/* A socket that listens on @port, or -1 and one error counted. */
int net_listen(unsigned long port);

#endif
