// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory under load: a region that is rewritten page by page at a given rate
 * and one that is written once. Both are checked all the time.
 */
#include "memory.h"

#include <inttypes.h>
#include <pthread.h>

#include "count.h"
#include "options.h"
#include "page.h"
#include "task.h"

#define PERIOD_NS 10000000ull
/* A page found wrong is counted once, then left alone until it is rewritten. */
#define BAD 0

struct region {
	uint64_t kind;
	size_t count;
	struct page *pages;
	uint64_t *generations; /* as remembered; BAD: do not look */
	uint64_t written;      /* the newest generation */
};

static struct region dirty = {.kind = PAGE_MEMORY};
static struct region fill = {.kind = PAGE_FILL};
static unsigned long rate;
static uint64_t period_ns;
/* Held for one page at a time: a full check does not stop the load. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void write_page(struct region *region, size_t i)
{
	pthread_mutex_lock(&lock);
	region->generations[i] = ++region->written;
	page_stamp(&region->pages[i], region->kind, i, region->generations[i]);
	pthread_mutex_unlock(&lock);
	count_add(MEM_WRITES, 1);
}

static void check_page(struct region *region, size_t i)
{
	struct page *page = &region->pages[i];
	uint64_t wanted;
	char text[128];

	pthread_mutex_lock(&lock);
	wanted = region->generations[i];
	if (wanted != BAD && !page_is(page, region->kind, i, wanted)) {
		region->generations[i] = BAD;
		fail(MEM_ERRORS, "%s page %zu generation %" PRIu64 " wanted, seen: %s",
		     region == &fill ? "fill" : "dirty", i, wanted,
		     page_describe(page, text, sizeof(text)));
	}
	pthread_mutex_unlock(&lock);
	count_add(MEM_CHECKS, 1);
}

static void *work(void *arg)
{
	uint64_t random = task_now(CLOCK_REALTIME), credit = 0, last = task_now(CLOCK_MONOTONIC);
	size_t next_fill = 0;

	for (;;) {
		unsigned long goal = __atomic_load_n(&rate, __ATOMIC_RELAXED);
		uint64_t now, spent, writes;

		task_wait(period_ns);
		now = task_now(CLOCK_MONOTONIC);
		spent = now - last;
		last = now;
		/* What a stall left undone is forgone. */
		credit += goal * (spent > 20 * period_ns ? 20 * period_ns : spent);
		writes = credit / 1000000000;
		credit %= 1000000000;
		for (uint64_t i = 0; dirty.count && i < writes; i++)
			write_page(&dirty, page_random(&random) % dirty.count);
		for (uint64_t i = 0; dirty.count && i < 1 + writes / 2; i++)
			check_page(&dirty, page_random(&random) % dirty.count);
		if (fill.count)
			check_page(&fill, next_fill++ % fill.count);
	}
	return arg;
}

static void create(struct region *region, unsigned long mib)
{
	size_t count = mib << 8;

	if (!count)
		return;
	region->pages = page_alloc(count);
	region->generations = page_alloc((count * sizeof(uint64_t) + PAGE_BYTES - 1) / PAGE_BYTES);
	if (!region->pages || !region->generations) {
		fail(SETUP_ERRORS, "no %lu MiB of memory", mib);
		return;
	}
	region->count = count;
	for (size_t i = 0; i < count; i++)
		write_page(region, i);
}

void memory_start(const struct options *opt)
{
	memory_rate(opt->rate);
	period_ns = opt->tick * 1000000ull;
	if (period_ns < PERIOD_NS)
		period_ns = PERIOD_NS;
	create(&dirty, opt->mem);
	create(&fill, opt->fill);
	task_start("memory", TASK_LOAD, work, NULL);
}

void memory_rate(unsigned long pages_per_second)
{
	__atomic_store_n(&rate, pages_per_second, __ATOMIC_RELAXED);
}

uint64_t memory_check(void)
{
	for (size_t i = 0; i < dirty.count; i++)
		check_page(&dirty, i);
	for (size_t i = 0; i < fill.count; i++)
		check_page(&fill, i);
	return dirty.count + fill.count;
}
