/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carries QEMU's own migration stream, the device state, between a unix socket and a peer. */
#ifndef DROVER_MIGRATE_RELAY_H
#define DROVER_MIGRATE_RELAY_H

#include <stdint.h>

#include "base/err.h"
#include "net/peer.h"

/* A silent QEMU is given up after this. */
#define DROVER_RELAY_TIMEOUT_MS 20000

/**
 * drover_relay_send() - accept QEMU and carry its bytes to @peer until it closes
 *
 * shutdown(2) of the listener, from another thread, ends it with -ECANCELED.
 */
int drover_relay_send(int listener, struct drover_peer *peer, uint64_t *ret_bytes,
		      struct drover_err *err);

/** drover_relay_receive() - carry frames from @peer to QEMU's socket @path until the end */
int drover_relay_receive(struct drover_peer *peer, const char *path, uint64_t *ret_bytes,
			 struct drover_err *err);

#endif
