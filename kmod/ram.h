/* SPDX-License-Identifier: GPL-2.0-only */
/* The RAM files of a VM: which they are, and which pages of theirs have which number. */
#ifndef DROVER_RAM_H
#define DROVER_RAM_H

#include <linux/types.h>

#include "reason.h"

struct address_space;
struct file;
struct mm_struct;

struct drover_ram_file {
	struct file *file;
	u64 first;	/* number of the file's first page */
	u64 pages;
};

struct drover_ram {
	unsigned int count;
	u64 pages;
	struct drover_ram_file files[DROVER_RAM_FILES_MAX];
};

int drover_ram_init(struct drover_ram *ram, const s32 *fds, unsigned int count,
		    struct drover_reason *why);
void drover_ram_exit(struct drover_ram *ram);
int drover_ram_check(const struct drover_ram *ram, const struct mm_struct *mm,
		     struct drover_reason *why);
struct address_space *drover_ram_find(const struct drover_ram *ram, u64 page, pgoff_t *index);

#endif /* DROVER_RAM_H */
