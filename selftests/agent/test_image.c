// SPDX-License-Identifier: GPL-2.0-or-later
/* Images are made, copied, compared and removed, with the real qemu-img. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "block/image.h"
#include "core/clock.h"
#include "place.h"

#define MIB (1ULL << 20)


static void create(const char *name, const char *format, uint64_t size)
{
	struct drover_err err = { 0 };

	done(drover_image_create(in(name), format, size, NULL, NULL, &err), &err);
}

static void put(const char *name, uint64_t offset, size_t len, char what)
{
	int fd = open(in(name), O_WRONLY);
	char *bytes = malloc(len);

	assert_true(fd >= 0 && bytes);
	memset(bytes, what, len);
	assert_int_equal(pwrite(fd, bytes, len, offset), len);
	free(bytes);
	close(fd);
}

static uint64_t used(const char *name)
{
	struct stat st;

	assert_int_equal(stat(in(name), &st), 0);
	return st.st_blocks * 512ULL;
}

static void same(const char *a, const char *a_format, const char *b, const char *b_format,
		 bool wanted)
{
	uint64_t verified = 0, mismatched = 1;
	struct drover_err err = { 0 };

	done(drover_image_compare(in(a), a_format, in(b), b_format, NULL, NULL, &verified,
				  &mismatched, &err),
	     &err);
	assert_int_equal(mismatched == 0, wanted);
	if (wanted)
		assert_true(verified > 0);
}

static void copy(const char *a, const char *a_format, const char *b, const char *b_format)
{
	struct drover_err err = { 0 };

	done(drover_image_copy(in(a), a_format, in(b), b_format, 0, NULL, NULL, &err), &err);
}

static int make_dir(void **state)
{
	return place_make("image");
}

static int remove_dir(void **state)
{
	return place_remove();
}

static void a_new_image_is_empty_and_ours(void **state)
{
	static const char *const formats[] = { "raw", "qcow2" };
	struct drover_err err = { 0 };
	struct drover_image image;
	struct stat st;

	for (int i = 0; i < 2; i++) {
		create(formats[i], formats[i], 64 * MIB + 512);
		done(drover_image_look(in(formats[i]), formats[i], &image, &err), &err);
		assert_int_equal(image.size, 64 * MIB + 512);
		assert_true(image.used < MIB);
		assert_string_equal(image.format, formats[i]);
		assert_string_equal(image.backing, "");
		assert_int_equal(stat(in(formats[i]), &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
}

static void what_is_there_is_not_touched(void **state)
{
	struct drover_err err = { 0 };
	char *text = NULL;

	create("there", "raw", 4096);
	put("there", 0, 4096, 'x');
	assert_int_equal(drover_image_create(in("there"), "qcow2", MIB, NULL, NULL, &err), -EEXIST);
	assert_string_equal(err.text + strlen(err.text) - strlen("is there already"),
			    "is there already");
	assert_int_equal(drover_io_read_file(in("there"), 8192, &text, NULL, &err), 0);
	assert_int_equal(strspn(text, "x"), 4096);
	free(text);
	/* A link that leads nowhere is something, too. */
	assert_int_equal(symlink("/nonexistent", in("link")), 0);
	assert_int_equal(drover_image_create(in("link"), "raw", MIB, NULL, NULL, &err), -EEXIST);
}

static void nothing_is_left_of_a_failure(void **state)
{
	struct drover_err err = { 0 };

	assert_int_equal(drover_image_create(in("bad"), "qcow2", MIB, "/nonexistent", "raw", &err),
			 -EREMOTEIO);
	assert_non_null(strstr(err.text, "/nonexistent"));
	assert_int_equal(access(in("bad"), F_OK), -1);
	assert_int_equal(drover_image_create(in("no/dir"), "raw", MIB, NULL, NULL, &err), -ENOENT);
	assert_int_equal(drover_image_create(in("huge"), "raw", 1ULL << 62, NULL, NULL, &err),
			 -EFBIG);
	assert_int_equal(access(in("huge"), F_OK), -1);
}

static void copies_hold_the_same_and_stay_sparse(void **state)
{
	create("a.raw", "raw", 64 * MIB);
	put("a.raw", 5 * MIB, 2 * MIB, 'a');
	put("a.raw", 40 * MIB, 4 * MIB, '\0');
	create("b.qcow2", "qcow2", 64 * MIB);
	create("c.raw", "raw", 64 * MIB);
	copy("a.raw", "raw", "b.qcow2", "qcow2");
	copy("b.qcow2", "qcow2", "c.raw", "raw");
	same("a.raw", "raw", "b.qcow2", "qcow2", true);
	same("a.raw", "raw", "c.raw", "raw", true);
	/* Zeroes that were written have become holes. */
	assert_true(used("c.raw") >= 2 * MIB && used("c.raw") < 3 * MIB);
	put("c.raw", 63 * MIB, 1, 'c');
	same("b.qcow2", "qcow2", "c.raw", "raw", false);
}

static void a_difference_tells_where(void **state)
{
	uint64_t verified, mismatched;
	struct drover_err err = { 0 };

	create("d", "raw", 4 * MIB);
	create("e", "raw", 4 * MIB);
	put("e", 3 * MIB, 1, 'e');
	done(drover_image_compare(in("d"), "raw", in("e"), "raw", NULL, NULL, &verified, &mismatched,
				  &err),
	     &err);
	assert_int_equal(verified, 3 * MIB);
	assert_true(mismatched > 0);
}

