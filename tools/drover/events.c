// SPDX-License-Identifier: GPL-2.0-or-later
/* drover events */
#include <inttypes.h>
#include <stdio.h>
#include <sys/time.h>

#include "drover_tool.h"
#include "mailbox.h"
#include "output.h"
#include "report.h"

static uint64_t now_us(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	return (uint64_t)tv.tv_sec * 1000000 + tv.tv_usec;
}

static void on_event(void *data, const Drover__Event *event)
{
	if (tool_json)
		output_print_line(stdout, output_json(&event->base));
	else
		report_event(stdout, event);
	fflush(stdout);
}

static void on_session(void *data, const struct session_info *session)
{
	if (tool_json)
		output_print_line(stdout, json_pack("{sI so}", "time_us", (json_int_t)now_us(),
						    "session", report_session_json(session)));
	else
		report_session_event(stdout, now_us(), session);
	fflush(stdout);
}

static void on_lost(void *data)
{
	tool_fail(0, "some events came too fast and were lost");
}

int events_command(int argc, char **argv)
{
	static const struct mailbox_listener listener = {
		.event = on_event, .session = on_session, .lost = on_lost,
	};
	char why[MAILBOX_WHY];
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover events");

	if (r)
		return r;
	r = mailbox_follow(&listener, why);
	return tool_fail(r, "%s", why);
}
