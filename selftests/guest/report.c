// SPDX-License-Identifier: GPL-2.0-or-later
/* What the guest says of itself: a line on the console for people, JSON for tests. */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

#include "count.h"
#include "disk.h"
#include "options.h"
#include "task.h"

/* Each figure as @format says, with @last for the sum of all errors. */
static void list(char *text, size_t size, const char *format, const char *last)
{
	size_t at = 0;

	for (int i = 0; i < COUNT_MAX && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, format, count_name(i), count_get(i));
	if (at < size)
		snprintf(text + at, size - at, last, "errors", count_errors());
}

static double uptime(void)
{
	return (double)task_now(CLOCK_MONOTONIC) / 1e9;
}

void report_json(char *text, size_t size)
{
	int at = snprintf(text, size, "{\"t\":%.3f, ", uptime());

	list(text + at, size - (size_t)at, "\"%s\":%" PRIu64 ", ", "\"%s\":%" PRIu64 "}");
}

void report_run(const struct options *opt)
{
	char text[1024];

	printf("DROVER-GUEST READY t=%.3f errors=%" PRIu64 "\n", uptime(), count_errors());
	for (unsigned long second = 1;; second++) {
		task_wait(1000000000);
		disk_watch();
		if (second % opt->report)
			continue;
		list(text, sizeof(text), "%s=%" PRIu64 " ", "%s=%" PRIu64);
		printf("DROVER-GUEST t=%.3f %s\n", uptime(), text);
	}
}
