/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of disks: a real QEMU with one disk, "root", whose machine has nothing to boot. What
 * its guest would write is written by the monitor's own command "qemu-io".
 */
#ifndef SELFTESTS_QEMU_H
#define SELFTESTS_QEMU_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/image.h"
#include "place.h"
#include "vm/qmp.h"

#define QEMU "/usr/bin/qemu-system-x86_64"
#define MIB  (1ULL << 20)
#define SIZE (64 * MIB)

/* @dir holds all files: the disk "old", the monitors "q" (for @qmp) and "migrate.sock". */
static pid_t qemu;
static struct drover_qmp *qmp;

static inline void become_qemu(int fd)
{
	char add[160], first[128], second[128];

	snprintf(add, sizeof(add), "fd=%d,set=1,opaque=%s/old", fd, dir);
	snprintf(first, sizeof(first), "socket,id=q,path=%s/q,server=on,wait=off", dir);
	snprintf(second, sizeof(second), "socket,id=m,path=%s/migrate.sock,server=on,wait=off", dir);
	/* A file may not grow beyond a limit that a test sets: an error, not the end. */
	signal(SIGXFSZ, SIG_IGN);
	/* What "qemu-io" says. */
	dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
	execl(QEMU, QEMU, "-machine", "q35,accel=tcg", "-nodefaults", "-display", "none", "-m",
	      "64", "-add-fd", add, "-chardev", first, "-mon", "chardev=q,mode=control", "-chardev",
	      second, "-mon", "chardev=m,mode=control", "-blockdev",
	      "{\"driver\":\"file\",\"filename\":\"/dev/fdset/1\",\"node-name\":\"file-root\"}",
	      "-blockdev",
	      "{\"driver\":\"raw\",\"file\":\"file-root\",\"node-name\":\"disk-root\"}", "-device",
	      "virtio-blk-pci,id=virtio-root,drive=disk-root", NULL);
	_exit(127);
}

static inline int start_qemu(void **state)
{
	struct drover_err err = { 0 };
	int fd;

	if (place_make("qemu") < 0 || drover_image_create(in("old"), "raw", SIZE, NULL, NULL, &err) < 0)
		return -1;
	fd = open(in("old"), O_RDWR);
	qemu = fork();
	if (qemu == 0)
		become_qemu(fd);
	close(fd);
	return drover_qmp_connect(in("q"), 20000, &qmp, &err);
}

static inline void kill_qemu(void)
{
	int status;

	kill(qemu, SIGKILL);
	waitpid(qemu, &status, 0);
}

static inline int end_qemu(void **state)
{
	drover_qmp_close(qmp);
	kill_qemu();
	return place_remove();
}

static inline json_t *call(const char *command, json_t *arguments)
{
	struct drover_err err = { 0 };
	json_t *result = NULL;

	done(drover_qmp_call(qmp, command, arguments, 10000, &result, &err), &err);
	return result;
}

/* What a guest would do. */
static inline void guest(const char *what)
{
	json_t *result;
	const char *said;
	char line[256];

	snprintf(line, sizeof(line), "qemu-io -d virtio-root/virtio-backend \"%s\"", what);
	result = call("human-monitor-command", json_pack("{ss}", "command-line", line));
	said = json_string_value(result);
	if (strstr(said, "rror") || strstr(said, "ailed"))
		fail_msg("%s: %s", what, said);
	json_decref(result);
}

/* Does QEMU have that file open? */
static inline bool is_open(const char *name)
{
	char fds[64], target[256];
	struct dirent *d;
	bool found = false;
	DIR *list;

	snprintf(fds, sizeof(fds), "/proc/%d/fd", qemu);
	list = opendir(fds);
	assert_non_null(list);
	while ((d = readdir(list))) {
		ssize_t n = readlinkat(dirfd(list), d->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		found |= !strcmp(target, in(name));
	}
	closedir(list);
	return found;
}

/* From now on QEMU cannot write beyond this in any file. */
static inline void limit_files(uint64_t bytes)
{
	struct rlimit limit = { bytes, RLIM_INFINITY };

	assert_int_equal(prlimit(qemu, RLIMIT_FSIZE, &limit, NULL), 0);
}

#endif
