// SPDX-License-Identifier: GPL-2.0-or-later
/* Page hashes. Reads by pread(2): a mapping would fill the holes. */
#include "migrate/verify.h"

#include <drover.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cleanup.h"

#define CHUNK_PAGES 64U

static uint64_t zero_hash(void)
{
	static const uint8_t zero[DROVER_PAGE_SIZE];

	return XXH3_64bits(zero, sizeof(zero));
}

/* First page at or after @page that is no hole, or @end. */
static uint64_t next_data(int fd, uint64_t page, uint64_t end)
{
	off_t at = lseek(fd, page << DROVER_PAGE_SHIFT, SEEK_DATA);

	if (at < 0)
		return errno == ENXIO ? end : page;
	return (uint64_t)at >> DROVER_PAGE_SHIFT < end ? (uint64_t)at >> DROVER_PAGE_SHIFT : end;
}

static int hash_chunk(int fd, uint64_t first, uint32_t count, uint8_t *buf, uint64_t *hashes,
		      struct drover_err *err)
{
	size_t len = (size_t)count << DROVER_PAGE_SHIFT;
	ssize_t n = pread(fd, buf, len, first << DROVER_PAGE_SHIFT);

	if (n != (ssize_t)len)
		return drover_err_set(err, n < 0 ? errno : EIO, "cannot read the RAM file: %s",
				      n < 0 ? strerror(errno) : "it is too short");
	for (uint32_t i = 0; i < count; i++)
		hashes[i] = XXH3_64bits(buf + (size_t)i * DROVER_PAGE_SIZE, DROVER_PAGE_SIZE);
	return 0;
}

int drover_verify_hash(int ram_fd, uint64_t first, uint32_t count, uint64_t *ret_hashes,
		       struct drover_err *err)
{
	auto_free uint8_t *buf = malloc(CHUNK_PAGES * DROVER_PAGE_SIZE);
	uint64_t zero = zero_hash(), end = first + count, page = first;

	if (!buf)
		return drover_err_set(err, ENOMEM, "out of memory");
	while (page < end) {
		uint64_t data = next_data(ram_fd, page, end);
		uint32_t n;
		int r;

		for (; page < data; page++)
			ret_hashes[page - first] = zero;
		if (page == end)
			break;
		n = end - page < CHUNK_PAGES ? end - page : CHUNK_PAGES;
		r = hash_chunk(ram_fd, page, n, buf, ret_hashes + (page - first), err);
		if (r < 0)
			return r;
		page += n;
	}
	return 0;
}
