// SPDX-License-Identifier: GPL-2.0-only
/* What a session finds: first everything, then exactly what was written. */
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "client.h"

static const uint64_t some[] = { 0, 7, 63, 64, 159, 195, 196, 255, 256, 1000, 2047, 4095 };
#define SOME (sizeof(some) / sizeof(some[0]))

TEST(first_harvest_gives_every_page)
{
	struct drover_harvest harvest;
	struct pages pages;
	struct vm vm;
	int session;

	vm_create(&vm);
	session = session_create(&vm, 0);
	NEED(session >= 0, "%s", reason);
	CHECK_ERROR(session_harvest(session, &harvest), EINVAL);
	CHECK(session_start(session) == 4);
	CHECK_ERROR(session_start(session), EALREADY);
	NEED(!session_harvest(session, &harvest));
	CHECK(harvest.log_pages == VM_PAGES && harvest.total_pages == VM_PAGES);
	session_take_all(session, &pages);
	CHECK(pages.count == VM_PAGES);
	CHECK(pages.kind[CODE_PAGE] == 'd' && pages.kind[100] == 'z');
	CHECK(!ioctl(session, DROVER_IOC_STOP));
	CHECK_ERROR(ioctl(session, DROVER_IOC_STOP), EINVAL);
	CHECK_ERROR(session_harvest(session, &harvest), EINVAL);
	CHECK(session_start(session) == 4);
	NEED(!session_harvest(session, &harvest));
	CHECK(harvest.total_pages == VM_PAGES);
}

TEST(nothing_written_nothing_found)
{
	struct drover_harvest harvest;
	struct vm vm;
	int session;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	expect_pages(session, NULL, 0, &harvest);
	CHECK(!harvest.total_pages);
}

TEST(guest_writes_are_found)
{
	struct drover_harvest harvest;
	struct vm vm;
	int session, round;
	unsigned int n;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	for (round = 0; round < 3; round++) {
		for (n = 0; n < SOME; n++)
			vm_guest_write(&vm, some[n], round + 1);
		expect_pages(session, some, SOME, &harvest);
		CHECK(harvest.log_pages == SOME, "%llu", (unsigned long long)harvest.log_pages);
	}
}

TEST(vmm_writes_are_found)
{
	struct drover_harvest harvest;
	struct vm vm;
	int session, round;
	unsigned int n;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	for (round = 0; round < 3; round++) {
		for (n = 0; n < SOME; n++)
			vm.ram[some[n] * PAGE + 99]++;
		expect_pages(session, some, SOME, &harvest);
		CHECK(!harvest.log_pages && harvest.vmm_pages + harvest.kept_pages >= SOME);
	}
}

/* The negative control: what the test before this one shows is not there by chance. */
TEST(vmm_writes_are_missed_without_the_walk)
{
	struct drover_harvest harvest;
	struct pages pages;
	struct vm vm;
	int session;
	unsigned int n;

	vm_create(&vm);
	session = session_settled(&vm, DROVER_SESSION_NO_VMM_WRITES);
	for (n = 0; n < SOME; n++)
		vm.ram[some[n] * PAGE + 99]++;
	vm_guest_write(&vm, 500, 1);
	NEED(!session_harvest(session, &harvest));
	session_take_all(session, &pages);
	CHECK(pages.kind[500] && !harvest.vmm_pages && !harvest.kept_pages);
	for (n = 0; n < SOME; n++)
		CHECK(!pages.kind[some[n]], "page %llu", (unsigned long long)some[n]);
}

TEST(reads_leave_no_trace)
{
	struct drover_harvest harvest;
	volatile uint8_t sum = 0;
	struct vm vm;
	uint64_t page;
	int session;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	for (page = 0; page < VM_PAGES; page++)
		sum += vm.ram[page * PAGE];
	(void)sum;
	expect_pages(session, NULL, 0, &harvest);
}

