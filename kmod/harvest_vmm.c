// SPDX-License-Identifier: GPL-2.0-only
/*
 * See harvest_vmm.h.
 *
 * A walk write-protects the RAM's entries in the page tables of the VM's process; an entry that
 * the next walk finds writable was written in between, or given to a device to write. No MMU
 * notifier is called, so KVM's own tables keep all they have: that is sound because the memory is
 * shared file memory, whose frame a write fault does not change, and because KVM logs the guest's
 * writes itself.
 *
 * Three kinds of pages an entry alone does not tell of:
 *  - whose mapping was taken away between two walks (swapped out, discarded): an MMU notifier of
 *    ours notes them, when it begins, and again when it ends, for a walk may come between;
 *  - whose entry is not present but for a while (on the move to another frame, NUMA hints): they
 *    count as written;
 *  - that a device still writes after its entry was protected (O_DIRECT reads under way): their
 *    reference count is higher than the page cache and page tables explain. They are found again
 *    by each collection, until one after it is back to normal.
 *
 * The VMM is taken not to change the protection of its RAM (mprotect) while it is migrated.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "compat.h"
#include "harvest_vmm.h"
#include "lru.h"

/* The mmap lock is let go after so much address space, for the VMM may want it. */
#define WALK_STEP	(1UL << 30)
#define SLICE_PAGES	(1U << 19)

struct walk {
	struct drover_vmmlog *log;
	unsigned long start;	/* address of @page */
	u64 page;
};

static int protect_entry(pte_t *entry, unsigned long addr, void *data)
{
	struct walk *walk = data;
	pte_t pte = ptep_get(entry);

	if (pte_none(pte))
		return 0;
	if (pte_present(pte) && !pte_protnone(pte)) {
		if (!pte_write(pte))
			return 0;
		ptep_set_wrprotect(walk->log->mm, addr, entry);
		walk->log->flush = true;
	}
	__set_bit(walk->page + ((addr - walk->start) >> PAGE_SHIFT), walk->log->found);
	return 0;
}

/*
 * apply_to_page_range() walks page tables properly and without notifiers, but warns of huge pages
 * and makes tables that are missing. Hence the look before: while the mmap lock is held, a table
 * stays a table.
 */
static int protect_range(struct walk *walk, unsigned long start, unsigned long end, bool probe_only)
{
	struct mm_struct *mm = walk->log->mm;

	while (start < end) {
		unsigned long next = pmd_addr_end(start, end);
		int ret = drover_pmd_probe(mm, start);

		if (ret > 0 && !probe_only)
			ret = apply_to_page_range(mm, start, next - start, protect_entry, walk);
		if (ret < 0)
			return ret;
		start = next;
	}
	return 0;
}

/* Is [start, end) still mapped from the file and place that the list says? */
static bool is_mapped(const struct drover_vmmlog *log, const struct drover_map *map,
		      unsigned long start, unsigned long end)
{
	while (start < end) {
		u64 page = map->page + ((start - map->start) >> PAGE_SHIFT);
		struct vm_area_struct *vma = find_vma(log->mm, start);
		pgoff_t index;
		struct address_space *mapping = drover_ram_find(log->ram, page, &index);

		if (!vma || vma->vm_start > start || !vma->vm_file ||
		    vma->vm_file->f_mapping != mapping || !(vma->vm_flags & VM_SHARED) ||
		    linear_page_index(vma, start) != index)
			return false;
		start = vma->vm_end;
	}
	return true;
}

static int walk_map(struct drover_vmmlog *log, const struct drover_map *map, bool probe_only)
{
	struct walk walk = { .log = log, .start = map->start, .page = map->page };
	unsigned long start = map->start;
	int ret = 0;

	while (!ret && start < map->end) {
		unsigned long end = min(map->end, ALIGN(start + 1, WALK_STEP));

		mmap_read_lock(log->mm);
		if (is_mapped(log, map, start, end))
			ret = protect_range(&walk, start, end, probe_only);
		else
			ret = -ESTALE;
		mmap_read_unlock(log->mm);
		cond_resched();
		start = end;
	}
	return ret;
}

