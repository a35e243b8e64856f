// SPDX-License-Identifier: GPL-2.0-or-later
/* Starts QEMU. The agent has threads: between fork and exec only plain system calls are made. */
#include "vm/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vm/cgroup.h"

static void complain(const char *what)
{
	(void)!write(STDERR_FILENO, what, strlen(what));
}

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

static void child(const struct drover_spawn *spawn, int log)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	/* What belongs to QEMU is told by keep; everything else of ours is close-on-exec. */
	for (int i = 0; i < spawn->keep_count; i++)
		fcntl(spawn->keep[i], F_SETFD, 0);
	reset_signals();
	if (spawn->cgroup[0] && drover_cgroup_enter(spawn->cgroup) < 0) {
		complain("the VM's cgroup cannot be entered\n");
		return;
	}
	if (drover_user_become(spawn->user) < 0) {
		complain("the user of QEMU cannot be taken on\n");
		return;
	}
	execv(spawn->args->argv[0], spawn->args->argv);
	complain("QEMU cannot be executed\n");
}

pid_t drover_spawn_run(const struct drover_spawn *spawn, struct drover_err *err)
{
	auto_close int log = open(spawn->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	pid_t pid;

	if (log < 0)
		return drover_err_set(err, errno, "cannot open %s: %s", spawn->log, strerror(errno));
	pid = fork();
	if (pid < 0)
		return drover_err_set(err, errno, "cannot start a process: %s", strerror(errno));
	if (pid == 0) {
		child(spawn, log);
		_exit(127);
	}
	return pid;
}
