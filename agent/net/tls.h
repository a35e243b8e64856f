/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes a connection an encrypted one between two hosts that know each other. TLS 1.3 (RFC 8446)
 * with certificates on both sides; afterwards the keys are the kernel's (kTLS), so that the socket
 * is read and written as any other, by drover.ko, too.
 */
#ifndef DROVER_NET_TLS_H
#define DROVER_NET_TLS_H

#include <stdbool.h>

#include "base/err.h"
#include "core/model.h"

#define DROVER_TLS_NAMES_MAX 8
#define DROVER_TLS_PEEK	     3

/**
 * struct drover_tls_id - who a peer is, by its certificate
 * @problem: why that is not to be believed; code 0: it is
 * @names: names of hosts (dNSName) that the certificate is for, @count of them
 */
struct drover_tls_id {
	struct drover_err problem;
	uint32_t count;
	char names[DROVER_TLS_NAMES_MAX][DROVER_NAME_LEN];
};

/**
 * drover_tls_check() - can this host be one of a connection?
 * @conf: names the files, which are looked at anew for each connection
 * @ret_days: out: for how many days its certificate is good, 0 when less than one is left
 *
 * Errors: -EACCES when others can read the key; -EINVAL when files do not fit together, are not
 * for this host, or are not valid now; the errno of open(2).
 */
int drover_tls_check(const struct drover_conf *conf, uint32_t *ret_days, struct drover_err *err);

/** drover_tls_is_client() - do the first bytes that a peer sent begin a TLS connection? */
bool drover_tls_is_client(const uint8_t bytes[DROVER_TLS_PEEK]);

/**
 * drover_tls_connect() - encrypt a connection that this host has made
 * @fd: connected, blocking, nothing was sent or received on it
 * @host: who must be at the other end
 *
 * Errors: -EACCES when its certificate is not that host's; -EPROTO when no handshake comes about;
 * -EOPNOTSUPP when the kernel has no TLS. The socket is of no use any more then.
 */
int drover_tls_connect(const struct drover_conf *conf, int fd, const char *host,
		       struct drover_err *err);

/**
 * drover_tls_accept() - encrypt a connection that was made to this host
 * @ret_id: out: who is there; whether that is to be believed the caller has to see, so that it
 *	can say why not
 *
 * Errors: as above, but for -EACCES.
 */
int drover_tls_accept(const struct drover_conf *conf, int fd, struct drover_tls_id *ret_id,
		      struct drover_err *err);

/**
 * drover_tls_id_check() - is that peer this host?
 *
 * Errors: -EACCES with what is wrong.
 */
int drover_tls_id_check(const struct drover_tls_id *id, const char *host, struct drover_err *err);

#endif
