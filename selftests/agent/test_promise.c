// SPDX-License-Identifier: GPL-2.0-or-later
/* Space that is promised to moves under way is not given away a second time. */
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
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "block/image.h"
#include "block/move.h"
#include "block/pool.h"
#include "block/record.h"
#include "block/space.h"
#include "core/clock.h"
#include "place.h"

#define MIB	    (1ULL << 20)
#define PATIENCE_US 30000000

static struct drover_conf conf;
static struct drover_vm_def def;

/* --- a host with a pool that is a file system of 32 MiB --- */

static void add_pool(const char *name, const char *path)
{
	struct drover_pool_conf *pool = &conf.pools[conf.pool_count++];

	strcpy(pool->name, name);
	strcpy(pool->path, path);
	strcpy(pool->format, "qcow2");
}

static void add_disk(const char *name)
{
	struct drover_disk_def *disk = &def.disks[def.disk_count++];

	strcpy(disk->name, name);
	strcpy(disk->path, in(name));
	strcpy(disk->format, "raw");
	strcpy(disk->cache, "writeback");
}

static int setup(void **state)
{
	struct drover_err err = { 0 };

	if (place_make("promise") < 0 || mkdir(in("fast"), 0755))
		return -1;
	memset(&conf, 0, sizeof(conf));
	strcpy(conf.host, "host1");
	strcpy(conf.state_dir, dir);
	strcpy(conf.vm_dir, dir);
	add_pool("fast", in("fast"));
	memset(&def, 0, sizeof(def));
	strcpy(def.name, "web");
	add_disk("root");
	add_disk("data");
	/* What a test that fails leaves mounted goes away with its process. */
	if (unshare(CLONE_NEWNS) == 0)
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	*state = mount("pool", in("fast"), "tmpfs", 0, "size=32m") == 0 ? dir : NULL;
	return drover_disk_record_init(&conf, &err);
}

static int teardown(void **state)
{
	if (*state)
		umount(in("fast"));
	return place_remove();
}

static void needs_pool(void **state)
{
	if (*state)
		return;
	print_message("skipped: a file system cannot be mounted here\n");
	skip();
}

static void write_bytes(const char *path, uint64_t bytes)
{
	char buf[4096];
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	memset(buf, 'x', sizeof(buf));
	for (uint64_t i = 0; i < bytes; i += sizeof(buf))
		assert_int_equal(write(fd, buf, sizeof(buf)), sizeof(buf));
	close(fd);
}

/* Exactly so many bytes can be had. */
static void left_is(const struct drover_pool_conf *pool, uint64_t bytes)
{
	struct drover_err err = { 0 };

	done(drover_pool_check(pool, bytes, &err), &err);
	assert_int_equal(drover_pool_check(pool, bytes + 1, &err), -ENOSPC);
}

static struct drover_promise *promised(const struct drover_pool_conf *pool, const char *name,
				       uint64_t bytes)
{
	struct drover_promise *promise = NULL;
	struct drover_err err = { 0 };

	done(drover_pool_promise(pool, in(name), bytes, &promise, &err), &err);
	assert_non_null(promise);
	return promise;
}

/* --- promises --- */

static void two_that_fit_alone_do_not_fit_together(void **state)
{
	const struct drover_pool_conf *pool = &conf.pools[0];
	struct drover_promise *first, *second = NULL;
	struct drover_err err = { 0 };

	needs_pool(state);
	left_is(pool, 32 * MIB);
	first = promised(pool, "fast/a", 20 * MIB);
	assert_int_equal(drover_pool_promise(pool, in("fast/b"), 20 * MIB, &second, &err), -ENOSPC);
	assert_null(second);
	assert_string_equal(err.text,
			    "pool fast has no space: 32 MiB are free, 20 MiB are promised to moves "
			    "under way, 20 MiB are needed");
	/* Whom it was not promised to takes nothing. */
	left_is(pool, 12 * MIB);
	drover_promise_drop(first);
	left_is(pool, 32 * MIB);
	second = promised(pool, "fast/b", 20 * MIB);
	drover_promise_drop(second);
}

static void what_is_written_already_does_not_count_twice(void **state)
{
	const struct drover_pool_conf *pool = &conf.pools[0];
	struct drover_promise *first, *second;

	needs_pool(state);
	first = promised(pool, "fast/a", 20 * MIB);
	write_bytes(in("fast/a"), 15 * MIB);
	left_is(pool, 12 * MIB);
	second = promised(pool, "fast/b", 12 * MIB);
	left_is(pool, 0);
	/* It takes more than was thought: nothing is left, and not less than nothing. */
	write_bytes(in("fast/a"), 22 * MIB);
	drover_promise_drop(second);
	left_is(pool, 10 * MIB);
	drover_promise_drop(first);
	left_is(pool, 10 * MIB);
	assert_int_equal(unlink(in("fast/a")), 0);
	left_is(pool, 32 * MIB);
}

