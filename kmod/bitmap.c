// SPDX-License-Identifier: GPL-2.0-only
/* See bitmap.h. */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include "bitmap.h"
#include "compat.h"

#define WORD_PAGES 64
#define RESCHED_PAGES (1U << 20)

static unsigned long map_bytes(u64 pages)
{
	return PAGE_ALIGN(DIV_ROUND_UP_ULL(pages, WORD_PAGES) * sizeof(u64));
}

int drover_bitmap_init(struct drover_bitmap *map, u64 pages)
{
	map->words = vmalloc_user(map_bytes(pages));
	if (!map->words)
		return -ENOMEM;
	map->pages = pages;
	atomic64_set(&map->set, 0);
	return 0;
}

void drover_bitmap_exit(struct drover_bitmap *map)
{
	vfree(map->words);
	map->words = NULL;
}

static unsigned int or_word(struct drover_bitmap *map, u64 word, u64 bits)
{
	u64 old = atomic64_fetch_or(bits, &map->words[word]);

	return hweight64(bits & ~old);
}

/* Sets @bits, of which bit n stands for @page + n; returns how many were not set yet. */
unsigned int drover_bitmap_or(struct drover_bitmap *map, u64 page, u64 bits)
{
	unsigned int shift = page % WORD_PAGES;
	u64 word = page / WORD_PAGES;
	u64 spill = shift ? bits >> (WORD_PAGES - shift) : 0;
	unsigned int added = 0;

	if (bits << shift)
		added += or_word(map, word, bits << shift);
	if (spill)
		added += or_word(map, word + 1, spill);
	atomic64_add(added, &map->set);
	return added;
}

/* Sets @count bits from @first; returns how many were not set yet. May sleep. */
u64 drover_bitmap_set_range(struct drover_bitmap *map, u64 first, u64 count)
{
	u64 added = 0;

	while (count) {
		u64 n = min_t(u64, count, WORD_PAGES - first % WORD_PAGES);

		added += drover_bitmap_or(map, first, GENMASK_ULL(n - 1, 0));
		first += n;
		count -= n;
		if (first % RESCHED_PAGES == 0)
			cond_resched();
	}
	return added;
}

/* Takes the bits of @mask out of a word, and returns those that were set. */
u64 drover_bitmap_take(struct drover_bitmap *map, u64 word, u64 mask)
{
	u64 taken = 0;

	if (atomic64_read(&map->words[word]) & mask)
		taken = atomic64_fetch_andnot(mask, &map->words[word]) & mask;
	if (taken)
		atomic64_sub(hweight64(taken), &map->set);
	return taken;
}

u64 drover_bitmap_weight(const struct drover_bitmap *map)
{
	return atomic64_read(&map->set);
}

/* Shows the bitmap to user space, which can never write it. */
int drover_bitmap_mmap(struct drover_bitmap *map, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start > map_bytes(map->pages))
		return -EINVAL;
	drover_vma_forbid_writes(vma);
	return remap_vmalloc_range(vma, map->words, 0);
}
