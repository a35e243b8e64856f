// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages that only the VMM writes: blocks of the disk are read into buffers that
 * take turns, checked as they arrive, and checked again when their turn comes.
 * If a page the VMM wrote is lost on the way to another host, its buffer still
 * holds what was there before.
 */
#include "pool.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "count.h"
#include "disk.h"
#include "options.h"
#include "task.h"

#define POOL_MIB     32
#define READERS	     2
#define SLOTS	     (POOL_MIB * 256 / DISK_GROUP)
#define DEFAULT_RATE 100

struct slot {
	pthread_mutex_t lock;
	size_t group;
	uint64_t generations[DISK_GROUP]; /* 0: nothing to check */
};

static struct slot slots[SLOTS];
static struct page *pool;
static size_t turn;
static unsigned long rate;

static unsigned check_slot(size_t i)
{
	struct slot *slot = &slots[i];
	unsigned checked = 0;
	char text[128];

	for (size_t k = 0; k < DISK_GROUP; k++) {
		const struct page *page = &pool[i * DISK_GROUP + k];
		size_t block = slot->group * DISK_GROUP + k;

		if (!slot->generations[k])
			continue;
		checked++;
		if (page_is(page, PAGE_DISK, block, slot->generations[k]))
			continue;
		fail(MEM_ERRORS, "buffer %zu block %zu generation %" PRIu64 " wanted, seen: %s", i,
		     block, slot->generations[k], page_describe(page, text, sizeof(text)));
		slot->generations[k] = 0;
	}
	count_add(MEM_CHECKS, checked);
	return checked;
}

static void *work(void *arg)
{
	uint64_t random = task_now(CLOCK_REALTIME) + (uintptr_t)arg;

	for (;;) {
		size_t i = __atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) % SLOTS;
		struct slot *slot = &slots[i];

		task_wait(READERS * 1000000000ull / rate);
		pthread_mutex_lock(&slot->lock);
		check_slot(i);
		slot->group = page_random(&random) % disk_groups();
		memset(slot->generations, 0, sizeof(slot->generations));
		disk_read_group(slot->group, &pool[i * DISK_GROUP], slot->generations);
		pthread_mutex_unlock(&slot->lock);
	}
	return NULL;
}

void pool_start(const struct options *opt)
{
	if (!opt->diskread || !disk_groups())
		return;
	rate = opt->diskrate ? opt->diskrate : DEFAULT_RATE;
	pool = page_alloc(SLOTS * DISK_GROUP);
	if (!pool) {
		fail(SETUP_ERRORS, "no %d MiB for the pool", POOL_MIB);
		return;
	}
	for (size_t i = 0; i < SLOTS; i++)
		pthread_mutex_init(&slots[i].lock, NULL);
	for (size_t i = 0; i < READERS; i++)
		task_start("reader", TASK_LOAD, work, (void *)i);
}

uint64_t pool_check(void)
{
	uint64_t checked = 0;

	for (size_t i = 0; pool && i < SLOTS; i++) {
		/* A disk that is stuck keeps the slot it reads into. */
		if (pthread_mutex_trylock(&slots[i].lock))
			continue;
		checked += check_slot(i);
		pthread_mutex_unlock(&slots[i].lock);
	}
	return checked;
}
