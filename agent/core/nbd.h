/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of network block devices: nbd://HOST[:PORT]/EXPORT. */
#ifndef DROVER_CORE_NBD_H
#define DROVER_CORE_NBD_H

#include <stdbool.h>

#include "core/model.h"

/**
 * struct drover_nbd - what such a name says
 * @host: a name or an address, without the brackets that an IPv6 address has in a URI
 * @port: 1 to 65535
 * @export: may be empty: the server's default
 */
struct drover_nbd {
	char host[DROVER_FIELD_LEN];
	char port[6];
	char export[DROVER_FIELD_LEN];
};

/** drover_nbd_is() - a disk's path is such a name, be it right or wrong */
bool drover_nbd_is(const char *path);

/** drover_nbd_parse() - take it apart; -EINVAL where it is wrong */
int drover_nbd_parse(const char *path, struct drover_nbd *ret_nbd);

#endif
