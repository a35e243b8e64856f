// SPDX-License-Identifier: GPL-2.0-or-later
/* drover migrate */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "drover_tool.h"
#include "mailbox.h"
#include "output.h"
#include "progress.h"

#define POLL_MS	   250
#define RESTART_MS 5000
#define DISKS_MAX  16
#define USAGE                                                                            \
	"drover migrate VM --to HOST [--verify] [--downtime-limit MS] [--bandwidth MIB] " \
	"[--streams N] [--with-storage [POOL]] [--delete-old] [--detach]"

static const struct timespec nap = { .tv_nsec = POLL_MS * 1000000 };
static volatile sig_atomic_t interrupts;

/* Whoever insists is let go at once, even while droverd keeps us waiting. */
static void on_interrupt(int number)
{
	static const char words[] = "\ndrover: the migration is left to itself\n";

	if (++interrupts < 2)
		return;
	if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
		_exit(EXIT_LEFT);
	_exit(EXIT_LEFT);
}

/* --- the live line --- */

struct view {
	bool tty;
	size_t rounds;	/* told so far */
	Drover__DiskMoveState disks[DISKS_MAX];
};

static void clear(const struct view *view)
{
	if (view->tty)
		fputs("\r\033[K", stderr);
}

/* Whenever a disk's state has changed. */
static void tell_disks(struct view *view, const Drover__MigrationInfo *m)
{
	char line[1024];

	for (size_t i = 0; i < m->n_disks && i < DISKS_MAX; i++) {
		if (view->disks[i] == m->disks[i]->state)
			continue;
		view->disks[i] = m->disks[i]->state;
		progress_disk(m->disks[i], line, sizeof(line));
		fprintf(stderr, "%s\n", line);
	}
}

/* On a terminal one line that changes; elsewhere a line for each round that has ended. */
static void draw(struct view *view, const Drover__MigrationInfo *m)
{
	struct winsize size = { 0 };
	char line[256];

	if (!view->tty)
		tell_disks(view, m);
	for (; !view->tty && view->rounds < m->n_rounds; view->rounds++) {
		progress_round(m->rounds[view->rounds], line, sizeof(line));
		fprintf(stderr, "%s\n", line);
	}
	if (!view->tty || progress_ended(m))
		return;
	progress_line(m, line, sizeof(line));
	/* A line that wraps cannot be drawn over. */
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 &&
	    size.ws_col <= sizeof(line))
		line[size.ws_col - 1] = '\0';
	fprintf(stderr, "\r\033[K%s", line);
}

/* --- following --- */

/* How the migration stands; a droverd that is just being restarted gets a little time. */
static int look(const struct view *view, uint64_t id, Drover__ControlReply **ret_reply)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__MigrationShow verb = DROVER__MIGRATION_SHOW__INIT;
	Drover__ControlReply *reply = NULL;
	char why[MAILBOX_WHY];
	int r = EXIT_NO_AGENT;

	verb.id = id;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_MIGRATION_SHOW;
	request.migration_show = &verb;
	for (int i = 0; r == EXIT_NO_AGENT && i <= RESTART_MS / POLL_MS; i++) {
		if (i)
			nanosleep(&nap, NULL);
		r = mailbox_ask(&request, &reply, why);
	}
	if (r == 0 && !reply->code && reply->n_migrations) {
		*ret_reply = reply;
		return 0;
	}
	clear(view);
	if (r)
		return tool_fail(r, "migration %" PRIu64 " is out of sight: %s", id, why);
	tool_fail(EXIT_REFUSED, "%s", *reply->error ? reply->error : "the migration is not known");
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_REFUSED;
}

static void cancel(const struct view *view, uint64_t id)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__MigrationCancel verb = DROVER__MIGRATION_CANCEL__INIT;

	clear(view);
	tool_fail(0, "cancelling migration %" PRIu64 "; Ctrl-C once more leaves it to itself", id);
	verb.id = id;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_MIGRATION_CANCEL;
	request.migration_cancel = &verb;
	tool_do(&request);
}

static int report(const struct view *view, const Drover__MigrationInfo *m)
{
	clear(view);
	if (tool_json) {
		output_print(stdout, output_json(&m->base));
	} else {
		progress_disks(stdout, m);
		progress_rounds(stdout, m);
		progress_summary(stdout, m);
	}
	fflush(stdout);
	if (m->state == DROVER__MIGRATION_STATE__MIGRATION_STATE_IN_DOUBT)
		tool_fail(0, "%s; drover migration resolve %" PRIu64 " settles it", m->error, m->id);
	else if (*m->error)
		tool_fail(0, "%s", m->error);
	return progress_exit(m);
}

static int follow(uint64_t id)
{
	struct view view = { .tty = isatty(STDERR_FILENO) };
	Drover__ControlReply *reply = NULL;
	bool cancelled = false;
	int r;

	for (;;) {
		const Drover__MigrationInfo *m;

		r = look(&view, id, &reply);
		if (r)
			return r;
		m = reply->migrations[0];
		draw(&view, m);
		if (progress_ended(m)) {
			r = report(&view, m);
			drover__control_reply__free_unpacked(reply, NULL);
			return r;
		}
		drover__control_reply__free_unpacked(reply, NULL);
		if (interrupts && !cancelled) {
			cancelled = true;
			cancel(&view, id);
		}
		nanosleep(&nap, NULL);
	}
}

static int begin(Drover__Migrate *verb, bool detach)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	struct sigaction action = { .sa_handler = on_interrupt };
	Drover__ControlReply *reply;
	uint64_t id;
	int r;

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_MIGRATE;
	request.migrate = verb;
	/* A Ctrl-C from now on must not leave a migration behind that nobody knows of. */
	if (!detach)
		sigaction(SIGINT, &action, NULL);
	r = tool_ask(&request, &reply);
	if (r)
		return r;
	if (!reply->n_migrations) {
		drover__control_reply__free_unpacked(reply, NULL);
		return tool_fail(EXIT_REFUSED, "droverd did not say which migration it began");
	}
	id = reply->migrations[0]->id;
	if (detach && tool_json)
		output_print(stdout, output_json(&reply->migrations[0]->base));
	else if (detach)
		printf("migration %" PRIu64 "\n", id);
	drover__control_reply__free_unpacked(reply, NULL);
	return detach ? EXIT_DONE : follow(id);
}

int migrate_command(int argc, char **argv)
{
	Drover__Migrate verb = DROVER__MIGRATE__INIT;
	const char *to = NULL, *pool = "";
	bool verify = false, detach = false, debug = false, storage = false, delete_old = false;
	const struct tool_option options[] = {
		{ .name = "--to", .text = &to },
		{ .name = "--verify", .flag = &verify },
		{ .name = "--detach", .flag = &detach },
		{ .name = "--downtime-limit", .number = &verb.downtime_limit_ms, .min = 1,
		  .max = 3600000 },
		{ .name = "--bandwidth", .number = &verb.bandwidth_mib, .min = 1, .max = 1000000 },
		{ .name = "--with-storage", .flag = &storage, .text = &pool },
		{ .name = "--delete-old", .flag = &delete_old },
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
	if (delete_old && !storage)
		return tool_fail(EXIT_USAGE, "--delete-old goes with --with-storage; usage: %s", USAGE);
	verb.verify = verify;
	verb.with_storage = storage;
	verb.pool = (char *)pool;
	verb.delete_old = delete_old;
	verb.debug_no_vmm_writes = debug;
	return begin(&verb, detach);
}
