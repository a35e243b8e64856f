// SPDX-License-Identifier: GPL-2.0-only
/* Each VM that cannot be tracked is refused, with the sentence that says why. */
#include <grp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "client.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef KVM_X86_SW_PROTECTED_VM
#define KVM_X86_SW_PROTECTED_VM 1
#endif
#define HUGE_PAGES 512UL

/* CREATE fails with @error, and its reason has @words. */
#define REFUSED(create, error, words)                                                              \
	do {                                                                                       \
		CHECK_ERROR(create, error);                                                        \
		CHECK(strstr(reason, words), "reason: \"%s\"", reason);                            \
	} while (0)

/* A VM without RAM yet. */
static void vm_bare(struct vm *vm)
{
	vm_open(vm);
	vm_manual_log(vm);
}

TEST(anonymous_ram)
{
	struct vm vm;

	vm_bare(&vm);
	vm.ram = mmap(NULL, VM_BYTES, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	vm_add_slots(&vm);
	vm.ram_fd = vm_ram_file("/dev/shm");
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "the VM does not map RAM file 0");
}

TEST(private_mapping)
{
	struct vm vm;

	vm_bare(&vm);
	vm_map_ram(&vm, vm_ram_file("/dev/shm"), MAP_PRIVATE);
	vm_add_slots(&vm);
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "maps RAM file 0 privately");
}

static int ram_memfd(void)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);

	NEED(fd >= 0 && !ftruncate(fd, VM_BYTES));
	return fd;
}

TEST(memfd)
{
	struct vm vm;

	vm_bare(&vm);
	vm_map_ram(&vm, ram_memfd(), MAP_SHARED);
	vm_add_slots(&vm);
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "RAM file 0 has no name (memfd)");
}

TEST(not_on_tmpfs)
{
	int pipes[2], file;
	struct vm vm;

	vm_create(&vm);
	NEED(!pipe(pipes));
	REFUSED(session_create_full(vm.fd, &pipes[0], 1, 0), EOPNOTSUPP, "is not on tmpfs");
	file = open("/proc/self/exe", O_RDONLY);
	REFUSED(session_create_full(vm.fd, &file, 1, 0), EOPNOTSUPP, "is not on tmpfs");
}

TEST(no_ram_file)
{
	int files[2] = { -1 };
	struct vm vm;

	vm_create(&vm);
	REFUSED(session_create_full(vm.fd, files, 1, 0), EBADF, "RAM file 0 is not an open file");
	files[0] = files[1] = vm.ram_fd;
	REFUSED(session_create_full(vm.fd, files, 2, 0), EINVAL, "are the same file");
	NEED(!ftruncate(vm.ram_fd, VM_BYTES + 100));
	REFUSED(session_create(&vm, 0), EINVAL, "multiple of the page size");
	NEED(!ftruncate(vm.ram_fd, 0));
	REFUSED(session_create(&vm, 0), EINVAL, "multiple of the page size");
	NEED(!ftruncate(vm.ram_fd, VM_BYTES / 2));
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "maps more of RAM file 0 than there is");
}

TEST(no_vm)
{
	struct vm vm;
	int null = open("/dev/null", O_RDWR);

	vm_create(&vm);
	REFUSED(session_create_full(-1, &vm.ram_fd, 1, 0), EINVAL, "vm_fd is not a KVM VM");
	REFUSED(session_create_full(null, &vm.ram_fd, 1, 0), EINVAL, "vm_fd is not a KVM VM");
	REFUSED(session_create_full(vm.kvm, &vm.ram_fd, 1, 0), EINVAL, "vm_fd is not a KVM VM");
	REFUSED(session_create_full(vm.vcpu, &vm.ram_fd, 1, 0), EINVAL, "vm_fd is not a KVM VM");
}

TEST(dirty_ring)
{
	struct vm vm;

	vm_open(&vm);
	if (vm_enable(&vm, KVM_CAP_DIRTY_LOG_RING, 65536))
		SKIP("this KVM has no dirty ring");
	vm_map_ram(&vm, vm_ram_file("/dev/shm"), MAP_SHARED);
	vm_add_slots(&vm);
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "dirty ring");
}

TEST(no_manual_log_protection)
{
	struct vm vm;

	vm_open(&vm);
	vm_map_ram(&vm, vm_ram_file("/dev/shm"), MAP_SHARED);
	vm_add_slots(&vm);
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "manual dirty log protection");
}

