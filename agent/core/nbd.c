// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of network block devices. */
#include "core/nbd.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/ini.h"

#define PREFIX	     "nbd://"
#define DEFAULT_PORT "10809"

bool drover_nbd_is(const char *path)
{
	return !strncmp(path, PREFIX, strlen(PREFIX));
}

int drover_nbd_parse(const char *path, struct drover_nbd *ret_nbd)
{
	struct drover_nbd nbd = { .port = DEFAULT_PORT };
	const char *p;
	uint64_t port;
	bool bracket;
	size_t n;

	if (!drover_nbd_is(path) || strlen(path) >= DROVER_FIELD_LEN)
		return -EINVAL;
	p = path + strlen(PREFIX);
	bracket = *p == '[';
	p += bracket;
	n = strcspn(p, bracket ? "]/" : ":/");
	if (!n || (bracket && p[n] != ']'))
		return -EINVAL;
	memcpy(nbd.host, p, n);
	p += n + bracket;
	if (*p == ':') {
		n = strcspn(++p, "/");
		snprintf(nbd.port, sizeof(nbd.port), "%.*s", (int)n, p);
		if (n >= sizeof(nbd.port) || drover_ini_number(nbd.port, 1, 65535, &port, NULL) < 0)
			return -EINVAL;
		p += n;
	}
	if (*p && *p != '/')
		return -EINVAL;
	strcpy(nbd.export, *p ? p + 1 : "");
	*ret_nbd = nbd;
	return 0;
}
