// SPDX-License-Identifier: GPL-2.0-or-later
/* Two hosts share a pool, which lies elsewhere on each: an image that a disk has left on one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block/record.h"
#include "ctl/old_images.h"
#include "migrate/record.h"

static char dir[64];
static struct drover_conf there, here;	/* host1, where the disk moves, and host2 */
static struct drover_vm_def def;	/* on host2 */

static void done(int r, const struct drover_err *err)
{
	if (r < 0)
		fail_msg("%s", err->text);
}

static void add_pool(struct drover_conf *conf, const char *path, const char *id)
{
	struct drover_pool_conf *p = &conf->pools[conf->pool_count++];

	snprintf(p->name, sizeof(p->name), "p%u", conf->pool_count);
	strcpy(p->path, path);
	strcpy(p->id, id);
}

/* As host1 has it now. */
static void define(const char *path)
{
	char file[128];
	FILE *f;

	snprintf(file, sizeof(file), "%s/web.conf", dir);
	f = fopen(file, "w");
	assert_non_null(f);
	fprintf(f, "[vm]\nname = web\nmemory = 64\n[disk root]\npath = %s\n", path);
	fclose(f);
}

static int setup(void **state)
{
	struct drover_err err = { 0 };

	strcpy(dir, "/tmp/drover-old.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	there = (struct drover_conf){ .host = "host1" };
	strcpy(there.state_dir, dir);
	strcpy(there.vm_dir, dir);
	add_pool(&there, "/mnt/a", "san-a");
	add_pool(&there, "/mnt/b", "san-b");
	add_pool(&there, "/srv/own", "");
	here = (struct drover_conf){ .host = "host2" };
	add_pool(&here, "/srv/a", "san-a");
	add_pool(&here, "/srv/b", "san-b");
	add_pool(&here, "/srv/own", "");
	def = (struct drover_vm_def){ .name = "web", .disk_count = 1 };
	strcpy(def.disks[0].name, "root");
	strcpy(def.disks[0].path, "/srv/a/sub/web.img");
	define("/mnt/b/web-root.raw");
	return drover_disk_record_init(&there, &err) + drover_record_init(&there, &err);
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

static void record(const char *old_path, enum drover_disk_step step)
{
	struct drover_disk_record q = {
		.id = 7,
		.step = step,
		.vm = "web",
		.disk = "root",
		.old_format = "raw",
		.new_path = "/mnt/b/web-root.raw",
		.new_format = "raw",
	};
	struct drover_err err = { 0 };

	strcpy(q.old_path, old_path);
	done(drover_disk_record_write(&there, &q, &err), &err);
}

/* host2 asks host1 and looks at its own definition. */
static int check(const char *asker, struct drover_err *err)
{
	Drover__VmReply reply = DROVER__VM_REPLY__INIT;
	struct drover_old_images images;
	int r;

	drover_old_images_tell(&there, "web", asker, &images, &reply);
	r = drover_old_images_check(&here, &def, &reply, "host1", err);
	drover_old_images_free(&images);
	return r;
}

static void fine(void)
{
	struct drover_err err = { 0 };

	done(check("host2", &err), &err);
}

static void an_old_image_is_refused(void **state)
{
	struct drover_err err = { 0 };

	fine();
	record("/mnt/a/sub/web.img", DROVER_DISK_STEP_COPYING);
	fine();
	record("/mnt/a/sub/web.img", DROVER_DISK_STEP_OLD_LEFT);
	assert_int_equal(check("host2", &err), -ESTALE);
	assert_string_equal(err.text, "disk root of vm web was moved on host1, where it is now "
				      "/mnt/b/web-root.raw, and the definition here names the old "
				      "image; start it where it ran last, or here by --force");
	strcpy(def.disks[0].path, "/srv/b/web-root.raw");
	fine();
}

/* host1's definition could not be changed. */
static void so_it_is_before_the_definition_changes(void **state)
{
	struct drover_err err = { 0 };

	define("/mnt/a/sub/web.img");
	record("/mnt/a/sub/web.img", DROVER_DISK_STEP_SWITCHING);
	assert_int_equal(check("host2", &err), -ESTALE);
	assert_non_null(strstr(err.text, "it is now /mnt/b/web-root.raw,"));
}

static void one_that_is_named_again_is_not_old(void **state)
{
	record("/mnt/a/sub/web.img", DROVER_DISK_STEP_OLD_LEFT);
	define("/mnt/a/sub/web.img");
	fine();
}

static void where_it_is_now_is_told(void **state)
{
	struct drover_err err = { 0 };

	record("/mnt/a/sub/web.img", DROVER_DISK_STEP_OLD_LEFT);
	define("/mnt/a/third.raw");
	assert_int_equal(check("host2", &err), -ESTALE);
	assert_non_null(strstr(err.text, "it is now /mnt/a/third.raw,"));
}

/* Of the same name on both, and not the same. */
static void pools_of_one_host_do_not_count(void **state)
{
	record("/srv/own/web.img", DROVER_DISK_STEP_OLD_LEFT);
	strcpy(def.disks[0].path, "/srv/own/web.img");
	fine();
	record("/srv/web.img", DROVER_DISK_STEP_OLD_LEFT);
	strcpy(def.disks[0].path, "/srv/web.img");
	fine();
	record("/mnt/b/web.img", DROVER_DISK_STEP_OLD_LEFT);
	strcpy(def.disks[0].path, "/srv/a/web.img");
	fine();
}

/* Where the VM went the definition has followed, and may have gone on since. */
static void the_host_that_it_went_to_knows_better(void **state)
{
	struct drover_err err = { 0 };

	record("/mnt/a/sub/web.img", DROVER_DISK_STEP_OLD_LEFT);
	done(drover_record_moved(&there, "web", "host2", &err), &err);
	fine();
	assert_int_equal(check("host3", &err), -ESTALE);
}

static void a_name_that_is_none_is_told_nothing(void **state)
{
	Drover__VmReply reply = DROVER__VM_REPLY__INIT;
	struct drover_old_images images;

	record("/mnt/a/sub/web.img", DROVER_DISK_STEP_OLD_LEFT);
	drover_old_images_tell(&there, "../web", "host2", &images, &reply);
	assert_int_equal(reply.n_old, 0);
	drover_old_images_free(&images);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_old_image_is_refused),
		TEST(so_it_is_before_the_definition_changes),
		TEST(one_that_is_named_again_is_not_old),
		TEST(where_it_is_now_is_told),
		TEST(pools_of_one_host_do_not_count),
		TEST(the_host_that_it_went_to_knows_better),
		TEST(a_name_that_is_none_is_told_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