/* The kernel writes to the VMM's memory on its behalf: read(2), and from another process. */
TEST(kernel_writes_are_found)
{
	uint64_t pages[] = { 300, 301, 2000 };
	struct drover_harvest harvest;
	struct iovec from, to;
	char bytes[100] = "x";
	int session, zero;
	struct vm vm;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	zero = open("/dev/zero", O_RDONLY);
	NEED(read(zero, vm.ram + 300 * PAGE + 4000, 200) == 200);
	from = (struct iovec){ bytes, sizeof(bytes) };
	to = (struct iovec){ vm.ram + 2000 * PAGE, sizeof(bytes) };
	NEED(process_vm_writev(getpid(), &from, 1, &to, 1, 0) == sizeof(bytes));
	expect_pages(session, pages, 3, &harvest);
}

/* A second mapping of the RAM file in the same process is watched as well. */
TEST(every_mapping_is_watched)
{
	uint64_t pages[] = { 11, 222, 3333 };
	struct drover_harvest harvest;
	uint8_t *again;
	struct vm vm;
	int session;

	vm_create(&vm);
	again = mmap(NULL, VM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, vm.ram_fd, 0);
	NEED(again != MAP_FAILED);
	vm_fill(&vm);
	again[0] = 1;
	session = session_settled(&vm, 0);
	again[11 * PAGE] = 1;
	again[222 * PAGE] = 1;
	vm.ram[3333 * PAGE] = 1;
	expect_pages(session, pages, 3, &harvest);
}

/* Pages between the slots (195 - 160) are RAM all the same. */
TEST(pages_outside_of_slots_are_watched)
{
	uint64_t pages[] = { 160, 170, 194 };
	struct drover_harvest harvest;
	struct vm vm;
	int session;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	CHECK(!vm_shown(160) && !vm_shown(194));
	vm.ram[160 * PAGE] = vm.ram[170 * PAGE] = vm.ram[194 * PAGE] = 1;
	expect_pages(session, pages, 3, &harvest);
}

/* What is discarded, or written and discarded, between two harvests has changed. */
TEST(zapped_pages_are_found)
{
	uint64_t pages[] = { 400, 401, 402, 403 };
	struct drover_harvest harvest;
	struct pages taken;
	struct vm vm;
	int session;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	vm.ram[401 * PAGE] = 1;
	NEED(!madvise(vm.ram + 400 * PAGE, 2 * PAGE, MADV_DONTNEED));
	NEED(!madvise(vm.ram + 402 * PAGE, 2 * PAGE, MADV_REMOVE));
	NEED(!session_harvest(session, &harvest));
	session_take_all(session, &taken);
	CHECK(taken.kind[400] == 'd' && taken.kind[401] == 'd');
	CHECK(taken.kind[402] == 'z' && taken.kind[403] == 'z');
	CHECK(taken.count == 4 + harvest.kept_pages);
	expect_pages(session, pages, 0, &harvest);
}

/* Device writes under way: a page that is pinned stays in the set until it is let go. */
TEST(pinned_pages_stay)
{
	struct drover_harvest harvest;
	struct pages taken;
	struct iovec vec;
	struct vm vm;
	int session, pipes[2], round;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	NEED(!pipe(pipes));
	vm.ram[777 * PAGE] = 1;
	/* vmsplice() holds a reference to the page as long as the pipe has it */
	vec = (struct iovec){ vm.ram + 777 * PAGE, PAGE };
	NEED(vmsplice(pipes[1], &vec, 1, 0) == PAGE);
	for (round = 0; round < 3; round++) {
		NEED(!session_harvest(session, &harvest));
		session_take_all(session, &taken);
		CHECK(taken.kind[777] == 'd');
		CHECK(harvest.kept_pages == (round ? 1 : 0));
	}
	close(pipes[0]);
	close(pipes[1]);
	session_settle(session);
	expect_pages(session, NULL, 0, &harvest);
}