TEST(confidential)
{
	struct vm vm;

	vm_open(&vm);
	vm.fd = ioctl(vm.kvm, KVM_CREATE_VM, KVM_X86_SW_PROTECTED_VM);
	if (vm.fd < 0)
		SKIP("this KVM makes no protected VMs");
	vm_manual_log(&vm);
	vm_map_ram(&vm, vm_ram_file("/dev/shm"), MAP_SHARED);
	vm_add_slots(&vm);
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "confidential");
}

TEST(no_slot_shows_the_ram)
{
	struct vm vm;

	vm_bare(&vm);
	vm_map_ram(&vm, vm_ram_file("/dev/shm"), MAP_SHARED);
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "no memory slot of the VM shows a RAM file");
}

TEST(other_ram)
{
	struct vm vm, other;
	uint8_t *big;

	vm_create(&vm);
	big = mmap(NULL, 65 << 20, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	/* video memory is left to the VMM, RAM is not */
	NEED(!vm_slot(&vm, 5, 0, 1 << 20, 64 << 8, big));
	close(session_create(&vm, 0));
	NEED(!vm_slot(&vm, 5, 0, 0, 0, big));
	NEED(!vm_slot(&vm, 5, 0, 1 << 20, 65 << 8, big));
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "65 MiB of RAM at 0x100000000 are private");
	NEED(!vm_slot(&vm, 5, 0, 0, 0, big));

	vm_map_ram(&other, ram_memfd(), MAP_SHARED);
	NEED(!vm_slot(&vm, 5, 0, 1 << 20, VM_PAGES, other.ram));
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "are a memfd");
	NEED(!vm_slot(&vm, 5, 0, 0, 0, other.ram));

	vm_map_ram(&other, vm_ram_file("/dev/shm"), MAP_SHARED);
	NEED(!vm_slot(&vm, 5, 0, 1 << 20, VM_PAGES, other.ram));
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "not among the RAM files");
	NEED(!vm_slot(&vm, 5, 0, 0, 0, other.ram));
	NEED(session_create(&vm, 0) >= 0, "%s", reason);
}

TEST(slot_larger_than_the_ram)
{
	struct vm vm;
	uint8_t *room;

	vm_bare(&vm);
	room = mmap(NULL, 2 * VM_BYTES, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	vm.ram_fd = vm_ram_file("/dev/shm");
	NEED(mmap(room, VM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, vm.ram_fd, 0) ==
	     room);
	NEED(!vm_slot(&vm, 0, 0, 0, 2 * VM_PAGES, room));
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "only a part of the memory slot at 0x0");
}

/* As a vhost-user back-end does, whose writes nobody here sees. */
TEST(another_process_writes)
{
	struct drover_harvest harvest;
	int session, ready[2], child;
	struct vm vm;
	char c;

	vm_create(&vm);
	session = session_create(&vm, 0);
	NEED(session_start(session) == 4, "%s", reason);
	NEED(!session_harvest(session, &harvest));
	NEED(!pipe(ready));
	child = fork();
	if (!child) {
		if (mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, vm.ram_fd, 0) == MAP_FAILED)
			_exit(1);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	NEED(read(ready[0], &c, 1) == 1);
	CHECK_ERROR(session_harvest(session, &harvest), ESTALE);
	NEED(!ioctl(session, DROVER_IOC_STOP));
	REFUSED(session_start(session), EOPNOTSUPP, "another process maps RAM file 0");
	close(session);
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "another process maps RAM file 0");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	NEED(session_create(&vm, 0) >= 0, "%s", reason);
}

/* A stale session stays stale until it is started anew. */
TEST(ram_unmapped_meanwhile)
{
	struct drover_harvest harvest;
	struct vm vm;
	int session;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	NEED(!munmap(vm.ram + 100 * PAGE, 2 * PAGE));
	CHECK_ERROR(session_harvest(session, &harvest), ESTALE);
	NEED(mmap(vm.ram + 100 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		  vm.ram_fd, 100 * PAGE) != MAP_FAILED);
	CHECK_ERROR(session_harvest(session, &harvest), ESTALE);
	NEED(!ioctl(session, DROVER_IOC_STOP));
	CHECK(session_start(session) == 4, "%s", reason);
	CHECK(!session_harvest(session, &harvest) && harvest.total_pages == VM_PAGES);
}

