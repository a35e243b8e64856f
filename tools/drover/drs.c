// SPDX-License-Identifier: GPL-2.0-or-later
/* drover drs */
#include <stdio.h>
#include <string.h>

#include "drover_tool.h"
#include "output.h"
#include "recommendation.h"
#include "report.h"
#include "report_drs.h"

static int ask_drs(Drover__ControlRequest *request, Drover__ControlReply **ret_reply)
{
	int r = tool_ask(request, ret_reply);

	if (r == 0 && !(*ret_reply)->drs) {
		drover__control_reply__free_unpacked(*ret_reply, NULL);
		r = tool_fail(EXIT_REFUSED, "droverd does not tell of load balancing");
	}
	return r;
}

static int ask_show(Drover__ControlReply **ret_reply)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__DrsShow verb = DROVER__DRS_SHOW__INIT;

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_DRS_SHOW;
	request.drs_show = &verb;
	return ask_drs(&request, ret_reply);
}

/* show() - a command without words: all in JSON, or what @report makes of it */
static int show(int argc, char **argv, const char *usage,
		void (*report)(FILE *out, const Drover__DrsInfo *drs))
{
	Drover__ControlReply *reply;
	int r = tool_parse(argc, argv, NULL, NULL, 0, usage);

	if (r == 0)
		r = ask_show(&reply);
	if (r)
		return r;
	if (tool_json)
		output_print(stdout, report_json(reply, "drs"));
	else
		report(stdout, reply->drs);
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static int status(int argc, char **argv)
{
	return show(argc, argv, "drover drs status", report_drs);
}

static int recommendations(int argc, char **argv)
{
	return show(argc, argv, "drover drs recommendations", report_drs_moves);
}

static int history(int argc, char **argv)
{
	return show(argc, argv, "drover drs history", report_drs_history);
}

static int explain(int argc, char **argv)
{
	Drover__ControlReply *reply;
	const char *vm = NULL;
	int r = tool_parse_some(argc, argv, NULL, &vm, 0, 1, "drover drs explain [VM]");

	if (r == 0)
		r = ask_show(&reply);
	if (r)
		return r;
	if (tool_json)
		output_print(stdout, report_json(reply, "drs"));
	else
		report_drs_explain(stdout, reply->drs, vm);
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static int apply(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__DrsApply verb = DROVER__DRS_APPLY__INIT;
	Drover__ControlReply *reply;
	uint64_t ids[RECOMMENDATIONS_MAX];
	int r = recommendation_ids(argc, argv, "drover drs apply ID… | --all", ids, &verb.n_ids);

	verb.ids = ids;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_DRS_APPLY;
	request.drs_apply = &verb;
	if (r == 0)
		r = ask_drs(&request, &reply);
	if (r)
		return r;
	if (tool_json)
		output_print(stdout, report_json(reply, "drs"));
	else
		report_drs_history(stdout, reply->drs);
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

/* --- settings --- */

static int set(Drover__DrsSet *verb)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_DRS_SET;
	request.drs_set = verb;
	return tool_do(&request);
}

static int mode(int argc, char **argv)
{
	static const char *const modes[] = {"manual", "partial", "full"};
	Drover__DrsSet verb = DROVER__DRS_SET__INIT;
	const char *word;
	int r = tool_parse(argc, argv, NULL, &word, 1, "drover drs mode manual|partial|full");

	for (int i = 0; r == 0 && i < 3; i++)
		if (!strcmp(word, modes[i]))
			verb.automation = i + 1;
	if (r == 0 && !verb.automation)
		r = tool_fail(EXIT_USAGE, "the mode is manual, partial or full, not \"%s\"", word);
	return r ? r : set(&verb);
}

static int threshold(int argc, char **argv)
{
	Drover__DrsSet verb = DROVER__DRS_SET__INIT;
	int r = recommendation_threshold(argc, argv, "drover drs threshold 1…5", &verb.threshold);

	return r ? r : set(&verb);
}

static int other(int argc, char **argv)
{
	static const char usage[] = "drover drs set [--failover-hosts N] [--settle SECONDS]";
	Drover__DrsSet verb = DROVER__DRS_SET__INIT;
	uint32_t hosts = UINT32_MAX, settle = UINT32_MAX;
	const struct tool_option options[] = {
		{.name = "--failover-hosts", .number = &hosts, .min = 0, .max = 64},
		{.name = "--settle", .number = &settle, .min = 1, .max = 86400},
		{0},
	};
	int r = tool_parse(argc, argv, options, NULL, 0, usage);

	if (r == 0 && hosts == UINT32_MAX && settle == UINT32_MAX)
		r = tool_fail(EXIT_USAGE, "nothing is to be set; usage: %s", usage);
	if (hosts != UINT32_MAX) {
		verb.failover_hosts = hosts;
		verb.mask |= 1;
	}
	if (settle != UINT32_MAX) {
		verb.settle_s = settle;
		verb.mask |= 2;
	}
	return r ? r : set(&verb);
}

int drs_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{"status", status},
		{"recommendations", recommendations},
		{"apply", apply},
		{"mode", mode},
		{"threshold", threshold},
		{"set", other},
		{"explain", explain},
		{"history", history},
		{NULL},
	};

	return tool_family("drs", verbs, argc, argv);
}
