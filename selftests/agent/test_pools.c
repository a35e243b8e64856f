// SPDX-License-Identifier: GPL-2.0-or-later
/* What the agent knows of pools: whose images lie there, files of no VM, figures for the policy. */
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

#include "core/clock.h"
#include "ctl/pools.h"
#include "place.h"

#define MIB	  (UINT64_C(1) << 20)
#define MINUTE_US (60 * UINT64_C(1000000))

static struct drover_agent agent;

static void image(const char *name, size_t mib)
{
	int fd = open(in(name), O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(posix_fallocate(fd, 0, mib * MIB), 0);
	close(fd);
}

static void define(const char *vm, const char *disks)
{
	char file[64], text[1024];

	snprintf(file, sizeof(file), "vms/%s.conf", vm);
	snprintf(text, sizeof(text), "[vm]\nname = %s\nmemory = 64\n%s", vm, disks);
	write_file(file, text);
}

static void add_pool(const char *name)
{
	struct drover_pool_conf *p = &agent.conf.pools[agent.conf.pool_count++];

	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->path, sizeof(p->path), "%s", in(name));
	strcpy(p->format, "raw");
	mkdir(p->path, 0700);
}

static int setup(void **state)
{
	if (place_make("pools") < 0)
		return -1;
	memset(&agent, 0, sizeof(agent));
	strcpy(agent.conf.host, "host1");
	agent.conf.pool_threshold = 80;
	snprintf(agent.conf.vm_dir, sizeof(agent.conf.vm_dir), "%s", in("vms"));
	snprintf(agent.conf.state_dir, sizeof(agent.conf.state_dir), "%s", in("state"));
	mkdir(agent.conf.vm_dir, 0700);
	mkdir(agent.conf.state_dir, 0700);
	add_pool("old");
	add_pool("new");
	return 0;
}

static int teardown(void **state)
{
	return place_remove();
}

static struct drover_pools_disks collect(void)
{
	struct drover_pools_disks disks;
	struct drover_err err = { 0 };

	assert_int_equal(drover_pools_collect(&agent, &disks, &err), 0);
	return disks;
}

static const struct drover_pools_disk *found(const struct drover_pools_disks *disks, const char *vm,
					     const char *disk)
{
	for (size_t i = 0; i < disks->count; i++)
		if (!strcmp(disks->list[i].vm, vm) && !strcmp(disks->list[i].def.name, disk))
			return &disks->list[i];
	fail_msg("vm %s, disk %s is not there", vm, disk);
	return NULL;
}

static void define_two(void)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "[disk root]\npath = %s\n[disk cd]\npath = %s\nreadonly = yes\n"
		 "[disk net]\npath = nbd://san/web\n",
		 in("old/web.img"), in("old/tools.iso"));
	define("web", text);
	snprintf(text, sizeof(text), "[disk root]\npath = %s\n", in("new/db.img"));
	define("db", text);
}

static void disks_of_definitions(void **state)
{
	struct drover_pools_disks disks;

	define_two();
	write_file("vms/broken.conf", "no definition");
	disks = collect();
	assert_int_equal(disks.count, 4);
	assert_string_equal(found(&disks, "web", "root")->pool->name, "old");
	assert_string_equal(found(&disks, "web", "root")->fixed, "");
	assert_string_equal(found(&disks, "web", "cd")->fixed, "it is read-only");
	assert_null(found(&disks, "web", "net")->pool);
	assert_string_equal(found(&disks, "db", "root")->pool->name, "new");
	assert_false(found(&disks, "db", "root")->running);
	drover_pools_free(&disks);
}

static void moved_vms_keep_their_disks(void **state)
{
	struct drover_pools_disks disks;

	define_two();
	mkdir(in("state/placement"), 0700);
	write_file("state/placement/db.json", "{\"vm\": \"db\", \"host\": \"host2\"}");
	disks = collect();
	assert_string_equal(found(&disks, "db", "root")->fixed, "the VM was moved to host2");
	drover_pools_free(&disks);
}

