// SPDX-License-Identifier: GPL-2.0-or-later
/* A commit is brought to its end: what is forgotten, what is said, and what stays for the next agent. */
#include <errno.h>
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
#include "migrate/doubt.h"

static char dir[64];
static struct drover_conf conf;
static struct drover_migration *m;
static int finished, blocked;
static enum drover_outcome outcome;

static const char *in(const char *name)
{
	static char paths[4][160];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static bool is_there(const char *name)
{
	return access(in(name), F_OK) == 0;
}

static void note_change(void *data, const struct drover_migration_info *info)
{
}

/* The name is free from here on: would the VM be let in? */
static void note_end(void *data, struct drover_migration *migration, enum drover_outcome how,
		     struct drover_vm *vm)
{
	finished++;
	outcome = how;
	blocked = drover_record_check_settled(&conf, "web1", NULL);
}

static const struct drover_migrate_env env = { .conf = &conf, .changed = note_change,
					       .finished = note_end };

static int setup(void **state)
{
	strcpy(dir, "/tmp/drover-doubt.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	memset(&conf, 0, sizeof(conf));
	finished = 0;
	strcpy(conf.host, "host1");
	snprintf(conf.state_dir, sizeof(conf.state_dir), "%s/state", dir);
	snprintf(conf.run_dir, sizeof(conf.run_dir), "%s/run", dir);
	snprintf(conf.vm_dir, sizeof(conf.vm_dir), "%s/vms", dir);
	m = drover_migration_create(&env, 7, "web1", "host1", "host2");
	return drover_io_mkdirs(conf.vm_dir, 0755, NULL) || drover_record_init(&conf, NULL);
}

static int teardown(void **state)
{
	char command[128];

	drover_migration_put(m);
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

static void commit(void)
{
	struct drover_commit c = { .id = 7, .vm = "web1", .target = "host2", .disk_count = 1 };

	strcpy(c.disks[0].disk, "root");
	strcpy(c.disks[0].old_path, in("old"));
	strcpy(c.disks[0].new_path, "/srv/new");
	strcpy(c.disks[0].old_format, "raw");
	strcpy(c.disks[0].new_format, "raw");
	assert_int_equal(drover_record_commit(&conf, &c, NULL), 0);
	assert_int_equal(drover_io_write_durable(in("vms/web1.conf"), "mine", 4, 0644, NULL), 0);
}

static void is_at_host2(void)
{
	char host[DROVER_NAME_LEN];

	assert_int_equal(drover_record_where(&conf, "web1", host, NULL), 0);
	assert_string_equal(host, "host2");
	assert_int_equal(m->info.state, DROVER_MIGRATION_DONE);
	assert_int_equal(finished, 1);
	assert_int_equal(outcome, DROVER_OUTCOME_LEFT);
	assert_int_equal(blocked, 0);
}

static void a_vm_that_left_is_forgotten(void **state)
{
	commit();
	drover_doubt_settle(m, NULL, "web1", NULL);
	is_at_host2();
	assert_false(is_there("state/migrations/commit-7"));
	assert_true(is_there("vms/web1.conf.moved"));
}

/* Kept, the commit would be the end of the VM here when it has come back and the agent is restarted. */
static void images_that_cannot_be_retired_keep_no_commit(void **state)
{
	commit();
	assert_int_equal(mkdir(in("vms/web1.conf.moved"), 0755), 0);
	drover_doubt_settle(m, NULL, "web1", NULL);
	is_at_host2();
	assert_false(is_there("state/migrations/commit-7"));
	assert_true(is_there("vms/web1.conf"));
}

static void quiet(enum drover_log_level level, const struct drover_log_subject *subject,
		  const char *text)
{
}

int main(void)
{
#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		IN_A_PLACE(a_vm_that_left_is_forgotten),
		IN_A_PLACE(images_that_cannot_be_retired_keep_no_commit),
	};

	drover_log_set_sink(quiet, DROVER_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
