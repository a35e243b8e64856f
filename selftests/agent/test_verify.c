// SPDX-License-Identifier: GPL-2.0-or-later
/* Page hashes: holes are zero pages, and looking at them does not fill them. */
#include <drover.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "migrate/verify.h"

#define PAGE DROVER_PAGE_SIZE

/* As the RAM file: on tmpfs. */
static int ram_of(uint64_t pages)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, pages * PAGE), 0);
	return fd;
}

static void write_page(int fd, uint64_t page, int byte)
{
	uint8_t buf[PAGE];

	memset(buf, byte, sizeof(buf));
	assert_int_equal(pwrite(fd, buf, PAGE, page * PAGE), PAGE);
}

static uint64_t hash_of(int byte)
{
	uint8_t buf[PAGE];

	memset(buf, byte, sizeof(buf));
	return XXH3_64bits(buf, sizeof(buf));
}

static blkcnt_t blocks_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_blocks;
}

static void holes_are_zero_pages_and_stay_holes(void **state)
{
	int fd = ram_of(3000);
	uint64_t *hashes = calloc(3000, sizeof(*hashes));
	blkcnt_t before;

	write_page(fd, 700, 0);		/* zero, but no hole */
	write_page(fd, 701, 0x55);
	write_page(fd, 2999, 0x66);
	before = blocks_of(fd);
	assert_int_equal(drover_verify_hash(fd, 0, 3000, hashes, NULL), 0);
	assert_int_equal(blocks_of(fd), before);
	for (int p = 0; p < 3000; p++) {
		uint64_t want = hash_of(p == 701 ? 0x55 : p == 2999 ? 0x66 : 0);

		assert_true(hashes[p] == want);
	}
	free(hashes);
	close(fd);
}

static void nothing_but_holes(void **state)
{
	int fd = ram_of(1000);
	uint64_t hashes[1000];

	assert_int_equal(drover_verify_hash(fd, 0, 1000, hashes, NULL), 0);
	assert_int_equal(blocks_of(fd), 0);
	for (int p = 0; p < 1000; p++)
		assert_true(hashes[p] == hash_of(0));
	close(fd);
}

/* Every range of a small file against one hash of the whole. */
static void any_range(void **state)
{
	uint64_t all[200], some[200];
	int fd = ram_of(200);

	srandom(2);
	for (int p = 0; p < 200; p++)
		if (random() % 3)
			write_page(fd, p, random());
	assert_int_equal(drover_verify_hash(fd, 0, 200, all, NULL), 0);
	for (uint32_t first = 0; first < 200; first += 3)
		for (uint32_t count = 0; first + count <= 200; count += 7) {
			memset(some, 0xa5, sizeof(some));
			assert_int_equal(drover_verify_hash(fd, first, count, some, NULL), 0);
			assert_memory_equal(some, all + first, count * sizeof(*some));
			/* And no further. */
			if (count < 200)
				assert_true(some[count] == 0xa5a5a5a5a5a5a5a5);
		}
	close(fd);
}

static void one_bit_shows(void **state)
{
	int fd = ram_of(4);
	uint64_t before[4], after[4];
	uint8_t byte = 1;

	write_page(fd, 1, 0);
	assert_int_equal(drover_verify_hash(fd, 0, 4, before, NULL), 0);
	assert_int_equal(pwrite(fd, &byte, 1, 3 * PAGE - 1), 1);
	assert_int_equal(drover_verify_hash(fd, 0, 4, after, NULL), 0);
	for (int p = 0; p < 4; p++)
		assert_int_equal(before[p] == after[p], p != 2);
	close(fd);
}

static void short_file_is_an_error(void **state)
{
	struct drover_err err = { 0 };
	uint64_t hashes[8];
	int fd = ram_of(4);

	write_page(fd, 3, 1);
	assert_int_equal(drover_verify_hash(fd, 0, 8, hashes, &err), -EIO);
	assert_non_null(strstr(err.text, "too short"));
	close(fd);
}

static void unreadable_file_is_an_error(void **state)
{
	struct drover_err err = { 0 };
	uint64_t hashes[8];
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	assert_int_equal(drover_verify_hash(fd[0], 0, 8, hashes, &err), -ESPIPE);
	assert_non_null(strstr(err.text, "cannot read the RAM file"));
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(drover_verify_hash(fd[0], 0, 8, hashes, &err), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holes_are_zero_pages_and_stay_holes),
		cmocka_unit_test(nothing_but_holes),
		cmocka_unit_test(any_range),
		cmocka_unit_test(one_bit_shows),
		cmocka_unit_test(short_file_is_an_error),
		cmocka_unit_test(unreadable_file_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
