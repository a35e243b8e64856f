// SPDX-License-Identifier: GPL-2.0-or-later
/* drover session: what the module knows by itself. */
#include <stdio.h>

#include "drover_tool.h"
#include "mailbox.h"
#include "output.h"
#include "report.h"

static void keep(void *data, const struct session_info *session)
{
	if (tool_json)
		json_array_append_new(data, report_session_json(session));
	else
		report_session(data, session);
}

static int list(int argc, char **argv)
{
	struct output_table table;
	json_t *sessions = json_array();
	char why[MAILBOX_WHY];
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover session list");

	report_sessions(&table);
	if (r == 0) {
		r = mailbox_sessions(keep, tool_json ? (void *)sessions : &table, why);
		if (r)
			tool_fail(r, "%s", why);
		else if (tool_json)
			output_print(stdout, json_pack("{sO}", "sessions", sessions));
		else
			output_table(stdout, &table);
	}
	json_decref(sessions);
	return r;
}

int session_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{ "list", list },
		{ NULL },
	};

	return tool_family("session", verbs, argc, argv);
}
