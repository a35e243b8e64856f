// SPDX-License-Identifier: GPL-2.0-only
/* See memslot.h. */
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "memslot.h"

/*
 * Private memory is carried by the VMM's own device state. That is right for video memory and
 * firmware; more of it would be the guest's RAM.
 */
#define PRIVATE_SLOT_MAX	(64UL << 20)

static bool is_user_slot(const struct kvm_memory_slot *slot)
{
	return slot->id < KVM_USER_MEM_SLOTS;
}

static void describe(struct drover_slot *to, const struct kvm_memory_slot *from)
{
	*to = (struct drover_slot){
		.id = (u32)from->as_id << 16 | (u16)from->id,
		.flags = from->flags,
		.gpa = from->base_gfn << PAGE_SHIFT,
		.pages = from->npages,
		.hva = from->userspace_addr,
		.log = from->dirty_bitmap,
		.birthmark = drover_kvm_slot_birthmark(from),
	};
}

/* Copies all of the VM's slots. */
static int copy_slots(struct drover_slots *slots, struct kvm *kvm)
{
	unsigned int as, count = 0;
	struct kvm_memory_slot *slot;
	int bucket, ret = 0;

	slots->count = 0;
	slots->stamp = 0;
	mutex_lock(&kvm->slots_lock);
	for (as = 0; as < drover_kvm_as_count(kvm); as++) {
		slots->stamp += __kvm_memslots(kvm, as)->generation;
		kvm_for_each_memslot(slot, bucket, __kvm_memslots(kvm, as))
			count += is_user_slot(slot);
	}
	slots->slot = kvcalloc(count ?: 1, sizeof(*slots->slot), GFP_KERNEL);
	if (!slots->slot) {
		ret = -ENOMEM;
		goto unlock;
	}
	for (as = 0; as < drover_kvm_as_count(kvm); as++)
		kvm_for_each_memslot(slot, bucket, __kvm_memslots(kvm, as))
			if (is_user_slot(slot))
				describe(&slots->slot[slots->count++], slot);
unlock:
	mutex_unlock(&kvm->slots_lock);
	return ret;
}

/* May a slot that shows none of the RAM files be left to the VMM? */
static int check_foreign(struct mm_struct *mm, const struct drover_slot *slot,
			 struct drover_reason *why)
{
	struct vm_area_struct *vma = find_vma_intersection(mm, slot->hva, slot->hva + PAGE_SIZE);
	u64 mib = slot->pages >> (20 - PAGE_SHIFT);

	if (!vma)
		return drover_refuse(why, -EOPNOTSUPP,
				     "the memory slot at %#llx has no memory behind it", slot->gpa);
	if (vma->vm_flags & (VM_IO | VM_PFNMAP))
		return drover_refuse(why, -EOPNOTSUPP,
				     "the memory slot at %#llx is a device's (VFIO?)", slot->gpa);
	if (slot->flags & KVM_MEM_READONLY)
		return 0;
	if ((vma->vm_flags & VM_MAYSHARE) && vma->vm_file &&
	    (file_inode(vma->vm_file)->i_sb->s_flags & SB_KERNMOUNT))
		return drover_refuse(why, -EOPNOTSUPP,
				     "the %llu MiB of RAM at %#llx are a memfd: use memory-backend-file",
				     mib, slot->gpa);
	if (vma->vm_flags & VM_MAYSHARE)
		return drover_refuse(why, -EOPNOTSUPP,
				     "the %llu MiB of RAM at %#llx are a file that is not among the RAM files",
				     mib, slot->gpa);
	if (slot->pages > PRIVATE_SLOT_MAX >> PAGE_SHIFT)
		return drover_refuse(why, -EOPNOTSUPP,
				     "the %llu MiB of RAM at %#llx are private memory: use memory-backend-file,share=on",
				     mib, slot->gpa);
	return 0;
}

/* Leaves only those slots that show RAM files, and notes which pages they show. */
static int keep_ram(struct drover_slots *slots, struct mm_struct *mm,
		    const struct drover_maps *maps, struct drover_reason *why)
{
	unsigned int n, kept = 0;
	int ret = 0;

	mmap_read_lock(mm);
	for (n = 0; n < slots->count; n++) {
		struct drover_slot *slot = &slots->slot[n];

		ret = drover_maps_locate(maps, slot->hva, slot->pages, &slot->page);
		if (ret > 0)
			slots->slot[kept++] = *slot;
		else if (ret < 0)
			ret = drover_refuse(why, -EOPNOTSUPP,
					    "only a part of the memory slot at %#llx is in the RAM files",
					    slot->gpa);
		else
			ret = check_foreign(mm, slot, why);
		if (ret < 0)
			break;
		ret = 0;
	}
	mmap_read_unlock(mm);
	slots->count = kept;
	return ret;
}

