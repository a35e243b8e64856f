// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The disk under load: blocks of a region are rewritten and read back at
 * random, past the page cache. What each must hold is remembered here, and can
 * be told from the disk itself by the next guest that starts on it.
 */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <unistd.h>

#include "count.h"
#include "latency.h"
#include "options.h"
#include "task.h"

#define LOCKS	      64
#define STUCK_SECONDS 30
#define DEFAULT_RATE  40
/* A block found wrong is counted once, then left alone until it is rewritten. */
#define BAD 0

static int fd = -1;
static size_t blocks;
static uint64_t *generations; /* as remembered; BAD: do not look */
static uint64_t written;      /* the newest generation */
static unsigned long rate;
static pthread_mutex_t locks[LOCKS] = {[0 ... LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER};
/* I/O done and asked for: the watch sees whether the disk still answers. */
static uint64_t asked, done;

static pthread_mutex_t *group_lock(size_t group)
{
	return &locks[group % LOCKS];
}

/* Block 0 is the super block. */
static off_t offset_of(size_t block)
{
	return (off_t)(block + 1) * PAGE_BYTES;
}

static bool transfer(bool write, void *data, size_t pages, off_t offset)
{
	size_t bytes = pages * PAGE_BYTES;
	ssize_t n;

	__atomic_fetch_add(&asked, 1, __ATOMIC_RELAXED);
	n = write ? pwrite(fd, data, bytes, offset) : pread(fd, data, bytes, offset);
	__atomic_fetch_add(&done, 1, __ATOMIC_RELAXED);
	count_add(write ? DISK_WRITES : DISK_READS, 1);
	if (n == (ssize_t)bytes)
		return true;
	fail(DISK_ERRORS, "%s of %zu pages at %jd: %s", write ? "write" : "read", pages,
	     (intmax_t)offset, n < 0 ? strerror(errno) : "short");
	return false;
}

static void check_block(size_t block, const struct page *page)
{
	char text[128];

	if (generations[block] == BAD || page_is(page, PAGE_DISK, block, generations[block]))
		return;
	fail(DISK_ERRORS, "block %zu generation %" PRIu64 " wanted, seen: %s", block,
	     generations[block], page_describe(page, text, sizeof(text)));
	generations[block] = BAD;
}

/* The first of @count that nobody has used. */
static uint64_t new_generations(uint64_t count)
{
	return __atomic_fetch_add(&written, count, __ATOMIC_RELAXED) + 1;
}

static void write_block(size_t block, struct page *page)
{
	pthread_mutex_t *lock = group_lock(block / DISK_GROUP);
	uint64_t generation = new_generations(1), start;

	pthread_mutex_lock(lock);
	page_stamp(page, PAGE_DISK, block, generation);
	start = task_now(CLOCK_MONOTONIC);
	generations[block] = transfer(true, page, 1, offset_of(block)) ? generation : BAD;
	latency_add(task_now(CLOCK_MONOTONIC) - start);
	pthread_mutex_unlock(lock);
}

static void read_block(size_t block, struct page *page)
{
	pthread_mutex_t *lock = group_lock(block / DISK_GROUP);

	/* So that what an incomplete read leaves there cannot look right. */
	memset(page, 0, sizeof(*page));
	pthread_mutex_lock(lock);
	if (transfer(false, page, 1, offset_of(block)))
		check_block(block, page);
	pthread_mutex_unlock(lock);
}

static void *work(void *arg)
{
	uint64_t random = task_now(CLOCK_REALTIME);
	struct page *page = arg;

	for (;;) {
		size_t block = page_random(&random) % blocks;

		task_wait(1000000000 / rate);
		if (page_random(&random) & 1)
			write_block(block, page);
		else
			read_block(block, page);
	}
	return NULL;
}

size_t disk_groups(void)
{
	return blocks / DISK_GROUP;
}

bool disk_read_group(size_t group, struct page *pages, uint64_t *ret_generations)
{
	size_t block = group * DISK_GROUP;
	bool ok;

	pthread_mutex_lock(group_lock(group));
	ok = transfer(false, pages, DISK_GROUP, offset_of(block));
	for (size_t i = 0; ok && i < DISK_GROUP; i++) {
		check_block(block + i, &pages[i]);
		ret_generations[i] = generations[block + i];
	}
	pthread_mutex_unlock(group_lock(group));
	return ok;
}

/* A region left by an earlier guest: each block must be one that it wrote. */
static void adopt_group(size_t group, struct page *pages)
{
	size_t block = group * DISK_GROUP;
	char text[128];

	if (!transfer(false, pages, DISK_GROUP, offset_of(block)))
		return;
	for (size_t i = 0; i < DISK_GROUP; i++, block++) {
		const struct page *page = &pages[i];

		if (!page_is(page, PAGE_DISK, block, page->generation)) {
			fail(DISK_ERRORS, "block %zu of an earlier run, seen: %s", block,
			     page_describe(page, text, sizeof(text)));
			continue;
		}
		generations[block] = page->generation;
		if (written < page->generation)
			written = page->generation;
		count_add(DISK_KEPT, 1);
	}
}

void disk_write_group(size_t group, struct page *pages)
{
	size_t block = group * DISK_GROUP;
	uint64_t first = new_generations(DISK_GROUP);
	bool ok;

	for (size_t i = 0; i < DISK_GROUP; i++)
		page_stamp(&pages[i], PAGE_DISK, block + i, first + i);
	pthread_mutex_lock(group_lock(group));
	ok = transfer(true, pages, DISK_GROUP, offset_of(block));
	for (size_t i = 0; i < DISK_GROUP; i++)
		generations[block + i] = ok ? first + i : BAD;
	pthread_mutex_unlock(group_lock(group));
}

/* The super block comes last: without it the next guest starts afresh. */
static void prepare(struct page *pages)
{
	bool kept = transfer(false, pages, 1, 0) && page_is(pages, PAGE_SUPER, blocks, 1);

	for (size_t group = 0; group < disk_groups(); group++)
		if (kept)
			adopt_group(group, pages);
		else
			disk_write_group(group, pages);
	if (kept)
		return;
	page_stamp(pages, PAGE_SUPER, blocks, 1);
	transfer(true, pages, 1, 0);
}

static bool attach(unsigned long mib)
{
	uint64_t bytes = 0;

	fd = open(DISK_PATH, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) < 0) {
		fail(SETUP_ERRORS, "%s: %s", DISK_PATH, strerror(errno));
		return false;
	}
	blocks = mib << 8;
	if (blocks + 1 > bytes / PAGE_BYTES)
		blocks = bytes / PAGE_BYTES - 1;
	blocks -= blocks % DISK_GROUP;
	generations = page_alloc(blocks * sizeof(*generations) / PAGE_BYTES + 1);
	if (blocks && generations)
		return true;
	fail(SETUP_ERRORS, "%s has no room", DISK_PATH);
	blocks = 0;
	return false;
}