static int walk_all(struct drover_vmmlog *log, bool probe_only)
{
	unsigned int n;
	int ret = 0;

	for (n = 0; !ret && n < log->maps->count; n++)
		ret = walk_map(log, &log->maps->map[n], probe_only);
	return ret;
}

static void note_zap(struct drover_vmmlog *log, const struct mmu_notifier_range *range, int begin)
{
	unsigned int n;

	for (n = 0; n < log->maps->count; n++) {
		const struct drover_map *map = &log->maps->map[n];
		unsigned long start = max(range->start, map->start);
		unsigned long end = min(range->end, map->end);

		if (start >= end)
			continue;
		spin_lock(&log->zap_lock);
		log->zapping += begin;
		log->zaps = true;
		bitmap_set(log->zapped, map->page + ((start - map->start) >> PAGE_SHIFT),
			   PAGE_ALIGN(end - start) >> PAGE_SHIFT);
		spin_unlock(&log->zap_lock);
	}
}

/* NUMA hints come as changes of protection: they leave entries that protect_entry() notices. */
static bool is_zap(const struct mmu_notifier_range *range)
{
	switch (range->event) {
	case MMU_NOTIFY_PROTECTION_VMA:
	case MMU_NOTIFY_PROTECTION_PAGE:
	case MMU_NOTIFY_RELEASE:
		return false;
	default:
		return true;
	}
}

static int zap_begins(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	if (is_zap(range))
		note_zap(container_of(notifier, struct drover_vmmlog, notifier), range, 1);
	return 0;
}

static void zap_ends(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	if (is_zap(range))
		note_zap(container_of(notifier, struct drover_vmmlog, notifier), range, -1);
}

static const struct mmu_notifier_ops zap_ops = {
	.invalidate_range_start = zap_begins,
	.invalidate_range_end = zap_ends,
};

/* One slice of collect_zaps(). Return: pages in it have to stay noted. */
static bool collect_slice(struct drover_vmmlog *log, u64 first, unsigned int pages)
{
	unsigned long *found = log->found + BIT_WORD(first);
	unsigned long *zapped = log->zapped + BIT_WORD(first);
	bool stay;

	spin_lock(&log->zap_lock);
	stay = log->zapping;
	bitmap_or(found, found, zapped, pages);
	if (!stay)
		bitmap_zero(zapped, pages);
	spin_unlock(&log->zap_lock);
	return stay;
}

/*
 * Moves the noted pages over; those of mappings that are still going away stay noted. By slices, for
 * whoever unmaps or reclaims waits meanwhile.
 */
static void collect_zaps(struct drover_vmmlog *log)
{
	bool any, stay = false;
	u64 first;

	spin_lock(&log->zap_lock);
	any = log->zaps;
	log->zaps = false;
	spin_unlock(&log->zap_lock);
	if (!any)
		return;
	for (first = 0; first < log->ram->pages; first += SLICE_PAGES) {
		stay |= collect_slice(log, first, min_t(u64, SLICE_PAGES, log->ram->pages - first));
		cond_resched();
	}
	if (stay) {
		spin_lock(&log->zap_lock);
		log->zaps = true;
		spin_unlock(&log->zap_lock);
	}
	/* Reclaim may put the flush off, and a processor write by what it has cached. */
	log->flush = true;
}

static bool page_is_busy(const struct drover_ram *ram, u64 page)
{
	pgoff_t index;
	struct address_space *mapping = drover_ram_find(ram, page, &index);
	struct folio *folio;
	bool busy;

	rcu_read_lock();
	folio = xa_load(&mapping->i_pages, index);
	busy = folio && !xa_is_value(folio) && drover_folio_has_excess_ref(folio);
	rcu_read_unlock();
	return busy;
}

static unsigned long busy_pages(const struct drover_ram *ram, u64 first, unsigned long pages)
{
	unsigned long busy = 0, n;

	for_each_set_bit(n, &pages, BITS_PER_LONG)
		if (first + n < ram->pages && page_is_busy(ram, first + n))
			busy |= BIT(n);
	return busy;
}

