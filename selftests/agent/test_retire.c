// SPDX-License-Identifier: GPL-2.0-or-later
/* After the disks have left: what stays here, what goes, and that it can be done twice. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/log.h"
#include "block/record.h"
#include "migrate/record.h"
#include "migrate/retire.h"
#include "place.h"

static struct drover_conf conf;
static const char *needed_by;

static int needed(void *data, const char *path, const char *vm, struct drover_err *err)
{
	assert_string_equal(vm, "web1");
	return needed_by ? drover_err_set(err, EBUSY, "%s is based on it", needed_by) : 0;
}

static struct drover_migrate_env env = { .conf = &conf, .needed = needed };
static struct drover_migration *m;

static void put(const char *name, const char *text)
{
	assert_int_equal(drover_io_write_durable(in(name), text, strlen(text), 0644, NULL), 0);
}

static int setup(void **state)
{
	if (place_make("retire") < 0)
		return -1;
	memset(&conf, 0, sizeof(conf));
	snprintf(conf.state_dir, sizeof(conf.state_dir), "%s/state", dir);
	snprintf(conf.vm_dir, sizeof(conf.vm_dir), "%s/vms", dir);
	m = drover_migration_create(&env, 7, "web1", "host1", "host2");
	return drover_io_mkdirs(conf.vm_dir, 0755, NULL) || drover_record_init(&conf, NULL);
}

static int teardown(void **state)
{
	drover_migration_put(m);
	return place_remove();
}

static void commit(uint32_t disks, bool delete_old)
{
	struct drover_commit c = { .id = 7, .vm = "web1", .target = "host2", .disk_count = disks,
				   .delete_old = delete_old };

	for (uint32_t i = 0; i < disks; i++) {
		snprintf(c.disks[i].disk, sizeof(c.disks[i].disk), "disk%u", i);
		snprintf(c.disks[i].old_path, sizeof(c.disks[i].old_path), "%s/old%u", dir, i);
		snprintf(c.disks[i].new_path, sizeof(c.disks[i].new_path), "/srv/new%u", i);
		strcpy(c.disks[i].old_format, "raw");
		strcpy(c.disks[i].new_format, "raw");
	}
	assert_int_equal(drover_record_commit(&conf, &c, NULL), 0);
	put("old0", "0");
	put("old1", "1");
	put("vms/web1.conf", "mine");
}

static void retire(bool sure)
{
	struct drover_err err = { 0 };

	if (drover_retire_disks(m, sure, &err) < 0)
		fail_msg("%s", err.text);
}

static size_t records(void)
{
	struct drover_disk_record *list;
	size_t n;

	assert_int_equal(drover_disk_record_list(&conf, &list, &n, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i].step, DROVER_DISK_STEP_OLD_LEFT);
		assert_int_equal(list[i].migration_id, 7);
		assert_string_equal(list[i].vm, "web1");
		assert_string_equal(list[i].host, "host2");
		assert_non_null(strstr(list[i].old_path, "/old"));
	}
	free(list);
	return n;
}

static void without_disks_nothing_changes(void **state)
{
	commit(0, true);
	retire(true);
	assert_true(is_there("vms/web1.conf"));
	assert_true(is_there("old0"));
	assert_false(is_there("state/disks"));
}

static void images_are_left(void **state)
{
	char *text;

	commit(2, false);
	retire(true);
	assert_true(is_there("old0") && is_there("old1"));
	assert_int_equal(records(), 2);
	assert_false(is_there("vms/web1.conf"));
	assert_int_equal(drover_io_read_file(in("vms/web1.conf.moved"), 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "mine");
	free(text);
	assert_int_equal(m->info.disk_count, 2);
	assert_int_equal(m->info.disks[1].state, DROVER_DISK_MOVE_DONE);
	assert_false(m->info.disks[1].old_deleted);
	assert_string_equal(m->info.disks[1].new_host, "host2");
	/* As after a crash before the commit was forgotten. */
	retire(true);
	assert_int_equal(records(), 2);
	assert_true(is_there("vms/web1.conf.moved"));
}

static void images_that_others_need_are_left(void **state)
{
	commit(2, true);
	needed_by = "disk root of vm clone";
	retire(true);
	needed_by = NULL;
	assert_true(is_there("old0") && is_there("old1"));
	assert_int_equal(records(), 2);
	assert_false(m->info.disks[0].old_deleted);
	assert_string_equal(m->info.disks[0].error,
			    "the old image was not deleted: disk root of vm clone is based on it");
}

static void images_are_deleted(void **state)
{
	commit(2, true);
	retire(true);
	assert_false(is_there("old0") || is_there("old1"));
	assert_true(m->info.disks[0].old_deleted && m->info.disks[1].old_deleted);
	assert_int_equal(records(), 0);
	retire(true);
	assert_int_equal(records(), 0);
}

/* An operator's word is enough to let go, and not enough to delete. */
static void a_guess_deletes_nothing(void **state)
{
	commit(2, true);
	retire(false);
	assert_true(is_there("old0") && is_there("old1"));
	assert_int_equal(records(), 2);
	assert_false(is_there("vms/web1.conf"));
}

static void what_cannot_be_deleted_is_left(void **state)
{
	commit(2, true);
	assert_int_equal(unlink(in("old0")), 0);
	assert_int_equal(mkdir(in("old0"), 0755), 0);
	retire(true);
	assert_false(m->info.disks[0].old_deleted);
	assert_true(m->info.disks[1].old_deleted);
	assert_int_equal(records(), 1);
}

static void quiet(enum drover_log_level level, const struct drover_log_subject *subject,
		  const char *text)
{
}

int main(void)
{
#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		IN_A_PLACE(without_disks_nothing_changes),
		IN_A_PLACE(images_are_left),
		IN_A_PLACE(images_are_deleted),
		IN_A_PLACE(images_that_others_need_are_left),
		IN_A_PLACE(a_guess_deletes_nothing),
		IN_A_PLACE(what_cannot_be_deleted_is_left),
	};

	drover_log_set_sink(quiet, DROVER_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