void disk_start(const struct options *opt)
{
	struct page *pages = page_alloc(DISK_GROUP);

	if ((!opt->disk && !opt->diskread) || !attach(opt->diskmib))
		return;
	prepare(pages);
	rate = opt->diskrate ? opt->diskrate : DEFAULT_RATE;
	if (opt->disk)
		task_start("disk", TASK_LOAD, work, pages);
}

uint64_t disk_end(void)
{
	return blocks ? (uint64_t)offset_of(blocks) : 0;
}

void disk_watch(void)
{
	static uint64_t seen;
	static int seconds;
	uint64_t now = __atomic_load_n(&done, __ATOMIC_RELAXED);

	if (now != seen || now == __atomic_load_n(&asked, __ATOMIC_RELAXED)) {
		seen = now;
		seconds = 0;
	} else if (++seconds == STUCK_SECONDS) {
		fail(DISK_ERRORS, "no I/O came back for %d s", seconds);
	}
}

/*
 * A disk that is stuck holds whoever reads it for ever, so the full check has
 * a thread of its own that may be given up.
 */
static struct {
	pthread_mutex_t lock;
	bool running;
	uint64_t checked;
} pass = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *check_all(void *arg)
{
	static struct page *pages;
	uint64_t seen[DISK_GROUP];

	if (!pages)
		pages = page_alloc(DISK_GROUP);
	for (size_t group = 0; group < disk_groups(); group++) {
		memset(pages, 0, DISK_GROUP * PAGE_BYTES);
		if (disk_read_group(group, pages, seen))
			__atomic_fetch_add(&pass.checked, DISK_GROUP, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&pass.running, false, __ATOMIC_RELEASE);
	return arg;
}

uint64_t disk_check(bool *ret_stuck)
{
	uint64_t checked = 0, before = 0, quiet = 0;

	*ret_stuck = false;
	if (!blocks)
		return 0;
	pthread_mutex_lock(&pass.lock);
	if (!__atomic_load_n(&pass.running, __ATOMIC_ACQUIRE)) {
		pass.checked = 0;
		pass.running = true;
		if (!task_start("check", TASK_LOAD, check_all, NULL))
			pass.running = false;
	}
	while (__atomic_load_n(&pass.running, __ATOMIC_ACQUIRE) && quiet < STUCK_SECONDS * 100) {
		task_sleep(10000000);
		checked = __atomic_load_n(&pass.checked, __ATOMIC_RELAXED);
		quiet = checked == before ? quiet + 1 : 0;
		before = checked;
	}
	*ret_stuck = __atomic_load_n(&pass.running, __ATOMIC_ACQUIRE);
	checked = __atomic_load_n(&pass.checked, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&pass.lock);
	return checked;
}