static void names_in_use(void **state)
{
	struct drover_vm vm = { .def = { .name = "db", .disk_count = 1 } };
	struct drover_entry entry = { .agent = &agent, .name = "db",
				      .state = DROVER_ENTRY_RUNNING, .vm = &vm };
	struct drover_entry starting = { .agent = &agent, .name = "web",
					 .state = DROVER_ENTRY_STARTING };
	struct drover_pools_disks disks;

	define_two();
	strcpy(vm.dir, "/run/vms/db");
	strcpy(vm.def.disks[0].name, "root");
	strcpy(vm.def.disks[0].path, in("old/db.img"));
	strcpy(vm.def.disks[0].format, "raw");
	entry.next = &starting;
	agent.entries = &entry;
	disks = collect();
	/* What it runs with, and the image that its definition has come to name meanwhile. */
	assert_int_equal(disks.count, 5);
	assert_string_equal(disks.list[0].pool->name, "old");
	assert_string_equal(disks.list[0].run_dir, "/run/vms/db");
	assert_true(disks.list[0].running);
	assert_string_equal(disks.list[1].pool->name, "new");
	assert_true(disks.list[1].unused);
	assert_string_equal(disks.list[1].fixed, "vm db runs with another image");
	assert_string_equal(found(&disks, "web", "root")->fixed,
			    "vm web is being started or is arriving");
	drover_pools_free(&disks);
	entry.state = DROVER_ENTRY_LEAVING;
	disks = collect();
	assert_string_equal(disks.list[0].fixed, "vm db is being migrated");
	assert_string_equal(disks.list[0].run_dir, "");
	drover_pools_free(&disks);
}

static void what_images_take(void **state)
{
	struct drover_pools_disks disks;

	define_two();
	image("old/web.img", 2);
	disks = collect();
	drover_pools_look(&agent.conf, &disks);
	assert_true(found(&disks, "web", "root")->used >= 2 * MIB);
	assert_true(found(&disks, "web", "root")->used < 3 * MIB);
	assert_string_equal(found(&disks, "web", "root")->fixed, "");
	assert_string_equal(found(&disks, "db", "root")->fixed,
			    "its image cannot be found: No such file or directory");
	drover_pools_free(&disks);
}

static void usable_with_one_of_its_images(void **state)
{
	struct drover_pools_disks disks;
	struct drover_err err = { 0 };
	char sentence[256];

	define_two();
	disks = collect();
	snprintf(sentence, sizeof(sentence),
		 "pool old seems not to be mounted: no image that a VM has there can be found in %s",
		 in("old"));
	assert_int_equal(drover_pools_usable(&agent.conf, &agent.conf.pools[0], &disks, &err), -ENOTDIR);
	assert_string_equal(err.text, sentence);
	image("old/tools.iso", 1);
	assert_int_equal(drover_pools_usable(&agent.conf, &agent.conf.pools[0], &disks, &err), 0);
	drover_pools_free(&disks);
	/* An empty pool may be new. */
	disks = (struct drover_pools_disks){ 0 };
	assert_int_equal(drover_pools_usable(&agent.conf, &agent.conf.pools[1], &disks, &err), 0);
}

struct strays {
	int count;
	char text[8][512];
};

static void note_stray(void *data, const struct drover_pools_stray *stray)
{
	struct strays *s = data;

	assert_true(s->count < 8);
	snprintf(s->text[s->count++], 512, "%s: %s", stray->path + strlen(dir) + 1, stray->note);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static struct strays strays_of(const struct drover_pools_disks *disks)
{
	struct drover_err err = { 0 };
	struct strays s = { 0 };

	assert_int_equal(drover_pools_strays(&agent.conf, &agent.conf.pools[0], disks, note_stray,
					     &s, &err),
			 0);
	qsort(s.text, s.count, sizeof(s.text[0]), by_text);
	return s;
}

static void files_of_no_vm(void **state)
{
	struct drover_pools_disks disks;
	struct strays s;

	define_two();
	image("old/web.img", 1);
	image("old/lost.img", 1);
	image("old/.hidden", 1);
	mkdir(in("old/sub"), 0700);
	image("old/sub/deep.img", 1);
	/* The same file under another name. */
	assert_int_equal(link(in("old/web.img"), in("old/web-too.img")), 0);
	disks = collect();
	s = strays_of(&disks);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.text[0], "old/lost.img: of no VM that host1 knows");
	assert_string_equal(s.text[1], "old/sub/deep.img: of no VM that host1 knows");
	drover_pools_free(&disks);
}

static void images_that_others_are_based_on(void **state)
{
	struct drover_pools_disks disks;
	char text[512], command[1024];
	struct strays s;

	snprintf(command, sizeof(command),
		 "cd %s && qemu-img create -q -f raw base.img 1M &&"
		 " qemu-img create -q -f qcow2 -F raw -b base.img middle.qcow2 &&"
		 " qemu-img create -q -f qcow2 -F qcow2 -b middle.qcow2 top.qcow2",
		 in("old"));
	if (system(command))
		skip();
	snprintf(text, sizeof(text), "[disk root]\npath = %s\nformat = qcow2\n",
		 in("old/top.qcow2"));
	define("web", text);
	disks = collect();
	s = strays_of(&disks);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.text[0], "old/base.img: backing file of vm web, disk root");
	assert_string_equal(s.text[1], "old/middle.qcow2: backing file of vm web, disk root");
	/* A copy is one image with all that is in them. */
	drover_pools_look(&agent.conf, &disks);
	assert_true(disks.list[0].used >= 2 * 192 * 1024);
	drover_pools_free(&disks);
}

