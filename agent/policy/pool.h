/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What to move between pools, and why. Pure: figures in, advice out. The order in
 * which pools and disks are given makes no difference.
 */
#ifndef DROVER_POLICY_POOL_H
#define DROVER_POLICY_POOL_H

#include <stddef.h>

#include "base/err.h"
#include "core/model.h"

/**
 * struct drover_pool_figures - a pool
 * @size, @used: bytes; @size 0: it cannot be used
 * @latency_us: of a small synchronous write; 0: not measured
 * @leave_out: take it as no target and relieve it of nothing, e.g. because it is being emptied
 */
struct drover_pool_figures {
	char name[DROVER_NAME_LEN];
	uint64_t size, used;
	uint64_t latency_us;
	bool leave_out;
};

/**
 * struct drover_pool_disk - an image of a VM in one of the pools
 * @bytes: that it takes on its store, and would take on another
 * @writes: of the guest, in a second, lately
 * @fixed: it cannot be moved, or was moved a short time ago
 */
struct drover_pool_disk {
	char vm[DROVER_NAME_LEN];
	char disk[DROVER_NAME_LEN];
	char pool[DROVER_NAME_LEN];
	uint64_t bytes;
	uint32_t writes;
	bool fixed;
};

/**
 * struct drover_pool_view - all that is known at one time
 * @threshold: percent of a pool's size, 1 to 100
 */
struct drover_pool_view {
	const struct drover_pool_figures *pools;
	size_t pool_count;
	const struct drover_pool_disk *disks;
	size_t disk_count;
	uint32_t threshold;
};

/**
 * struct drover_pool_advice - one disk, where it should go, and why
 * @disk: index in the view's disks
 * @to: "" where there is no place for it
 * @priority: 1 (most urgent) to 5
 * @reason: one sentence with figures
 */
struct drover_pool_advice {
	size_t disk;
	char to[DROVER_NAME_LEN];
	uint32_t priority;
	char reason[256];
};

/**
 * drover_pool_balance() - which disks should move?
 * @ret_advice: out: array to be freed, in the order in which to carry it out
 *
 * Pools above the threshold are relieved by as few disks as will do, then by as few bytes. A
 * pool that is much slower than another is relieved of its busiest disk. No target rises above
 * the threshold, is much slower than where the disk was, or was above the threshold itself; no
 * disk moves twice. What is carried out gives no reason to move the same disks back.
 */
int drover_pool_balance(const struct drover_pool_view *view,
			struct drover_pool_advice **ret_advice, size_t *ret_count,
			struct drover_err *err);

/**
 * drover_pool_empty() - where could all disks of a pool go?
 * @from: the pool; it is no target, whatever the view says
 * @ret_advice: out: array to be freed, one for each disk of the pool that is not fixed, the
 *	largest first
 *
 * Among pools that stay below the threshold, and then among those with space at all, the
 * quicker one is taken, and of those alike the one that will be less full.
 */
int drover_pool_empty(const struct drover_pool_view *view, const char *from,
		      struct drover_pool_advice **ret_advice, size_t *ret_count,
		      struct drover_err *err);

#endif
