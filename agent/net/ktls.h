/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hands the keys of a TLS session to the kernel (Documentation/networking/tls.rst of Linux). */
#ifndef DROVER_NET_KTLS_H
#define DROVER_NET_KTLS_H

#include <gnutls/gnutls.h>

#include "base/err.h"

/**
 * drover_ktls_start() - from here on the kernel encrypts and decrypts
 * @session: its handshake is done, with TLS 1.3 and AES-128-GCM; not to be used for data any more
 * @fd: the TCP socket that it was done on
 *
 * Errors: -EOPNOTSUPP when the kernel has no TLS; -EPROTO when data came that it cannot be told of.
 */
int drover_ktls_start(gnutls_session_t session, int fd, struct drover_err *err);

#endif
