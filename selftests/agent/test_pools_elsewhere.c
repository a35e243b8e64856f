// SPDX-License-Identifier: GPL-2.0-or-later
/* Shared pools: what a peer knows of the files there, and whether VMs run on it. */
#include "loop.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "block/record.h"
#include "ctl/pools.h"

static struct drover_agent there;	/* host2, with an event loop of its own */
static struct drover_conf here;		/* host1 */
static struct drover_pools_disks disks;
static struct drover_pools_others others;
static char dir[64];

static void add_pool(struct drover_conf *conf, const char *name, const char *path, const char *id)
{
	struct drover_pool_conf *p = &conf->pools[conf->pool_count++];

	strcpy(p->name, name);
	strcpy(p->path, path);
	strcpy(p->id, id);
}

static void define(const char *vm, const char *path)
{
	char file[128];
	FILE *f;

	snprintf(file, sizeof(file), "%s/%s.conf", dir, vm);
	f = fopen(file, "w");
	assert_non_null(f);
	fprintf(f, "[vm]\nname = %s\nmemory = 64\n[disk root]\npath = %s\n", vm, path);
	fclose(f);
}

static void remove_definition(const char *vm)
{
	char file[128];

	snprintf(file, sizeof(file), "%s/%s.conf", dir, vm);
	unlink(file);
}

static void add_disk(const char *vm, const struct drover_pool_conf *pool)
{
	struct drover_pools_disk *d;

	disks.list = realloc(disks.list, (disks.count + 1) * sizeof(*disks.list));
	assert_non_null(disks.list);
	d = &disks.list[disks.count++];
	*d = (struct drover_pools_disk){ .pool = pool };
	strcpy(d->vm, vm);
	strcpy(d->def.name, "root");
}

