// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs the distribution's fio: a checker of the disk that others wrote. Each block holds
 * the place that it has in its pass. A pass has an order of its own, so a block left
 * from an earlier one is found, however intact.
 */
#include "fio.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "count.h"
#include "disk.h"
#include "task.h"

#define FIO_PATH     "/bin/fio"
#define STOP_SECONDS 150
/* In a line of its terse output, version 3. */
#define FIELD_READ_KIB	5
#define FIELD_WRITE_KIB 46

static struct {
	pthread_mutex_t lock;
	const char *state;
	bool running, stop;
	unsigned long offset, mib, iops;
	uint64_t passes, read_kib, written_kib;
} job = {.lock = PTHREAD_MUTEX_INITIALIZER, .state = "idle"};

static uint64_t field(const char *line, int number)
{
	while (line && number--) {
		line = strchr(line, ';');
		line = line ? line + 1 : NULL;
	}
	return line ? strtoull(line, NULL, 10) : 0;
}

/* What fio prints: its figures, or why it is not content. */
static void listen_to(FILE *out)
{
	char line[4096];

	while (fgets(line, sizeof(line), out)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "3;", 2)) {
			if (line[0])
				printf("DROVER-GUEST FIO %s\n", line);
			continue;
		}
		pthread_mutex_lock(&job.lock);
		job.read_kib += field(line, FIELD_READ_KIB);
		job.written_kib += field(line, FIELD_WRITE_KIB);
		pthread_mutex_unlock(&job.lock);
	}
}

/* Starts fio with @out for its output; 0 or an errno. */
static int spawn(char *const argv[], int out, pid_t *ret_pid)
{
	char *const environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	int err;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, out, 2);
	err = posix_spawn(ret_pid, FIO_PATH, &actions, NULL, argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

/* The words of @line, which is cut up. */
static void split(char *line, char **argv, size_t max)
{
	size_t n = 0;

	while (n + 1 < max && (argv[n] = strsep(&line, " ")))
		n++;
	argv[n] = NULL;
}

/* One pass; true if all that was written was read back. Reading is not held up as much. */
static bool run_pass(uint64_t number)
{
	char line[512], *argv[32];
	int pipes[2], err, status = -1;
	FILE *out;
	pid_t pid;

	snprintf(line, sizeof(line),
		 "fio --name=verify --filename=%s --offset=%lum --size=%lum --rw=randwrite --bs=4k "
		 "--ioengine=libaio --iodepth=4 --direct=1 --verify=crc32c --verify_fatal=1 "
		 "--rate_iops=%lu,%lu --randrepeat=0 --randseed=%" PRIu64
		 " --thread --disk_util=0 --output-format=terse --terse-version=3",
		 DISK_PATH, job.offset, job.mib, job.iops * 4, job.iops, number);
	split(line, argv, sizeof(argv) / sizeof(argv[0]));
	if (pipe2(pipes, O_CLOEXEC) < 0) {
		fail(FIO_ERRORS, "no pipe: %s", strerror(errno));
		return false;
	}
	err = spawn(argv, pipes[1], &pid);
	close(pipes[1]);
	if (err) {
		fail(FIO_ERRORS, "%s: %s", FIO_PATH, strerror(err));
		close(pipes[0]);
		return false;
	}
	out = fdopen(pipes[0], "re");
	if (out) {
		listen_to(out);
		fclose(out);
	}
	if (waitpid(pid, &status, 0) == pid && !status)
		return true;
	fail(FIO_ERRORS, "pass %" PRIu64 " ended with status %d", number, status);
	return false;
}

static void *work(void *arg)
{
	bool ok = true, stop = false;

	while (ok && !stop) {
		ok = run_pass(job.passes + 1);
		pthread_mutex_lock(&job.lock);
		job.passes += ok;
		stop = job.stop;
		pthread_mutex_unlock(&job.lock);
	}
	pthread_mutex_lock(&job.lock);
	job.state = ok ? "ok" : "error";
	job.running = false;
	pthread_mutex_unlock(&job.lock);
	return arg;
}

/* What is wrong with an order, or NULL. */
static const char *refuse(const char *arg, unsigned long *offset, unsigned long *mib,
			  unsigned long *iops)
{
	if (sscanf(arg, "%lu %lu %lu", offset, mib, iops) != 3 || !*mib || !*iops)
		return "fio start wants an offset, a size (MiB) and I/O a second";
	if (*offset * 1048576 < disk_end())
		return "that part of the disk is in use";
	if (access(FIO_PATH, X_OK) < 0)
		return "there is no fio in this initial RAM disk";
	if (job.running)
		return "fio runs already";
	return NULL;
}

void fio_start(const char *arg, char *text, size_t size)
{
	unsigned long offset, mib, iops;
	const char *error;

	pthread_mutex_lock(&job.lock);
	error = refuse(arg, &offset, &mib, &iops);
	if (!error) {
		job.offset = offset;
		job.mib = mib;
		job.iops = iops;
		job.stop = false;
		job.state = "running";
		job.running = task_start("fio", TASK_LOAD, work, NULL);
		if (!job.running)
			error = "no thread for it";
	}
	pthread_mutex_unlock(&job.lock);
	if (error)
		snprintf(text, size, "{\"error\":\"%s\"}", error);
	else
		fio_json(text, size);
}

static bool is_running(void)
{
	bool running;

	pthread_mutex_lock(&job.lock);
	running = job.running;
	pthread_mutex_unlock(&job.lock);
	return running;
}

void fio_stop(char *text, size_t size)
{
	pthread_mutex_lock(&job.lock);
	job.stop = true;
	pthread_mutex_unlock(&job.lock);
	for (int i = 0; i < STOP_SECONDS * 10 && is_running(); i++)
		task_sleep(100000000);
	fio_json(text, size);
}

void fio_json(char *text, size_t size)
{
	pthread_mutex_lock(&job.lock);
	snprintf(text, size,
		 "{\"fio\":\"%s\", \"passes\":%" PRIu64 ", \"written_mib\":%" PRIu64
		 ", \"verified_mib\":%" PRIu64 ", \"fio_errors\":%" PRIu64 "}",
		 job.state, job.passes, job.written_kib / 1024, job.read_kib / 1024,
		 count_get(FIO_ERRORS));
	pthread_mutex_unlock(&job.lock);
}
