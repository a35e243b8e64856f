// SPDX-License-Identifier: GPL-2.0-or-later
/* drover pool */
#include <stdio.h>
#include <string.h>

#include "drover_tool.h"
#include "follow_pool.h"
#include "output.h"
#include "report.h"
#include "report_pool.h"

#define TARGETS_MAX    32
#define EVACUATE_USAGE                                                                      \
	"drover pool evacuate POOL [--to POOL]… [--parallel N] [--bandwidth MIB] "          \
	"[--delete-old] [--dry-run] [--detach]"

static int show_reply(Drover__ControlReply *reply, const char *key,
		      void (*report)(FILE *out, const Drover__ControlReply *reply))
{
	if (tool_json)
		output_print(stdout, report_json(reply, key));
	else
		report(stdout, reply);
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

static void report_one(FILE *out, const Drover__ControlReply *reply)
{
	for (size_t i = 0; i < reply->n_pools; i++)
		report_pool(out, reply->pools[i]);
	if (!reply->n_advice)
		return;
	fputs("\nevacuation:\n", out);
	report_job(out, reply);
}

static int list(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__PoolList verb = DROVER__POOL_LIST__INIT;
	bool measure = false;
	const struct tool_option options[] = { { .name = "--measure", .flag = &measure }, { 0 } };
	Drover__ControlReply *reply;
	int r = tool_parse(argc, argv, options, NULL, 0, "drover pool list [--measure]");

	verb.measure = measure;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_POOL_LIST;
	request.pool_list = &verb;
	if (r == 0)
		r = tool_ask(&request, &reply);
	return r ? r : show_reply(reply, "pools", report_pools);
}

static int show(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__PoolShow verb = DROVER__POOL_SHOW__INIT;
	bool measure = false;
	const struct tool_option options[] = { { .name = "--measure", .flag = &measure }, { 0 } };
	Drover__ControlReply *reply;
	int r = tool_parse(argc, argv, options, (const char **)&verb.name, 1,
			   "drover pool show POOL [--measure]");

	verb.measure = measure;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_POOL_SHOW;
	request.pool_show = &verb;
	if (r == 0)
		r = tool_ask(&request, &reply);
	return r ? r : show_reply(reply, "pools", report_one);
}

/* The name of a pool, or "" where it may be left out and is. */
static int parse_optional(int argc, char **argv, const char **ret_name, const char *usage)
{
	int words = 0;

	for (int i = 0; i < argc; i++)
		words += argv[i][0] != '-';
	*ret_name = "";
	return tool_parse(argc, argv, NULL, ret_name, words ? 1 : 0, usage);
}

static int report(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__PoolReport verb = DROVER__POOL_REPORT__INIT;
	Drover__ControlReply *reply;
	int r = parse_optional(argc, argv, (const char **)&verb.name, "drover pool report [POOL]");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_POOL_REPORT;
	request.pool_report = &verb;
	if (r == 0)
		r = tool_ask(&request, &reply);
	return r ? r : show_reply(reply, "advice", report_job);
}

static int stop(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__PoolStop verb = DROVER__POOL_STOP__INIT;
	Drover__ControlReply *reply;
	int r = parse_optional(argc, argv, (const char **)&verb.name, "drover pool stop [POOL]");

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_POOL_STOP;
	request.pool_stop = &verb;
	if (r == 0)
		r = tool_ask(&request, &reply);
	return r ? r : show_reply(reply, "advice", report_job);
}

static int evacuate(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__PoolEvacuate verb = DROVER__POOL_EVACUATE__INIT;
	const char *targets[TARGETS_MAX] = { NULL };
	struct tool_words to = { .words = targets, .max = TARGETS_MAX };
	bool delete_old = false, dry_run = false, detach = false;
	const struct tool_option options[] = {
		{ .name = "--to", .words = &to },
		{ .name = "--parallel", .number = &verb.parallel, .min = 1, .max = 16 },
		{ .name = "--bandwidth", .number = &verb.bandwidth_mib, .min = 1, .max = 1000000 },
		{ .name = "--delete-old", .flag = &delete_old },
		{ .name = "--dry-run", .flag = &dry_run },
		{ .name = "--detach", .flag = &detach },
		{ 0 },
	};
	Drover__ControlReply *reply;
	int r = tool_parse(argc, argv, options, (const char **)&verb.name, 1, EVACUATE_USAGE);

	if (r)
		return r;
	verb.to = (char **)targets;
	verb.n_to = to.count;
	verb.delete_old = delete_old;
	verb.dry_run = dry_run;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_POOL_EVACUATE;
	request.pool_evacuate = &verb;
	if (!detach && !dry_run)
		return follow_pool(&request, verb.name);
	r = tool_ask(&request, &reply);
	return r ? r : show_reply(reply, "advice", report_advice);
}

static void report_advice_or_none(FILE *out, const Drover__ControlReply *reply)
{
	if (reply->n_advice)
		report_advice(out, reply);
	else
		fputs("the pools are in balance\n", out);
}

static int balance(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__PoolBalance verb = DROVER__POOL_BALANCE__INIT;
	bool apply = false, detach = false;
	const struct tool_option options[] = {
		{ .name = "--apply", .flag = &apply },
		{ .name = "--detach", .flag = &detach },
		{ 0 },
	};
	Drover__ControlReply *reply;
	int r = tool_parse(argc, argv, options, NULL, 0, "drover pool balance [--apply [--detach]]");

	if (r)
		return r;
	verb.apply = apply;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_POOL_BALANCE;
	request.pool_balance = &verb;
	if (apply && !detach)
		return follow_pool(&request, "");
	r = tool_ask(&request, &reply);
	return r ? r : show_reply(reply, "advice", report_advice_or_none);
}

int pool_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{ "list", list },
		{ "show", show },
		{ "evacuate", evacuate },
		{ "balance", balance },
		{ "report", report },
		{ "stop", stop },
		{ NULL },
	};

	return tool_family("pool", verbs, argc, argv);
}
