/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bitmap of a session's dirty pages, and how many bits are set in it. Any
 * thread may set and take bits; user space may look on through a mapping.
 *
 *	word 0                word 1
 *	|63 ...      1 0|     |127 ...   65 64|  ...	page numbers
 */
#ifndef DROVER_BITMAP_H
#define DROVER_BITMAP_H

#include <linux/atomic.h>
#include <linux/types.h>

struct vm_area_struct;

struct drover_bitmap {
	atomic64_t *words;
	u64 pages;
	atomic64_t set;
};

int drover_bitmap_init(struct drover_bitmap *map, u64 pages);
void drover_bitmap_exit(struct drover_bitmap *map);
unsigned int drover_bitmap_or(struct drover_bitmap *map, u64 page, u64 bits);
u64 drover_bitmap_set_range(struct drover_bitmap *map, u64 first, u64 count);
u64 drover_bitmap_take(struct drover_bitmap *map, u64 word, u64 mask);
u64 drover_bitmap_weight(const struct drover_bitmap *map);
int drover_bitmap_mmap(struct drover_bitmap *map, struct vm_area_struct *vma);

#endif /* DROVER_BITMAP_H */
