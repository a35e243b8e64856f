/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts QEMU so that it outlives the agent. */
#ifndef DROVER_VM_SPAWN_H
#define DROVER_VM_SPAWN_H

#include <sys/types.h>

#include "vm/args.h"
#include "vm/user.h"

/**
 * struct drover_spawn - what to start, and how
 * @args: the command line
 * @user: who runs it
 * @cgroup: where it goes, or ""
 * @log: descriptor of the file for its standard error
 * @keep: descriptors that it inherits, @keep_count of them
 */
struct drover_spawn {
	const struct drover_args *args;
	const struct drover_user *user;
	const char *cgroup;
	int log;
	int keep[DROVER_DISKS_MAX + DROVER_NICS_MAX];
	int keep_count;
};

/**
 * drover_spawn_prepare() - make the process, which waits before it becomes QEMU
 * @ret_gate: out: for drover_spawn_go(); to be closed by the caller
 *
 * If the agent ends before drover_spawn_go(), so does the process. That leaves time to
 * write down that it is there: no QEMU runs that nobody knows of.
 *
 * Returns the process id, or a negative errno.
 */
pid_t drover_spawn_prepare(const struct drover_spawn *spawn, int *ret_gate,
			   struct drover_err *err);

/** drover_spawn_go() - let it go; from now on it outlives the agent */
int drover_spawn_go(int gate, struct drover_err *err);

#endif
