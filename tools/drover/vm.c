// SPDX-License-Identifier: GPL-2.0-or-later
/* drover vm */
#include <stdio.h>

#include "drover_tool.h"
#include "output.h"
#include "report.h"

/* Asks, and prints the VMs of the answer. */
static int ask_and_print(Drover__ControlRequest *request, bool list)
{
	Drover__ControlReply *reply;
	int r = tool_ask(request, &reply);

	if (r)
		return r;
	if (tool_json) {
		output_print(stdout, report_json(reply, "vms"));
	} else if (list) {
		report_vms(stdout, reply);
	} else {
		for (size_t i = 0; i < reply->n_vms; i++)
			report_vm(stdout, reply->vms[i]);
	}
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static int start(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__VmStart verb = DROVER__VM_START__INIT;
	bool force = false;
	const char *on = "";
	const struct tool_option options[] = {
		{ .name = "--force", .flag = &force },
		{ .name = "--on", .text = &on },
		{ 0 },
	};
	int r = tool_parse(argc, argv, options, (const char **)&verb.name, 1,
			   "drover vm start NAME [--on HOST|auto] [--force]");

	verb.force = force;
	verb.on = (char *)on;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_VM_START;
	request.vm_start = &verb;
	return r ? r : ask_and_print(&request, false);
}

static int stop(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__VmStop verb = DROVER__VM_STOP__INIT;
	uint32_t timeout = 0;
	bool force = false;
	const struct tool_option options[] = {
		{ .name = "--force", .flag = &force },
		{ .name = "--timeout", .number = &timeout, .min = 1, .max = 25 },
		{ 0 },
	};
	int r = tool_parse(argc, argv, options, (const char **)&verb.name, 1,
			   "drover vm stop NAME [--force] [--timeout SECONDS]");

	verb.force = force;
	verb.timeout_s = timeout;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_VM_STOP;
	request.vm_stop = &verb;
	return r ? r : ask_and_print(&request, false);
}

static int list(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__VmList verb = DROVER__VM_LIST__INIT;
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover vm list");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_VM_LIST;
	request.vm_list = &verb;
	return r ? r : ask_and_print(&request, true);
}

static int show(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__VmShow verb = DROVER__VM_SHOW__INIT;
	int r = tool_parse(argc, argv, NULL, (const char **)&verb.name, 1, "drover vm show NAME");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_VM_SHOW;
	request.vm_show = &verb;
	return r ? r : ask_and_print(&request, false);
}

int vm_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{ "start", start },
		{ "stop", stop },
		{ "list", list },
		{ "show", show },
		{ NULL },
	};

	return tool_family("vm", verbs, argc, argv);
}
