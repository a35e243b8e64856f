// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs qemu-img. The agent has threads: between fork and exec only plain system calls are made. */
#include "block/imgtool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/clock.h"

#define PROGRAM	 "/usr/bin/qemu-img"
#define TEXT_MAX (1U << 20)
#define TICK_MS	 1000

/**
 * struct child - qemu-img at work
 * @pipe: its standard output and standard error
 * @text: what it said on each, @len bytes
 * @heard: when it said something last
 */
struct child {
	pid_t pid;
	int pipe[2];
	char *text[2];
	size_t len[2];
	uint64_t heard;
};

static void become(const struct drover_imgtool *run, int out, int complaints, pid_t agent)
{
	static char *const environment[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", NULL };
	char *argv[DROVER_IMGTOOL_ARGS_MAX + 1] = { PROGRAM };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != agent)
		return;
	for (int i = 0; i < DROVER_IMGTOOL_ARGS_MAX; i++)
		argv[i + 1] = (char *)run->argv[i];
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(complaints, STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(PROGRAM, argv, environment);
	(void)!write(STDERR_FILENO, "it cannot be executed", 21);
}

static int start(const struct drover_imgtool *run, struct child *c, struct drover_err *err)
{
	pid_t agent = getpid();
	int out[2], complaints[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		return drover_err_set(err, errno, "cannot open a pipe: %s", strerror(errno));
	if (pipe2(complaints, O_CLOEXEC) < 0) {
		close(out[0]);
		close(out[1]);
		return drover_err_set(err, errno, "cannot open a pipe: %s", strerror(errno));
	}
	c->pid = fork();
	if (c->pid == 0) {
		become(run, out[1], complaints[1], agent);
		_exit(127);
	}
	close(out[1]);
	close(complaints[1]);
	c->pipe[0] = out[0];
	c->pipe[1] = complaints[0];
	c->heard = drover_clock_monotonic();
	return c->pid < 0 ? drover_err_set(err, errno, "cannot start qemu-img: %s", strerror(errno))
			  : 0;
}

/* Returns 0 at the end of the stream. */
static int hear(struct child *c, int i, struct drover_err *err)
{
	char *more = realloc(c->text[i], c->len[i] + 4097);
	ssize_t n;

	if (!more)
		return drover_err_set(err, ENOMEM, "out of memory");
	c->text[i] = more;
	do
		n = read(c->pipe[i], more + c->len[i], 4096);
	while (n < 0 && errno == EINTR);
	c->len[i] += n > 0 ? n : 0;
	more[c->len[i]] = '\0';
	c->heard = drover_clock_monotonic();
	if (c->len[i] > TEXT_MAX)
		return drover_err_set(err, EMSGSIZE, "qemu-img says too much");
	return n > 0;
}

/* "    (12.34/100%)\r" */
static double percent(struct child *c)
{
	const char *p = c->text[0] ? strrchr(c->text[0], '(') : NULL;
	double value = -1;

	if (!p || !strchr(p, '%') || sscanf(p, "(%lf/100%%)", &value) != 1)
		return -1;
	/* Percentages are no answer. */
	c->len[0] = 0;
	return value;
}

static int tell(const struct drover_imgtool *run, struct child *c, double *last,
		struct drover_err *err)
{
	double now;

	if (!run->progress)
		return 0;
	now = percent(c);
	*last = now >= 0 ? now : *last;
	return run->progress(run->data, *last)
		       ? drover_err_set(err, ECANCELED, "qemu-img %s was cancelled", run->argv[0])
		       : 0;
}

static int listen_to(const struct drover_imgtool *run, struct child *c, struct drover_err *err)
{
	struct pollfd p[2] = { { .fd = c->pipe[0], .events = POLLIN },
			       { .fd = c->pipe[1], .events = POLLIN } };
	double last = 0;
	int r = 0;

	while (r >= 0 && (p[0].fd >= 0 || p[1].fd >= 0)) {
		if (poll(p, 2, TICK_MS) < 0 && errno != EINTR)
			return drover_err_set(err, errno, "qemu-img: %s", strerror(errno));
		for (int i = 0; i < 2 && r >= 0; i++) {
			if (p[i].fd < 0 || !p[i].revents)
				continue;
			r = hear(c, i, err);
			if (r == 0)
				p[i].fd = -1;
		}
		if (r >= 0)
			r = tell(run, c, &last, err);
		if (r >= 0 && drover_clock_monotonic() - c->heard > run->patience_s * 1000000ULL)
			r = drover_err_set(err, ETIMEDOUT,
					   "qemu-img %s does not end: nothing was heard "
					   "of it for %d s",
					   run->argv[0], run->patience_s);
	}
	return r < 0 ? r : 0;
}

/* Its first line, without "qemu-img: " in front. */
static int complain(const struct drover_imgtool *run, char *text, int status,
		    struct drover_err *err)
{
	static const char program[] = "qemu-img: ";

	text[strcspn(text, "\r\n")] = '\0';
	if (!strncmp(text, program, strlen(program)))
		text += strlen(program);
	if (strstr(text, strerror(ENOSPC)))
		return drover_err_set(err, ENOSPC, "qemu-img %s: %.300s", run->argv[0], text);
	if (!*text)
		return drover_err_set(err, EREMOTEIO,
				      "qemu-img %s failed without saying why (status %d)",
				      run->argv[0], status);
	return drover_err_set(err, EREMOTEIO, "qemu-img %s: %.300s", run->argv[0], text);
}

static int reap(const struct drover_imgtool *run, struct child *c, struct drover_err *err)
{
	int status;

	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return status == 0 || (status == 1 && !c->len[1])
		       ? status
		       : complain(run, c->text[1] ? c->text[1] : (char[1]){ 0 }, status, err);
}

int drover_imgtool_run(const struct drover_imgtool *run, char **ret_text, struct drover_err *err)
{
	struct child c = { 0 };
	int r = start(run, &c, err);

	if (r == 0) {
		r = listen_to(run, &c, err);
		if (r < 0)
			kill(c.pid, SIGKILL);
		r = r < 0 ? (reap(run, &c, NULL), r) : reap(run, &c, err);
	}
	if (c.pid) {
		close(c.pipe[0]);
		close(c.pipe[1]);
	}
	if (r >= 0 && ret_text) {
		*ret_text = c.text[0];
		c.text[0] = NULL;
	}
	free(c.text[0]);
	free(c.text[1]);
	return r;
}
