// SPDX-License-Identifier: GPL-2.0-only
/* See ram.h. */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/rbtree.h>
#include <linux/shmem_fs.h>

#include "ram.h"

static int check_file(struct file *file, unsigned int n, struct drover_reason *why)
{
	struct inode *inode = file_inode(file);
	loff_t size = i_size_read(inode);

	if (!S_ISREG(inode->i_mode) || inode->i_sb->s_magic != TMPFS_MAGIC)
		return drover_refuse(why, -EOPNOTSUPP, "RAM file %u is not on tmpfs", n);
	if (inode->i_sb->s_flags & SB_KERNMOUNT)
		return drover_refuse(why, -EOPNOTSUPP,
				     "RAM file %u has no name (memfd): use memory-backend-file", n);
	if (((struct shmem_sb_info *)inode->i_sb->s_fs_info)->huge)
		return drover_refuse(why, -EOPNOTSUPP,
				     "RAM file %u is on a tmpfs with huge pages: mount it with huge=never",
				     n);
	if (size <= 0 || size % PAGE_SIZE)
		return drover_refuse(why, -EINVAL,
				     "the size of RAM file %u is not a multiple of the page size", n);
	return 0;
}

static int add_file(struct drover_ram *ram, int fd, struct drover_reason *why)
{
	unsigned int n = ram->count, other;
	struct drover_ram_file *new = &ram->files[n];
	u64 pages;
	int ret;

	new->file = fget(fd);
	if (!new->file)
		return drover_refuse(why, -EBADF, "RAM file %u is not an open file", n);
	ret = check_file(new->file, n, why);
	if (ret)
		goto put;
	for (other = 0; other < n; other++) {
		if (file_inode(ram->files[other].file) == file_inode(new->file)) {
			ret = drover_refuse(why, -EINVAL, "RAM files %u and %u are the same file",
					    other, n);
			goto put;
		}
	}
	new->first = ram->pages;
	new->pages = i_size_read(file_inode(new->file)) >> PAGE_SHIFT;
	if (check_add_overflow(ram->pages, new->pages, &pages) || pages > INT_MAX) {
		ret = drover_refuse(why, -EINVAL, "the RAM files are too large");
		goto put;
	}
	ram->pages = pages;
	ram->count++;
	return 0;
put:
	fput(new->file);
	return ret;
}

/* Takes a reference to each of the files, after it has found them fit to be tracked. */
int drover_ram_init(struct drover_ram *ram, const s32 *fds, unsigned int count,
		    struct drover_reason *why)
{
	unsigned int n;
	int ret;

	ram->count = 0;
	ram->pages = 0;
	for (n = 0; n < count; n++) {
		ret = add_file(ram, fds[n], why);
		if (ret) {
			drover_ram_exit(ram);
			return ret;
		}
	}
	return 0;
}

void drover_ram_exit(struct drover_ram *ram)
{
	while (ram->count)
		fput(ram->files[--ram->count].file);
}

static bool others_write(struct address_space *mapping, const struct mm_struct *mm)
{
	struct rb_node *node;
	bool found = false;

	i_mmap_lock_read(mapping);
	for (node = rb_first_cached(&mapping->i_mmap); node && !found; node = rb_next(node)) {
		struct vm_area_struct *vma = rb_entry(node, struct vm_area_struct, shared.rb);

		found = vma->vm_mm != mm && (vma->vm_flags & VM_SHARED) &&
			(vma->vm_flags & VM_WRITE);
	}
	i_mmap_unlock_read(mapping);
	return found;
}

/**
 * drover_ram_check() - can nothing write the RAM files unseen?
 * @ram:	the RAM files
 * @mm:	memory of the VM's process
 * @why:	out: the sentence of a refusal, or NULL
 *
 * Only @mm, the VM's own, is watched: a vhost-user back-end writes through its own page tables.
 * Return: 0, or -EOPNOTSUPP with a sentence.
 */
int drover_ram_check(const struct drover_ram *ram, const struct mm_struct *mm,
		     struct drover_reason *why)
{
	unsigned int n;

	for (n = 0; n < ram->count; n++) {
		const struct drover_ram_file *file = &ram->files[n];
		struct inode *inode = file_inode(file->file);

		if (i_size_read(inode) >> PAGE_SHIFT != file->pages)
			return drover_refuse(why, -EOPNOTSUPP, "the size of RAM file %u changed", n);
		if (others_write(inode->i_mapping, mm))
			return drover_refuse(why, -EOPNOTSUPP,
					     "another process maps RAM file %u for writing (vhost-user?)",
					     n);
	}
	return 0;
}

/* The page cache that holds @page, which must be within the RAM, and where in it. */
struct address_space *drover_ram_find(const struct drover_ram *ram, u64 page, pgoff_t *index)
{
	const struct drover_ram_file *file = ram->files;

	while (page - file->first >= file->pages)
		file++;
	*index = page - file->first;
	return file->file->f_mapping;
}