static void pools_for_operators(void **state)
{
	struct drover_pools_disks disks;
	Drover__PoolInfo *info;

	define_two();
	image("old/web.img", 1);
	image("old/lost.img", 1);
	disks = collect();
	info = drover_pools_info(&agent.conf, &agent.conf.pools[0], &disks, false);
	assert_string_equal(info->name, "old");
	assert_string_equal(info->error, "");
	assert_true(info->size_bytes >= info->used_bytes);
	assert_true(info->size_bytes > 0);
	assert_int_equal(info->measured_time_us, 0);
	assert_int_equal(info->n_vms, 1);
	assert_string_equal(info->vms[0], "web");
	assert_int_equal(info->n_images, 0);
	drover__pool_info__free_unpacked(info, NULL);
	info = drover_pools_info(&agent.conf, &agent.conf.pools[0], &disks, true);
	assert_int_equal(info->n_images, 3);
	assert_string_equal(info->images[2]->vm, "");
	assert_string_equal(info->images[2]->note, "of no VM that host1 knows");
	drover__pool_info__free_unpacked(info, NULL);
	info = drover_pools_info(&agent.conf, &agent.conf.pools[1], &disks, true);
	assert_memory_equal(info->error, "pool new seems not to be mounted", 32);
	assert_int_equal(info->size_bytes, 0);
	drover__pool_info__free_unpacked(info, NULL);
	drover_pools_free(&disks);
}

static void figures_for_the_policy(void **state)
{
	const struct drover_pool_speed speed = { .latency_us = 700, .time_us = 1 };
	struct drover_pools_figures figures;
	struct drover_pools_disks disks;
	struct drover_err err = { 0 };

	define_two();
	image("old/web.img", 2);
	assert_int_equal(drover_pool_keep(&agent.conf, &agent.conf.pools[0], &speed, &err), 0);
	disks = collect();
	drover_pools_look(&agent.conf, &disks);
	assert_int_equal(drover_pools_view(&agent.conf, &disks, &figures, &err), 0);
	assert_int_equal(figures.view.pool_count, 2);
	assert_int_equal(figures.view.threshold, 80);
	assert_true(figures.pools[0].size > 0);
	assert_int_equal(figures.pools[0].latency_us, 700);
	/* The image that a VM has there is missing: it is no place for others. */
	assert_int_equal(figures.pools[1].size, 0);
	/* The disk in no pool is left out. */
	assert_int_equal(figures.view.disk_count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct drover_pools_disk *d = &disks.list[figures.places[i]];

		assert_string_equal(figures.disks[i].vm, d->vm);
		assert_string_equal(figures.disks[i].disk, d->def.name);
		assert_string_equal(figures.disks[i].pool, d->pool->name);
		assert_int_equal(figures.disks[i].bytes, d->used);
		assert_int_equal(figures.disks[i].fixed, strcmp(d->def.path, in("old/web.img")) != 0);
	}
	drover_pools_view_free(&figures);
	drover_pools_free(&disks);
}

/* What is kept is as old as that, and what it is after a choice. */
static struct drover_pool_speed refreshed(uint64_t time_us)
{
	struct drover_pool_speed speed = { .latency_us = 1000000000, .time_us = time_us };
	const struct drover_pool_conf *pool = &agent.conf.pools[0];
	struct drover_err err = { 0 };

	assert_int_equal(drover_pool_keep(&agent.conf, pool, &speed, &err), 0);
	if (drover_pools_refresh(&agent.conf, pool, &err) < 0)
		fail_msg("%s", err.text);
	drover_pool_kept(&agent.conf, pool, &speed);
	return speed;
}

static void speeds_for_a_choice_are_at_most_an_hour_old(void **state)
{
	uint64_t now = drover_clock_realtime();

	assert_int_equal(refreshed(now - 59 * MINUTE_US).time_us, now - 59 * MINUTE_US);
	assert_true(refreshed(now - 61 * MINUTE_US).time_us >= now);
	assert_true(refreshed(now - 61 * MINUTE_US).latency_us < 1000000000);
	/* Never measured, and by a clock that was put back. */
	assert_true(refreshed(0).time_us >= now);
	assert_true(refreshed(now + 60 * MINUTE_US).time_us < now + 60 * MINUTE_US);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(disks_of_definitions),
		TEST(moved_vms_keep_their_disks),
		TEST(names_in_use),
		TEST(what_images_take),
		TEST(usable_with_one_of_its_images),
		TEST(files_of_no_vm),
		TEST(images_that_others_are_based_on),
		TEST(pools_for_operators),
		TEST(figures_for_the_policy),
		TEST(speeds_for_a_choice_are_at_most_an_hour_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