TEST(slot_recreated)
{
	struct drover_harvest harvest;
	struct pages taken;
	struct pollfd poller;
	struct vm vm;
	int session;
	uint64_t page;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	poller = (struct pollfd){ session, POLLPRI, 0 };
	CHECK(poll(&poller, 1, 0) == 0);
	vm_guest_write(&vm, 1000, 1);
	NEED(!vm_slot(&vm, 1, 0, HIGH_PAGE, 0, vm.ram + HIGH_PAGE * PAGE));
	NEED(!vm_slot(&vm, 1, 0, HIGH_PAGE, VM_PAGES - HIGH_PAGE, vm.ram + HIGH_PAGE * PAGE));
	CHECK(poll(&poller, 1, 2000) == 1 && poller.revents == POLLPRI);
	NEED(!session_harvest(session, &harvest));
	CHECK(harvest.slots_relogged == 1, "%u", harvest.slots_relogged);
	CHECK(harvest.log_pages == VM_PAGES - HIGH_PAGE);
	CHECK(poll(&poller, 1, 0) == 0);
	session_take_all(session, &taken);
	for (page = HIGH_PAGE; page < VM_PAGES; page++)
		NEED(taken.kind[page], "page %llu", (unsigned long long)page);
	session_settle(session);
	vm_guest_write(&vm, 1001, 1);
	page = 1001;
	expect_pages(session, &page, 1, &harvest);
	CHECK(!harvest.slots_relogged && harvest.log_pages == 1);
}

/* A slot that is gone for good took bits with it that nobody will ever see. */
TEST(slot_deleted)
{
	struct drover_harvest harvest;
	struct pages taken;
	uint64_t page;
	struct vm vm;
	int session;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	vm_guest_write(&vm, 100, 1);
	NEED(!vm_slot(&vm, 0, 0, 0, 0, vm.ram));
	NEED(!session_harvest(session, &harvest));
	session_take_all(session, &taken);
	for (page = 0; page < LOW_PAGES; page++)
		NEED(taken.kind[page]);
	CHECK(harvest.slots_relogged == 0 && harvest.log_pages == LOW_PAGES);
}

/* As QEMU does when its own migration ends: it takes the flag away, or sets it anew. */
TEST(log_taken_away)
{
	struct drover_harvest harvest;
	struct pages taken;
	struct vm vm;
	int session, again;

	vm_create(&vm);
	for (again = 0; again < 2; again++) {
		session = session_settled(&vm, 0);
		vm_guest_write(&vm, 100, 1);
		NEED(!vm_slot(&vm, 0, 0, 0, LOW_PAGES, vm.ram));
		if (again)
			NEED(!vm_slot(&vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, LOW_PAGES, vm.ram));
		NEED(!session_harvest(session, &harvest));
		CHECK(harvest.slots_relogged == 1, "%u", harvest.slots_relogged);
		session_take_all(session, &taken);
		CHECK(taken.kind[100] == 'd' && taken.count >= LOW_PAGES);
		session_settle(session);
		close(session);
		NEED(!vm_slot(&vm, 0, 0, 0, LOW_PAGES, vm.ram));
	}
}

static int is_logged(const struct vm *vm, unsigned int slot)
{
	static uint64_t bits[VM_PAGES / 64];
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bits };

	return !ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
}

TEST(flags_are_as_before)
{
	struct vm vm;
	int session, stop;

	vm_create(&vm);
	for (stop = 0; stop < 2; stop++) {
		NEED(!vm_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, HIGH_PAGE, VM_PAGES - HIGH_PAGE,
			      vm.ram + HIGH_PAGE * PAGE));
		session = session_create(&vm, 0);
		NEED(session_start(session) == 4);
		CHECK(is_logged(&vm, 0) && is_logged(&vm, 1) && is_logged(&vm, SMM));
		if (stop)
			NEED(!ioctl(session, DROVER_IOC_STOP));
		else
			close(session);
		CHECK(!is_logged(&vm, 0) && is_logged(&vm, 1));
		CHECK(!is_logged(&vm, SMM) && !is_logged(&vm, SMM | 1));
		close(session);
	}
}

