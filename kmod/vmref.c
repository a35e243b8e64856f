// SPDX-License-Identifier: GPL-2.0-only
/* See vmref.h. */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/kvm_host.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include "vmref.h"

struct job {
	struct work_struct work;
	struct drover_vmref *vm;
	drover_vmref_fn fn;
	void *arg;
	int ret;
};

static struct workqueue_struct *workers;

static void vm_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct drover_vmref *vm = container_of(notifier, struct drover_vmref, notifier);

	/* mmu_notifier_unregister() calls this too */
	if (READ_ONCE(vm->leaving))
		return;
	WRITE_ONCE(vm->dead, true);
	vm->died(vm);
}

static const struct mmu_notifier_ops vm_ops = {
	.release = vm_release,
};

/* Can the VM be tracked at all, whatever its memory is? */
static int check_kvm(struct kvm *kvm, struct drover_reason *why)
{
	if (kvm->dirty_ring_size)
		return drover_refuse(why, -EOPNOTSUPP,
				     "the VM uses a dirty ring: start it without dirty-ring-size");
	if (!kvm_dirty_log_manual_protect_and_init_set(kvm))
		return drover_refuse(why, -EOPNOTSUPP,
				     "the VM has not enabled KVM's manual dirty log protection");
	return 0;
}

bool drover_vmref_dead(const struct drover_vmref *vm)
{
	return READ_ONCE(vm->dead);
}

static int run_in_mm(struct job *job)
{
	unsigned long scratch;
	int ret;

	scratch = vm_mmap(NULL, 0, DROVER_SCRATCH_BYTES, PROT_READ | PROT_WRITE,
			  MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (IS_ERR_VALUE(scratch))
		return scratch;
	ret = job->fn(job->vm, (void __user *)scratch, job->arg);
	vm_munmap(scratch, DROVER_SCRATCH_BYTES);
	return ret;
}

static void run_job(struct work_struct *work)
{
	struct job *job = container_of(work, struct job, work);
	struct mm_struct *mm = job->vm->mm;

	if (!mmget_not_zero(mm)) {
		job->ret = -ESRCH;
		return;
	}
	kthread_use_mm(mm);
	job->ret = run_in_mm(job);
	kthread_unuse_mm(mm);
	mmput(mm);
}

/**
 * drover_vmref_run() - call @fn in a kernel thread that has borrowed the VM's memory
 * @vm:	the VM
 * @fn:	what to call
 * @arg:	its last argument
 *
 * There, KVM takes ioctls as the VM's own. @fn gets a scratch mapping of DROVER_SCRATCH_BYTES,
 * which is gone when this returns. Return: what @fn returned, -ESRCH if the VM's process is gone,
 * or -ENOMEM.
 */
int drover_vmref_run(struct drover_vmref *vm, drover_vmref_fn fn, void *arg)
{
	struct job job = { .vm = vm, .fn = fn, .arg = arg };

	INIT_WORK_ONSTACK(&job.work, run_job);
	queue_work(workers, &job.work);
	flush_work(&job.work);
	destroy_work_on_stack(&job.work);
	return job.ret;
}

/* In a worker, for mmu_notifier_register() gives up when its caller has a signal. */
static int watch_life(struct drover_vmref *vm, void __user *scratch, void *arg)
{
	vm->notifier.ops = &vm_ops;
	return mmu_notifier_register(&vm->notifier, vm->mm);
}

/**
 * drover_vmref_init() - refer to a VM by a file descriptor of the caller's
 * @vm:	to be filled
 * @fd:	of the VM
 * @why:	out: the sentence of a refusal
 * @died:	called once, in a context that may not wait for the VM, when its process dies
 *
 * Return: 0, -EINVAL (no VM), -EOPNOTSUPP (a VM that cannot be tracked), -ESRCH (its process is
 * gone) or -ENOMEM, with a sentence.
 */
int drover_vmref_init(struct drover_vmref *vm, int fd, void (*died)(struct drover_vmref *vm),
		      struct drover_reason *why)
{
	int ret;

	vm->died = died;
	vm->dead = false;
	vm->leaving = false;
	vm->file = fget(fd);
	if (!vm->file || !file_is_kvm(vm->file)) {
		ret = drover_refuse(why, -EINVAL, "vm_fd is not a KVM VM");
		goto put_file;
	}
	vm->kvm = vm->file->private_data;
	vm->mm = vm->kvm->mm;
	vm->pid = vm->kvm->userspace_pid;
	ret = check_kvm(vm->kvm, why);
	if (ret)
		goto put_file;
	ret = drover_vmref_run(vm, watch_life, NULL);
	if (ret == -ESRCH)
		drover_refuse(why, ret, "the VM's process is gone");
	if (ret)
		goto put_file;
	return 0;

put_file:
	if (vm->file)
		fput(vm->file);
	return ret;
}

/* After this, died() is not running and will not be called. */
void drover_vmref_exit(struct drover_vmref *vm)
{
	WRITE_ONCE(vm->leaving, true);
	mmu_notifier_unregister(&vm->notifier, vm->mm);
	fput(vm->file);
}

/* One of KVM's VM ioctls; only for use within drover_vmref_run(). */
long drover_vmref_ioctl(struct drover_vmref *vm, unsigned int cmd, void __user *arg)
{
	return vm->file->f_op->unlocked_ioctl(vm->file, cmd, (unsigned long)arg);
}

int drover_vmref_setup(void)
{
	workers = alloc_workqueue("drover", WQ_UNBOUND | WQ_HIGHPRI, 0);
	return workers ? 0 : -ENOMEM;
}

void drover_vmref_teardown(void)
{
	destroy_workqueue(workers);
}
