/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_DISK_H
#define GUEST_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "page.h"

struct options;

/*
 * /dev/vda from its start: block 0 says how many blocks follow; each of them
 * is a page of its own kind. Blocks are dealt with singly or in groups that
 * one lock and one I/O covers.
 */
#define DISK_PATH  "/dev/vda"
#define DISK_GROUP 16

void disk_start(const struct options *opt);

/* How many groups there are; 0: no disk is in use. */
size_t disk_groups(void);

/*
 * Reads a group into @pages (page-aligned, DISK_GROUP of them), checks it, and
 * leaves in @ret_generations what each page was found to be; 0 for a bad one.
 */
bool disk_read_group(size_t group, struct page *pages, uint64_t *ret_generations);

/* Rewrites a group; @pages as above. */
void disk_write_group(size_t group, struct page *pages);

/* Where in bytes the part of the disk ends that is in use; 0: none. */
uint64_t disk_end(void);

/* Counts an error if an I/O has been under way for very long; call it each second. */
void disk_watch(void);

/*
 * Checks every block now. Returns how many that were; with a disk that does
 * not answer it gives up, and *@ret_stuck is true.
 */
uint64_t disk_check(bool *ret_stuck);

#endif
