// SPDX-License-Identifier: GPL-2.0-only
/* See harvest.h. */
#include <linux/kvm.h>
#include <linux/kvm_host.h>
#include <linux/ktime.h>
#include <linux/printk.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "harvest.h"

struct order {
	struct drover_harvester *harvester;
	struct drover_reason *why;
	struct drover_harvest *result;
	struct drover_sample *sample;
};

/*
 * KVM tells by its ABI only. A command that every confidential guest knows fails with ENOTTY for
 * all others; what else it answers does not matter.
 */
static bool is_confidential(struct drover_vmref *vm, void __user *scratch)
{
	struct kvm_sev_cmd cmd = { .id = KVM_SEV_GUEST_STATUS, .sev_fd = -1 };

	if (drover_kvm_has_private_memory(vm->kvm))
		return true;
	if (copy_to_user(scratch, &cmd, sizeof(cmd)))
		return true;
	return drover_vmref_ioctl(vm, KVM_MEMORY_ENCRYPT_OP, scratch) != -ENOTTY;
}

static int check(struct drover_vmref *vm, void __user *scratch, void *arg)
{
	struct order *order = arg;
	struct drover_harvester *h = order->harvester;
	struct drover_slots slots;
	int ret;

	if (is_confidential(vm, scratch))
		return drover_refuse(order->why, -EOPNOTSUPP,
				     "the VM's memory is confidential (SEV, TDX or guest_memfd)");
	if (drover_kvm_has_devices(vm->kvm))
		return drover_refuse(order->why, -EOPNOTSUPP,
				     "the VM has VFIO devices, whose writes cannot be seen");
	ret = drover_maps_find(&h->maps, h->ram, vm->mm, order->why);
	if (!ret)
		ret = drover_ram_check(h->ram, vm->mm, order->why);
	if (!ret)
		ret = drover_slots_list(&slots, vm, &h->maps, order->why);
	if (!ret)
		drover_slots_free(&slots);
	return ret;
}

static int start(struct drover_vmref *vm, void __user *scratch, void *arg)
{
	struct order *order = arg;
	struct drover_harvester *h = order->harvester;
	int ret;

	ret = check(vm, scratch, order);
	if (ret)
		return ret;
	if (h->watch_vmm) {
		ret = drover_vmmlog_start(&h->vmm, vm->mm, h->ram, &h->maps, order->why);
		if (ret)
			return ret;
	}
	ret = drover_kvmlog_start(&h->kvm, vm, scratch, &h->maps, order->why);
	if (ret && h->watch_vmm)
		drover_vmmlog_stop(&h->vmm);
	h->first = true;
	h->stamp = h->kvm.slots.stamp;
	return ret;
}

static int stop(struct drover_vmref *vm, void __user *scratch, void *arg)
{
	struct order *order = arg;
	struct drover_harvester *h = order->harvester;

	drover_kvmlog_stop(&h->kvm, vm, scratch, &h->maps);
	return 0;
}

static int collect_kvm(struct drover_harvester *h, void __user *scratch,
		       struct drover_harvest *result)
{
	struct drover_kvmlog_found found = {};
	u64 begin = ktime_get_ns();
	int ret;

	if (h->first)
		found.pages = drover_bitmap_set_range(h->bitmap, 0, h->ram->pages);
	ret = drover_kvmlog_collect(&h->kvm, h->vm, scratch, &h->maps, h->bitmap, &found);
	result->log_pages = found.pages;
	result->slots_relogged = found.relogged;
	result->log_ns = ktime_get_ns() - begin;
	return ret;
}

static int collect_vmm(struct drover_harvester *h, struct drover_harvest *result)
{
	struct drover_vmmlog_found found = {};
	u64 begin = ktime_get_ns();
	int ret;

	ret = drover_vmmlog_collect(&h->vmm, h->bitmap, &found);
	result->vmm_pages = found.pages;
	result->kept_pages = found.kept;
	result->vmm_ns = ktime_get_ns() - begin;
	return ret;
}

