// SPDX-License-Identifier: GPL-2.0-or-later
/* Pools as directories: what lies in which, what fits, names, and measuring that leaves nothing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "block/pool.h"

static char dir[64];

/* What a test that fails leaves mounted goes away with its process. */
static int setup(void **state)
{
	if (unshare(CLONE_NEWNS) == 0)
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	snprintf(dir, sizeof(dir), "/tmp/drover-pool.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(dir);
}

static struct drover_pool_conf pool_at(const char *path)
{
	struct drover_pool_conf pool = { .name = "fast", .format = "raw" };

	snprintf(pool.path, sizeof(pool.path), "%s", path);
	return pool;
}

static int files_in(const char *path)
{
	DIR *d = opendir(path);
	int n = -2;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static struct drover_conf two_pools(void)
{
	struct drover_conf conf = { .pool_count = 2 };

	strcpy(conf.pools[0].name, "a");
	strcpy(conf.pools[0].path, "/srv/a");
	strcpy(conf.pools[1].name, "ab");
	strcpy(conf.pools[1].path, "/srv/ab");
	return conf;
}

static void found_by_name(void **state)
{
	struct drover_conf conf = two_pools(), none = { 0 };

	assert_string_equal(drover_pool_find(&conf, "ab")->name, "ab");
	assert_string_equal(drover_pool_find(&conf, "")->name, "a");
	assert_null(drover_pool_find(&conf, "b"));
	assert_null(drover_pool_find(&none, ""));
}

static void found_by_path(void **state)
{
	struct drover_conf conf = two_pools();

	assert_string_equal(drover_pool_of(&conf, "/srv/a/x.img")->name, "a");
	assert_string_equal(drover_pool_of(&conf, "/srv/ab/x.img")->name, "ab");
	assert_string_equal(drover_pool_of(&conf, "/srv/ab/sub/x.img")->name, "ab");
	assert_null(drover_pool_of(&conf, "/srv/abc/x.img"));
	assert_null(drover_pool_of(&conf, "/srv/a"));
	assert_null(drover_pool_of(&conf, "/srv/a/"));
	assert_null(drover_pool_of(&conf, "/srv/a/../b/x.img"));
	assert_null(drover_pool_of(&conf, "nbd://host/srv/a/x.img"));
}

static void space_is_what_we_may_use(void **state)
{
	struct drover_pool_conf pool = pool_at(dir);
	struct drover_err err = { 0 };
	uint64_t size = 0, space = 0;
	struct statvfs st;

	assert_int_equal(drover_pool_space(&pool, &size, &space, &err), 0);
	assert_int_equal(statvfs(dir, &st), 0);
	assert_true(space <= size);
	assert_true(size <= (uint64_t)st.f_blocks * st.f_frsize);
	assert_int_equal(drover_pool_check(&pool, 1, &err), 0);
	assert_int_equal(drover_pool_check(&pool, 1ULL << 60, &err), -ENOSPC);
	assert_memory_equal(err.text, "pool fast has no space: ", 24);
	assert_non_null(strstr(err.text, " MiB are free, 1099511627776 MiB are needed"));
}

static void no_directory(void **state)
{
	struct drover_pool_conf pool = pool_at("/nowhere/pool");
	struct drover_pool_speed speed = { .time_us = 4711 };
	struct drover_err err = { 0 };
	uint64_t size, space;

	assert_int_equal(drover_pool_space(&pool, &size, &space, &err), -ENOTDIR);
	assert_string_equal(err.text,
			    "pool fast cannot be used: there is no directory /nowhere/pool");
	assert_int_equal(drover_pool_check(&pool, 0, &err), -ENOTDIR);
	assert_int_equal(drover_pool_measure(&pool, &speed, &err), -ENOTDIR);
	assert_int_equal(speed.time_us, 4711);
	pool = pool_at("/dev/null");
	assert_int_equal(drover_pool_space(&pool, &size, &space, &err), -ENOTDIR);
}

static void mount_point_with_nothing_mounted(void **state)
{
	struct drover_pool_conf pool = pool_at(dir);
	struct drover_err err = { 0 };
	uint64_t size, space;
	char sentence[160];

	pool.mounted = true;
	snprintf(sentence, sizeof(sentence), "pool fast cannot be used: nothing is mounted at %s",
		 dir);
	assert_int_equal(drover_pool_check(&pool, 0, &err), -ENOTDIR);
	assert_string_equal(err.text, sentence);
	if (mount("pool", dir, "tmpfs", 0, "size=4m") < 0) {
		print_message("the rest is skipped: a file system cannot be mounted here\n");
		return;
	}
	assert_int_equal(drover_pool_space(&pool, &size, &space, &err), 0);
	assert_int_equal(size, 4 << 20);
	assert_int_equal(drover_pool_check(&pool, 4 << 20, &err), 0);
	assert_int_equal(drover_pool_check(&pool, (4 << 20) + 1, &err), -ENOSPC);
	assert_string_equal(err.text,
			    "pool fast has no space: 4 MiB are free, 5 MiB are needed");
	assert_int_equal(mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(drover_pool_check(&pool, 0, &err), -EROFS);
	assert_string_equal(err.text, "pool fast is mounted read-only");
	assert_int_equal(umount(dir), 0);
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void new_images_take_no_name_in_use(void **state)
{
	struct drover_pool_conf pool = pool_at(dir);
	struct drover_err err = { 0 };
	char path[DROVER_FIELD_LEN], first[160], second[160], third[160];

	snprintf(first, sizeof(first), "%s/web1-root.qcow2", dir);
	snprintf(second, sizeof(second), "%s/web1-root-2.qcow2", dir);
	snprintf(third, sizeof(third), "%s/web1-root-3.qcow2", dir);
	assert_int_equal(drover_pool_name_image(&pool, "web1", "root", "qcow2", path, sizeof(path),
						&err), 0);
	assert_string_equal(path, first);
	assert_int_equal(files_in(dir), 0);
	touch(first);
	/* A link that leads nowhere is in the way, too. */
	assert_int_equal(symlink("/nowhere", second), 0);
	assert_int_equal(drover_pool_name_image(&pool, "web1", "root", "qcow2", path, sizeof(path),
						&err), 0);
	assert_string_equal(path, third);
	assert_int_equal(drover_pool_name_image(&pool, "web1", "root", "qcow2", path, 20, &err),
			 -ENAMETOOLONG);
	assert_int_equal(unlink(first), 0);
	assert_int_equal(unlink(second), 0);
}

static void measuring_leaves_nothing(void **state)
{
	struct drover_pool_conf pool = pool_at(dir);
	struct drover_pool_speed speed = { 0 };
	struct drover_err err = { 0 };
	int r = drover_pool_measure(&pool, &speed, &err);

	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
	assert_true(speed.latency_us > 0);
	assert_true(speed.read_rate > 0);
	assert_true(speed.write_rate > 0);
	assert_true(speed.time_us > 0);
	assert_int_equal(files_in(dir), 0);
}

static void too_little_space_to_measure(void **state)
{
	struct drover_pool_conf pool = pool_at(dir);
	struct drover_pool_speed speed = { .time_us = 4711 };
	struct drover_err err = { 0 };

	if (mount("pool", dir, "tmpfs", 0, "size=16m") < 0)
		skip();
	assert_int_equal(drover_pool_measure(&pool, &speed, &err), -ENOSPC);
	assert_string_equal(err.text,
			    "pool fast has no space: 16 MiB are free, 32 MiB are needed");
	assert_int_equal(speed.time_us, 4711);
	assert_int_equal(files_in(dir), 0);
	assert_int_equal(umount(dir), 0);
}

static void write_kept(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void figures_are_kept(void **state)
{
	const struct drover_pool_speed speed = { 1500, 1 << 30, 1ULL << 40, 1700000000000000 };
	struct drover_pool_conf pool = pool_at("/srv/fast");
	struct drover_pool_speed kept = { 1, 2, 3, 4 };
	struct drover_conf conf = { 0 };
	struct drover_err err = { 0 };
	char path[128], sub[128];

	snprintf(conf.state_dir, sizeof(conf.state_dir), "%s", dir);
	snprintf(sub, sizeof(sub), "%s/pools", dir);
	snprintf(path, sizeof(path), "%s/pools/fast.json", dir);
	drover_pool_kept(&conf, &pool, &kept);
	assert_int_equal(kept.time_us + kept.latency_us + kept.read_rate + kept.write_rate, 0);
	assert_int_equal(drover_pool_keep(&conf, &pool, &speed, &err), 0);
	drover_pool_kept(&conf, &pool, &kept);
	assert_memory_equal(&kept, &speed, sizeof(speed));
	/* The pool lies elsewhere now. */
	pool = pool_at("/srv/faster");
	drover_pool_kept(&conf, &pool, &kept);
	assert_int_equal(kept.time_us, 0);
	pool = pool_at("/srv/fast");
	write_kept(path, "{\"path\": \"/srv/fast\", \"latency_us\": -1}");
	drover_pool_kept(&conf, &pool, &kept);
	assert_int_equal(kept.latency_us, 0);
	write_kept(path, "no JSON");
	drover_pool_kept(&conf, &pool, &kept);
	assert_int_equal(kept.latency_us, 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(sub), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_by_name),
		cmocka_unit_test(found_by_path),
		cmocka_unit_test(space_is_what_we_may_use),
		cmocka_unit_test(no_directory),
		cmocka_unit_test(mount_point_with_nothing_mounted),
		cmocka_unit_test(new_images_take_no_name_in_use),
		cmocka_unit_test(measuring_leaves_nothing),
		cmocka_unit_test(too_little_space_to_measure),
		cmocka_unit_test(figures_are_kept),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
