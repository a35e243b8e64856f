// SPDX-License-Identifier: GPL-2.0-or-later
/* What is written down of a disk's move is read again, also after a power loss. */
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
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "block/record.h"

static struct drover_conf conf;
static char logged[512];

static const struct drover_disk_record example = {
	.id = 4000000000,
	.migration_id = 7,
	.step = DROVER_DISK_STEP_COPYING,
	.delete_old = true,
	.verify = true,
	.start_time_us = 1700000000000000,
	.space_bytes = 1ULL << 40,
	.vm = "web",
	.disk = "root",
	.old_path = "/srv/old/we\"b \xc3\xa4.img",
	.old_format = "raw",
	.new_path = "/srv/new/web-root.qcow2",
	.new_format = "qcow2",
};

static void done(int r, const struct drover_err *err)
{
	if (r < 0)
		fail_msg("%s", err->text);
}

static void hear(enum drover_log_level level, const struct drover_log_subject *subject,
		 const char *text)
{
	snprintf(logged, sizeof(logged), "%s", text);
}

static int make_dir(void **state)
{
	struct drover_err err = { 0 };

	strcpy(conf.state_dir, "/tmp/drover-disks.XXXXXX");
	return mkdtemp(conf.state_dir) ? drover_disk_record_init(&conf, &err) : -1;
}

static int remove_dir(void **state)
{
	char command[DROVER_FIELD_LEN + 16];

	snprintf(command, sizeof(command), "rm -r '%s'", conf.state_dir);
	return system(command);
}

static size_t list(struct drover_disk_record *ret, size_t max)
{
	struct drover_disk_record *records = NULL;
	struct drover_err err = { 0 };
	size_t n = 99;

	done(drover_disk_record_list(&conf, &records, &n, &err), &err);
	assert_true(n <= max);
	memcpy(ret, records, n * sizeof(*ret));
	free(records);
	return n;
}

static void put(const char *name, const char *text)
{
	char path[DROVER_PATH_MAX];
	struct drover_err err = { 0 };

	done(drover_io_path(path, &err, "%s/disks/%s", conf.state_dir, name), &err);
	done(drover_io_write_durable(path, text, strlen(text), 0600, &err), &err);
}

static void what_is_written_is_read(void **state)
{
	struct drover_disk_record seen[4], second = example;
	struct drover_err err = { 0 };

	assert_int_equal(list(seen, 4), 0);
	done(drover_disk_record_write(&conf, &example, &err), &err);
	assert_int_equal(list(seen, 4), 1);
	assert_memory_equal(&seen[0], &example, sizeof(example));

	second.id = 1;
	second.delete_old = false;
	second.step = DROVER_DISK_STEP_OLD_LEFT;
	done(drover_disk_record_write(&conf, &second, &err), &err);
	assert_int_equal(list(seen, 4), 2);
	done(drover_disk_record_forget(&conf, example.id, &err), &err);
	assert_int_equal(list(seen, 4), 1);
	assert_memory_equal(&seen[0], &second, sizeof(second));
	done(drover_disk_record_forget(&conf, second.id, &err), &err);
	done(drover_disk_record_forget(&conf, second.id, &err), &err);
	assert_int_equal(list(seen, 4), 0);
}

static void a_step_replaces_the_one_before(void **state)
{
	struct drover_disk_record seen[4], record = example;
	struct drover_err err = { 0 };

	done(drover_disk_record_write(&conf, &record, &err), &err);
	record.step = DROVER_DISK_STEP_SWITCHING;
	done(drover_disk_record_write(&conf, &record, &err), &err);
	assert_int_equal(list(seen, 4), 1);
	assert_int_equal(seen[0].step, DROVER_DISK_STEP_SWITCHING);
	done(drover_disk_record_forget(&conf, record.id, &err), &err);
}

static void half_a_file_is_not_taken(void **state)
{
	struct drover_disk_record seen[4];

	put("move-9.new", "{");
	put("other", "{");
	assert_int_equal(list(seen, 4), 0);
}

static void a_damaged_one_does_not_hide_the_others(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{\"id\": 9}",
		"{\"id\": 9, \"migration_id\": 0, \"step\": \"dancing\", \"delete_old\": true,"
		" \"verify\": false, \"start_time_us\": 0, \"vm\": \"a\", \"disk\": \"a\","
		" \"old_path\": \"a\", \"old_format\": \"a\", \"new_path\": \"a\","
		" \"new_format\": \"a\"}",
		"{\"id\": 9, \"migration_id\": 0, \"step\": \"copying\", \"delete_old\": true,"
		" \"verify\": false, \"start_time_us\": 0, \"vm\": \"a\", \"disk\": \"a\","
		" \"old_path\": \"a\", \"old_format\": \"a format that is too long\","
		" \"new_path\": \"a\", \"new_format\": \"a\"}",
	};
	struct drover_disk_record seen[4];
	struct drover_err err = { 0 };

	done(drover_disk_record_write(&conf, &example, &err), &err);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		put("move-9", texts[i]);
		assert_int_equal(list(seen, 4), 1);
		assert_memory_equal(&seen[0], &example, sizeof(example));
		assert_non_null(strstr(logged, "/disks/move-9 is damaged"));
	}
	done(drover_disk_record_forget(&conf, example.id, &err), &err);
	done(drover_disk_record_forget(&conf, 9, &err), &err);
}