static void a_backing_file_is_flattened_or_kept(void **state)
{
	struct drover_err err = { 0 };
	struct drover_image image;

	create("base", "raw", 8 * MIB);
	put("base", 0, 4 * MIB, 'b');
	done(drover_image_create(in("top"), "qcow2", 8 * MIB, in("base"), "raw", &err), &err);
	done(drover_image_look(in("top"), "qcow2", &image, &err), &err);
	assert_string_equal(image.backing, in("base"));
	assert_string_equal(image.backing_format, "raw");

	create("flat", "qcow2", 8 * MIB);
	copy("top", "qcow2", "flat", "qcow2");
	same("base", "raw", "flat", "qcow2", true);
	assert_true(used("flat") > 4 * MIB);

	done(drover_image_create(in("kept"), "qcow2", 8 * MIB, in("base"), "raw", &err), &err);
	copy("top", "qcow2", "kept", "qcow2");
	same("base", "raw", "kept", "qcow2", true);
	assert_true(used("kept") < MIB);
}

static void what_a_copy_needs_is_known(void **state)
{
	struct drover_err err = { 0 };
	uint64_t bytes = 0;

	create("m", "raw", 64 * MIB);
	put("m", 0, 3 * MIB, 'm');
	done(drover_image_measure(in("m"), "raw", "raw", &bytes, &err), &err);
	assert_true(bytes >= 3 * MIB);
	done(drover_image_measure(in("m"), "raw", "qcow2", &bytes, &err), &err);
	assert_true(bytes >= 3 * MIB && bytes < 5 * MIB);
}

static int stop_at_once(void *data, uint64_t finished, uint64_t total)
{
	int *calls = data;

	assert_int_equal(total, 64 * MIB);
	assert_true(finished <= total);
	(*calls)++;
	return 1;
}

static int stop_the_second_time(void *data)
{
	int *calls = data;

	return ++*calls == 2;
}

static void a_copy_can_be_cancelled(void **state)
{
	struct drover_err err = { 0 };
	int calls = 0;

	create("long", "raw", 64 * MIB);
	put("long", 0, 8 * MIB, 'l');
	create("short", "raw", 64 * MIB);
	assert_int_equal(drover_image_copy(in("long"), "raw", in("short"), "raw", MIB, stop_at_once,
					   &calls, &err),
			 -ECANCELED);
	assert_int_equal(calls, 1);
}

/* Its other side never says a word. */
static void a_comparison_can_be_cancelled(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int silent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), calls = 0;
	uint64_t verified, mismatched, begin = drover_clock_monotonic();
	struct drover_err err = { 0 };
	char uri[128];

	create("one", "raw", MIB);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", in("silent"));
	assert_int_equal(bind(silent, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(silent, 1), 0);
	snprintf(uri, sizeof(uri), "nbd+unix:///x?socket=%s", in("silent"));
	assert_int_equal(drover_image_compare(in("one"), "raw", uri, "raw", stop_the_second_time,
					      &calls, &verified, &mismatched, &err),
			 -ECANCELED);
	assert_int_equal(calls, 2);
	assert_true(drover_clock_monotonic() - begin < 5000000);
	close(silent);
}

/* A guest writes what it likes to the start of a raw disk. */
static void a_forged_header_is_data(void **state)
{
	struct drover_err err = { 0 };
	struct drover_image image;
	char command[256];

	snprintf(command, sizeof(command), "qemu-img create -q -f qcow2 -b /etc/passwd -F raw '%s'",
		 in("forged"));
	assert_int_equal(system(command), 0);
	done(drover_image_look(in("forged"), "raw", &image, &err), &err);
	assert_string_equal(image.format, "raw");
	assert_string_equal(image.backing, "");
	create("copied", "raw", image.size);
	copy("forged", "raw", "copied", "raw");
	same("forged", "raw", "copied", "raw", true);
}

static void failures_have_words(void **state)
{
	struct drover_err err = { 0 };
	struct drover_image image;

	assert_int_equal(drover_image_look(in("nothing"), "raw", &image, &err), -ENOENT);
	assert_non_null(strstr(err.text, "nothing: No such file"));
	create("plain", "raw", MIB);
	assert_int_equal(drover_image_look(in("plain"), "qcow2", &image, &err), -EREMOTEIO);
	assert_non_null(strstr(err.text, "not in qcow2 format"));
}

static void only_files_are_removed(void **state)
{
	struct drover_err err = { 0 };

	create("gone", "raw", 4096);
	done(drover_image_remove(in("gone"), &err), &err);
	assert_int_equal(access(in("gone"), F_OK), -1);
	done(drover_image_remove(in("gone"), &err), &err);
	assert_int_equal(drover_image_remove("/dev/null", &err), -EINVAL);
	assert_int_equal(access("/dev/null", F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_image_is_empty_and_ours),
		cmocka_unit_test(what_is_there_is_not_touched),
		cmocka_unit_test(nothing_is_left_of_a_failure),
		cmocka_unit_test(copies_hold_the_same_and_stay_sparse),
		cmocka_unit_test(a_difference_tells_where),
		cmocka_unit_test(a_backing_file_is_flattened_or_kept),
		cmocka_unit_test(what_a_copy_needs_is_known),
		cmocka_unit_test(a_copy_can_be_cancelled),
		cmocka_unit_test(a_comparison_can_be_cancelled),
		cmocka_unit_test(a_forged_header_is_data),
		cmocka_unit_test(failures_have_words),
		cmocka_unit_test(only_files_are_removed),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
