/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source's end of the tunnel to the target's NBD server: a unix socket that the VM's
 * QEMU connects to, and for each of its connections one to the target's agent.
 */
#ifndef DROVER_BLOCK_TUNNEL_H
#define DROVER_BLOCK_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "core/model.h"
#include "net/peer.h"

struct drover_tunnel;

/**
 * drover_tunnel_open() - listen
 * @conf: this host; outlives the tunnel
 * @to: the target
 * @id: of the migration
 * @path: of the socket
 *
 * Who connects is kept waiting until drover_tunnel_allow().
 */
int drover_tunnel_open(const struct drover_conf *conf, const struct drover_peer_conf *to,
		       uint64_t id, const char *path, struct drover_tunnel **ret_tunnel,
		       struct drover_err *err);

/** drover_tunnel_allow() - carry connections, @token shows the target that they may */
void drover_tunnel_allow(struct drover_tunnel *tunnel,
			 const uint8_t token[DROVER_PEER_TOKEN_SIZE]);

/** drover_tunnel_cut() - end what is carried; who connects waits for the next allow */
void drover_tunnel_cut(struct drover_tunnel *tunnel);

/**
 * drover_tunnel_broken() - a connection could not be made, or was lost, since the last allow
 *
 * QEMU is told by then: its end was closed.
 */
bool drover_tunnel_broken(struct drover_tunnel *tunnel, struct drover_err *ret_why);

/** drover_tunnel_sent() - bytes sent to the target in all */
uint64_t drover_tunnel_sent(struct drover_tunnel *tunnel);

/** drover_tunnel_close() - end everything; NULL is fine */
void drover_tunnel_close(struct drover_tunnel *tunnel);

#endif