/*
 * Empties log->found into @bitmap, together with the pages kept from earlier collections. What is
 * kept for a processor's sake only is released before the next collection, and so is found twice
 * but not for ever.
 */
static void deliver(struct drover_vmmlog *log, struct drover_bitmap *bitmap,
		    struct drover_vmmlog_found *found)
{
	u64 words = BITS_TO_LONGS(log->ram->pages), n;
	bool keeps = false;

	for (n = 0; n < words; n++) {
		u64 first = n * BITS_PER_LONG;
		unsigned long suspects = log->everything ? ~0UL : log->found[n] | log->kept[n];
		unsigned long busy = 0;

		/* Looked at before somebody can take and read the page. */
		if (suspects)
			busy = busy_pages(log->ram, first, suspects);
		if (log->found[n])
			found->pages += drover_bitmap_or(bitmap, first, log->found[n]);
		if (log->kept[n])
			found->kept += drover_bitmap_or(bitmap, first, log->kept[n]);
		log->kept[n] = busy;
		keeps |= busy;
		log->found[n] = 0;
		if (n % 1024 == 0)
			cond_resched();
	}
	log->everything = false;
	if (keeps)
		drover_lru_drain();
}

/**
 * drover_vmmlog_start() - begin to watch for writes of the VMM
 * @log:	to be filled
 * @mm:	memory of the VM's process, held (mmget)
 * @ram:	the RAM files
 * @why:	out: the sentence of a refusal
 * @maps:	must stay as it is until drover_vmmlog_stop()
 *
 * The caller holds the VM's memory (mmget). All pages count as written until the first collection.
 * Return: 0, -ENOMEM, or -EOPNOTSUPP with a sentence.
 */
int drover_vmmlog_start(struct drover_vmmlog *log, struct mm_struct *mm,
			const struct drover_ram *ram, const struct drover_maps *maps,
			struct drover_reason *why)
{
	size_t bytes = BITS_TO_LONGS(ram->pages) * sizeof(long);
	int ret = -ENOMEM;

	*log = (struct drover_vmmlog){ .ram = ram, .maps = maps, .mm = mm, .everything = true };
	spin_lock_init(&log->zap_lock);
	log->found = vzalloc(bytes);
	log->kept = vzalloc(bytes);
	log->zapped = vzalloc(bytes);
	if (!log->found || !log->kept || !log->zapped)
		goto free;
	ret = walk_all(log, true);
	if (ret == -EOPNOTSUPP)
		drover_refuse(why, ret, "the VM's RAM is mapped by huge pages");
	if (ret)
		goto free;
	log->notifier.ops = &zap_ops;
	ret = mmu_notifier_register(&log->notifier, mm);
	if (ret)
		goto free;
	return 0;
free:
	vfree(log->zapped);
	vfree(log->kept);
	vfree(log->found);
	return ret;
}

/* Entries that are still protected become writable by the ordinary fault of the next write. */
void drover_vmmlog_stop(struct drover_vmmlog *log)
{
	mmu_notifier_unregister(&log->notifier, log->mm);
	vfree(log->zapped);
	vfree(log->kept);
	vfree(log->found);
}

/**
 * drover_vmmlog_collect() - add what the VMM wrote since the last time to the bitmap
 * @log:	started
 * @bitmap: gets the bits
 * @found:	counters to be raised
 *
 * The caller holds the VM's memory. The order matters: zaps are moved over after the walk, so that
 * a page that was written before it and went away during it is found by this collection, which may
 * be the last; references are counted after the flush, when no get_user_pages_fast() can any more
 * rely on what it saw before.
 *
 * Return: 0, or -ESTALE if the RAM is not mapped as it was, or mapped by huge pages.
 */
int drover_vmmlog_collect(struct drover_vmmlog *log, struct drover_bitmap *bitmap,
			  struct drover_vmmlog_found *found)
{
	int ret;

	log->flush = false;
	ret = walk_all(log, false);
	collect_zaps(log);
	if (log->flush)
		drover_flush_tlb();
	deliver(log, bitmap, found);
	return ret ? -ESTALE : 0;
}
