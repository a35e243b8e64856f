/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stream sockets with names in the file system, as between the agent and QEMU. */
#ifndef DROVER_BASE_UNIX_H
#define DROVER_BASE_UNIX_H

#include "base/err.h"

/**
 * drover_unix_listen() - make a socket that the owner of its directory can connect to
 * @path: its name; what is there is replaced
 *
 * Returns the listening socket.
 */
int drover_unix_listen(const char *path, struct drover_err *err);

/** drover_unix_connect() - returns the connected socket */
int drover_unix_connect(const char *path, struct drover_err *err);

#endif
