// SPDX-License-Identifier: GPL-2.0-or-later
/* See follow_storage.h. */
#include "follow_storage.h"

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
#include "report.h"
#include "report_storage.h"

#define POLL_MS	   250
#define RESTART_MS 5000
#define LINE_LEN   512

static const struct timespec nap = { .tv_nsec = POLL_MS * 1000000 };
static volatile sig_atomic_t interrupts;

static void on_interrupt(int number)
{
	static const char words[] = "\ndrover: the moves are left to themselves\n";

	if (++interrupts < 2)
		return;
	if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
		_exit(EXIT_LEFT);
	_exit(EXIT_LEFT);
}

/**
 * struct view - the moves that are shown
 * @told: the state of each that was told last, where there is no terminal
 * @complained: of each, whether what is wrong was told
 */
struct view {
	bool tty;
	uint32_t count;
	uint64_t ids[FOLLOW_STORAGE_MAX];
	Drover__DiskMoveState told[FOLLOW_STORAGE_MAX];
	bool complained[FOLLOW_STORAGE_MAX];
};

static void clear(const struct view *view)
{
	if (view->tty)
		fputs("\r\033[K", stderr);
}

/* --- the live line --- */

/* What is wrong with one that goes on, once: it may have to be mended before it ends. */
static void complain(struct view *view, uint32_t i, const Drover__DiskMoveInfo *m)
{
	if (*m->error && !view->complained[i]) {
		clear(view);
		tool_fail(0, "disk %s: %s", m->disk, m->error);
	}
	view->complained[i] = *m->error;
}

/* On a terminal one line that changes; elsewhere one for each new state. */
static void draw(struct view *view, const Drover__ControlReply *reply)
{
	struct winsize size = { 0 };
	char line[LINE_LEN] = "";

	for (uint32_t i = 0; i < view->count; i++) {
		const Drover__DiskMoveInfo *m = reply->disk_moves[i];
		size_t n = strlen(line);
		char one[LINE_LEN];

		if (disk_move_ended(m))
			continue;
		disk_move_line(m, one, sizeof(one));
		if (!view->tty && m->state != view->told[i])
			fprintf(stderr, "%s\n", one);
		view->told[i] = m->state;
		complain(view, i, m);
		snprintf(line + n, sizeof(line) - n, "%s%.200s", n ? "; " : "", one);
	}
	if (!view->tty || !*line)
		return;
	/* A line that wraps cannot be drawn over. */
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 &&
	    size.ws_col <= sizeof(line))
		line[size.ws_col - 1] = '\0';
	fprintf(stderr, "\r\033[K%s", line);
}

/* --- asking --- */

/* A droverd that is just being restarted gets a little time. */
static int look_at(const struct view *view, uint64_t id, Drover__ControlReply **ret_reply)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__StorageShow verb = DROVER__STORAGE_SHOW__INIT;
	Drover__ControlReply *reply = NULL;
	char why[MAILBOX_WHY];
	int r = EXIT_NO_AGENT;

	verb.id = id;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_STORAGE_SHOW;
	request.storage_show = &verb;
	for (int i = 0; r == EXIT_NO_AGENT && i <= RESTART_MS / POLL_MS; i++) {
		if (i)
			nanosleep(&nap, NULL);
		r = mailbox_ask(&request, &reply, why);
	}
	if (r == 0 && !reply->code && reply->n_disk_moves) {
		*ret_reply = reply;
		return 0;
	}
	clear(view);
	if (r)
		return tool_fail(r, "disk move %" PRIu64 " is out of sight: %s", id, why);
	tool_fail(EXIT_REFUSED, "%s", *reply->error ? reply->error : "the move is not known");
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_REFUSED;
}

/* All of them in one reply, in their order. */
static int look(const struct view *view, Drover__ControlReply *all)
{
	for (uint32_t i = 0; i < view->count; i++) {
		Drover__ControlReply *reply = NULL;
		int r = look_at(view, view->ids[i], &reply);

		if (r)
			return r;
		all->disk_moves[all->n_disk_moves++] = reply->disk_moves[0];
		reply->disk_moves[0] = reply->disk_moves[--reply->n_disk_moves];
		drover__control_reply__free_unpacked(reply, NULL);
	}
	return 0;
}

static void forget(Drover__ControlReply *all)
{
	while (all->n_disk_moves)
		drover__disk_move_info__free_unpacked(all->disk_moves[--all->n_disk_moves], NULL);
}

static void cancel(const struct view *view)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__StorageCancel verb = DROVER__STORAGE_CANCEL__INIT;
	Drover__ControlReply *reply = NULL;
	char why[MAILBOX_WHY];

	clear(view);
	tool_fail(0, "cancelling; Ctrl-C once more leaves the moves to themselves");
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_STORAGE_CANCEL;
	request.storage_cancel = &verb;
	for (uint32_t i = 0; i < view->count; i++) {
		verb.id = view->ids[i];
		/* One that has ended refuses, and that is fine. */
		if (mailbox_ask(&request, &reply, why) == 0)
			drover__control_reply__free_unpacked(reply, NULL);
	}
}

/* --- following --- */

static bool all_ended(const Drover__ControlReply *all)
{
	for (size_t i = 0; i < all->n_disk_moves; i++)
		if (!disk_move_ended(all->disk_moves[i]))
			return false;
	return true;
}

/* A failure counts more than that something was cancelled. */
static int report(const struct view *view, const Drover__ControlReply *all)
{
	int worst = EXIT_DONE;

	clear(view);
	if (tool_json)
		output_print(stdout, report_json(all, "disk_moves"));
	for (size_t i = 0; i < all->n_disk_moves; i++) {
		const Drover__DiskMoveInfo *m = all->disk_moves[i];
		int r = disk_move_exit(m);

		if (!tool_json)
			disk_move_summary(stdout, m);
		fflush(stdout);
		if (*m->error)
			tool_fail(0, "disk %s: %s", m->disk, m->error);
		if (r == EXIT_REFUSED || worst == EXIT_DONE)
			worst = r;
	}
	return worst;
}

static int follow(struct view *view)
{
	Drover__DiskMoveInfo *moves[FOLLOW_STORAGE_MAX];
	Drover__ControlReply all = DROVER__CONTROL_REPLY__INIT;
	bool cancelled = false, ended;
	int r;

	all.disk_moves = moves;
	for (;;) {
		r = look(view, &all);
		if (r)
			break;
		draw(view, &all);
		ended = all_ended(&all);
		if (ended)
			r = report(view, &all);
		forget(&all);
		if (ended)
			return r;
		if (interrupts && !cancelled) {
			cancelled = true;
			cancel(view);
		}
		nanosleep(&nap, NULL);
	}
	forget(&all);
	return r;
}

int follow_storage(Drover__StorageMigrate *verb)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	struct sigaction action = { .sa_handler = on_interrupt };
	struct view view = { .tty = isatty(STDERR_FILENO) };
	Drover__ControlReply *reply;
	int r;

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_STORAGE_MIGRATE;
	request.storage_migrate = verb;
	/* A Ctrl-C from now on must not leave moves behind that nobody knows of. */
	sigaction(SIGINT, &action, NULL);
	r = tool_ask(&request, &reply);
	if (r)
		return r;
	for (size_t i = 0; i < reply->n_disk_moves && i < FOLLOW_STORAGE_MAX; i++)
		view.ids[view.count++] = reply->disk_moves[i]->id;
	drover__control_reply__free_unpacked(reply, NULL);
	return follow(&view);
}
