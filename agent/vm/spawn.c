// SPDX-License-Identifier: GPL-2.0-or-later
/* Starts QEMU. The agent has threads: between fork and exec only plain system calls are made. */
#include "vm/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "vm/cgroup.h"

static void complain(const char *what)
{
	(void)!write(STDERR_FILENO, what, strlen(what));
}

static void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What belongs to QEMU is told by keep; the rest is closed by exec. */
static void set_up_descriptors(const struct drover_spawn *spawn)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(spawn->log, STDERR_FILENO);
	syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
	for (int i = 0; i < spawn->keep_count; i++)
		fcntl(spawn->keep[i], F_SETFD, 0);
}

/* The end of the agent is the end of this process for as long as it waits here. */
static bool pass_gate(int gate, pid_t agent)
{
	char go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != agent || drover_io_read(gate, &go, 1) < 0)
		return false;
	prctl(PR_SET_PDEATHSIG, 0);
	return true;
}

static void child(const struct drover_spawn *spawn, int gate, pid_t agent)
{
	/* Neither the agent's environment is QEMU's business, nor where it stands. */
	static char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL,
	};

	setsid();
	(void)!chdir("/");
	set_up_descriptors(spawn);
	reset_signals();
	if (spawn->cgroup[0] && drover_cgroup_enter(spawn->cgroup) < 0) {
		complain("the VM's cgroup cannot be entered\n");
		return;
	}
	if (!pass_gate(gate, agent))
		return;
	if (drover_user_become(spawn->user) < 0) {
		complain("the user of QEMU cannot be taken on\n");
		return;
	}
	execve(spawn->args->argv[0], spawn->args->argv, environment);
	complain(errno == ENOENT ? "the program is not there\n" : "the program cannot be executed\n");
}

pid_t drover_spawn_prepare(const struct drover_spawn *spawn, int *ret_gate,
			   struct drover_err *err)
{
	pid_t agent = getpid(), pid;
	int gate[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate) < 0)
		return drover_err_set(err, errno, "cannot open a socket: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(gate[1]);
		child(spawn, gate[0], agent);
		_exit(127);
	}
	close(gate[0]);
	if (pid < 0) {
		close(gate[1]);
		return drover_err_set(err, errno, "cannot start a process: %s", strerror(errno));
	}
	*ret_gate = gate[1];
	return pid;
}

int drover_spawn_go(int gate, struct drover_err *err)
{
	int r = drover_io_write(gate, "", 1);

	return r < 0 ? drover_err_set(err, r, "QEMU's process has ended: %s", strerror(-r)) : 0;
}
