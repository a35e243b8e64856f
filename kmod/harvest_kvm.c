// SPDX-License-Identifier: GPL-2.0-only
/*
 * See harvest_kvm.h.
 *
 * The log is read where KVM keeps it; only what has bits is given to KVM_CLEAR_DIRTY_LOG, which
 * write-protects those pages anew. The VMM may change its slots at any time, and a slot takes its
 * log with it. So the rule is: what a list of slots made now does not show to be the very log that
 * we left behind last time counts as wholly written.
 */
#include <linux/hash.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "harvest_kvm.h"

#define CHUNK_WORDS	(DROVER_SCRATCH_BITS_MAX / 64)
/* Slots change at human speed; who changes them at ours gets every page sent again. */
#define TRIES		8

static bool is_logged(const struct drover_slot *slot)
{
	return slot->flags & KVM_MEM_LOG_DIRTY_PAGES;
}

/* Turns the log of all slots of a new list on. Return: 1 if the list is then outdated. */
static int log_slots(struct drover_slots *slots, struct drover_vmref *vm)
{
	int changed = 0;
	unsigned int n;

	for (n = 0; n < slots->count; n++) {
		struct drover_slot *slot = &slots->slot[n];
		int ret;

		if (is_logged(slot))
			continue;
		ret = drover_slot_set_log(vm, slot, true);
		changed = 1;
		if (ret == -EAGAIN)
			continue;
		if (ret)
			return ret;
		slot->ours = true;
	}
	return changed;
}

/* Hands down what a later list cannot know: whose log it is. */
static void inherit(struct drover_slots *to, const struct drover_slots *from)
{
	unsigned int n;

	for (n = 0; n < to->count; n++) {
		const struct drover_slot *old = drover_slots_find(from, &to->slot[n]);

		if (old && old->ours && is_logged(&to->slot[n]))
			to->slot[n].ours = true;
	}
}

static void unlog_slots(struct drover_slots *slots, struct drover_vmref *vm)
{
	unsigned int n;

	for (n = 0; n < slots->count; n++)
		if (slots->slot[n].ours)
			drover_slot_set_log(vm, &slots->slot[n], false);
}

/**
 * drover_kvmlog_start() - turn the log of all RAM slots on
 * @log:	to be filled
 * @vm:	the VM, within drover_vmref_run()
 * @scratch: as drover_vmref_run() gives it
 * @maps:	where the VM maps its RAM files
 * @why:	out: the sentence of a refusal; empty at first
 *
 * Return: 0; -EOPNOTSUPP with a sentence, -EAGAIN, -ENOMEM or KVM's errno, after which the slots
 * are as they were.
 */
int drover_kvmlog_start(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
			const struct drover_maps *maps, struct drover_reason *why)
{
	struct drover_slots next;
	int ret, tries;

	log->chosen.one_in = 0;
	log->chunk = kvmalloc_array(CHUNK_WORDS, sizeof(u64), GFP_KERNEL);
	if (!log->chunk)
		return -ENOMEM;
	ret = drover_slots_list(&log->slots, vm, maps, why);
	if (ret)
		goto free;
	for (tries = 0; tries < TRIES; tries++) {
		ret = log_slots(&log->slots, vm);
		if (ret <= 0)
			break;
		ret = drover_slots_list(&next, vm, maps, why);
		if (ret)
			break;
		inherit(&next, &log->slots);
		drover_slots_free(&log->slots);
		log->slots = next;
		ret = -EAGAIN;
	}
	if (!ret)
		return 0;
	drover_refuse(why->text[0] ? NULL : why, ret, "KVM did not turn its dirty log on (%d)",
		      ret);
	drover_kvmlog_stop(log, vm, scratch, maps);
free:
	drover_kvmlog_free(log);
	return ret;
}

/* Turns those logs off that we turned on, of slots that are still the same. */
void drover_kvmlog_stop(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
			const struct drover_maps *maps)
{
	struct drover_slots now;
	unsigned int n;

	/* A refusal here says only that the slots are no more all ours to judge. */
	if (drover_slots_list(&now, vm, maps, NULL)) {
		unlog_slots(&log->slots, vm);
		return;
	}
	for (n = 0; n < now.count; n++) {
		struct drover_slot *slot = &now.slot[n];
		const struct drover_slot *old = drover_slots_find(&log->slots, slot);

		slot->ours = old && old->ours && is_logged(slot);
	}
	unlog_slots(&now, vm);
	drover_slots_free(&now);
}

void drover_kvmlog_free(struct drover_kvmlog *log)
{
	drover_slots_free(&log->slots);
	kvfree(log->chunk);
	log->chunk = NULL;
}

static void take_all(const struct drover_slot *slot, struct drover_bitmap *bitmap,
		     struct drover_kvmlog_found *found)
{
	found->pages += drover_bitmap_set_range(bitmap, slot->page, slot->pages);
}

