/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cgroup (version 2) per VM, below the agent's own. */
#ifndef DROVER_VM_CGROUP_H
#define DROVER_VM_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/**
 * struct drover_cgroup_limits - what a VM may use, in the terms of cgroup2
 * @cpu_weight: 1 to 10000, 100 is what all have by default
 * @cpu_max_us: of each 100 ms, 0: no limit
 * @memory_low: bytes that are kept for it as long as others have more than theirs
 * @memory_high: bytes above which it is slowed down, 0: no limit
 */
struct drover_cgroup_limits {
	uint32_t cpu_weight;
	uint64_t cpu_max_us;
	uint64_t memory_low;
	uint64_t memory_high;
};

/** drover_cgroup_is_limitable() - has a VM of this host been limited already, so that this one may be? */
bool drover_cgroup_is_limitable(const char *vm);

/** drover_cgroup_limit() - errors: -ENOENT (no cgroup2, no such VM), -EOPNOTSUPP (no controller) */
int drover_cgroup_limit(const char *vm, const struct drover_cgroup_limits *limits,
			struct drover_err *err);

#endif
