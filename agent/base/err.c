// SPDX-License-Identifier: GPL-2.0-or-later
/* The error holder. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int drover_err_set(struct drover_err *err, int code, const char *fmt, ...)
{
	char text[DROVER_ERR_TEXT_MAX];
	va_list ap;

	code = -abs(code);
	if (!err)
		return code;
	/* The sentence may be made from the one that is there. */
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err->code = code;
	memcpy(err->text, text, sizeof(text));
	return code;
}

int drover_err_prefix(struct drover_err *err, const char *fmt, ...)
{
	char old[DROVER_ERR_TEXT_MAX];
	va_list ap;
	size_t n;

	if (!err)
		return 0;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	n = strlen(err->text);
	snprintf(err->text + n, sizeof(err->text) - n, ": %.*s", (int)(sizeof(old) - 1), old);
	return err->code;
}
