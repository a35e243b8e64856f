// SPDX-License-Identifier: GPL-2.0-only
/* See maps.h. */
#include <linux/fs.h>
#include <linux/mm.h>

#include "maps.h"

static const struct drover_ram_file *file_of(const struct drover_ram *ram,
					     const struct vm_area_struct *vma, unsigned int *n)
{
	if (!vma->vm_file)
		return NULL;
	for (*n = 0; *n < ram->count; ++*n)
		if (file_inode(ram->files[*n].file) == file_inode(vma->vm_file))
			return &ram->files[*n];
	return NULL;
}

/* Adds an area, or makes the last one longer if both are one piece. */
static int add(struct drover_maps *maps, unsigned long start, unsigned long end, u64 page)
{
	struct drover_map *last = maps->count ? &maps->map[maps->count - 1] : NULL;

	if (last && last->end == start &&
	    last->page + ((last->end - last->start) >> PAGE_SHIFT) == page) {
		last->end = end;
		return 0;
	}
	if (maps->count == DROVER_MAPS_MAX)
		return -E2BIG;
	maps->map[maps->count++] = (struct drover_map){ start, end, page };
	return 0;
}

static int add_vma(struct drover_maps *maps, const struct drover_ram *ram,
		   struct vm_area_struct *vma, unsigned long *seen, struct drover_reason *why)
{
	unsigned int n;
	const struct drover_ram_file *file = file_of(ram, vma, &n);

	if (!file)
		return 0;
	if (!(vma->vm_flags & VM_MAYSHARE))
		return drover_refuse(why, -EOPNOTSUPP,
				     "the VM maps RAM file %u privately: use share=on", n);
	if (vma->vm_pgoff >= file->pages || vma_pages(vma) > file->pages - vma->vm_pgoff)
		return drover_refuse(why, -EOPNOTSUPP,
				     "the VM maps more of RAM file %u than there is of it", n);
	if (!(vma->vm_flags & VM_WRITE))
		return 0;
	*seen |= BIT(n);
	if (add(maps, vma->vm_start, vma->vm_end, file->first + vma->vm_pgoff))
		return drover_refuse(why, -EOPNOTSUPP,
				     "the VM maps its RAM files in more than %u pieces",
				     DROVER_MAPS_MAX);
	return 0;
}

/**
 * drover_maps_find() - list the areas through which @mm writes the RAM files
 * @maps:	to be filled
 * @ram:	the RAM files
 * @mm:	memory of the VM's process, held (mmget)
 * @why:	out: the sentence of a refusal, or NULL
 *
 * Return: 0, or -EOPNOTSUPP with a sentence if they cannot be watched.
 */
int drover_maps_find(struct drover_maps *maps, const struct drover_ram *ram, struct mm_struct *mm,
		     struct drover_reason *why)
{
	struct vm_area_struct *vma;
	unsigned long seen = 0;
	unsigned int n;
	int ret = 0;

	VMA_ITERATOR(walk, mm, 0);

	maps->count = 0;
	mmap_read_lock(mm);
	for_each_vma(walk, vma) {
		ret = add_vma(maps, ram, vma, &seen, why);
		if (ret)
			break;
	}
	mmap_read_unlock(mm);
	for (n = 0; !ret && n < ram->count; n++)
		if (!(seen & BIT(n)))
			ret = drover_refuse(why, -EOPNOTSUPP, "the VM does not map RAM file %u", n);
	return ret;
}

bool drover_maps_equal(const struct drover_maps *a, const struct drover_maps *b)
{
	unsigned int n;

	if (a->count != b->count)
		return false;
	for (n = 0; n < a->count; n++)
		if (a->map[n].start != b->map[n].start || a->map[n].end != b->map[n].end ||
		    a->map[n].page != b->map[n].page)
			return false;
	return true;
}

/**
 * drover_maps_locate() - which pages of the RAM lie at an address?
 * @maps:	the areas
 * @start:	user address
 * @pages:	length
 * @page:	out: number of the page at @start
 *
 * Return: 1 if all @pages are pages of the RAM, 0 if none is, -ERANGE if some are.
 */
int drover_maps_locate(const struct drover_maps *maps, unsigned long start, u64 pages, u64 *page)
{
	unsigned long end = start + (pages << PAGE_SHIFT);
	unsigned int n;

	for (n = 0; n < maps->count; n++) {
		const struct drover_map *map = &maps->map[n];

		if (end <= map->start || start >= map->end)
			continue;
		if (start < map->start || end > map->end)
			return -ERANGE;
		*page = map->page + ((start - map->start) >> PAGE_SHIFT);
		return 1;
	}
	return 0;
}