/*
 * Takes as written what slots covered that are gone, and what slots cover that are new or have
 * another log, and logs these. Return: 0 if log->slots is the list of the slots as they are.
 */
static int reconcile(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
		     const struct drover_maps *maps, struct drover_bitmap *bitmap,
		     struct drover_kvmlog_found *found)
{
	struct drover_slots now;
	unsigned int n;
	int ret;

	ret = drover_slots_list(&now, vm, maps, NULL);
	if (ret)
		return ret == -ENOMEM ? ret : -ESTALE;
	for (n = 0; n < log->slots.count; n++)
		if (!drover_slots_find(&now, &log->slots.slot[n]))
			take_all(&log->slots.slot[n], bitmap, found);
	for (n = 0; n < now.count; n++) {
		struct drover_slot *slot = &now.slot[n];
		const struct drover_slot *old = drover_slots_find(&log->slots, slot);

		if (old && is_logged(slot) && is_logged(old) && old->log == slot->log) {
			slot->ours = old->ours;
			continue;
		}
		take_all(slot, bitmap, found);
		/* A log that we are just turning on comes by here twice: count it once. */
		if (!old || is_logged(old) || !old->ours)
			found->relogged++;
		slot->ours = old && old->ours && !is_logged(old) && is_logged(slot);
	}
	drover_slots_free(&log->slots);
	log->slots = now;
	ret = log_slots(&log->slots, vm);
	/* A slot may be without a log: the next call makes another list. */
	if (ret < 0)
		log->slots.stamp = U64_MAX;
	return ret;
}

/* Return: 0, 1 if the slots do not stop changing, or a negative errno. */
static int list_now(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
		    const struct drover_maps *maps, struct drover_bitmap *bitmap,
		    struct drover_kvmlog_found *found)
{
	int ret = 1, tries;

	if (drover_slots_stamp(vm) == log->slots.stamp)
		return 0;
	for (tries = 0; ret > 0 && tries < TRIES; tries++)
		ret = reconcile(log, vm, scratch, maps, bitmap, found);
	return ret;
}

/*
 * Copies @words words of a slot's log from @first on, and says which of them is the first and the
 * last with bits. Return: false if it is no more the log that was listed, or has no bits there.
 */
static bool copy_chunk(struct drover_kvmlog *log, struct kvm *kvm, const struct drover_slot *slot,
		       u64 first, u32 words, u32 *low, u32 *high)
{
	struct kvm_memory_slot *now;
	bool any = false;
	u32 n;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	now = id_to_memslot(__kvm_memslots(kvm, slot->id >> 16), slot->id & 0xffff);
	if (!now || !slot->log || now->dirty_bitmap != slot->log || now->npages != slot->pages)
		goto unlock;
	for (n = 0; n < words; n++) {
		log->chunk[n] = READ_ONCE(now->dirty_bitmap[first + n]);
		if (!log->chunk[n])
			continue;
		if (!any)
			*low = n;
		*high = n;
		any = true;
	}
unlock:
	srcu_read_unlock(&kvm->srcu, idx);
	return any;
}

/* Clears in KVM the bits of the chunk's words from @low to @high. */
static int clear_chunk(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
		       const struct drover_slot *slot, u64 first, u32 low, u32 high)
{
	u64 __user *bits = scratch + PAGE_SIZE;
	struct kvm_clear_dirty_log clear = {
		.slot = slot->id,
		.first_page = (first + low) * 64,
		.num_pages = min_t(u64, (high - low + 1) * 64, slot->pages - (first + low) * 64),
		.dirty_bitmap = bits,
	};

	if (copy_to_user(bits, log->chunk + low, (high - low + 1) * sizeof(u64)) ||
	    copy_to_user(scratch, &clear, sizeof(clear)))
		return -EFAULT;
	return drover_vmref_ioctl(vm, KVM_CLEAR_DIRTY_LOG, scratch);
}

/* Bits of a slot's log that stand for pages, in its word @word. */
static u64 pages_of_word(const struct drover_slot *slot, u64 word)
{
	u64 left = slot->pages - word * 64;

	return left < 64 ? GENMASK_ULL(left - 1, 0) : ~0ULL;
}

/* Adds the chunk's words from @low to @high to the bitmap. */
static void deliver_chunk(const struct drover_kvmlog *log, const struct drover_slot *slot, u64 first,
			  u32 low, u32 high, struct drover_bitmap *bitmap,
			  struct drover_kvmlog_found *found)
{
	u32 n;

	for (n = low; n <= high; n++)
		found->pages += drover_bitmap_or(bitmap, slot->page + (first + n) * 64,
						 log->chunk[n] & pages_of_word(slot, first + n));
}

static int collect_slot(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
			const struct drover_slot *slot, struct drover_bitmap *bitmap,
			struct drover_kvmlog_found *found)
{
	u64 words = DIV_ROUND_UP_ULL(slot->pages, 64), first;

