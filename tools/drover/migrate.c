// SPDX-License-Identifier: GPL-2.0-or-later
/* drover migrate */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "drover_tool.h"
#include "output.h"
#include "progress.h"

#define POLL_MS 250
#define USAGE                                                                            \
	"drover migrate VM --to HOST [--verify] [--downtime-limit MS] [--bandwidth MIB] " \
	"[--streams N] [--detach]"

static volatile sig_atomic_t interrupts;

static void on_interrupt(int number)
{
	interrupts++;
}

/* How the migration stands; the caller frees the reply. */
static int look(uint64_t id, Drover__ControlReply **ret_reply)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__MigrationShow verb = DROVER__MIGRATION_SHOW__INIT;
	int r;

	verb.id = id;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_MIGRATION_SHOW;
	request.migration_show = &verb;
	r = tool_ask(&request, ret_reply);
	if (r == 0 && !(*ret_reply)->n_migrations) {
		drover__control_reply__free_unpacked(*ret_reply, NULL);
		r = tool_fail(EXIT_REFUSED, "the migration is no longer known");
	}
	return r;
}

static void cancel(uint64_t id)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__MigrationCancel verb = DROVER__MIGRATION_CANCEL__INIT;
	Drover__ControlReply *reply;

	fputs("\ndrover: cancelling; press Ctrl-C again to leave it to itself\n", stderr);
	verb.id = id;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_MIGRATION_CANCEL;
	request.migration_cancel = &verb;
	if (tool_ask(&request, &reply) == 0)
		drover__control_reply__free_unpacked(reply, NULL);
}

/* On a terminal one line that changes; elsewhere a line per round. */
static void draw(const Drover__MigrationInfo *m, size_t *rounds)
{
	bool tty = isatty(STDERR_FILENO);
	char line[256];

	if (!tty && m->n_rounds == *rounds)
		return;
	*rounds = m->n_rounds;
	progress_line(m, line, sizeof(line));
	fprintf(stderr, tty ? "\r\033[K%s" : "%s\n", line);
	fflush(stderr);
}

static int report(const Drover__MigrationInfo *m)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	if (tool_json) {
		output_print(stdout, output_json(&m->base));
	} else {
		progress_rounds(stdout, m);
		progress_summary(stdout, m);
	}
	if (m->state == DROVER__MIGRATION_STATE__MIGRATION_STATE_IN_DOUBT)
		tool_fail(0, "%s; see drover migration resolve", m->error);
	else if (*m->error)
		tool_fail(0, "%s", m->error);
	return progress_exit(m);
}

static int follow(uint64_t id)
{
	const struct timespec nap = { .tv_nsec = POLL_MS * 1000000 };
	struct sigaction action = { .sa_handler = on_interrupt };
	Drover__ControlReply *reply;
	size_t rounds = 0;
	int cancelled = 0, r;

	sigaction(SIGINT, &action, NULL);
	for (;;) {
		const Drover__MigrationInfo *m;

		r = look(id, &reply);
		if (r)
			return r;
		m = reply->migrations[0];
		if (progress_ended(m) ||
		    m->state == DROVER__MIGRATION_STATE__MIGRATION_STATE_IN_DOUBT) {
			r = report(m);
			drover__control_reply__free_unpacked(reply, NULL);
			return r;
		}
		draw(m, &rounds);
		drover__control_reply__free_unpacked(reply, NULL);
		if (interrupts > 1)
			return tool_fail(EXIT_CANCELLED, "migration %llu goes on by itself",
					 (unsigned long long)id);
		if (interrupts > cancelled) {
			cancelled = 1;
			cancel(id);
		}
		nanosleep(&nap, NULL);
	}
}

static int begin(Drover__Migrate *verb, bool detach)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__ControlReply *reply;
	uint64_t id;
	int r;

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_MIGRATE;
	request.migrate = verb;
	r = tool_ask(&request, &reply);
	if (r)
		return r;
	id = reply->n_migrations ? reply->migrations[0]->id : 0;
	if (detach && tool_json)
		output_print(stdout, output_json(&reply->migrations[0]->base));
	else if (detach)
		printf("migration %llu\n", (unsigned long long)id);
	drover__control_reply__free_unpacked(reply, NULL);
	return detach ? EXIT_DONE : follow(id);
}

int migrate_command(int argc, char **argv)
{
	Drover__Migrate verb = DROVER__MIGRATE__INIT;
	const char *to = NULL;
	bool verify = false, detach = false, debug = false;
	const struct tool_option options[] = {
		{ .name = "--to", .text = &to },
		{ .name = "--verify", .flag = &verify },
		{ .name = "--detach", .flag = &detach },
		{ .name = "--downtime-limit", .number = &verb.downtime_limit_ms, .min = 1,
		  .max = 3600000 },
		{ .name = "--bandwidth", .number = &verb.bandwidth_mib, .min = 1, .max = 1000000 },
		{ .name = "--streams", .number = &verb.streams, .min = 1, .max = 16 },
		/* For the test that proves that the VMM's writes matter. */
		{ .name = "--debug-no-vmm-writes", .flag = &debug },
		{ 0 },
	};
	int r = tool_parse(argc, argv, options, (const char **)&verb.vm, 1, USAGE);

	if (r)
		return r;
	if (!to)
		return tool_fail(EXIT_USAGE, "--to is missing; usage: %s", USAGE);
	verb.host = (char *)to;
	verb.verify = verify;
	verb.debug_no_vmm_writes = debug;
	return begin(&verb, detach);
}