static int setup(void **state)
{
	struct drover_err err = { 0 };
	uint16_t port;

	memset(&there, 0, sizeof(there));
	memset(&disks, 0, sizeof(disks));
	strcpy(dir, "/tmp/drover-elsewhere.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	close(loop_listen(&port));
	loop_conf(&there.conf, "host2", "host1");
	strcpy(there.conf.address, "127.0.0.1");
	there.conf.port = port;
	strcpy(there.conf.vm_dir, dir);
	strcpy(there.conf.state_dir, dir);
	add_pool(&there.conf, "local", "/srv/local", "");
	add_pool(&there.conf, "shared", "/mnt/shared", "san");
	loop_conf(&here, "host1", "host2");
	here.peers[0].port = port;
	add_pool(&here, "common", "/srv/common", "san");
	add_pool(&here, "own", "/srv/own", "");
	assert_true(sd_event_new(&there.event) >= 0);
	assert_int_equal(drover_calls_create(there.event, &there.calls, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	if (there.listener > 0)
		close(there.listener);
	sd_event_source_disable_unref(there.listener_watch);
	drover_calls_destroy(there.calls);
	sd_event_unref(there.event);
	drover_pools_free(&disks);
	remove_definition("web");
	remove_definition("db");
	return rmdir(dir);
}

static void do_exit(void *data)
{
	sd_event_exit(there.event, 0);
}

static void *ask_others(void *data)
{
	drover_pools_others_ask(&here, data, &others);
	drover_call_post(there.calls, do_exit, NULL);
	return NULL;
}

static void *ask_settle(void *data)
{
	drover_pools_settle(&here, data, &disks);
	drover_call_post(there.calls, do_exit, NULL);
	return NULL;
}

/* Asks from a thread, while host2's control thread, this one, answers. */
static void ask(void *(*fn)(void *), const struct drover_pool_conf *pool)
{
	struct drover_err err = { 0 };
	pthread_t thread;

	assert_int_equal(drover_inbound_open(&there, &err), 0);
	assert_int_equal(pthread_create(&thread, NULL, fn, (void *)pool), 0);
	assert_true(sd_event_loop(there.event) >= 0);
	pthread_join(thread, NULL);
}

static void files_of_other_hosts(void **state)
{
	define("web", "/mnt/shared/sub/web.img");
	define("db", "/srv/local/db.img");
	ask(ask_others, &here.pools[0]);
	assert_int_equal(others.count, 1);
	assert_string_equal(others.list[0].path, "/sub/web.img");
	assert_string_equal(others.list[0].note, "of vm web, disk root, which host2 knows");
	assert_string_equal(others.silent, "");
	drover_pools_others_free(&others);
}

static void no_pool_of_that_id(void **state)
{
	there.conf.pool_count = 1;
	define("web", "/mnt/shared/sub/web.img");
	ask(ask_others, &here.pools[0]);
	assert_int_equal(others.count, 0);
	assert_string_equal(others.silent, "");
	drover_pools_others_free(&others);
}

static void nothing_is_asked_about_local_pools(void **state)
{
	/* Nobody listens: whoever asked would be told. */
	drover_pools_others_ask(&here, &here.pools[1], &others);
	assert_int_equal(others.count, 0);
	assert_string_equal(others.silent, "");
}

static void hosts_that_do_not_answer(void **state)
{
	drover_pools_others_ask(&here, &here.pools[0], &others);
	assert_int_equal(others.count, 0);
	assert_string_equal(others.silent, "host2");
	drover_pools_others_free(&others);
	add_disk("web", &here.pools[0]);
	add_disk("db", &here.pools[1]);
	add_disk("up", &here.pools[0]);
	disks.list[2].running = true;
	drover_pools_settle(&here, NULL, &disks);
	assert_string_equal(disks.list[0].fixed, "it is not known whether vm web runs on host2");
	/* What lies on this host alone can be used by no other. */
	assert_string_equal(disks.list[1].fixed, "");
	assert_string_equal(disks.list[2].fixed, "");
}

static void vms_that_run_elsewhere(void **state)
{
	static struct drover_vm vm;
	static struct drover_entry entry;

	vm = (struct drover_vm){ .def = { .name = "db" } };
	entry = (struct drover_entry){ .agent = &there, .name = "db", .vm = &vm,
				       .state = DROVER_ENTRY_RUNNING };
	there.entries = &entry;
	define("web", "/srv/local/web.img");
	add_disk("web", &here.pools[0]);
	add_disk("db", &here.pools[1]);
	add_disk("db", &here.pools[0]);
	ask(ask_settle, &here.pools[1]);
	assert_string_equal(disks.list[0].fixed, "");
	assert_string_equal(disks.list[1].fixed, "vm db runs on host2");
	/* It was about the other pool alone. */
	assert_string_equal(disks.list[2].fixed, "");
}

/* Its disk has moved on host2, and the definition here is as it was. */
static void *ask_start(void *data)
{
	struct drover_vm_def def = { .name = "web", .disk_count = 1 };
	struct drover_agent asker = { .conf = here, .alone = true };
	struct drover_err err = { 0 };

	strcpy(def.disks[0].name, "root");
	strcpy(def.disks[0].path, "/srv/common/web.img");
	assert_int_equal(drover_elsewhere_check(&asker, "web", &def, "", false, &err), -ESTALE);
	assert_non_null(strstr(err.text, "host2, where it is now /mnt/shared/new.img"));
	assert_int_equal(drover_elsewhere_check(&asker, "web", &def, "", true, &err), 0);
	assert_int_equal(drover_elsewhere_check(&asker, "web", NULL, "", false, &err), 0);
	strcpy(def.disks[0].path, "/srv/common/new.img");
	assert_int_equal(drover_elsewhere_check(&asker, "web", &def, "", false, &err), 0);
	drover_call_post(there.calls, do_exit, NULL);
	return NULL;
}

static void an_image_that_was_left_there(void **state)
{
	struct drover_disk_record record = {
		.id = 7,
		.step = DROVER_DISK_STEP_OLD_LEFT,
		.vm = "web",
		.disk = "root",
		.old_path = "/mnt/shared/web.img",
		.old_format = "raw",
		.new_path = "/mnt/shared/new.img",
		.new_format = "raw",
	};
	struct drover_err err = { 0 };
	char path[128];

	define("web", "/mnt/shared/new.img");
	assert_int_equal(drover_disk_record_init(&there.conf, &err), 0);
	assert_int_equal(drover_disk_record_write(&there.conf, &record, &err), 0);
	ask(ask_start, NULL);
	assert_int_equal(drover_disk_record_forget(&there.conf, record.id, &err), 0);
	snprintf(path, sizeof(path), "%s/disks", dir);
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(files_of_other_hosts),
		TEST(no_pool_of_that_id),
		TEST(nothing_is_asked_about_local_pools),
		TEST(hosts_that_do_not_answer),
		TEST(vms_that_run_elsewhere),
		TEST(an_image_that_was_left_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
