// SPDX-License-Identifier: GPL-2.0-or-later
/* See follow_pool.h. */
#include "follow_pool.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "drover_tool.h"
#include "mailbox.h"
#include "output.h"
#include "report.h"
#include "report_pool.h"

#define POLL_MS	   500
#define RESTART_MS 5000
#define LINE_LEN   512

static const struct timespec nap = { .tv_nsec = POLL_MS * 1000000 };
static volatile sig_atomic_t interrupts;

static void on_interrupt(int number)
{
	static const char words[] = "\ndrover: the moves are left to droverd\n";

	if (++interrupts < 2)
		return;
	if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
		_exit(EXIT_LEFT);
	_exit(EXIT_LEFT);
}

/* @told: of each of the job's @count items, whether its end was told. */
struct view {
	const char *name;
	bool tty;
	bool *told;
	size_t count;
};

static void clear(const struct view *view)
{
	if (view->tty)
		fputs("\r\033[K", stderr);
}

/* --- the live line --- */

/* " web1/root 45 %, ends in 12 s;" of one that is under way, as far as it can be had. */
static size_t add_progress(const Drover__PoolAdvice *a, char *line, size_t at)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__StorageShow verb = DROVER__STORAGE_SHOW__INIT;
	Drover__ControlReply *reply = NULL;
	char why[MAILBOX_WHY], end[32] = "?";
	double share = 0;

	verb.id = a->move_id;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_STORAGE_SHOW;
	request.storage_show = &verb;
	if (mailbox_ask(&request, &reply, why) == 0 && !reply->code && reply->n_disk_moves) {
		const Drover__DiskMoveInfo *m = reply->disk_moves[0];

		if (m->todo_bytes)
			share = 100.0 * (double)m->done_bytes / (double)m->todo_bytes;
		if (m->expected_us)
			output_time(m->expected_us, end);
	}
	if (reply)
		drover__control_reply__free_unpacked(reply, NULL);
	at += snprintf(line + at, LINE_LEN - at, "; %s/%s %.0f %%, ends in %s", a->vm, a->disk,
		       share, end);
	return at < LINE_LEN ? at : LINE_LEN - 1;
}

static void tell_ends(struct view *view, const Drover__ControlReply *reply)
{
	for (size_t i = 0; i < reply->n_advice; i++) {
		const Drover__PoolAdvice *a = reply->advice[i];
		char word[32];
		const char *state = pool_job_word(a, word, sizeof(word));

		if (view->told[i] || (strcmp(state, "moved") && strcmp(state, "failed") &&
				      strcmp(state, "cancelled")))
			continue;
		view->told[i] = true;
		fprintf(stderr, "vm %s, disk %s: %s%s%s%s%s\n", a->vm, a->disk, state,
			*a->to ? " to " : "", a->to, *a->error ? ": " : "", a->error);
	}
}

static void draw(struct view *view, const Drover__ControlReply *reply, const struct pool_job *job)
{
	struct winsize size = { 0 };
	char line[LINE_LEN];
	size_t at;

	if (!view->tty) {
		tell_ends(view, reply);
		return;
	}
	at = snprintf(line, sizeof(line), "%u of %u moved, %u failed", job->moved,
		      job->all - job->left, job->failed);
	for (size_t i = 0; i < reply->n_advice; i++) {
		char word[32];
		const char *state = pool_job_word(reply->advice[i], word, sizeof(word));

		if (reply->advice[i]->move_id && strcmp(state, "moved") &&
		    strcmp(state, "failed") && strcmp(state, "cancelled"))
			at = add_progress(reply->advice[i], line, at);
	}
	/* A line that wraps cannot be drawn over. */
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 &&
	    size.ws_col <= sizeof(line))
		line[size.ws_col - 1] = '\0';
	fprintf(stderr, "\r\033[K%s", line);
}

/* --- asking --- */

/* A droverd that is just being restarted gets a little time. */
static int look(const struct view *view, Drover__ControlReply **ret_reply)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__PoolReport verb = DROVER__POOL_REPORT__INIT;
	char why[MAILBOX_WHY];
	int r = EXIT_NO_AGENT;

	verb.name = (char *)view->name;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_POOL_REPORT;
	request.pool_report = &verb;
	for (int i = 0; r == EXIT_NO_AGENT && i <= RESTART_MS / POLL_MS; i++) {
		if (i)
			nanosleep(&nap, NULL);
		r = mailbox_ask(&request, ret_reply, why);
	}
	if (r == 0 && !(*ret_reply)->code)
		return 0;
	clear(view);
	if (r)
		return tool_fail(r, "the moves are out of sight: %s", why);
	tool_fail(EXIT_REFUSED, "%s", (*ret_reply)->error);
	drover__control_reply__free_unpacked(*ret_reply, NULL);
	return EXIT_REFUSED;
}

static void stop(const struct view *view)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__PoolStop verb = DROVER__POOL_STOP__INIT;

	clear(view);
	tool_fail(0, "no more moves are begun; Ctrl-C once more leaves those under way to droverd");
	verb.name = (char *)view->name;
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_POOL_STOP;
	request.pool_stop = &verb;
	tool_do(&request);
}

static int finish(const struct view *view, const Drover__ControlReply *reply,
		  const struct pool_job *job)
{
	clear(view);
	if (tool_json)
		output_print(stdout, report_json(reply, "advice"));
	else
		report_job(stdout, reply);
	if (interrupts)
		return EXIT_CANCELLED;
	return job->failed || job->left_disks ? EXIT_REFUSED : EXIT_DONE;
}

/* Another job of the pool may have taken the place of the one that was followed. */
static void count_items(struct view *view, size_t count)
{
	if (view->told && view->count == count)
		return;
	free(view->told);
	view->told = calloc(count + 1, sizeof(*view->told));
	view->count = count;
}

static int follow(struct view *view)
{
	bool stopped = false;

	for (;;) {
		Drover__ControlReply *reply;
		struct pool_job job;
		int r = look(view, &reply);

		if (r)
			return r;
		count_items(view, reply->n_advice);
		pool_job_count(reply, &job);
		if (view->told)
			draw(view, reply, &job);
		if (!job.waiting && !job.moving)
			r = finish(view, reply, &job);
		else
			r = -1;
		drover__control_reply__free_unpacked(reply, NULL);
		if (r >= 0)
			return r;
		if (interrupts && !stopped) {
			stopped = true;
			stop(view);
		}
		nanosleep(&nap, NULL);
	}
}

int follow_pool(Drover__ControlRequest *request, const char *name)
{
	struct view view = { .name = name, .tty = isatty(STDERR_FILENO) };
	struct sigaction action = { .sa_handler = on_interrupt };
	Drover__ControlReply *reply;
	bool nothing;
	int r;

	/* A Ctrl-C from now on must not leave moves behind that nobody knows of. */
	sigaction(SIGINT, &action, NULL);
	r = tool_ask(request, &reply);
	if (r)
		return r;
	nothing = !reply->n_advice;
	if (nothing && tool_json)
		output_print(stdout, report_json(reply, "advice"));
	else if (nothing)
		puts(*name ? "the pool holds no disks" : "the pools are in balance");
	drover__control_reply__free_unpacked(reply, NULL);
	if (nothing)
		return EXIT_DONE;
	r = follow(&view);
	free(view.told);
	return r;
}
