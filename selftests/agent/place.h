/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory that is a test's own, and short words for what tests do in it. */
#ifndef SELFTESTS_PLACE_H
#define SELFTESTS_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

static char dir[64];

/* Returns 0, or -1 as a setup does. @what: a word for its name. */
static inline int place_make(const char *what)
{
	snprintf(dir, sizeof(dir), "/tmp/drover-%s.XXXXXX", what);
	return mkdtemp(dir) ? 0 : -1;
}

/* With all that is in it. */
static inline int place_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

/* A path in it; the last eight stay good. */
static inline char *in(const char *name)
{
	static char paths[8][160];
	static int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static inline bool is_there(const char *name)
{
	return access(in(name), F_OK) == 0;
}

static inline void write_file(const char *name, const char *text)
{
	FILE *f = fopen(in(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* What must not fail. */
static inline void done(int r, const struct drover_err *err)
{
	if (r < 0)
		fail_msg("%s", err->text);
}

#endif
