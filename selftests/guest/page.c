// SPDX-License-Identifier: GPL-2.0-or-later
/* A page that says what it is: header, checksum, seeded contents. */
#include "page.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#define WORDS (PAGE_BYTES / 8 - 4)

_Static_assert(sizeof(struct page) == PAGE_BYTES, "a page fills a page");

/* Odd, so that multiplying loses nothing: one changed word changes the sum. */
#define MIX 0x9e3779b97f4a7c15ull

static uint64_t mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * MIX;
	return sum ^ (sum >> 32);
}

static uint64_t seed(const struct page *page)
{
	return mix(mix(mix(0, page->kind), page->number), page->generation);
}

/* Knuth's MMIX constants. */
static uint64_t next(uint64_t state)
{
	return state * 6364136223846793005ull + 1442695040888963407ull;
}

void page_stamp(struct page *page, uint64_t kind, uint64_t number, uint64_t generation)
{
	uint64_t state, sum, word;

	page->kind = kind;
	page->number = number;
	page->generation = generation;
	state = sum = seed(page);
	for (int i = 0; i < WORDS; i++) {
		state = next(state);
		word = state ^ (state >> 32);
		page->words[i] = word;
		sum = (sum ^ word) * MIX;
	}
	page->sum = mix(sum, 0);
}

bool page_intact(const struct page *page)
{
	uint64_t sum = seed(page);

	for (int i = 0; i < WORDS; i++)
		sum = (sum ^ page->words[i]) * MIX;
	return page->sum == mix(sum, 0);
}

bool page_is(const struct page *page, uint64_t kind, uint64_t number, uint64_t generation)
{
	return page->kind == kind && page->number == number && page->generation == generation &&
	       page_intact(page);
}

const char *page_describe(const struct page *page, char *text, size_t size)
{
	snprintf(text, size, "kind %.8s number %" PRIu64 " generation %" PRIu64 ", sum %s",
		 page->kind >> 32 ? (const char *)&page->kind : "?", page->number, page->generation,
		 page_intact(page) ? "right" : "wrong");
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return text;
}

void *page_alloc(size_t pages)
{
	void *mem = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

uint64_t page_random(uint64_t *state)
{
	*state = next(*state);
	return *state >> 24;
}
