// SPDX-License-Identifier: GPL-2.0-or-later
/* drover respool: resource pools, and what VMs have of their own. */
#include <stdio.h>
#include <string.h>

#include "drover_tool.h"
#include "output.h"
#include "report.h"
#include "report_drs.h"

#define AMOUNTS                                                                                    \
	" [--cpu-shares N] [--cpu-reservation MHZ] [--cpu-limit MHZ] [--memory-shares N] "         \
	"[--memory-reservation MIB] [--memory-limit MIB]"

#define SHARES_MAX 1000000
#define AMOUNT_MAX 1000000000

/* The request's numbers are wider than those of options. */
struct amounts {
	uint32_t cpu_reservation, cpu_limit, memory_reservation, memory_limit;
};

static void print_json(const Drover__ControlReply *reply)
{
	json_t *all = output_json(&reply->base);

	output_print(stdout, json_pack("{sO,sO}", "respools", json_object_get(all, "respools"),
				       "shares", json_object_get(all, "shares")));
	json_decref(all);
}

static int ask_and_print(Drover__ControlRequest *request, bool list)
{
	Drover__ControlReply *reply;
	int r = tool_ask(request, &reply);

	if (r)
		return r;
	if (tool_json)
		print_json(reply);
	else if (list)
		report_shares(stdout, reply);
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static int automation_of(const char *word, Drover__Automation *ret)
{
	static const char *const modes[] = {"cluster", "manual", "partial", "full", "fixed"};

	for (int i = 0; i < 5; i++) {
		if (!strcmp(word, modes[i])) {
			*ret = i;
			return EXIT_DONE;
		}
	}
	return tool_fail(EXIT_USAGE,
			 "the mode of a VM is cluster, manual, partial, full or fixed, not \"%s\"",
			 word);
}

static int set(int argc, char **argv, bool pool, const char *usage)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__ShareSet verb = DROVER__SHARE_SET__INIT;
	Drover__ResourceRecord share = DROVER__RESOURCE_RECORD__INIT;
	struct amounts a = {0};
	const char *parent = "", *mode = NULL;
	const struct tool_option options[] = {
		{.name = "--in", .text = &parent},
		{.name = "--cpu-shares", .number = &share.cpu_shares, .min = 1, .max = SHARES_MAX},
		{.name = "--cpu-reservation", .number = &a.cpu_reservation, .max = AMOUNT_MAX},
		{.name = "--cpu-limit", .number = &a.cpu_limit, .max = AMOUNT_MAX},
		{.name = "--memory-shares",
		 .number = &share.memory_shares,
		 .min = 1,
		 .max = SHARES_MAX},
		{.name = "--memory-reservation",
		 .number = &a.memory_reservation,
		 .max = AMOUNT_MAX},
		{.name = "--memory-limit", .number = &a.memory_limit, .max = AMOUNT_MAX},
		/* Of VMs alone; the list ends here for pools. */
		{.name = pool ? NULL : "--mode", .text = &mode},
		{0},
	};
	int r = tool_parse(argc, argv, options, (const char **)&share.name, 1, usage);

	if (r == 0 && mode)
		r = automation_of(mode, &share.automation);
	share.parent = (char *)parent;
	share.cpu_reservation_mhz = a.cpu_reservation;
	share.cpu_limit_mhz = a.cpu_limit;
	share.memory_reservation_mib = a.memory_reservation;
	share.memory_limit_mib = a.memory_limit;
	verb.share = &share;
	verb.pool = pool;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_SHARE_SET;
	request.share_set = &verb;
	return r ? r : ask_and_print(&request, false);
}

static int drop(int argc, char **argv, bool pool, const char *usage)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__ShareRemove verb = DROVER__SHARE_REMOVE__INIT;
	int r = tool_parse(argc, argv, NULL, (const char **)&verb.name, 1, usage);

	verb.pool = pool;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_SHARE_REMOVE;
	request.share_remove = &verb;
	return r ? r : ask_and_print(&request, false);
}

static int set_pool(int argc, char **argv)
{
	return set(argc, argv, true, "drover respool set POOL [--in POOL]" AMOUNTS);
}

static int set_vm(int argc, char **argv)
{
	return set(argc, argv, false,
		   "drover respool vm VM [--in POOL] [--mode "
		   "cluster|manual|partial|full|fixed]" AMOUNTS);
}

static int remove_pool(int argc, char **argv)
{
	return drop(argc, argv, true, "drover respool remove POOL");
}

static int release_vm(int argc, char **argv)
{
	return drop(argc, argv, false, "drover respool release VM");
}

static int list(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__ShareList verb = DROVER__SHARE_LIST__INIT;
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover respool list");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_SHARE_LIST;
	request.share_list = &verb;
	return r ? r : ask_and_print(&request, true);
}

int respool_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{"set", set_pool},	 {"vm", set_vm},	  {"list", list},
		{"remove", remove_pool}, {"release", release_vm}, {NULL},
	};

	return tool_family("respool", verbs, argc, argv);
}
