// SPDX-License-Identifier: GPL-2.0-or-later
/* drover host */
#include <stdio.h>

#include "drover_tool.h"
#include "output.h"
#include "report.h"

static int ask_and_print(Drover__ControlRequest *request, bool list)
{
	Drover__ControlReply *reply;
	int r = tool_ask(request, &reply);

	if (r)
		return r;
	if (tool_json) {
		output_print(stdout, report_json(reply, "hosts"));
	} else if (list) {
		report_hosts(stdout, reply);
	} else {
		for (size_t i = 0; i < reply->n_hosts; i++)
			report_host(stdout, reply->hosts[i]);
	}
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static int list(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__HostList verb = DROVER__HOST_LIST__INIT;
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover host list");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_HOST_LIST;
	request.host_list = &verb;
	return r ? r : ask_and_print(&request, true);
}

static int show(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__HostShow verb = DROVER__HOST_SHOW__INIT;
	int r = tool_parse(argc, argv, NULL, (const char **)&verb.name, 1, "drover host show NAME");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_HOST_SHOW;
	request.host_show = &verb;
	return r ? r : ask_and_print(&request, false);
}

int host_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{ "list", list },
		{ "show", show },
		{ NULL },
	};

	return tool_family("host", verbs, argc, argv);
}
