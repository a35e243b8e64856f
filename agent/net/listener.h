/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TCP socket that peers connect to. */
#ifndef DROVER_NET_LISTENER_H
#define DROVER_NET_LISTENER_H

#include "base/err.h"
#include "core/model.h"

/**
 * drover_listener_open() - bind and listen
 * @conf: address and port
 *
 * Returns a non-blocking listening socket, or a negative errno.
 */
int drover_listener_open(const struct drover_conf *conf, struct drover_err *err);

#endif
