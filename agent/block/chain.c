// SPDX-License-Identifier: GPL-2.0-or-later
/* See chain.h. */
#include "block/chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "block/ask.h"

int drover_chain_each(const struct drover_conf *conf, const char *path, const char *format,
		      int (*each)(void *data, const char *backing), void *data,
		      struct drover_err *err)
{
	struct drover_image image = { 0 };
	char at[DROVER_FIELD_LEN], as[16];
	int r;

	snprintf(at, sizeof(at), "%s", path);
	snprintf(as, sizeof(as), "%s", format);
	for (int i = 0; i < DROVER_CHAIN_MAX; i++) {
		/* The others have no backing files; of some it is not known what they are. */
		if (strcmp(as, "qcow2"))
			return 0;
		r = drover_ask_image(conf, at, as, &image, err);
		if (r < 0 || !image.backing[0])
			return r;
		r = each(data, image.backing);
		if (r != 0)
			return r;
		snprintf(at, sizeof(at), "%s", image.backing);
		snprintf(as, sizeof(as), "%s", image.backing_format);
	}
	return drover_err_set(err, ELOOP, "%s is based on more than %d files", path,
			      DROVER_CHAIN_MAX);
}
