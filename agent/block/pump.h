/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plain bytes both ways between a socket on this host and another agent. */
#ifndef DROVER_BLOCK_PUMP_H
#define DROVER_BLOCK_PUMP_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "net/peer.h"

/* Data that the other host does not acknowledge for this long: the link is cut. */
#define DROVER_PUMP_DEAD_MS 5000

/**
 * drover_pump_run() - carry bytes until one side ends
 * @local: a connected stream socket
 * @peer: with nothing of a frame under way; it carries no frames any more
 * @sent: counts bytes to the peer; read from any thread
 *
 * shutdown(2) of @local and drover_peer_interrupt(), from other threads, end it. Returns 0
 * when @local ended, or takes no more. Both sockets wait for nothing from now on, and the process must
 * ignore SIGPIPE. Errors: -ENODATA when the peer ended, -ETIMEDOUT when the link is dead, or what
 * splice(2) says of the peer's socket.
 */
int drover_pump_run(int local, struct drover_peer *peer, _Atomic uint64_t *sent,
		    struct drover_err *err);

#endif