/* Is the RAM mapped as it was at the start, and nowhere else? */
static int check_maps(struct drover_harvester *h)
{
	struct drover_maps now;

	if (drover_ram_check(h->ram, h->vm->mm, NULL) ||
	    drover_maps_find(&now, h->ram, h->vm->mm, NULL) || !drover_maps_equal(&h->maps, &now))
		return -ESTALE;
	return 0;
}

static int harvest(struct drover_vmref *vm, void __user *scratch, void *arg)
{
	struct order *order = arg;
	struct drover_harvester *h = order->harvester;
	int ret;

	ret = check_maps(h);
	if (!ret)
		ret = collect_kvm(h, scratch, order->result);
	if (!ret && h->watch_vmm)
		ret = collect_vmm(h, order->result);
	if (ret)
		return ret == -ENOMEM ? ret : -ESTALE;
	order->result->total_pages = drover_bitmap_weight(h->bitmap);
	WRITE_ONCE(h->stamp, h->kvm.slots.stamp);
	h->first = false;
	return 0;
}

/* Could a harvester be started? Return: 0, or a negative errno with a sentence. */
int drover_harvester_check(struct drover_harvester *harvester, struct drover_reason *why)
{
	struct order order = { .harvester = harvester, .why = why };

	return drover_vmref_run(harvester->vm, check, &order);
}

/**
 * drover_harvester_start() - turn KVM's log on and the watch for the VMM's writes
 * @harvester:	not started
 * @why:	out: the sentence of a refusal
 *
 * Return: 0, or a negative errno with a sentence, after which the VM is as it was.
 */
int drover_harvester_start(struct drover_harvester *harvester, struct drover_reason *why)
{
	struct order order = { .harvester = harvester, .why = why };

	return drover_vmref_run(harvester->vm, start, &order);
}

/* Undoes the start. If the VM's process is gone, there is nothing left of it to be undone. */
void drover_harvester_stop(struct drover_harvester *harvester)
{
	struct order order = { .harvester = harvester };
	int ret;

	ret = drover_vmref_run(harvester->vm, stop, &order);
	if (ret && ret != -ESRCH)
		pr_warn("drover: the dirty log of process %d stays on: error %d\n",
			harvester->vm->pid, ret);
	drover_kvmlog_free(&harvester->kvm);
	if (harvester->watch_vmm)
		drover_vmmlog_stop(&harvester->vmm);
}

/**
 * drover_harvester_run() - add the pages written since the last harvest to the bitmap
 * @harvester:	started
 * @result:	out: all but @flags
 *
 * Return: 0, -ESRCH (the VM's process is gone), -ESTALE (pages may have been missed) or -ENOMEM
 * (nothing was lost).
 */
int drover_harvester_run(struct drover_harvester *harvester, struct drover_harvest *result)
{
	struct order order = { .harvester = harvester, .result = result };

	return drover_vmref_run(harvester->vm, harvest, &order);
}

static int sample(struct drover_vmref *vm, void __user *scratch, void *arg)
{
	struct order *order = arg;
	struct drover_harvester *h = order->harvester;
	struct drover_sample *s = order->sample;
	struct drover_kvmlog_choice next = { .seed = s->seed, .one_in = s->one_in };

	/* What is cleared now no harvest will find. */
	h->first = true;
	return drover_kvmlog_sample(&h->kvm, vm, scratch, &next, s);
}

/**
 * drover_harvester_sample() - count the guest's accesses to a part of its pages
 * @harvester:	started
 * @out:		in: which pages from now on; out: what became of those chosen before
 *
 * Return: 0, -ESRCH, -EAGAIN (the slots have changed), or KVM's errno.
 */
int drover_harvester_sample(struct drover_harvester *harvester, struct drover_sample *out)
{
	struct order order = { .harvester = harvester, .sample = out };
	u64 begin = ktime_get_ns();
	int ret;

	ret = drover_vmref_run(harvester->vm, sample, &order);
	out->ns = ktime_get_ns() - begin;
	return ret;
}

u32 drover_harvester_slots(const struct drover_harvester *harvester)
{
	return harvester->kvm.slots.count;
}

/* Have the VM's slots changed since the last harvest? */
bool drover_harvester_outdated(const struct drover_harvester *harvester)
{
	return drover_slots_stamp(harvester->vm) != READ_ONCE(harvester->stamp);
}
