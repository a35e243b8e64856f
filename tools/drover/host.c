// SPDX-License-Identifier: GPL-2.0-or-later
/* drover host */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "drover_tool.h"
#include "host.h"
#include "host_power.h"
#include "output.h"
#include "report.h"
#include "standby.h"

/* More than a pass of load balancing, so that another one has been. */
#define GONE_US UINT64_C(15000000)

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

/* --- maintenance --- */

static int ask_maintenance(const char *host, bool on)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__HostMaintenance verb = DROVER__HOST_MAINTENANCE__INIT;

	verb.host = (char *)host;
	verb.on = on;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_HOST_MAINTENANCE;
	request.host_maintenance = &verb;
	return tool_do(&request);
}

/* Why a VM stays, by the last pass. */
static void tell_obstacles(const Drover__DrsInfo *d, const char *host)
{
	for (size_t i = 0; i < d->n_moves; i++)
		if (!strcmp(d->moves[i]->from, host) && !*d->moves[i]->to)
			fprintf(stderr, "%s: %s\n", d->moves[i]->vm, d->moves[i]->reason);
}

int host_left_on(const Drover__DrsInfo *d, const char *host, uint64_t since_us)
{
	const Drover__DrsHost *h = NULL;

	for (size_t i = 0; i < d->n_hosts; i++)
		if (!strcmp(d->hosts[i]->name, host))
			h = d->hosts[i];
	if (d->pass_time_us <= since_us)
		return HOST_LEFT_UNKNOWN;
	if (h && h->state == DROVER__DRS_HOST_STATE__DRS_HOST_STATE_MAINTENANCE)
		return h->vms;
	/* Who leads since a moment ago may not have heard a host that is up. */
	if (d->pass_time_us <= since_us + GONE_US)
		return HOST_LEFT_UNKNOWN;
	/* It was empty when it went to sleep. */
	if (h && h->state == DROVER__DRS_HOST_STATE__DRS_HOST_STATE_STANDBY)
		return 0;
	return !h || h->state == DROVER__DRS_HOST_STATE__DRS_HOST_STATE_DOWN ? HOST_LEFT_GONE
									     : HOST_LEFT_UNKNOWN;
}

static int look(const char *host, uint64_t since_us, int *ret_left, bool *ret_stuck)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__DrsShow verb = DROVER__DRS_SHOW__INIT;
	Drover__ControlReply *reply;
	bool moving = false;
	int r;

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_DRS_SHOW;
	request.drs_show = &verb;
	r = tool_ask(&request, &reply);
	if (r)
		return r;
	*ret_left = HOST_LEFT_UNKNOWN;
	if (reply->drs) {
		*ret_left = host_left_on(reply->drs, host, since_us);
		for (size_t i = 0; i < reply->drs->n_history; i++)
			moving |= reply->drs->history[i]->state ==
				  DROVER__DRS_RECORD__STATE__MOVING;
		for (size_t i = 0; i < reply->drs->n_moves; i++)
			moving |= *reply->drs->moves[i]->to && !strcmp(reply->drs->moves[i]->from, host);
		*ret_stuck = *ret_left > 0 && !moving;
		if (*ret_stuck)
			tell_obstacles(reply->drs, host);
	}
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

/* Until the host is empty or gone, or what is on it cannot go anywhere. */
static int await_empty(const char *host)
{
	const struct timespec nap = { .tv_sec = 1 };
	struct timespec now;
	uint64_t since;
	int left = HOST_LEFT_UNKNOWN, before = HOST_LEFT_UNKNOWN, r;
	bool stuck = false;

	clock_gettime(CLOCK_REALTIME, &now);
	since = now.tv_sec * UINT64_C(1000000) + now.tv_nsec / 1000;
	while ((r = look(host, since, &left, &stuck)) == EXIT_DONE && left != 0 &&
	       left != HOST_LEFT_GONE && !stuck) {
		if (left != before && left > 0 && !tool_json)
			fprintf(stderr, "%s: %d VM%s left\n", host, left, left == 1 ? "" : "s");
		before = left;
		nanosleep(&nap, NULL);
	}
	if (r)
		return r;
	if (stuck)
		return tool_fail(EXIT_REFUSED, "host %s takes no VMs any more, but %d cannot leave it",
				 host, left);
	if (left == HOST_LEFT_GONE)
		return tool_fail(EXIT_REFUSED, "host %s takes no VMs any more, but is not there: it is off, "
				 "or nobody hears it and VMs run there still", host);
	if (!tool_json)
		printf("host %s is empty\n", host);
	return EXIT_DONE;
}

static int maintenance(int argc, char **argv)
{
	static const char usage[] = "drover host maintenance HOST on|off [--detach]";
	const char *words[2];
	bool detach = false, on;
	const struct tool_option options[] = { { .name = "--detach", .flag = &detach }, { 0 } };
	int r = tool_parse(argc, argv, options, words, 2, usage);

	if (r)
		return r;
	on = !strcmp(words[1], "on");
	if (!on && strcmp(words[1], "off"))
		return tool_fail(EXIT_USAGE, "on or off, not \"%s\"; usage: %s", words[1], usage);
	r = ask_maintenance(words[0], on);
	return r || !on || detach ? r : await_empty(words[0]);
}

int host_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{ "list", list },
		{ "show", show },
		{ "maintenance", maintenance },
		{ "power", host_power_command },
		{ "standby", host_standby },
		{ NULL },
	};

	return tool_family("host", verbs, argc, argv);
}
