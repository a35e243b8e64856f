// SPDX-License-Identifier: GPL-2.0-or-later
/* A commit is brought to its end: what is forgotten, what is said, and what stays for the next agent. */
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
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/log.h"
#include "migrate/doubt.h"
#include "migrate/source.h"
#include "migrate/switchover.h"
#include "monitor.h"
#include "place.h"

static struct drover_conf conf;
static struct drover_migration *m;
static int finished, blocked;
static enum drover_outcome outcome;

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
	if (place_make("doubt") < 0)
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
	drover_migration_put(m);
	return place_remove();
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

/* With neither it would start here on old images: the commit is what is left to prevent that. */
static void what_is_written_nowhere_keeps_its_commit(void **state)
{
	commit();
	assert_int_equal(mkdir(in("vms/web1.conf.moved"), 0755), 0);
	assert_int_equal(rmdir(in("state/placement")), 0);
	drover_doubt_settle(m, NULL, "web1", NULL);
	assert_int_equal(outcome, DROVER_OUTCOME_LEFT);
	assert_int_equal(blocked, -EBUSY);
}

/* No pidfd: it cannot be ended. The next agent is to try again. */
static void one_that_does_not_end_keeps_its_commit(void **state)
{
	struct drover_vm vm = { .pidfd = open("/dev/null", O_RDONLY) };

	commit();
	drover_doubt_settle(m, &vm, "web1", NULL);
	assert_int_equal(m->info.state, DROVER_MIGRATION_DONE);
	assert_int_equal(outcome, DROVER_OUTCOME_STUCK);
	assert_int_equal(blocked, -EBUSY);
	assert_true(is_there("vms/web1.conf"));
	close(vm.pidfd);
}

/* --- it never ran there --- */

static struct monitor monitor;

/* A VM that the migration has paused; its process is this one. */
static struct drover_vm *paused_vm(void)
{
	static struct drover_vm vm;

	memset(&vm, 0, sizeof(vm));
	strcpy(vm.def.name, "web1");
	strcpy(vm.dir, in("run/vms/web1"));
	vm.pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	assert_int_equal(drover_io_mkdirs(vm.dir, 0755, NULL), 0);
	assert_int_equal(drover_switchover_mark(&vm, true, NULL), 0);
	monitor_start(&monitor, in("run/vms/web1/migrate.sock"));
	return &vm;
}

/* An operator says so, as no target can be asked here. */
static void never(struct drover_vm *vm)
{
	struct drover_err why = { .code = -EPIPE, .text = "the connection was lost" };

	m->verdict = DROVER_VERDICT_SOURCE;
	m->settle = true;
	drover_doubt_settle(m, vm, "web1", &why);
	assert_int_equal(m->info.state, DROVER_MIGRATION_FAILED);
	assert_int_equal(finished, 1);
	assert_int_equal(outcome, DROVER_OUTCOME_STAYED);
}

static void end_vm(struct drover_vm *vm)
{
	monitor_end(&monitor);
	close(vm->pidfd);
}

static void one_that_does_not_answer_at_once_runs_again(void **state)
{
	struct drover_vm *vm = paused_vm();

	commit();
	monitor.refuse = 2;
	never(vm);
	assert_string_equal(m->info.error, "host2 did not take the VM over; it runs here again");
	assert_int_equal(monitor.granted, 1);
	assert_false(drover_switchover_marked(vm));
	assert_false(is_there("state/migrations/commit-7"));
	end_vm(vm);
}

static void one_that_had_ended_is_not_said_to_run(void **state)
{
	commit();
	never(NULL);
	assert_string_equal(m->info.error, "host2 did not take the VM over; it had ended here");
}

/* The next agent finds the commit and might hear another word. */
static void a_commit_that_stays_keeps_the_vm_paused(void **state)
{
	struct drover_vm *vm = paused_vm();

	assert_int_equal(mkdir(in("state/migrations/commit-7"), 0755), 0);
	never(vm);
	assert_non_null(strstr(m->info.error, "it stays paused here until droverd is restarted: cannot remove "));
	assert_int_equal(monitor.granted, 0);
	assert_true(drover_switchover_marked(vm));
	end_vm(vm);
}

static void the_next_agent_tries_again_too(void **state)
{
	struct drover_vm *vm = paused_vm();
	struct drover_err err = { 0 };

	monitor.refuse = 1;
	if (drover_source_recover(&conf, vm, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(monitor.granted, 1);
	assert_false(drover_switchover_marked(vm));
	end_vm(vm);
}

static void its_start_does_not_wait_for_ever(void **state)
{
	struct drover_vm *vm = paused_vm();
	struct drover_err err = { 0 };

	monitor.refuse = 1000;
	assert_int_equal(drover_switchover_resume(vm, NULL, 3, &err), -EREMOTEIO);
	assert_string_equal(err.text, "vm web1 could not be resumed: QEMU refused cont: not now");
	assert_int_equal(monitor.refuse, 998);
	end_vm(vm);
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
		IN_A_PLACE(what_is_written_nowhere_keeps_its_commit),
		IN_A_PLACE(one_that_does_not_end_keeps_its_commit),
		IN_A_PLACE(one_that_does_not_answer_at_once_runs_again),
		IN_A_PLACE(one_that_had_ended_is_not_said_to_run),
		IN_A_PLACE(a_commit_that_stays_keeps_the_vm_paused),
		IN_A_PLACE(the_next_agent_tries_again_too),
		IN_A_PLACE(its_start_does_not_wait_for_ever),
	};

	drover_log_set_sink(quiet, DROVER_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
