// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A heavy writer: groups of blocks are rewritten at random, several at a time, at a
 * rate that may be changed. A disk that is too slow gets less: nothing is made up for.
 */
#include "load.h"

#include <stddef.h>
#include <stdint.h>

#include "count.h"
#include "disk.h"
#include "task.h"

#define WRITERS	  4
#define GROUP_KIB (DISK_GROUP * PAGE_BYTES / 1024)
#define IDLE_NS	  100000000

static unsigned long rate; /* KiB a second */

static void *work(void *arg)
{
	uint64_t random = task_now(CLOCK_REALTIME) + (uintptr_t)arg * 7919;
	struct page *pages = page_alloc(DISK_GROUP);

	for (;;) {
		unsigned long kib = __atomic_load_n(&rate, __ATOMIC_RELAXED);

		if (!kib || !pages) {
			task_wait(IDLE_NS);
			continue;
		}
		task_wait(1000000000ull * WRITERS * GROUP_KIB / kib);
		disk_write_group(page_random(&random) % disk_groups(), pages);
		count_add(LOAD_KIB, GROUP_KIB);
	}
	return NULL;
}

void load_start(void)
{
	for (uintptr_t i = 0; disk_groups() && i < WRITERS; i++)
		task_start("load", TASK_LOAD, work, (void *)i);
}

bool load_rate(unsigned long kib)
{
	__atomic_store_n(&rate, kib, __ATOMIC_RELAXED);
	return disk_groups() > 0;
}
