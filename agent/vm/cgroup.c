// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cgroups of VMs. Under systemd the agent's unit delegates its cgroup; processes
 * may not stand beside children there, so the agent itself moves to a leaf.
 */
#include "vm/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

#define MOUNT "/sys/fs/cgroup"
#define LEAF  "/agent"

/* The directory below which VMs have theirs. */
static int base_path(char *buf, struct drover_err *err)
{
	auto_free char *text = NULL;
	char *own, *end;
	size_t n;
	int r = drover_io_read_file("/proc/self/cgroup", 4096, &text, NULL, err);

	if (r < 0)
		return r;
	own = strstr(text, "0::/");
	if (!own)
		return drover_err_set(err, ENOENT, "this host has no cgroup2");
	own += 3;
	end = strchr(own, '\n');
	if (end)
		*end = '\0';
	n = strlen(own);
	if (n >= strlen(LEAF) && !strcmp(own + n - strlen(LEAF), LEAF))
		own[n - strlen(LEAF)] = '\0';
	return drover_io_path(buf, err, MOUNT "%s", strcmp(own, "/") && *own ? own : "/drover");
}

int drover_cgroup_enter(const char *path)
{
	char procs[DROVER_PATH_MAX];
	auto_close int fd = -1;

	if (snprintf(procs, sizeof(procs), "%s/cgroup.procs", path) >= (int)sizeof(procs))
		return -ENAMETOOLONG;
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, "0", 1) != 1 ? -errno : 0;
}

static int leave_for_leaf(const char *base, struct drover_err *err)
{
	char leaf[DROVER_PATH_MAX];
	int r = drover_io_path(leaf, err, "%s" LEAF, base);

	if (r == 0)
		r = drover_io_mkdirs(leaf, 0755, err);
	if (r < 0)
		return r;
	r = drover_cgroup_enter(leaf);
	return r < 0 ? drover_err_set(err, r, "cannot enter the cgroup %s: %s", leaf, strerror(-r))
		     : 0;
}

int drover_cgroup_create(const char *vm, char *ret_path, struct drover_err *err)
{
	static bool warned;
	char base[DROVER_PATH_MAX];
	int r;

	ret_path[0] = '\0';
	if (access(MOUNT "/cgroup.procs", F_OK) < 0 || base_path(base, NULL) < 0) {
		if (!warned)
			log_warning("this host has no cgroup2: VMs stay in the cgroup of droverd");
		warned = true;
		return 0;
	}
	r = leave_for_leaf(base, err);
	if (r == 0)
		r = drover_io_path(ret_path, err, "%s/vm-%s", base, vm);
	return r < 0 ? r : drover_io_mkdirs(ret_path, 0755, err);
}

void drover_cgroup_kill(const char *vm)
{
	const struct timespec nap = { .tv_nsec = 50000000 };
	char base[DROVER_PATH_MAX], path[DROVER_PATH_MAX];
	auto_close int fd = -1;

	if (base_path(base, NULL) < 0 ||
	    drover_io_path(path, NULL, "%s/vm-%s/cgroup.kill", base, vm) < 0)
		return;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		return;
	*strrchr(path, '/') = '\0';
	for (int i = 0; i < 200 && rmdir(path) < 0 && errno == EBUSY; i++)
		nanosleep(&nap, NULL);
}

void drover_cgroup_remove(const char *vm)
{
	const struct timespec nap = { .tv_nsec = 10000000 };
	char base[DROVER_PATH_MAX], path[DROVER_PATH_MAX];

	if (base_path(base, NULL) < 0 || drover_io_path(path, NULL, "%s/vm-%s", base, vm) < 0)
		return;
	/* KVM's own thread stands in it too, and ends a moment after the process. */
	for (int i = 0; i < 20 && rmdir(path) < 0 && errno == EBUSY; i++)
		nanosleep(&nap, NULL);
}

/* --- limits --- */

static int put(const char *directory, const char *file, const char *text, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	auto_close int fd = -1;
	int r = drover_io_path(path, err, "%s/%s", directory, file);

	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return drover_err_set(err, errno, "%s cannot be written: %s", path, strerror(errno));
	if (write(fd, text, strlen(text)) < 0)
		return drover_err_set(err, errno, "%s does not take \"%s\": %s", path, text,
				      strerror(errno));
	return 0;
}

/* The controllers have to be handed down from above. */
static int enable(const char *base, struct drover_err *err)
{
	static bool done;
	int r = 0;

	if (done)
		return 0;
	if (!strcmp(base, MOUNT "/drover"))
		r = put(MOUNT, "cgroup.subtree_control", "+cpu +memory", err);
	if (r == 0)
		r = put(base, "cgroup.subtree_control", "+cpu +memory", err);
	done = r == 0;
	return r;
}

static int put_or_max(const char *directory, const char *file, uint64_t value, const char *behind,
		      struct drover_err *err)
{
	char text[64];

	if (value)
		snprintf(text, sizeof(text), "%llu%s", (unsigned long long)value, behind);
	else
		snprintf(text, sizeof(text), "max%s", behind);
	return put(directory, file, text, err);
}

/* Its files are there once the controllers were handed down. */
bool drover_cgroup_is_limitable(const char *vm)
{
	char base[DROVER_PATH_MAX], path[DROVER_PATH_MAX];

	return base_path(base, NULL) == 0 &&
	       drover_io_path(path, NULL, "%s/vm-%s/cpu.weight", base, vm) == 0 &&
	       access(path, F_OK) == 0;
}

int drover_cgroup_limit(const char *vm, const struct drover_cgroup_limits *limits,
			struct drover_err *err)
{
	char base[DROVER_PATH_MAX], path[DROVER_PATH_MAX], text[64];
	int r = base_path(base, err);

	if (r == 0)
		r = drover_io_path(path, err, "%s/vm-%s", base, vm);
	if (r == 0)
		r = enable(base, err);
	snprintf(text, sizeof(text), "%u", limits->cpu_weight);
	if (r == 0)
		r = put(path, "cpu.weight", text, err);
	if (r == 0)
		r = put_or_max(path, "cpu.max", limits->cpu_max_us, " 100000", err);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)limits->memory_low);
	if (r == 0)
		r = put(path, "memory.low", text, err);
	return r < 0 ? r : put_or_max(path, "memory.high", limits->memory_high, "", err);
}