static unsigned int count_maps(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned int lines = 0;
	int c;

	while ((c = fgetc(maps)) != EOF)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

TEST(no_scratch_is_left)
{
	struct drover_harvest harvest;
	unsigned int before;
	struct vm vm;
	int session;

	vm_create(&vm);
	count_maps();
	before = count_maps();
	session = session_create(&vm, 0);
	CHECK(count_maps() == before);
	NEED(session_start(session) == 4);
	CHECK(count_maps() == before);
	NEED(!session_harvest(session, &harvest));
	CHECK(count_maps() == before);
	close(session);
	CHECK(count_maps() == before);
}

TEST(one_session_per_vm)
{
	struct vm vm, other;
	int session;

	vm_create(&vm);
	vm_create(&other);
	session = session_create(&vm, 0);
	NEED(session >= 0);
	CHECK_ERROR(session_create(&vm, 0), EBUSY);
	CHECK(strstr(reason, "has session"), "%s", reason);
	CHECK(session_create(&other, 0) >= 0);
	close(session);
	CHECK(session_create(&vm, 0) >= 0);
}

TEST(bitmap_can_be_seen_and_not_written)
{
	struct drover_harvest harvest;
	volatile uint64_t *bitmap;
	struct vm vm;
	int session;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	CHECK_ERROR((long)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, session, 0), EPERM);
	CHECK_ERROR((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, session, PAGE), EINVAL);
	CHECK_ERROR((long)mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, session, 0), EINVAL);
	bitmap = mmap(NULL, VM_PAGES / 8, PROT_READ, MAP_SHARED, session, 0);
	NEED(bitmap != MAP_FAILED);
	CHECK_ERROR(mprotect((void *)bitmap, PAGE, PROT_READ | PROT_WRITE), EACCES);
	CHECK(!bitmap[10]);
	vm_guest_write(&vm, 10 * 64 + 5, 1);
	NEED(!session_harvest(session, &harvest));
	CHECK(bitmap[10] == 1UL << 5, "%lx", (unsigned long)bitmap[10]);
	close(session);
	CHECK(bitmap[10] == 1UL << 5);
	/* the mapping keeps the session */
	CHECK_ERROR(session_create(&vm, 0), EBUSY);
	munmap((void *)bitmap, VM_PAGES / 8);
	CHECK(session_create(&vm, 0) >= 0);
}

struct writer {
	struct vm *vm;
	volatile int stop;
	uint64_t written[VM_PAGES];
};

static void *write_on(void *arg)
{
	struct writer *writer = arg;
	unsigned int seed = 1;
	uint64_t value = 1;

	while (!writer->stop) {
		uint64_t page = rand_r(&seed) % VM_PAGES;

		*(volatile uint64_t *)(writer->vm->ram + page * PAGE + 8) = ++value;
	}
	return NULL;
}

/* The oracle: a copy made from harvests alone is the RAM, once the writer has stopped. */
TEST(copy_converges_under_a_writer)
{
	static struct writer writer;
	struct drover_harvest harvest;
	struct pages pages;
	uint8_t *copy = calloc(VM_PAGES, PAGE);
	pthread_t thread;
	struct vm vm;
	int session, round;
	uint64_t page;

	vm_create(&vm);
	vm_fill(&vm);
	session = session_create(&vm, 0);
	NEED(session_start(session) == 4);
	writer.vm = &vm;
	NEED(!pthread_create(&thread, NULL, write_on, &writer));
	for (round = 0; round < 30; round++) {
		if (round == 29) {
			writer.stop = 1;
			pthread_join(thread, NULL);
		}
		vm_guest_write(&vm, 200 + round, round + 1);
		NEED(!session_harvest(session, &harvest));
		session_take_all(session, &pages);
		for (page = 0; page < VM_PAGES; page++)
			if (pages.kind[page])
				memcpy(copy + page * PAGE, vm.ram + page * PAGE, PAGE);
	}
	for (page = 0; page < VM_PAGES; page++)
		NEED(!memcmp(copy + page * PAGE, vm.ram + page * PAGE, PAGE), "page %llu differs",
		     (unsigned long long)page);
}

TEST_MAIN