/**
 * drover_slots_list() - list the slots that show RAM files to the guest
 * @slots:	to be filled
 * @vm:	the VM, whose memory is held (mmget)
 * @maps:	where the VM maps its RAM files
 * @why:	out: the sentence of a refusal, or NULL
 *
 * The VM's memory must be held (mmget). Return: 0, -ENOMEM, or -EOPNOTSUPP with a sentence if
 * the guest has RAM that cannot be tracked.
 */
int drover_slots_list(struct drover_slots *slots, struct drover_vmref *vm,
		      const struct drover_maps *maps, struct drover_reason *why)
{
	int ret = copy_slots(slots, vm->kvm);

	if (!ret)
		ret = keep_ram(slots, vm->mm, maps, why);
	if (!ret && !slots->count)
		ret = drover_refuse(why, -EOPNOTSUPP, "no memory slot of the VM shows a RAM file");
	if (ret)
		drover_slots_free(slots);
	return ret;
}

void drover_slots_free(struct drover_slots *slots)
{
	kvfree(slots->slot);
	slots->slot = NULL;
	slots->count = 0;
}

/* The slot of the list that has the same number, place and memory, and was not re-created. */
struct drover_slot *drover_slots_find(const struct drover_slots *slots,
				      const struct drover_slot *like)
{
	unsigned int n;

	for (n = 0; n < slots->count; n++) {
		struct drover_slot *slot = &slots->slot[n];

		if (slot->id == like->id)
			return slot->gpa == like->gpa && slot->pages == like->pages &&
			       slot->hva == like->hva && slot->page == like->page &&
			       slot->birthmark == like->birthmark ? slot : NULL;
	}
	return NULL;
}

/* A number that is another one after any change of the VM's slots. */
u64 drover_slots_stamp(struct drover_vmref *vm)
{
	struct kvm *kvm = vm->kvm;
	unsigned int as;
	u64 stamp = 0;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	for (as = 0; as < drover_kvm_as_count(kvm); as++)
		stamp += __kvm_memslots(kvm, as)->generation;
	srcu_read_unlock(&kvm->srcu, idx);
	return stamp;
}

/* A birthmark may come again after a re-creation: place, size and memory have to be the same, too. */
static bool is_still(const struct kvm_memory_slot *now, const struct drover_slot *slot)
{
	return drover_kvm_slot_birthmark(now) == slot->birthmark &&
	       now->base_gfn == slot->gpa >> PAGE_SHIFT && now->npages == slot->pages &&
	       now->userspace_addr == slot->hva;
}

/**
 * drover_slot_set_log() - turn a slot's dirty log on or off
 * @vm:	the VM, within drover_vmref_run()
 * @slot:	as it was listed
 * @on:	what is wanted
 *
 * KVM's ABI cannot say "only if the slot is still this one": the VMM may have removed it since it
 * was listed, and the ioctl would give birth to a slot that the VMM does not know of. So the look
 * and the change are one, under KVM's lock.
 *
 * Return: 0, -EAGAIN (the slot is no more the one that was listed), or KVM's errno.
 */
int drover_slot_set_log(struct drover_vmref *vm, const struct drover_slot *slot, bool on)
{
	struct kvm *kvm = vm->kvm;
	struct kvm_userspace_memory_region region = {
		.slot = slot->id,
		.flags = on ? slot->flags | KVM_MEM_LOG_DIRTY_PAGES
			    : slot->flags & ~KVM_MEM_LOG_DIRTY_PAGES,
		.guest_phys_addr = slot->gpa,
		.memory_size = slot->pages << PAGE_SHIFT,
		.userspace_addr = slot->hva,
	};
	struct kvm_memory_slot *now;
	int ret = -EAGAIN;

	mutex_lock(&kvm->slots_lock);
	now = id_to_memslot(__kvm_memslots(kvm, slot->id >> 16), slot->id & 0xffff);
	if (now && is_still(now, slot))
		ret = drover_kvm_set_region(kvm, &region);
	mutex_unlock(&kvm->slots_lock);
	return ret;
}
