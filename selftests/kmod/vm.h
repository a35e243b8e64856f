/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM that lives in the test itself: RAM in a tmpfs file, memory slots laid out
 * much as QEMU does on a PC, one virtual CPU that writes a byte where it is told.
 */
#ifndef DROVER_TEST_VM_H
#define DROVER_TEST_VM_H

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "harness.h"

#define PAGE 4096UL
#define VM_PAGES 4096UL		/* 16 MiB */
#define VM_BYTES (VM_PAGES * PAGE)
#define CODE_PAGE 1UL		/* guest page that holds the code */
#define LOW_PAGES 160UL		/* 640 KiB */
#define HIGH_PAGE 195UL		/* above them; no multiple of 64 */
#define SMM (1U << 16)		/* slots of address space 1 */

struct vm {
	int kvm, fd, vcpu, ram_fd;
	struct kvm_run *run;
	uint8_t *ram;
};

/* mov byte [0], al; hlt */
static const uint8_t guest_code[] = { 0xa2, 0x00, 0x00, 0xf4 };

static inline int vm_ram_file(const char *dir)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/drover-test-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	NEED(fd >= 0, "no file in %s", dir);
	unlink(path);
	NEED(!ftruncate(fd, VM_BYTES));
	return fd;
}

static inline int vm_slot(const struct vm *vm, unsigned int slot, unsigned int flags, uint64_t page,
			  uint64_t pages, void *at)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = page * PAGE,
		.memory_size = pages * PAGE,
		.userspace_addr = (uintptr_t)at,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/* Slot 0: pages 0 to 159, slot 1: 195 to the end. Both also in address space 1. */
static inline void vm_add_slots(const struct vm *vm)
{
	unsigned int as;

	for (as = 0; as <= SMM; as += SMM) {
		NEED(!vm_slot(vm, as | 0, 0, 0, LOW_PAGES, vm->ram));
		NEED(!vm_slot(vm, as | 1, 0, HIGH_PAGE, VM_PAGES - HIGH_PAGE,
			      vm->ram + HIGH_PAGE * PAGE));
	}
}

static inline int vm_shown(uint64_t page)
{
	return page < LOW_PAGES || page >= HIGH_PAGE;
}

static inline void vm_open(struct vm *vm)
{
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		SKIP("no /dev/kvm here");
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	NEED(vm->fd >= 0);
	vm->vcpu = -1;
	vm->ram_fd = -1;
	vm->ram = NULL;
}

static inline int vm_enable(const struct vm *vm, unsigned int cap, uint64_t arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &enable);
}

static inline void vm_manual_log(const struct vm *vm)
{
	NEED(!vm_enable(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
			KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET));
}

static inline void vm_map_ram(struct vm *vm, int ram_fd, int flags)
{
	vm->ram_fd = ram_fd;
	vm->ram = mmap(NULL, VM_BYTES, PROT_READ | PROT_WRITE, flags, ram_fd, 0);
	NEED(vm->ram != MAP_FAILED);
	madvise(vm->ram, VM_BYTES, MADV_DONTFORK);
}

static inline void vm_add_cpu(struct vm *vm)
{
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000UL);
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	NEED(vm->vcpu >= 0);
	vm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	NEED(vm->run != MAP_FAILED);
	memcpy(vm->ram + CODE_PAGE * PAGE, guest_code, sizeof(guest_code));
}

/* A VM as Drover wants it. */
static inline void vm_create(struct vm *vm)
{
	vm_open(vm);
	vm_manual_log(vm);
	vm_map_ram(vm, vm_ram_file("/dev/shm"), MAP_SHARED);
	vm_add_slots(vm);
	vm_add_cpu(vm);
}

/* The guest writes @value to the first byte of a page. */
static inline void vm_guest_write(struct vm *vm, uint64_t page, uint8_t value)
{
	struct kvm_regs regs = { .rip = 0, .rflags = 2, .rax = value };
	struct kvm_sregs sregs;

	NEED(!ioctl(vm->vcpu, KVM_GET_SREGS, &sregs));
	sregs.cs.base = CODE_PAGE * PAGE;
	sregs.cs.selector = CODE_PAGE * PAGE >> 4;
	sregs.ds.base = page * PAGE;
	NEED(!ioctl(vm->vcpu, KVM_SET_SREGS, &sregs));
	NEED(!ioctl(vm->vcpu, KVM_SET_REGS, &regs));
	NEED(!ioctl(vm->vcpu, KVM_RUN, 0));
	NEED(vm->run->exit_reason == KVM_EXIT_HLT, "exit reason %u", vm->run->exit_reason);
	NEED(*(volatile uint8_t *)(vm->ram + page * PAGE) == value);
}

/* Puts every page there, with something in it. */
static inline void vm_fill(struct vm *vm)
{
	uint64_t page;

	for (page = 0; page < VM_PAGES; page++)
		*(volatile uint64_t *)(vm->ram + page * PAGE + 2048) = page + 1;
}

#endif /* DROVER_TEST_VM_H */
