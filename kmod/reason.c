// SPDX-License-Identifier: GPL-2.0-only
/* See reason.h. */
#include <linux/kernel.h>
#include <linux/stdarg.h>

#include "reason.h"

/* Notes the sentence in @why, which may be NULL, and returns @error. */
int drover_refuse(struct drover_reason *why, int error, const char *format, ...)
{
	va_list args;

	if (why) {
		va_start(args, format);
		vscnprintf(why->text, sizeof(why->text), format, args);
		va_end(args);
	}
	return error;
}