	for (first = 0; first < words; first += CHUNK_WORDS) {
		u32 low = 0, high = 0;
		int ret;

		cond_resched();
		if (!copy_chunk(log, vm->kvm, slot, first,
				min_t(u64, CHUNK_WORDS, words - first), &low, &high))
			continue;
		/* Protected first: who takes a page at once reads it as it is from then on. */
		ret = clear_chunk(log, vm, scratch, slot, first, low, high);
		deliver_chunk(log, slot, first, low, high, bitmap, found);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * drover_kvmlog_collect() - add what the guest wrote since the last time to the bitmap
 * @log:	started
 * @vm:	the VM, within drover_vmref_run()
 * @scratch: as drover_vmref_run() gives it
 * @maps:	as at the start
 * @bitmap: gets the bits
 * @found:	counters to be raised
 *
 * If slots change meanwhile, bits of a log that we never saw may have been cleared: every page
 * then counts as written, and the next call puts the logs in order.
 *
 * Return: 0, -ESTALE (a slot shows memory that cannot be tracked), -ENOMEM, or KVM's errno.
 */
int drover_kvmlog_collect(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
			  const struct drover_maps *maps, struct drover_bitmap *bitmap,
			  struct drover_kvmlog_found *found)
{
	unsigned int n;
	int ret;

	ret = list_now(log, vm, scratch, maps, bitmap, found);
	if (ret < 0)
		return ret;
	for (n = 0; !ret && n < log->slots.count; n++) {
		ret = collect_slot(log, vm, scratch, &log->slots.slot[n], bitmap, found);
		if (ret && drover_slots_stamp(vm) == log->slots.stamp)
			return ret;
	}
	if (ret || drover_slots_stamp(vm) != log->slots.stamp)
		found->pages += drover_bitmap_set_range(bitmap, 0, bitmap->pages);
	return 0;
}

static bool is_chosen(const struct drover_kvmlog_choice *choice, u64 word)
{
	return choice->one_in && hash_64(word ^ choice->seed, 32) % choice->one_in == 0;
}

/* Counts what became of a word that the last sample chose. */
static void count_word(const struct drover_kvmlog *log, struct drover_vmref *vm,
		       const struct drover_slot *slot, u64 word, u64 bits,
		       struct drover_sample *found)
{
	unsigned long hva = slot->hva + word * 64 * PAGE_SIZE;

	/* The same pages appear in each address space: they are few in the others. */
	found->written_pages += hweight64(bits);
	if (slot->id >> 16)
		return;
	found->sampled_pages += hweight64(pages_of_word(slot, word));
	found->looked_pages++;
	found->accessed_pages += drover_kvm_clear_young(vm->kvm, vm->mm, hva);
}

/* One chunk: looks back at what was chosen, and write-protects what is chosen now. */
static int sample_chunk(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
			const struct drover_slot *slot, u64 first, u32 words,
			const struct drover_kvmlog_choice *next, struct drover_sample *found)
{
	u32 low = words, high = 0, n;

	if (!copy_chunk(log, vm->kvm, slot, first, words, &low, &high))
		memset(log->chunk, 0, words * sizeof(u64));
	low = words;
	for (n = 0; n < words; n++) {
		u64 word = first + n;

		if (is_chosen(&log->chosen, word))
			count_word(log, vm, slot, word, log->chunk[n] & pages_of_word(slot, word),
				   found);
		log->chunk[n] = 0;
		if (!is_chosen(next, word))
			continue;
		if (!is_chosen(&log->chosen, word))
			drover_kvm_clear_young(vm->kvm, vm->mm, slot->hva + word * 64 * PAGE_SIZE);
		log->chunk[n] = pages_of_word(slot, word);
		low = min(low, n);
		high = n;
	}
	return low < words ? clear_chunk(log, vm, scratch, slot, first, low, high) : 0;
}

/**
 * drover_kvmlog_sample() - count the guest's accesses to a part of its pages
 * @log:	started
 * @vm:	the VM, within drover_vmref_run()
 * @scratch: as drover_vmref_run() gives it
 * @next:	what is to be looked at from now on
 * @found:	counters to be raised, of what the last call chose
 *
 * What it clears is lost to drover_kvmlog_collect(). Return: 0, -EAGAIN (the slots have changed
 * since they were listed), or KVM's errno.
 */
int drover_kvmlog_sample(struct drover_kvmlog *log, struct drover_vmref *vm, void __user *scratch,
			 const struct drover_kvmlog_choice *next, struct drover_sample *found)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < log->slots.count; i++) {
		const struct drover_slot *slot = &log->slots.slot[i];
		u64 words = DIV_ROUND_UP_ULL(slot->pages, 64), first;

		for (first = 0; !ret && first < words; first += CHUNK_WORDS) {
			ret = sample_chunk(log, vm, scratch, slot, first,
					   min_t(u64, CHUNK_WORDS, words - first), next, found);
			cond_resched();
		}
	}
	if (drover_slots_stamp(vm) != log->slots.stamp)
		return -EAGAIN;
	log->chosen = *next;
	return ret;
}