static void a_promise_can_be_changed(void **state)
{
	const struct drover_pool_conf *pool = &conf.pools[0];
	struct drover_promise *first, *second;
	struct drover_err err = { 0 };

	needs_pool(state);
	first = promised(pool, "fast/a", 20 * MIB);
	second = promised(pool, "fast/b", 4 * MIB);
	/* Its own promise is no obstacle. */
	done(drover_pool_promise(pool, in("fast/a"), 28 * MIB, &first, &err), &err);
	left_is(pool, 0);
	assert_int_equal(drover_pool_promise(pool, in("fast/a"), 29 * MIB, &first, &err), -ENOSPC);
	left_is(pool, 0);
	done(drover_pool_promise(pool, in("fast/a"), 8 * MIB, &first, &err), &err);
	left_is(pool, 20 * MIB);
	drover_promise_drop(first);
	drover_promise_drop(second);
}

static void who_was_first_does_not_count_who_came_later(void **state)
{
	struct drover_promise *first, *second, *third;
	struct drover_err err = { 0 };
	uint64_t bytes = 4711;

	done(drover_promise_make("/p", 0, "/p/a", 1, &first, &err), &err);
	done(drover_promise_make("/p", 0, "/p/b", 2, &second, &err), &err);
	done(drover_promise_make("/q", 7, "/q/c", UINT64_MAX, &third, &err), &err);
	done(drover_promise_sum("/p", 0, first, NULL, &bytes, &err), &err);
	assert_int_equal(bytes, 0);
	done(drover_promise_sum("/p", 0, second, NULL, &bytes, &err), &err);
	assert_int_equal(bytes, 1);
	done(drover_promise_sum("/p", 0, second, first, &bytes, &err), &err);
	assert_int_equal(bytes, 0);
	done(drover_promise_sum("/p", 0, NULL, NULL, &bytes, &err), &err);
	assert_int_equal(bytes, 3);
	done(drover_promise_sum("/p", 7, NULL, NULL, &bytes, &err), &err);
	assert_int_equal(bytes, UINT64_MAX);
	drover_promise_drop(second);
	drover_promise_drop(first);
	drover_promise_drop(third);
	drover_promise_drop(NULL);
}

static void pools_on_one_file_system_share_it(void **state)
{
	struct drover_promise *promise, *unseen = NULL;
	struct drover_err err = { 0 };

	needs_pool(state);
	assert_int_equal(mkdir(in("fast/sub"), 0755), 0);
	add_pool("sub", in("fast/sub"));
	promise = promised(&conf.pools[0], "fast/a", 20 * MIB);
	left_is(&conf.pools[1], 12 * MIB);
	/* One whose store was not looked at is known by its directory. */
	done(drover_promise_make(conf.pools[0].path, 0, in("fast/b"), 8 * MIB, &unseen, &err),
	     &err);
	left_is(&conf.pools[0], 4 * MIB);
	left_is(&conf.pools[1], 12 * MIB);
	drover_promise_drop(unseen);
	drover_promise_drop(promise);
	left_is(&conf.pools[1], 32 * MIB);
}

static void what_others_write_is_nobodys_promise(void **state)
{
	const struct drover_pool_conf *pool = &conf.pools[0];
	struct drover_promise *promise;

	needs_pool(state);
	promise = promised(pool, "fast/a", 20 * MIB);
	write_bytes(in("fast/hog"), 20 * MIB);
	left_is(pool, 0);
	drover_promise_drop(promise);
	left_is(pool, 12 * MIB);
}

/* --- moves, of a VM that is stopped --- */

static int allowed(void *data, const char *vm, struct drover_err *err)
{
	return 0;
}

static void changed(void *data, const struct drover_disk_move_info *info)
{
}

static int switched(void *data, const struct drover_disk_move_info *info, struct drover_err *err)
{
	return 0;
}

static void finished(void *data, struct drover_disk_move *move)
{
}

static const struct drover_disk_move_env env = {
	.conf = &conf,
	.allowed = allowed,
	.changed = changed,
	.switched = switched,
	.finished = finished,
};

static struct drover_disk_move_options to_fast(uint64_t bandwidth)
{
	struct drover_disk_move_options options = { .pool = "fast", .bandwidth = bandwidth };

	return options;
}

static struct drover_disk_move *start(const char *disk, uint64_t bandwidth)
{
	struct drover_disk_move_options options = to_fast(bandwidth);
	struct drover_disk_move *move;
	struct drover_err err = { 0 };

	done(drover_disk_move_start(&env, NULL, &def, disk, &options, &move, &err), &err);
	return move;
}

static void await(struct drover_disk_move *move, enum drover_disk_move_state wanted)
{
	uint64_t deadline = drover_clock_monotonic() + PATIENCE_US;
	struct drover_disk_move_info info;
	bool ended;

	do {
		usleep(10000);
		ended = drover_disk_move_ended(move);
		drover_disk_move_info(move, &info);
		if (info.state == wanted)
			return;
	} while (drover_clock_monotonic() < deadline && !ended);
	fail_msg("state %d wanted, seen %d: %s", wanted, info.state, info.error);
}

