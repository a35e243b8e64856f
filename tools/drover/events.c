// SPDX-License-Identifier: GPL-2.0-or-later
/* drover events, drover session */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "drover_tool.h"
#include "mailbox.h"
#include "output.h"

static int print_event(const Drover__Event *event)
{
	time_t seconds = event->time_us / 1000000;
	struct tm tm;
	char when[32];

	if (tool_json) {
		json_t *o = output_json(&event->base);

		json_dumpf(o, stdout, JSON_COMPACT);
		json_decref(o);
		putchar('\n');
	} else {
		localtime_r(&seconds, &tm);
		strftime(when, sizeof(when), "%F %T", &tm);
		printf("%s %s %s\n", when, event->host, event->text);
	}
	/* Whoever reads from a pipe wants it now; a closed pipe ends the following. */
	return fflush(stdout) ? EXIT_DONE + 1 : 0;
}

int events_command(int argc, char **argv)
{
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover events");

	return r ? r : mailbox_follow(print_event);
}

static const char *number(const json_t *o, const char *key, char *buf)
{
	snprintf(buf, 32, "%lld", (long long)json_integer_value(json_object_get(o, key)));
	return buf;
}

static void print_sessions(json_t *list)
{
	static const char *const headings[] = { ">ID", "VM", "STATE", ">PID", ">PAGES",
						">HARVESTS", ">GUEST", ">VMM", ">SENT", ">ZERO" };
	struct output_table t = { .columns = 10, .headings = headings };
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		char n[8][32];

		output_row(&t, (const char *const[]){
			number(o, "id", n[0]), json_string_value(json_object_get(o, "name")),
			json_string_value(json_object_get(o, "state")), number(o, "pid", n[1]),
			number(o, "ram_pages", n[2]), number(o, "harvests", n[3]),
			number(o, "log_pages", n[4]), number(o, "vmm_pages", n[5]),
			number(o, "sent_pages", n[6]), number(o, "zero_pages", n[7]) });
	}
	output_table(stdout, &t);
}

int session_command(int argc, char **argv)
{
	const char *verb = NULL;
	json_t *list, *o;
	int r = tool_parse(argc, argv, NULL, &verb, 1, "drover session list");

	if (r)
		return r;
	if (strcmp(verb, "list"))
		return tool_fail(EXIT_USAGE, "drover session takes list");
	list = mailbox_sessions();
	if (!list)
		return EXIT_NO_AGENT;
	if (!tool_json) {
		print_sessions(list);
		json_decref(list);
		return EXIT_DONE;
	}
	o = json_object();
	json_object_set_new(o, "sessions", list);
	output_print(stdout, o);
	return EXIT_DONE;
}
