/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM that is not ours: its file, its struct kvm, the memory of its process, and
 * a way to run work there. Nothing here keeps the process alive.
 */
#ifndef DROVER_VMREF_H
#define DROVER_VMREF_H

#include <linux/mmu_notifier.h>
#include <linux/types.h>

#include "reason.h"

struct file;
struct kvm;
struct mm_struct;

/* Work in the VM's memory gets this much scratch there. */
#define DROVER_SCRATCH_BITS_MAX	(1UL << 18)
#define DROVER_SCRATCH_BYTES	(PAGE_SIZE + DROVER_SCRATCH_BITS_MAX / 8)

struct drover_vmref {
	struct file *file;	/* keeps @kvm */
	struct kvm *kvm;
	struct mm_struct *mm;	/* kvm->mm, whose struct outlives the process */
	struct mmu_notifier notifier;
	void (*died)(struct drover_vmref *vm);
	bool dead;
	bool leaving;
	int pid;		/* of the process that made the VM, as the initial pid namespace numbers it */
};

typedef int (*drover_vmref_fn)(struct drover_vmref *vm, void __user *scratch, void *arg);

int drover_vmref_init(struct drover_vmref *vm, int fd, void (*died)(struct drover_vmref *vm),
		      struct drover_reason *why);
void drover_vmref_exit(struct drover_vmref *vm);
bool drover_vmref_dead(const struct drover_vmref *vm);
int drover_vmref_run(struct drover_vmref *vm, drover_vmref_fn fn, void *arg);
long drover_vmref_ioctl(struct drover_vmref *vm, unsigned int cmd, void __user *arg);

int drover_vmref_setup(void);
void drover_vmref_teardown(void);

#endif /* DROVER_VMREF_H */
