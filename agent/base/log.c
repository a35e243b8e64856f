// SPDX-License-Identifier: GPL-2.0-or-later
/* Logging. The subject is the thread's own, so a worker names itself once. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static drover_log_sink *log_sink;
static enum drover_log_level log_max = DROVER_LOG_INFO;
static _Thread_local struct drover_log_subject log_subject;

void drover_log_set_sink(drover_log_sink *sink, enum drover_log_level max)
{
	log_sink = sink;
	log_max = max;
}

void drover_log_set_subject(const char *vm, uint64_t migration)
{
	snprintf(log_subject.vm, sizeof(log_subject.vm), "%s", vm ? vm : "");
	log_subject.migration = migration;
}

void drover_log(enum drover_log_level level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (level > log_max)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (log_sink)
		log_sink(level, &log_subject, text);
	else
		fprintf(stderr, "droverd: %s\n", text);
}
