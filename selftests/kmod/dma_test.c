// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes by a device while harvests go on, as QEMU's disks make them with cache=none. Needs a
 * directory on a file system that reads directly from a disk: DROVER_TEST_DIR, or one of those
 * below.
 */
#include <linux/aio_abi.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "client.h"

#define FILE_PAGES	1024UL
#define DEPTH		64
#define ROUNDS		60

static int open_direct(void)
{
	const char *dirs[] = { getenv("DROVER_TEST_DIR"), "/var/lib/drover", "/var/tmp", "/root" };
	static uint64_t page[PAGE / 8];
	unsigned int n;
	uint64_t i;

	for (n = 0; n < sizeof(dirs) / sizeof(dirs[0]); n++) {
		struct statfs fs;
		char path[200];
		int fd, direct;

		if (!dirs[n] || statfs(dirs[n], &fs) || fs.f_type == TMPFS_MAGIC)
			continue;
		snprintf(path, sizeof(path), "%s/drover-test-XXXXXX", dirs[n]);
		fd = mkostemp(path, O_CLOEXEC);
		direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
		unlink(path);
		for (i = 0; direct >= 0 && i < FILE_PAGES; i++) {
			memset(page, 'a' + i % 26, sizeof(page));
			page[1] = i;
			NEED(write(fd, page, sizeof(page)) == sizeof(page));
		}
		if (fd >= 0) {
			fsync(fd);
			close(fd);
		}
		if (direct >= 0 && pread(direct, (void *)(((uintptr_t)page + 511) & ~511UL), 512,
					 0) == 512)
			return direct;
	}
	SKIP("no directory here can be read from directly: set DROVER_TEST_DIR");
}

static uint8_t copy[VM_BYTES];

static uint64_t harvest_and_copy(struct vm *vm, int session)
{
	struct drover_harvest harvest;
	struct pages pages;
	uint64_t page;

	NEED(!session_harvest(session, &harvest));
	session_take_all(session, &pages);
	for (page = 0; page < VM_PAGES; page++)
		if (pages.kind[page])
			memcpy(copy + page * PAGE, vm->ram + page * PAGE, PAGE);
	return harvest.kept_pages;
}

/* Reads under way when a harvest is made are in one of the next; the last one has them all. */
TEST(direct_reads_under_way)
{
	int file = open_direct(), session, round, n;
	struct iocb requests[DEPTH], *list[DEPTH];
	struct io_event events[DEPTH];
	aio_context_t context = 0;
	unsigned int seed = 1;
	uint64_t kept = 0, page;
	struct vm vm;

	vm_create(&vm);
	vm_fill(&vm);
	session = session_create(&vm, 0);
	NEED(session_start(session) == 4, "%s", reason);
	harvest_and_copy(&vm, session);
	NEED(!syscall(SYS_io_setup, DEPTH, &context));
	for (round = 0; round < ROUNDS; round++) {
		for (n = 0; n < DEPTH; n++) {
			uint64_t to = (rand_r(&seed) % (VM_PAGES / DEPTH)) * DEPTH + n;

			list[n] = &requests[n];
			requests[n] = (struct iocb){
				.aio_fildes = file,
				.aio_lio_opcode = IOCB_CMD_PREAD,
				.aio_buf = (uintptr_t)vm.ram + to * PAGE,
				.aio_nbytes = PAGE,
				.aio_offset = rand_r(&seed) % FILE_PAGES * PAGE,
			};
		}
		NEED(syscall(SYS_io_submit, context, DEPTH, list) == DEPTH);
		kept += harvest_and_copy(&vm, session);
		kept += harvest_and_copy(&vm, session);
		NEED(syscall(SYS_io_getevents, context, DEPTH, DEPTH, events, NULL) == DEPTH);
		for (n = 0; n < DEPTH; n++)
			NEED(events[n].res == PAGE);
		harvest_and_copy(&vm, session);
		for (page = 0; page < VM_PAGES; page++)
			NEED(!memcmp(copy + page * PAGE, vm.ram + page * PAGE, PAGE),
			     "round %d page %llu differs", round, (unsigned long long)page);
	}
	note("%llu pages were kept", (unsigned long long)kept);
}

TEST_MAIN
