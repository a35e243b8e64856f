/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cgroup (version 2) per VM, below the agent's own. */
#ifndef DROVER_VM_CGROUP_H
#define DROVER_VM_CGROUP_H

#include <stddef.h>

#include "base/err.h"

/**
 * drover_cgroup_create() - make the VM's cgroup
 * @ret_path: out: its directory, of DROVER_PATH_MAX bytes; empty where the host has no cgroup2
 */
int drover_cgroup_create(const char *vm, char *ret_path, struct drover_err *err);

/** drover_cgroup_enter() - put the calling process into it; safe after fork(2) */
int drover_cgroup_enter(const char *path);

/** drover_cgroup_kill() - end whatever runs in the VM's cgroup, and wait for that, 10 s at most */
void drover_cgroup_kill(const char *vm);

/** drover_cgroup_remove() - remove it once its process has ended */
void drover_cgroup_remove(const char *vm);

#endif
