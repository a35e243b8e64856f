// SPDX-License-Identifier: GPL-2.0-or-later
/* Shared pools: what a peer knows of the files there, and whether VMs run on it. */
#include "loop.h"
#include "place.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "block/record.h"
#include "ctl/pools.h"

static struct drover_agent there;	/* host2, with an event loop of its own */
static struct drover_conf here;		/* host1 */
static struct drover_pools_disks disks;
static struct drover_pools_others others;

static void add_pool(struct drover_conf *conf, const char *name, const char *path, const char *id)
{
	struct drover_pool_conf *p = &conf->pools[conf->pool_count++];

	strcpy(p->name, name);
	strcpy(p->path, path);
	strcpy(p->id, id);
}

static void define_as(const char *vm, const char *path, const char *format)
{
	char file[64], text[512];

	snprintf(file, sizeof(file), "%s.conf", vm);
	snprintf(text, sizeof(text),
		 "[vm]\nname = %s\nmemory = 64\n[disk root]\npath = %s\nformat = %s\n", vm, path, format);
	write_file(file, text);
}

static void define(const char *vm, const char *path)
{
	define_as(vm, path, "raw");
}

/* A file, and an image in another directory that is based on it. */
static void template_and_clone(void)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "cd '%s' && mkdir pool other && truncate -s 1M pool/base.img &&"
		 " qemu-img create -q -f qcow2 -b ../pool/base.img -F raw other/clone.qcow2",
		 dir);
	assert_int_equal(system(command), 0);
}

/* top.qcow2 on clone.qcow2, whose format its header does not tell: qemu-img writes none any more. */
static void template_behind_another(void)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "cd '%s/other' && qemu-img create -q -f qcow2 top.qcow2 1M &&"
		 " qemu-img rebase -q -u -b clone.qcow2 -F qcow2 top.qcow2 &&"
		 " printf '\\313' | dd of=top.qcow2 bs=1 seek=115 conv=notrunc status=none",
		 dir);
	assert_int_equal(system(command), 0);
}

static void remove_template_and_clone(void)
{
	char command[128];

	snprintf(command, sizeof(command), "cd '%s' && rm -r pool other", dir);
	assert_int_equal(system(command), 0);
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

static void start(void)
{
	struct drover_err err = { 0 };

	assert_true(sd_event_new(&there.event) >= 0);
	assert_int_equal(drover_calls_create(there.event, &there.calls, &err), 0);
}

static void stop(void)
{
	there.listener_watch = sd_event_source_disable_unref(there.listener_watch);
	if (there.listener > 0)
		close(there.listener);
	there.listener = 0;
	drover_calls_destroy(there.calls);
	sd_event_unref(there.event);
}

static int setup(void **state)
{
	uint16_t port;

	memset(&there, 0, sizeof(there));
	memset(&disks, 0, sizeof(disks));
	if (place_make("elsewhere") < 0)
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
	start();
	return 0;
}

static int teardown(void **state)
{
	stop();
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
	/* A loop that has ended does not run again. */
	stop();
	start();
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

/* --- may it be deleted? --- */

static struct drover_agent asker;
static char asked_path[128], asked_vm[32];
static struct drover_err answer;

static void *ask_needed(void *data)
{
	answer = (struct drover_err){ 0 };
	drover_pools_needed(&asker, asked_path, asked_vm, &answer);
	drover_call_post(there.calls, do_exit, NULL);
	return NULL;
}

/* In @pool of a host whose definitions are those in @vm_dir; what is said, or "". */
static const char *needed(const char *vm_dir, const char *name, const char *vm, const char *pool_id)
{
	memset(&asker, 0, sizeof(asker));
	asker.conf = here;
	asker.calls = there.calls;
	asker.conf.pool_count = 0;
	add_pool(&asker.conf, "pool", in("pool"), pool_id);
	strcpy(asker.conf.vm_dir, vm_dir);
	strcpy(asker.conf.state_dir, dir);
	snprintf(asked_path, sizeof(asked_path), "%s", in(name));
	strcpy(asked_vm, vm);
	ask(ask_needed, NULL);
	return answer.text;
}

static void images_that_vms_here_need(void **state)
{
	template_and_clone();
	define_as("web", in("other/clone.qcow2"), "qcow2");
	assert_string_equal(needed(dir, "pool/base.img", "db", ""),
			    "disk root of vm web is based on it");
	assert_int_equal(answer.code, -EBUSY);
	assert_string_equal(needed(dir, "other/clone.qcow2", "db", ""),
			    "it is also disk root of vm web");
	/* Its own disks do not count, nor do files that are gone. */
	assert_string_equal(needed(dir, "pool/base.img", "web", ""), "");
	assert_string_equal(needed(dir, "pool/gone.img", "db", ""), "");
	assert_string_equal(needed("/nowhere", "pool/base.img", "db", ""), "");
	/* Also where the format of what is between is not written down. */
	template_behind_another();
	define_as("web", in("other/top.qcow2"), "qcow2");
	assert_string_equal(needed(dir, "pool/base.img", "db", ""),
			    "disk root of vm web is based on it");
	/* What is deleted needs nothing; of what cannot be read that is not known. */
	define_as("web", in("other/deleted.qcow2"), "qcow2");
	assert_string_equal(needed(dir, "pool/base.img", "db", ""), "");
	define_as("web", in("pool/base.img/clone.qcow2"), "qcow2");
	assert_non_null(strstr(needed(dir, "other/clone.qcow2", "db", ""),
			       "what disk root of vm web is based on is not known"));
	remove_template_and_clone();
}

static void images_that_vms_elsewhere_need(void **state)
{
	template_and_clone();
	strcpy(there.conf.pools[1].path, in("pool"));
	define_as("web", in("other/clone.qcow2"), "qcow2");
	assert_string_equal(needed("/nowhere", "pool/base.img", "db", "san"),
			    "it is the backing file of vm web, disk root, which host2 knows");
	assert_string_equal(needed("/nowhere", "pool/base.img", "web", "san"), "");
	assert_string_equal(needed("/nowhere", "pool/base.img", "db", ""), "");
	/* Nothing is mounted where its image should be: who knows what that is based on? */
	there.conf.pools[0].mounted = true;
	strcpy(there.conf.pools[0].path, in("other"));
	define_as("web", in("other/deleted.qcow2"), "qcow2");
	assert_non_null(strstr(needed("/nowhere", "pool/base.img", "db", "san"),
			       "on host2 it is not known what disk root of vm web is based on: "));
	assert_int_equal(answer.code, -EHOSTUNREACH);
	there.conf.pools[0].mounted = false;
	assert_string_equal(needed("/nowhere", "pool/base.img", "db", "san"), "");
	/* By another name. */
	assert_int_equal(symlink("../pool/base.img", in("other/link.img")), 0);
	define("web", in("other/link.img"));
	assert_string_equal(needed("/nowhere", "pool/base.img", "db", "san"),
			    "it is of vm web, disk root, which host2 knows");
	remove_template_and_clone();
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
		TEST(images_that_vms_here_need),
		TEST(images_that_vms_elsewhere_need),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
