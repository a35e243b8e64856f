// SPDX-License-Identifier: GPL-2.0-or-later
/* See chain.h. */
#include "block/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "block/ask.h"
#include "core/nbd.h"

/* Of qcow2, in the byte order of networks (docs/interop/qcow2.txt of QEMU). */
struct header {
	char magic[4];
	uint32_t version;
	uint64_t backing_name; /* where that is in the file, or 0 */
};

/*
 * Is it a qcow2 image that is based on another? So that qemu-img need not be run for the many that are
 * not. What it is supposed to be says nothing here: of backing files that need not be written down.
 */
static int is_based(const struct drover_conf *conf, const char *path, bool *ret_based,
		    struct drover_err *err)
{
	auto_close int fd = -1;
	struct header header;
	struct stat st;
	int r = drover_ask_file(conf, path, &st, err);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return drover_err_set(err, errno, "%s cannot be opened: %s", path, strerror(errno));
	*ret_based = pread(fd, &header, sizeof(header), 0) == sizeof(header) &&
		     !memcmp(header.magic, "QFI\xfb", 4) && header.backing_name;
	return 0;
}

int drover_chain_each(const struct drover_conf *conf, const char *path, const char *format,
		      int (*each)(void *data, const char *backing), void *data,
		      struct drover_err *err)
{
	struct drover_image image = { 0 };
	char at[DROVER_FIELD_LEN];
	bool based = false;
	int r;

	/* A guest writes what it likes at the beginning of a raw image. */
	if (strcmp(format, "qcow2"))
		return 0;
	snprintf(at, sizeof(at), "%s", path);
	for (int i = 0; i < DROVER_CHAIN_MAX; i++) {
		if (drover_nbd_is(at))
			return 0;
		r = is_based(conf, at, &based, err);
		if (r < 0 || !based)
			return r;
		r = drover_ask_image(conf, at, "qcow2", &image, err);
		if (r < 0 || !image.backing[0])
			return r;
		r = each(data, image.backing);
		if (r != 0)
			return r;
		if (image.backing_format[0] && strcmp(image.backing_format, "qcow2"))
			return 0;
		snprintf(at, sizeof(at), "%s", image.backing);
	}
	return drover_err_set(err, ELOOP, "%s is based on more than %d files", path,
			      DROVER_CHAIN_MAX);
}

struct adding {
	const struct drover_conf *conf;
	uint64_t bytes;
	struct drover_err *err;
};

static int add(void *data, const char *backing)
{
	struct adding *a = data;
	struct stat st;
	int r;

	if (drover_nbd_is(backing))
		return 0;
	r = drover_ask_file(a->conf, backing, &st, a->err);
	if (r == 0)
		a->bytes += st.st_blocks * UINT64_C(512);
	return r;
}

int drover_chain_used(const struct drover_conf *conf, const char *path, const char *format,
		      uint64_t *ret_bytes, struct drover_err *err)
{
	struct adding a = { .conf = conf, .err = err };
	int r = drover_chain_each(conf, path, format, add, &a, err);

	*ret_bytes = a.bytes;
	return r;
}