TEST(tmpfs_with_huge_pages)
{
	char dir[] = "/tmp/drover-huge-XXXXXX";
	struct vm vm;

	NEED(mkdtemp(dir));
	if (mount("none", dir, "tmpfs", 0, "huge=advise"))
		SKIP("no tmpfs with huge pages here");
	vm_bare(&vm);
	vm_map_ram(&vm, vm_ram_file(dir), MAP_SHARED);
	vm_add_slots(&vm);
	REFUSED(session_create(&vm, 0), EOPNOTSUPP, "huge=never");
	umount2(dir, MNT_DETACH);
	rmdir(dir);
}

/* The RAM at an address at which it could be mapped by huge pages. */
static void vm_create_aligned(struct vm *vm)
{
	uint8_t *room = mmap(NULL, 2 * VM_BYTES, PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	uintptr_t huge = HUGE_PAGES * PAGE;

	vm_bare(vm);
	vm->ram_fd = vm_ram_file("/dev/shm");
	vm->ram = (uint8_t *)(((uintptr_t)room + huge - 1) / huge * huge);
	NEED(mmap(vm->ram, VM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, vm->ram_fd,
		  0) == vm->ram);
	vm_add_slots(vm);
}

static int has_huge_mapping(void)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[200];
	int has = 0;

	while (fgets(line, sizeof(line), smaps)) {
		unsigned long kib;

		if (sscanf(line, "ShmemPmdMapped: %lu kB", &kib) == 1)
			has |= kib > 0;
	}
	fclose(smaps);
	return has;
}

static void make_huge(struct vm *vm)
{
	vm_fill(vm);
	if (madvise(vm->ram + HUGE_PAGES * PAGE, HUGE_PAGES * PAGE, MADV_COLLAPSE))
		SKIP("this kernel makes no huge pages on demand");
	vm->ram[HUGE_PAGES * PAGE] = 1;
	if (!has_huge_mapping())
		SKIP("no huge page was mapped");
}

TEST(huge_page_at_the_start)
{
	struct vm vm;
	int session;

	vm_create_aligned(&vm);
	session = session_create(&vm, 0);
	NEED(session >= 0, "%s", reason);
	make_huge(&vm);
	REFUSED(session_start(session), EOPNOTSUPP, "mapped by huge pages");
}

TEST(huge_page_later)
{
	struct drover_harvest harvest;
	struct vm vm;
	int session;

	vm_create_aligned(&vm);
	session = session_create(&vm, 0);
	NEED(session_start(session) == 4, "%s", reason);
	NEED(!session_harvest(session, &harvest));
	make_huge(&vm);
	CHECK_ERROR(session_harvest(session, &harvest), ESTALE);
}

static int create_raw(struct drover_session_create *create)
{
	int device = drover_open();
	int ret = ioctl(device, DROVER_IOC_SESSION_CREATE, create), error = errno;

	memcpy(reason, create->reason, sizeof(reason));
	close(device);
	errno = error;
	return ret;
}

TEST(malformed_requests)
{
	struct drover_session_create good, create;
	int device = drover_open();
	struct vm vm;

	vm_create(&vm);
	good = (struct drover_session_create){ .size = sizeof(good), .vm_fd = vm.fd, .ram_count = 1,
					       .ram_fds = (uintptr_t)&vm.ram_fd };
	create = good;
	create.size--;
	REFUSED(create_raw(&create), EINVAL, "size of another version");
	create = good;
	create.flags = 1U << 31;
	REFUSED(create_raw(&create), EINVAL, "unknown flags");
	create = good;
	create.ram_count = 0;
	REFUSED(create_raw(&create), EINVAL, "1 to 16 RAM files");
	create.ram_count = DROVER_RAM_FILES_MAX + 1;
	REFUSED(create_raw(&create), EINVAL, "1 to 16 RAM files");
	create = good;
	memset(create.name, 'x', sizeof(create.name));
	REFUSED(create_raw(&create), EINVAL, "name is too long");
	create = good;
	create.ram_fds = 1;
	CHECK_ERROR(create_raw(&create), EFAULT);
	CHECK_ERROR(ioctl(device, DROVER_IOC_SESSION_CREATE, NULL), EFAULT);
	CHECK_ERROR(ioctl(device, DROVER_IOC_START, &create), ENOTTY);
	CHECK_ERROR(ioctl(device, 0xdead, 0xbeef), ENOTTY);
	CHECK(create_raw(&good) >= 0);
}

