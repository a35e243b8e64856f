// SPDX-License-Identifier: GPL-2.0-or-later
/* drover host standby, and drover host power test: by way of the leader, and followed. */
#include "standby.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mailbox.h"
#include "output.h"

/* Looks, of a second each. */
#define MISSES_MAX 60

enum wish { WISH_WAKE, WISH_SLEEP, WISH_TEST };

static int ask_wish(const char *host, enum wish wish)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__HostSleep sleep = DROVER__HOST_SLEEP__INIT;
	Drover__HostWake wake = DROVER__HOST_WAKE__INIT;

	if (wish == WISH_WAKE) {
		wake.host = (char *)host;
		request.verb_case = DROVER__CONTROL_REQUEST__VERB_HOST_WAKE;
		request.host_wake = &wake;
	} else {
		sleep.host = (char *)host;
		sleep.test = wish == WISH_TEST;
		request.verb_case = DROVER__CONTROL_REQUEST__VERB_HOST_SLEEP;
		request.host_sleep = &sleep;
	}
	return tool_do(&request);
}

/* The host's newest event, or NULL. */
static const Drover__PowerEvent *newest_event(const Drover__DpmInfo *d, const char *host)
{
	const Drover__PowerEvent *e = NULL;

	for (size_t i = 0; d && d->history && i < d->history->n_events; i++)
		if (!strcmp(d->history->events[i]->host, host))
			e = d->history->events[i];
	return e;
}

static void tell_state(const Drover__DpmInfo *d, const char *host, int *before)
{
	for (size_t i = 0; i < d->n_hosts; i++) {
		const Drover__DpmHost *h = d->hosts[i];
		char word[32];

		if (strcmp(h->host, host) || !h->sleep || (int)h->sleep->state == *before)
			continue;
		*before = h->sleep->state;
		if (!tool_json)
			fprintf(stderr, "%s: %s\n", host,
				output_state(&drover__sleep_record__state__descriptor,
					     h->sleep->state, word, sizeof(word)));
	}
}

/* While hosts come and go there may be nobody to ask for a moment: no reply then. */
static int ask_patiently(uint32_t *misses, Drover__ControlReply **ret_reply)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__DpmShow verb = DROVER__DPM_SHOW__INIT;
	Drover__ControlReply *reply;
	char why[MAILBOX_WHY];
	bool momentary;
	int r;

	*ret_reply = NULL;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_DPM_SHOW;
	request.dpm_show = &verb;
	r = mailbox_ask(&request, &reply, why);
	if (r)
		return tool_fail(r, "%s", why);
	momentary = reply->code == ENOTCONN || reply->code == EAGAIN;
	if (!reply->code) {
		*misses = 0;
		*ret_reply = reply;
		return 0;
	}
	if (!momentary || ++*misses >= MISSES_MAX)
		r = tool_fail(EXIT_REFUSED, "%s", reply->error);
	drover__control_reply__free_unpacked(reply, NULL);
	return r;
}

/* When it last came to something, by the clock of who led then. */
static int look_before(const char *host, uint64_t *ret_last_us)
{
	Drover__ControlReply *reply;
	const Drover__PowerEvent *e;
	uint32_t misses = MISSES_MAX;
	int r = ask_patiently(&misses, &reply);

	if (r)
		return r;
	e = newest_event(reply->dpm, host);
	*ret_last_us = e ? e->time_us : 0;
	drover__control_reply__free_unpacked(reply, NULL);
	return 0;
}

/* One look; 0: go on looking. */
static int look(const char *host, uint64_t last_us, int *before, uint32_t *misses, bool *ret_over)
{
	Drover__ControlReply *reply;
	const Drover__PowerEvent *e;
	int r = ask_patiently(misses, &reply);

	if (r || !reply)
		return r;
	e = newest_event(reply->dpm, host);
	*ret_over = e && e->time_us != last_us;
	if (*ret_over && e->failed)
		r = tool_fail(EXIT_REFUSED, "%s: %s", host, e->text);
	else if (*ret_over && !tool_json)
		printf("%s %s, after %.0f s\n", host,
		       e->kind == DROVER__POWER_EVENT__KIND__SLEEP  ? "sleeps"
		       : e->kind == DROVER__POWER_EVENT__KIND__WAKE ? "is awake"
								    : "has slept and woken",
		       e->took_us / 1e6);
	else if (!*ret_over && reply->dpm)
		tell_state(reply->dpm, host, before);
	drover__control_reply__free_unpacked(reply, NULL);
	return r;
}

static int follow(const char *host, uint64_t last_us)
{
	const struct timespec nap = {.tv_sec = 1};
	bool over = false;
	uint32_t misses = 0;
	int before = -1, r;

	while ((r = look(host, last_us, &before, &misses, &over)) == EXIT_DONE && !over)
		nanosleep(&nap, NULL);
	return r;
}

static int wish_and_follow(const char *host, enum wish wish, bool detach)
{
	uint64_t last_us = 0;
	int r = look_before(host, &last_us);

	if (r == 0)
		r = ask_wish(host, wish);
	return r || detach ? r : follow(host, last_us);
}

int host_standby(int argc, char **argv)
{
	static const char usage[] = "drover host standby HOST on|off [--detach]";
	bool detach = false, on;
	const struct tool_option options[] = { { .name = "--detach", .flag = &detach }, { 0 } };
	const char *words[2];
	int r = tool_parse(argc, argv, options, words, 2, usage);

	if (r)
		return r;
	on = !strcmp(words[1], "on");
	if (!on && strcmp(words[1], "off"))
		return tool_fail(EXIT_USAGE, "on or off, not \"%s\"; usage: %s", words[1], usage);
	return wish_and_follow(words[0], on ? WISH_SLEEP : WISH_WAKE, detach);
}

int host_power_test(int argc, char **argv)
{
	bool detach = false;
	const struct tool_option options[] = { { .name = "--detach", .flag = &detach }, { 0 } };
	const char *host;
	int r = tool_parse(argc, argv, options, &host, 1, "drover host power test HOST [--detach]");

	return r ? r : wish_and_follow(host, WISH_TEST, detach);
}
