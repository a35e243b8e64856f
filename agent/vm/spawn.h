/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts QEMU so that it outlives the agent. */
#ifndef DROVER_VM_SPAWN_H
#define DROVER_VM_SPAWN_H

#include "vm/args.h"
#include "vm/user.h"

/**
 * struct drover_spawn - what to start, and how
 * @args: the command line
 * @user: who runs it
 * @cgroup: where it goes, or ""
 * @log: file for its standard error
 * @keep: descriptors that it inherits, @keep_count of them
 */
struct drover_spawn {
	const struct drover_args *args;
	const struct drover_user *user;
	const char *cgroup;
	const char *log;
	int keep[DROVER_DISKS_MAX + DROVER_NICS_MAX];
	int keep_count;
};

/** drover_spawn_run() - returns the process id, or a negative errno */
pid_t drover_spawn_run(const struct drover_spawn *spawn, struct drover_err *err);

#endif