TEST(malformed_ioctls)
{
	static const unsigned int commands[] = { DROVER_IOC_START, DROVER_IOC_HARVEST,
						 DROVER_IOC_TAKE, DROVER_IOC_SEND };
	struct drover_harvest harvest = { .flags = 1 };
	struct drover_start start = { .flags = 1 };
	struct drover_take take;
	struct vm vm;
	int session;
	unsigned int n;
	char c;

	vm_create(&vm);
	session = session_create(&vm, 0);
	NEED(session >= 0);
	for (n = 0; n < 4; n++) {
		CHECK_ERROR(ioctl(session, commands[n], NULL), EFAULT);
		CHECK_ERROR(ioctl(session, commands[n], -PAGE), EFAULT);
	}
	CHECK_ERROR(ioctl(session, DROVER_IOC_SESSION_CREATE, &c), ENOTTY);
	CHECK_ERROR(ioctl(session, 0xdead, 0xbeef), ENOTTY);
	CHECK_ERROR(ioctl(session, DROVER_IOC_START, &start), EINVAL);
	CHECK(!strcmp(start.reason, "unknown flags"));
	CHECK_ERROR(ioctl(session, DROVER_IOC_HARVEST, &harvest), EINVAL);
	CHECK_ERROR(read(session, &c, 1), EINVAL);
	CHECK_ERROR(write(session, &c, 1), EINVAL);
	static const struct drover_take bad[] = {
		{ .first = 0, .count = 0 },
		{ .first = 0, .count = DROVER_TAKE_PAGES_MAX + 1 },
		{ .first = 1, .count = 1 },
		{ .first = VM_PAGES, .count = 1 },
		{ .first = VM_PAGES - 64, .count = 65 },
		{ .first = -64ULL, .count = 64 },
		{ .first = -64ULL, .count = 512 },
		{ .first = 0, .count = 1, .pad = 1 },
	};
	for (n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		take = bad[n];
		CHECK_ERROR(ioctl(session, DROVER_IOC_TAKE, &take), EINVAL);
	}
}

/* Arguments that can be read but not written: what was done is undone. */
TEST(answers_that_cannot_be_written)
{
	struct drover_session_create *create;
	struct drover_harvest harvest;
	int device = drover_open(), session;
	struct drover_take *take;
	struct pages pages;
	struct vm vm;
	void *page;

	vm_create(&vm);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	create = page;
	*create = (struct drover_session_create){ .size = sizeof(*create), .vm_fd = vm.fd,
						  .ram_count = 1,
						  .ram_fds = (uintptr_t)&vm.ram_fd };
	NEED(!mprotect(page, PAGE, PROT_READ));
	CHECK_ERROR(ioctl(device, DROVER_IOC_SESSION_CREATE, create), EFAULT);
	session = session_create(&vm, 0);
	NEED(session >= 0, "%s", reason);

	NEED(!mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	memset(page, 0, PAGE);
	NEED(!mprotect(page, PAGE, PROT_READ));
	CHECK_ERROR(ioctl(session, DROVER_IOC_START, page), EFAULT);
	NEED(session_start(session) == 4, "%s", reason);
	CHECK_ERROR(ioctl(session, DROVER_IOC_HARVEST, page), EFAULT);
	NEED(!session_harvest(session, &harvest));
	CHECK(harvest.total_pages == VM_PAGES);

	NEED(!mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	take = page;
	*take = (struct drover_take){ .first = 64, .count = 512 };
	NEED(!mprotect(page, PAGE, PROT_READ));
	CHECK_ERROR(ioctl(session, DROVER_IOC_TAKE, take), EFAULT);
	session_take_all(session, &pages);
	CHECK(pages.count == VM_PAGES);
}

TEST(no_capability)
{
	struct drover_session_create create = { .size = sizeof(create) };
	int device = drover_open();

	NEED(!setgroups(0, NULL) && !setgid(65534) && !setuid(65534));
	CHECK_ERROR(ioctl(device, DROVER_IOC_SESSION_CREATE, &create), EPERM);
	CHECK_ERROR(open(DROVER_DEVICE, O_RDWR), EACCES);
}

TEST_MAIN
