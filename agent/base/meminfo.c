// SPDX-License-Identifier: GPL-2.0-or-later
/* Figures of /proc/meminfo. */
#include "base/meminfo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

int drover_meminfo_mib(const char *key, uint64_t *ret_mib, struct drover_err *err)
{
	auto_free char *text = NULL;
	size_t n = strlen(key);
	int r = drover_io_read_file("/proc/meminfo", 65536, &text, NULL, err);

	if (r < 0)
		return r;
	for (char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, n) && line[n] == ':') {
			*ret_mib = strtoull(line + n + 1, NULL, 10) / 1024;
			return 0;
		}
	}
	return drover_err_set(err, ENOENT, "/proc/meminfo has no %s", key);
}
