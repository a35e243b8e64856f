// SPDX-License-Identifier: GPL-2.0-or-later
/* drover dpm */
#include <stdio.h>
#include <string.h>

#include "drover_tool.h"
#include "output.h"
#include "recommendation.h"
#include "report.h"
#include "report_dpm.h"

static int ask_dpm(Drover__ControlRequest *request,
		   void (*report)(FILE *out, const Drover__DpmInfo *d))
{
	Drover__ControlReply *reply;
	int r = tool_ask(request, &reply);

	if (r)
		return r;
	if (!reply->dpm)
		r = tool_fail(EXIT_REFUSED, "droverd does not tell of power management");
	else if (tool_json)
		output_print(stdout, report_json(reply, "dpm"));
	else
		report(stdout, reply->dpm);
	drover__control_reply__free_unpacked(reply, NULL);
	return r;
}

static int show(int argc, char **argv, const char *usage,
		void (*report)(FILE *out, const Drover__DpmInfo *d))
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__DpmShow verb = DROVER__DPM_SHOW__INIT;
	int r = tool_parse(argc, argv, NULL, NULL, 0, usage);

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_DPM_SHOW;
	request.dpm_show = &verb;
	return r ? r : ask_dpm(&request, report);
}

static int status(int argc, char **argv)
{
	return show(argc, argv, "drover dpm status", report_dpm);
}

static int recommendations(int argc, char **argv)
{
	return show(argc, argv, "drover dpm recommendations", report_dpm_advice);
}

static int history(int argc, char **argv)
{
	return show(argc, argv, "drover dpm history", report_dpm_history);
}

static int savings(int argc, char **argv)
{
	return show(argc, argv, "drover dpm savings", report_dpm_savings);
}

static int apply(int argc, char **argv)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__DpmApply verb = DROVER__DPM_APPLY__INIT;
	uint64_t ids[RECOMMENDATIONS_MAX];
	int r = recommendation_ids(argc, argv, "drover dpm apply ID… | --all", ids, &verb.n_ids);

	verb.ids = ids;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_DPM_APPLY;
	request.dpm_apply = &verb;
	return r ? r : ask_dpm(&request, report_dpm);
}

/* --- settings --- */

static int set(Drover__DpmSet *verb)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_DPM_SET;
	request.dpm_set = verb;
	return tool_do(&request);
}

static int mode(int argc, char **argv)
{
	static const char *const modes[] = {"off", "manual", "automatic"};
	Drover__DpmSet verb = DROVER__DPM_SET__INIT;
	const char *word;
	int r = tool_parse(argc, argv, NULL, &word, 1, "drover dpm mode off|manual|automatic");

	for (int i = 0; r == 0 && i < 3; i++)
		if (!strcmp(word, modes[i]))
			verb.mode = i + 1;
	if (r == 0 && !verb.mode)
		r = tool_fail(EXIT_USAGE, "the mode is off, manual or automatic, not \"%s\"", word);
	return r ? r : set(&verb);
}

static int threshold(int argc, char **argv)
{
	Drover__DpmSet verb = DROVER__DPM_SET__INIT;
	int r = recommendation_threshold(argc, argv, "drover dpm threshold 1…5", &verb.threshold);

	return r ? r : set(&verb);
}

static int other(int argc, char **argv)
{
	static const char usage[] =
		"drover dpm set [--hosts-min N] [--target PERCENT] [--wake-window SECONDS] "
		"[--sleep-window SECONDS] [--stay-on SECONDS] [--quiet SECONDS] [--stay-off SECONDS] "
		"[--shutdown-timeout SECONDS] [--boot-timeout SECONDS]";
	static const Drover__DpmSet empty = DROVER__DPM_SET__INIT;
	Drover__DpmSet verb = DROVER__DPM_SET__INIT;
	const struct tool_option options[] = {
		{.name = "--hosts-min", .number = &verb.hosts_min, .min = 1, .max = 64},
		{.name = "--target", .number = &verb.target_percent, .min = 20, .max = 95},
		{.name = "--wake-window", .number = &verb.wake_window_s, .min = 1, .max = 86400},
		{.name = "--sleep-window", .number = &verb.sleep_window_s, .min = 1, .max = 86400},
		{.name = "--stay-on", .number = &verb.stay_on_s, .min = 1, .max = 86400},
		{.name = "--quiet", .number = &verb.quiet_s, .min = 1, .max = 86400},
		{.name = "--stay-off", .number = &verb.stay_off_s, .min = 1, .max = 86400},
		{.name = "--shutdown-timeout", .number = &verb.shutdown_s, .min = 5, .max = 3600},
		{.name = "--boot-timeout", .number = &verb.boot_s, .min = 5, .max = 3600},
		{0},
	};
	int r = tool_parse(argc, argv, options, NULL, 0, usage);

	if (r == 0 && !memcmp(&verb, &empty, sizeof(verb)))
		r = tool_fail(EXIT_USAGE, "nothing is to be set; usage: %s", usage);
	return r ? r : set(&verb);
}

static int set_host(const char *host, const char *mode, const char *watts)
{
	static const char *const modes[] = {"cluster", "off", "manual", "automatic"};
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__DpmSetHost verb = DROVER__DPM_SET_HOST__INIT;
	Drover__PowerRecord record = DROVER__POWER_RECORD__INIT;

	record.host = (char *)host;
	for (int i = 0; mode && i < 4; i++) {
		if (strcmp(mode, modes[i]))
			continue;
		record.mode = i;
		verb.mask |= 1;
	}
	if (mode && !(verb.mask & 1))
		return tool_fail(EXIT_USAGE,
				 "the mode is cluster, off, manual or automatic, not \"%s\"", mode);
	if (watts && (sscanf(watts, "%lf,%lf", &record.watts_idle, &record.watts_full) != 2 ||
		      record.watts_idle < 0 || record.watts_full < record.watts_idle))
		return tool_fail(EXIT_USAGE, "watts are IDLE,FULL such as 90,240, not \"%s\"",
				 watts);
	verb.mask |= watts ? 2 : 0;
	verb.power = &record;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_DPM_SET_HOST;
	request.dpm_set_host = &verb;
	return tool_do(&request);
}

static int host(int argc, char **argv)
{
	static const char usage[] =
		"drover dpm host HOST [--mode cluster|off|manual|automatic] [--watts IDLE,FULL]";
	const char *name, *mode_word = NULL, *watts = NULL;
	const struct tool_option options[] = {
		{ .name = "--mode", .text = &mode_word },
		{ .name = "--watts", .text = &watts },
		{ 0 },
	};
	int r = tool_parse(argc, argv, options, &name, 1, usage);

	if (r == 0 && !mode_word && !watts)
		r = tool_fail(EXIT_USAGE, "nothing is to be set; usage: %s", usage);
	return r ? r : set_host(name, mode_word, watts);
}

int dpm_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{"status", status},
		{"recommendations", recommendations},
		{"apply", apply},
		{"mode", mode},
		{"threshold", threshold},
		{ "set", other },
		{ "host", host },
		{"history", history},
		{"savings", savings},
		{NULL},
	};

	return tool_family("dpm", verbs, argc, argv);
}
