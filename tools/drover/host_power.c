// SPDX-License-Identifier: GPL-2.0-or-later
/* drover host power */
#include "host_power.h"

#include <stdio.h>
#include <time.h>

#include "output.h"
#include "report.h"
#include "standby.h"

int host_power_ask(Drover__HostPower *verb, Drover__ControlReply **ret_reply)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_HOST_POWER;
	request.host_power = verb;
	return tool_ask(&request, ret_reply);
}

static void print(const Drover__ControlReply *reply)
{
	if (tool_json)
		output_print(stdout, report_json(reply, "power"));
	else
		report_power(stdout, reply);
}

static int status(int argc, char **argv)
{
	Drover__HostPower verb = DROVER__HOST_POWER__INIT;
	Drover__ControlReply *reply;
	const char *host;
	int r = tool_parse_some(argc, argv, NULL, &host, 0, 1, "drover host power status [HOST]");

	if (r)
		return r;
	if (host)
		verb.host = (char *)host;
	r = host_power_ask(&verb, &reply);
	if (r)
		return r;
	if (host && reply->n_power && *reply->power[0]->error)
		r = tool_fail(EXIT_REFUSED, "%s", reply->power[0]->error);
	else
		print(reply);
	drover__control_reply__free_unpacked(reply, NULL);
	return r;
}

/* Until it is seen to have come about, or to have failed. */
static int await_and_print(const char *host)
{
	const struct timespec nap = { .tv_nsec = 300000000 };
	Drover__HostPower verb = DROVER__HOST_POWER__INIT;
	Drover__ControlReply *reply;
	int r;

	verb.host = (char *)host;
	verb.action = DROVER__HOST_POWER__ACTION__RESULT;
	while ((r = host_power_ask(&verb, &reply)) == 0 && reply->n_power && reply->power[0]->busy) {
		drover__control_reply__free_unpacked(reply, NULL);
		nanosleep(&nap, NULL);
	}
	if (r)
		return r;
	if (reply->n_power && *reply->power[0]->error)
		r = tool_fail(EXIT_REFUSED, "%s", reply->power[0]->error);
	else
		print(reply);
	drover__control_reply__free_unpacked(reply, NULL);
	return r;
}

static int act(Drover__HostPower *verb, bool detach)
{
	Drover__ControlReply *reply;
	int r = host_power_ask(verb, &reply);

	if (r)
		return r;
	if (detach)
		print(reply);
	drover__control_reply__free_unpacked(reply, NULL);
	return detach ? EXIT_DONE : await_and_print(verb->host);
}

static int on(int argc, char **argv)
{
	Drover__HostPower verb = DROVER__HOST_POWER__INIT;
	bool detach = false;
	const struct tool_option options[] = { { .name = "--detach", .flag = &detach }, { 0 } };
	int r = tool_parse(argc, argv, options, (const char **)&verb.host, 1,
			   "drover host power on HOST [--detach]");

	verb.action = DROVER__HOST_POWER__ACTION__ON;
	return r ? r : act(&verb, detach);
}

static int off(int argc, char **argv)
{
	Drover__HostPower verb = DROVER__HOST_POWER__INIT;
	bool detach = false, force = false, cut = false;
	const struct tool_option options[] = {
		{ .name = "--force", .flag = &force },
		{ .name = "--cut", .flag = &cut },
		{ .name = "--detach", .flag = &detach },
		{ 0 },
	};
	int r = tool_parse(argc, argv, options, (const char **)&verb.host, 1,
			   "drover host power off HOST [--force] [--cut] [--detach]");

	verb.action = DROVER__HOST_POWER__ACTION__OFF;
	verb.force = force;
	verb.at_once = cut;
	return r ? r : act(&verb, detach);
}

int host_power_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{ "status", status }, { "on", on }, { "off", off }, { "set", host_power_set },
		{ "test", host_power_test },
		{ NULL },
	};

	return tool_family("host power", verbs, argc, argv);
}