static void the_second_of_two_moves_is_refused(void **state)
{
	struct drover_disk_move_options options = to_fast(0);
	struct drover_disk_move *first, *second;
	struct drover_err err = { 0 };
	uint64_t bytes, space;

	needs_pool(state);
	write_bytes(in("root"), 16 * MIB);
	write_bytes(in("data"), 16 * MIB);
	done(drover_disk_move_check(&conf, &def, "data", &options, &bytes, &err), &err);
	assert_int_equal(bytes, drover_space_with_margin(16 * MIB));
	first = start("root", MIB);
	assert_int_equal(drover_disk_move_start(&env, NULL, &def, "data", &options, &second, &err),
			 -ENOSPC);
	assert_non_null(strstr(err.text, "are promised to moves under way, 21 MiB are needed"));
	/* Also when it has measured, and made its image. */
	await(first, DROVER_DISK_MOVE_COPYING);
	assert_int_equal(drover_disk_move_check(&conf, &def, "data", &options, &bytes, &err),
			 -ENOSPC);
	assert_int_equal(drover_disk_move_check_sum(&conf, "fast", bytes, &err), -ENOSPC);
	done(drover_disk_move_cancel(first, &err), &err);
	await(first, DROVER_DISK_MOVE_CANCELLED);
	/* It is still listed. */
	done(drover_disk_move_check_sum(&conf, "fast", bytes, &err), &err);
	second = start("data", 0);
	await(second, DROVER_DISK_MOVE_DONE);
	/* What it did not take of what it was promised is free again. */
	done(drover_pool_space(&conf.pools[0], &bytes, &space, &err), &err);
	assert_true(space > 14 * MIB);
	left_is(&conf.pools[0], space);
	drover_disk_move_put(first);
	drover_disk_move_put(second);
}

/* Its mirror may go on in QEMU, and the pool must not be given away meanwhile. */
static void a_move_of_an_earlier_agent_is_reckoned_with(void **state)
{
	struct drover_disk_record record = {
		.id = 5,
		.space_bytes = 20 * MIB,
		.vm = "web",
		.disk = "root",
		.old_format = "raw",
		.new_format = "qcow2",
	};
	struct drover_disk_move *move;
	struct drover_err err = { 0 };
	char vm_dir[200];

	needs_pool(state);
	/* Too long for a socket: no QEMU answers there, and it is not waited for. */
	snprintf(vm_dir, sizeof(vm_dir), "%s/%0100d", dir, 0);
	assert_int_equal(mkdir(vm_dir, 0755), 0);
	strcpy(record.old_path, in("root"));
	strcpy(record.new_path, in("fast/web-root.qcow2"));
	write_bytes(record.new_path, 2 * MIB);
	done(drover_disk_record_write(&conf, &record, &err), &err);
	done(drover_disk_move_recover(&env, &record, vm_dir, &move, &err), &err);
	left_is(&conf.pools[0], 12 * MIB);
	/* The VM has ended, and with it the move. */
	assert_int_equal(rmdir(vm_dir), 0);
	await(move, DROVER_DISK_MOVE_FAILED);
	left_is(&conf.pools[0], 32 * MIB);
	drover_disk_move_put(move);
}

static void a_chain_counts_unless_it_is_kept(void **state)
{
	struct drover_disk_move_options options = to_fast(0);
	struct drover_err err = { 0 };
	uint64_t bytes = 0;

	write_bytes(in("base"), 40 * MIB);
	done(drover_image_create(in("top"), "qcow2", 40 * MIB, in("base"), "raw", &err), &err);
	strcpy(def.disks[0].path, in("top"));
	strcpy(def.disks[0].format, "qcow2");
	options.keep_backing = true;
	done(drover_disk_move_check(&conf, &def, "root", &options, &bytes, &err), &err);
	assert_true(bytes < 8 * MIB);
	options.keep_backing = false;
	needs_pool(state);
	assert_int_equal(drover_disk_move_check(&conf, &def, "root", &options, &bytes, &err),
			 -ENOSPC);
	assert_memory_equal(err.text, "pool fast has no space: 32 MiB are free, ", 41);
}

static void quiet(enum drover_log_level level, const struct drover_log_subject *subject,
		  const char *text)
{
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_that_fit_alone_do_not_fit_together),
		TEST(what_is_written_already_does_not_count_twice),
		TEST(a_promise_can_be_changed),
		TEST(who_was_first_does_not_count_who_came_later),
		TEST(pools_on_one_file_system_share_it),
		TEST(what_others_write_is_nobodys_promise),
		TEST(the_second_of_two_moves_is_refused),
		TEST(a_move_of_an_earlier_agent_is_reckoned_with),
		TEST(a_chain_counts_unless_it_is_kept),
	};

	drover_log_set_sink(quiet, DROVER_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
