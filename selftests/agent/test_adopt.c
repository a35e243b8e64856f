// SPDX-License-Identifier: GPL-2.0-or-later
/* Taking VMs over: which process is the one, and which files are ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "ctl/agent.h"
#include "migrate/record.h"
#include "monitor.h"
#include "vm/qmp.h"
#include "vm/state.h"
#include "vm/vm.h"

#define NAME "unit-test-of-drover"
#define TEXT "[vm]\nname = " NAME "\nmemory = 16\n[nic lan]\nbridge = br0\n"

/* A VM that was saved; its "QEMU" is a child of ours that sleeps. */
static struct drover_conf conf;
static struct drover_vm saved;
static char top[64];

static const char *in_dir(const char *file)
{
	static char path[DROVER_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", saved.dir, file);
	return path;
}

static void make_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	struct drover_err err = { 0 };

	strcpy(top, "/tmp/drover-adopt.XXXXXX");
	assert_non_null(mkdtemp(top));
	memset(&conf, 0, sizeof(conf));
	memset(&saved, 0, sizeof(saved));
	snprintf(conf.run_dir, sizeof(conf.run_dir), "%s/run", top);
	snprintf(conf.ram_dir, sizeof(conf.ram_dir), "%s/ram", top);
	snprintf(saved.dir, sizeof(saved.dir), "%s/run/vms/" NAME, top);
	snprintf(saved.ram_path, sizeof(saved.ram_path), "%s/ram/" NAME ".ram", top);
	strcpy(saved.def.name, NAME);
	assert_int_equal(drover_io_mkdirs(saved.dir, 0755, &err), 0);
	assert_int_equal(drover_io_mkdirs(conf.ram_dir, 0755, &err), 0);
	make_file(saved.ram_path, "");
	saved.text = TEXT;
	saved.pid = fork();
	if (!saved.pid) {
		pause();
		_exit(0);
	}
	assert_int_equal(drover_state_text(&saved, &err), 0);
	assert_int_equal(drover_vm_save(&saved, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	kill(saved.pid, SIGKILL);
	waitpid(saved.pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command);
}

static int adopt(struct drover_err *err)
{
	struct drover_vm *vm = NULL;
	int r;

	memset(err, 0, sizeof(*err));
	r = drover_vm_adopt(&conf, NAME, &vm, err);
	assert_int_equal(r, err->code);
	assert_null(vm);
	return r;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* What a VM that has ended leaves: its logs, and nothing else. */
static void is_cleaned_up(void)
{
	char ended[DROVER_PATH_MAX];
	struct stat st;

	snprintf(ended, sizeof(ended), "%s/ended/" NAME, conf.run_dir);
	assert_false(is_there(saved.dir));
	assert_false(is_there(saved.ram_path));
	assert_int_equal(stat(ended, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void is_left_alone(void)
{
	assert_true(is_there(saved.dir));
	assert_true(is_there(saved.ram_path));
	assert_int_equal(waitpid(saved.pid, NULL, WNOHANG), 0);
}

/* Puts @new in the place of @old in vm.json. */
static void change(const char *old, const char *new)
{
	struct drover_err err = { 0 };
	char *text, *at, out[2048];

	assert_int_equal(drover_io_read_file(in_dir("vm.json"), 1024, &text, NULL, &err), 0);
	at = strstr(text, old);
	assert_non_null(at);
	*at = '\0';
	snprintf(out, sizeof(out), "%s%s%s", text, new, at + strlen(old));
	free(text);
	make_file(in_dir("vm.json"), out);
}

static void what_is_saved_is_loaded(void **state)
{
	struct drover_vm vm = { 0 };
	struct drover_err err = { 0 };
	uint64_t ticks, now;

	saved.incoming = true;
	saved.start_us = 1234567890123456;
	assert_int_equal(drover_vm_save(&saved, &err), 0);
	strcpy(vm.dir, saved.dir);
	strcpy(vm.def.name, NAME);
	assert_int_equal(drover_state_load(&vm, &ticks, &err), 0);
	assert_int_equal(vm.pid, saved.pid);
	assert_true(vm.incoming);
	assert_int_equal(vm.start_us, saved.start_us);
	assert_string_equal(vm.ram_path, saved.ram_path);
	assert_string_equal(vm.text, TEXT);
	assert_int_equal(vm.def.memory_mib, 16);
	assert_int_equal(drover_state_ticks(saved.pid, &now, &err), 0);
	assert_int_equal(ticks, now);
	free(vm.text);
}

static void a_vm_that_has_ended_is_cleaned_up(void **state)
{
	struct drover_err err;

	kill(saved.pid, SIGKILL);
	/* Not reaped yet: a zombie is no QEMU either. */
	usleep(100000);
	assert_int_equal(adopt(&err), -ESRCH);
	assert_non_null(strstr(err.text, " has ended"));
	is_cleaned_up();
	assert_int_equal(adopt(&err), -ENOENT);
}

static void a_start_that_came_to_nothing_is_cleaned_up(void **state)
{
	struct drover_err err;

	assert_int_equal(unlink(in_dir("vm.json")), 0);
	assert_int_equal(adopt(&err), -ENOENT);
	is_cleaned_up();
}

static void another_process_with_the_number_is_left_alone(void **state)
{
	struct drover_err err;

	change("\"start_ticks\": ", "\"start_ticks\": 1");
	assert_int_equal(adopt(&err), -ESRCH);
	is_cleaned_up();
	assert_int_equal(waitpid(saved.pid, NULL, WNOHANG), 0);
}

static void a_boot_ends_all_vms(void **state)
{
	struct drover_err err;

	change("\"boot_id\": \"", "\"boot_id\": \"x");
	assert_int_equal(adopt(&err), -ESRCH);
	assert_string_equal(err.text, "the host has booted since it ran");
	is_cleaned_up();
}

static void what_is_damaged_is_left_alone(void **state)
{
	static const char *const changes[][2] = {
		{ "\"name\": \"", "\"name\": \"x" }, { "\"pid\": ", "\"pid\": -" },
		{ "\"pid\": ", "\"pid\": \"\", \"x\": " }, { "}", "" }, { "\"ram\"", "\"rom\"" },
	};
	struct drover_err err = { 0 };

	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		assert_int_equal(drover_vm_save(&saved, &err), 0);
		change(changes[i][0], changes[i][1]);
		assert_int_equal(adopt(&err), -EBADMSG);
		assert_non_null(strstr(err.text, "vm.json is damaged"));
		is_left_alone();
	}
}

static void a_definition_that_is_gone_is_no_end(void **state)
{
	struct drover_err err;

	assert_int_equal(unlink(in_dir("vm.conf")), 0);
	assert_int_equal(adopt(&err), -EBADMSG);
	is_left_alone();
	make_file(in_dir("vm.conf"), "[vm]\nname = other\nmemory = 16\n");
	assert_int_equal(adopt(&err), -EBADMSG);
	assert_non_null(strstr(err.text, "vm.conf is that of vm other"));
	is_left_alone();
}

/* The directory belongs to QEMU's user, who may put there what it likes. */
static void files_that_are_not_ours_are_refused(void **state)
{
	char elsewhere[128];
	struct drover_err err;

	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", top);
	assert_int_equal(link(in_dir("vm.json"), elsewhere), 0);
	assert_int_equal(adopt(&err), -EPERM);
	assert_non_null(strstr(err.text, "was not written by us"));
	is_left_alone();
	assert_int_equal(unlink(in_dir("vm.json")), 0);
	assert_int_equal(symlink(elsewhere, in_dir("vm.json")), 0);
	assert_int_equal(adopt(&err), -ELOOP);
	is_left_alone();
	assert_int_equal(unlink(in_dir("vm.json")), 0);
	assert_int_equal(mkfifo(in_dir("vm.json"), 0600), 0);
	assert_int_equal(adopt(&err), -EPERM);
	is_left_alone();
}

static void somebody_elses_file_is_refused(void **state)
{
	struct drover_err err;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(in_dir("vm.json"), 12345, 12345), 0);
	assert_int_equal(adopt(&err), -EPERM);
	is_left_alone();
}

static void a_ram_file_that_is_a_link_is_refused(void **state)
{
	struct drover_err err;

	assert_int_equal(unlink(saved.ram_path), 0);
	assert_int_equal(symlink("/dev/null", saved.ram_path), 0);
	assert_int_equal(adopt(&err), -ELOOP);
	is_left_alone();
}

static void cleaning_up_follows_no_link(void **state)
{
	char victim[128], path[DROVER_PATH_MAX];
	struct drover_err err = { 0 };

	snprintf(victim, sizeof(victim), "%s/victim", top);
	assert_int_equal(drover_io_mkdirs(victim, 0755, &err), 0);
	snprintf(path, sizeof(path), "%s/file", victim);
	make_file(path, "x");
	assert_int_equal(mkdir(in_dir("a"), 0755), 0);
	assert_int_equal(mkdir(in_dir("a/b"), 0755), 0);
	assert_int_equal(symlink(victim, in_dir("a/b/link")), 0);
	assert_int_equal(symlink(victim, in_dir("link")), 0);
	for (int again = 0; again < 2; again++) {
		struct drover_vm vm = saved;

		vm.pidfd = -1;
		drover_vm_cleanup(&vm);
		is_cleaned_up();
		assert_true(is_there(path));
		assert_int_equal(drover_io_mkdirs(saved.dir, 0755, &err), 0);
	}
	snprintf(path, sizeof(path), "%s/ended/" NAME "/a", conf.run_dir);
	assert_false(is_there(path));
}

static void only_names_of_vms_are_listed(void **state)
{
	char path[DROVER_PATH_MAX], **names;
	struct drover_err err = { 0 };
	size_t n;

	snprintf(path, sizeof(path), "%s/vms/.hidden", conf.run_dir);
	assert_int_equal(drover_io_mkdirs(path, 0755, &err), 0);
	snprintf(path, sizeof(path), "%s/vms/a b", conf.run_dir);
	assert_int_equal(drover_io_mkdirs(path, 0755, &err), 0);
	snprintf(path, sizeof(path), "%s/vms/a", conf.run_dir);
	assert_int_equal(drover_io_mkdirs(path, 0755, &err), 0);
	assert_int_equal(drover_vm_list_adoptable(&conf, &names, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_string_equal(names[0], "a");
	assert_string_equal(names[1], NAME);
	free(names[0]);
	free(names[1]);
	free(names);
	strcpy(conf.run_dir, "/nonexistent");
	assert_int_equal(drover_vm_list_adoptable(&conf, &names, &n, &err), 0);
	assert_int_equal(n, 0);
	free(names);
}

/* --- with the commit of a migration --- */

static struct drover_agent agent;

static int setup_agent(void **state)
{
	struct drover_commit commit = { .id = 7, .vm = NAME, .target = "host2" };
	struct drover_err err = { 0 };

	if (setup(state) < 0)
		return -1;
	memset(&agent, 0, sizeof(agent));
	agent.conf = conf;
	strcpy(agent.conf.host, "host1");
	snprintf(agent.conf.state_dir, sizeof(agent.conf.state_dir), "%s/state", top);
	drover_registry_env(&agent);
	assert_int_equal(drover_storage_init(&agent, &err), 0);
	assert_int_equal(drover_record_init(&agent.conf, &err), 0);
	return drover_record_commit(&agent.conf, &commit, &err);
}

static int teardown_agent(void **state)
{
	while (agent.entries)
		drover_entry_drop(agent.entries);
	free(agent.storage);
	return teardown(state);
}

/* Neither its target's word nor an operator's may free the name of a process that is there. */
static void a_vm_that_is_not_known_is_not_settled(void **state)
{
	struct drover_err err = { 0 };
	struct drover_entry *e;

	change("\"ram\"", "\"rom\"");
	assert_int_equal(drover_adopt_all(&agent, &err), 0);
	e = drover_entry_find(&agent, NAME);
	assert_non_null(e);
	assert_int_equal(e->state, DROVER_ENTRY_UNKNOWN);
	assert_int_equal(agent.migration_count, 0);
	assert_int_equal(drover_record_check_settled(&agent.conf, NAME, NULL), -EBUSY);
	is_left_alone();
}

/* --- a process that does not end when its VM has left --- */

static struct monitor monitor;

/* The VM runs here, and is lent to migration 7. */
static struct drover_migration *lend(void)
{
	struct drover_vm *vm = calloc(1, sizeof(*vm));
	struct drover_err err = { 0 };
	struct drover_entry *e;

	*vm = saved;
	vm->text = strdup(TEXT);
	vm->ram_fd = -1;
	vm->pidfd = syscall(SYS_pidfd_open, saved.pid, 0);
	monitor_start(&monitor, in_dir("qmp.sock"));
	assert_int_equal(drover_qmp_connect(in_dir("qmp.sock"), 5000, &vm->qmp, &err), 0);
	assert_int_equal(sd_event_new(&agent.event), 0);
	assert_int_equal(drover_calls_create(agent.event, &agent.calls, &err), 0);
	assert_int_equal(drover_entry_reserve(&agent, NAME, &e, &err), 0);
	drover_entry_run(e, vm);
	drover_entry_lend(e, 7);
	return drover_migration_create(&agent.env, 7, NAME, "host1", "host2");
}

static void end_lending(struct drover_migration *m)
{
	while (agent.entries)
		drover_entry_drop(agent.entries);
	drover_calls_destroy(agent.calls);
	sd_event_unref(agent.event);
	drover_migration_put(m);
	monitor_end(&monitor);
}

static void look_at_events(void)
{
	for (int i = 0; i < 20; i++)
		sd_event_run(agent.event, 10000);
}

static void *give_back(void *data)
{
	agent.env.finished(agent.env.data, data, DROVER_OUTCOME_STUCK, NULL);
	return NULL;
}

static void finish(struct drover_migration *m)
{
	pthread_t thread;

	pthread_create(&thread, NULL, give_back, m);
	look_at_events();
	pthread_join(thread, NULL);
}

static void a_name_is_kept_until_its_process_ends(void **state)
{
	struct drover_migration *m = lend();
	struct drover_entry *e;

	finish(m);
	e = drover_entry_find(&agent, NAME);
	assert_non_null(e);
	assert_int_equal(e->state, DROVER_ENTRY_UNKNOWN);
	is_left_alone();
	kill(saved.pid, SIGKILL);
	look_at_events();
	assert_null(drover_entry_find(&agent, NAME));
	is_cleaned_up();
	end_lending(m);
}

static void one_that_ends_meanwhile_is_cleaned_up(void **state)
{
	struct drover_migration *m = lend();

	kill(saved.pid, SIGKILL);
	look_at_events();
	assert_non_null(drover_entry_find(&agent, NAME));
	finish(m);
	assert_null(drover_entry_find(&agent, NAME));
	is_cleaned_up();
	end_lending(m);
}

static void quiet(enum drover_log_level level, const struct drover_log_subject *subject,
		  const char *text)
{
}

int main(void)
{
#define SAVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		SAVED(what_is_saved_is_loaded),
		SAVED(a_vm_that_has_ended_is_cleaned_up),
		SAVED(a_start_that_came_to_nothing_is_cleaned_up),
		SAVED(another_process_with_the_number_is_left_alone),
		SAVED(a_boot_ends_all_vms),
		SAVED(what_is_damaged_is_left_alone),
		SAVED(a_definition_that_is_gone_is_no_end),
		SAVED(files_that_are_not_ours_are_refused),
		SAVED(somebody_elses_file_is_refused),
		SAVED(a_ram_file_that_is_a_link_is_refused),
		SAVED(cleaning_up_follows_no_link),
		SAVED(only_names_of_vms_are_listed),
		cmocka_unit_test_setup_teardown(a_vm_that_is_not_known_is_not_settled, setup_agent,
						teardown_agent),
		cmocka_unit_test_setup_teardown(a_name_is_kept_until_its_process_ends, setup_agent,
						teardown_agent),
		cmocka_unit_test_setup_teardown(one_that_ends_meanwhile_is_cleaned_up, setup_agent,
						teardown_agent),
	};

	drover_log_set_sink(quiet, DROVER_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