static void one_of_an_earlier_agent_is_read(void **state)
{
	struct drover_disk_record seen[4];
	struct drover_err err = { 0 };

	put("move-9",
	    "{\"id\": 9, \"migration_id\": 0, \"step\": \"copying\", \"delete_old\": true,"
	    " \"verify\": false, \"start_time_us\": 4711, \"vm\": \"a\", \"disk\": \"a\","
	    " \"old_path\": \"a\", \"old_format\": \"a\", \"new_path\": \"a\","
	    " \"new_format\": \"b\"}");
	assert_int_equal(list(seen, 4), 1);
	assert_int_equal(seen[0].start_time_us, 4711);
	assert_int_equal(seen[0].space_bytes, 0);
	assert_string_equal(seen[0].new_format, "b");
	done(drover_disk_record_forget(&conf, 9, &err), &err);
}

static void a_new_image_is_no_old_one(void **state)
{
	struct drover_disk_record seen[4], record = example;
	struct drover_err err = { 0 };

	for (int step = DROVER_DISK_STEP_COPYING; step <= DROVER_DISK_STEP_OLD_LEFT; step++) {
		record.step = step;
		done(drover_disk_record_write(&conf, &record, &err), &err);
		drover_disk_record_reuse(&conf, example.new_path);
		assert_int_equal(list(seen, 4), 1);
		drover_disk_record_reuse(&conf, example.old_path);
		assert_int_equal(list(seen, 4), step != DROVER_DISK_STEP_OLD_LEFT);
	}
}

static void nobody_starts_on_an_image_that_was_left(void **state)
{
	struct drover_vm_def def = { .disk_count = 1 };
	struct drover_disk_record record = example;
	struct drover_err err = { 0 };

	snprintf(def.name, sizeof(def.name), "%s", example.vm);
	snprintf(def.disks[0].name, sizeof(def.disks[0].name), "%s", example.disk);
	snprintf(def.disks[0].path, sizeof(def.disks[0].path), "%s", example.old_path);
	for (int step = DROVER_DISK_STEP_COPYING; step <= DROVER_DISK_STEP_OLD_LEFT; step++) {
		record.step = step;
		done(drover_disk_record_write(&conf, &record, &err), &err);
		assert_int_equal(drover_disk_record_check(&conf, &def, &err),
				 step == DROVER_DISK_STEP_SWITCHING ? -ESTALE : 0);
	}
	assert_non_null(strstr(err.text, example.new_path));

	record.step = DROVER_DISK_STEP_SWITCHING;
	done(drover_disk_record_write(&conf, &record, &err), &err);
	def.name[0] ^= 1;
	done(drover_disk_record_check(&conf, &def, &err), &err);
	def.name[0] ^= 1;
	snprintf(def.disks[0].path, sizeof(def.disks[0].path), "%s", example.new_path);
	done(drover_disk_record_check(&conf, &def, &err), &err);
	done(drover_disk_record_forget(&conf, record.id, &err), &err);
}

static void a_damaged_one_keeps_nobody_from_starting(void **state)
{
	struct drover_vm_def def = { .name = "web" };
	struct drover_err err = { 0 };

	put("move-9", "{");
	done(drover_disk_record_check(&conf, &def, &err), &err);
	done(drover_disk_record_forget(&conf, 9, &err), &err);
}

static void what_cannot_be_written_is_told(void **state)
{
	struct drover_conf none = { .state_dir = "/nonexistent" };
	struct drover_disk_record *records = NULL;
	struct drover_err err = { 0 };
	size_t n;

	assert_int_equal(drover_disk_record_write(&none, &example, &err), -ENOENT);
	assert_int_equal(drover_disk_record_list(&none, &records, &n, &err), -ENOENT);
	assert_string_not_equal(err.text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_step_replaces_the_one_before),
		cmocka_unit_test(half_a_file_is_not_taken),
		cmocka_unit_test(a_damaged_one_does_not_hide_the_others),
		cmocka_unit_test(one_of_an_earlier_agent_is_read),
		cmocka_unit_test(a_new_image_is_no_old_one),
		cmocka_unit_test(nobody_starts_on_an_image_that_was_left),
		cmocka_unit_test(a_damaged_one_keeps_nobody_from_starting),
		cmocka_unit_test(what_cannot_be_written_is_told),
	};

	drover_log_set_sink(hear, DROVER_LOG_ERROR);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
