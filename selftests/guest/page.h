/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_PAGE_H
#define GUEST_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096

/* Kinds of pages: no page passes for one of another kind. */
#define PAGE_MEMORY 0x4d454d2d52565244ull /* "DRVR-MEM" */
#define PAGE_FILL   0x4c4c462d52565244ull /* "DRVR-FLL" */
#define PAGE_DISK   0x4b53442d52565244ull /* "DRVR-DSK" */
#define PAGE_SUPER  0x5250532d52565244ull /* "DRVR-SPR" */
#define PAGE_STREAM 0x54454e2d52565244ull /* "DRVR-NET" */

/*
 * What lies in a page of memory, a block of the disk, and a chunk of the bulk
 * stream. A page that was lost on the way keeps an older content, which is as
 * consistent as the newer one: so whoever checks must bring the generation it
 * remembers, and must not believe the page's own.
 */
struct page {
	uint64_t kind;
	uint64_t number;
	uint64_t generation;
	uint64_t sum; /* over all the rest */
	uint64_t words[PAGE_BYTES / 8 - 4];
};

void page_stamp(struct page *page, uint64_t kind, uint64_t number, uint64_t generation);
bool page_intact(const struct page *page);
bool page_is(const struct page *page, uint64_t kind, uint64_t number, uint64_t generation);
const char *page_describe(const struct page *page, char *text, size_t size);

/* Page-aligned memory, zeroed; NULL if there is none. */
void *page_alloc(size_t pages);

/* A cheap generator for choosing pages, one state a thread. */
uint64_t page_random(uint64_t *state);

#endif
