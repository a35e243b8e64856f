// SPDX-License-Identifier: GPL-2.0-or-later
/* Words of a command, and asking the agent with them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drover_tool.h"
#include "mailbox.h"

bool tool_number(const char *word, uint64_t min, uint64_t max, uint64_t *ret)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(word, &end, 10);
	if (errno || word[0] < '0' || word[0] > '9' || *end || n < min || n > max)
		return false;
	*ret = n;
	return true;
}

static int take_value(const struct tool_option *o, const char *value, const char *usage)
{
	uint64_t n;

	if (!value)
		return tool_fail(EXIT_USAGE, "%s wants a value; usage: %s", o->name, usage);
	if (o->text) {
		*o->text = value;
		return 0;
	}
	if (!tool_number(value, o->min, o->max, &n))
		return tool_fail(EXIT_USAGE, "%s takes a number from %u to %u, not \"%s\"", o->name,
				 o->min, o->max, value);
	*o->number = n;
	return 0;
}

/* Returns how many words the option took, or minus an exit code. */
static int take_option(int argc, char **argv, const struct tool_option *options, const char *usage)
{
	const char *word = argv[0], *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : strlen(word);
	int r;

	if (!strcmp(word, "--json")) {
		tool_json = true;
		return 1;
	}
	for (const struct tool_option *o = options; o && o->name; o++) {
		if (strlen(o->name) != n || strncmp(o->name, word, n))
			continue;
		if (o->flag) {
			*o->flag = true;
			return equals ? -tool_fail(EXIT_USAGE, "%s takes no value", o->name) : 1;
		}
		r = take_value(o, equals ? equals + 1 : argc > 1 ? argv[1] : NULL, usage);
		return r ? -r : equals ? 1 : 2;
	}
	return -tool_fail(EXIT_USAGE, "unknown option %s; usage: %s", word, usage);
}

int tool_parse(int argc, char **argv, const struct tool_option *options, const char **names,
	       int count, const char *usage)
{
	int found = 0;

	for (int i = 0; i < argc;) {
		int n;

		if (argv[i][0] == '-' && argv[i][1]) {
			n = take_option(argc - i, argv + i, options, usage);
			if (n < 0)
				return -n;
			i += n;
			continue;
		}
		if (found == count)
			return tool_fail(EXIT_USAGE, "\"%s\" is a word too many; usage: %s", argv[i],
					 usage);
		names[found++] = argv[i++];
	}
	if (found < count)
		return tool_fail(EXIT_USAGE, "something is missing; usage: %s", usage);
	return 0;
}

int tool_ask(Drover__ControlRequest *request, Drover__ControlReply **ret_reply)
{
	Drover__ControlReply *reply = mailbox_ask(request);

	if (!reply)
		return EXIT_NO_AGENT;
	if (reply->code) {
		tool_fail(EXIT_REFUSED, "%s", reply->error);
		drover__control_reply__free_unpacked(reply, NULL);
		return EXIT_REFUSED;
	}
	*ret_reply = reply;
	return 0;
}
