// SPDX-License-Identifier: GPL-2.0-or-later
/* Nodes and mirrors in a real QEMU. */
#include "qemu.h"

#include <errno.h>
#include <sys/stat.h>

#include "block/mirror.h"
#include "core/clock.h"

#define PATIENCE 20000000

static const struct drover_disk_def like = {
	.name = "root", .cache = "writeback", .aio = "threads"
};

/* --- a mirror --- */

static void prepare(struct drover_mirror *m, const char *name, const char *format)
{
	struct drover_err err = { 0 };

	*m = (struct drover_mirror){ .qmp = qmp, .job = "move-root" };
	done(drover_node_of_disk(qmp, "root", &m->source, &err), &err);
	done(drover_image_create(in(name), format, SIZE, NULL, NULL, &err), &err);
	done(drover_node_add_file(qmp, "root", in(name), format, &like, &m->target, &err), &err);
}

static void await(struct drover_mirror *m, enum drover_mirror_state wanted)
{
	uint64_t deadline = drover_clock_monotonic() + PATIENCE;
	struct drover_mirror_status status;
	struct drover_err err = { 0 };

	do {
		done(drover_mirror_look(m, &status, &err), &err);
		if (status.state == wanted)
			return;
		usleep(10000);
	} while (drover_clock_monotonic() < deadline);
	fail_msg("state %d wanted, seen %d: %s", wanted, status.state, status.error);
}

/* A write that failed before the store had room may be told of after it: asked to go on again. */
static void resume_until_in_step(struct drover_mirror *m)
{
	uint64_t deadline = drover_clock_monotonic() + PATIENCE;
	struct drover_mirror_status status = { .state = DROVER_MIRROR_INTERRUPTED };
	struct drover_err err = { 0 };

	while (status.state != DROVER_MIRROR_IN_STEP && drover_clock_monotonic() < deadline) {
		if (status.state == DROVER_MIRROR_INTERRUPTED)
			done(drover_mirror_resume(m, &err), &err);
		usleep(10000);
		done(drover_mirror_look(m, &status, &err), &err);
	}
	assert_int_equal(status.state, DROVER_MIRROR_IN_STEP);
}

static void start(struct drover_mirror *m, const char *name, const char *format, uint64_t speed)
{
	struct drover_err err = { 0 };

	prepare(m, name, format);
	done(drover_mirror_start(m, false, speed, &err), &err);
}

static void uses(const struct drover_node *node)
{
	struct drover_node now;
	struct drover_err err = { 0 };

	done(drover_node_of_disk(qmp, "root", &now, &err), &err);
	assert_string_equal(now.name, node->name);
	assert_string_equal(now.file, node->file);
	assert_int_equal(now.fdset, node->fdset);
}

static void remove_node(const struct drover_node *node)
{
	struct drover_err err = { 0 };

	done(drover_node_remove(qmp, node, &err), &err);
}

static void same(const char *a, const char *a_format, const char *b, const char *b_format)
{
	uint64_t verified, mismatched;
	struct drover_err err = { 0 };

	done(drover_image_compare(in(a), a_format, in(b), b_format, NULL, NULL, &verified,
				  &mismatched, &err),
	     &err);
	assert_int_equal(verified, SIZE);
	assert_int_equal(mismatched, 0);
}

static void cancel(struct drover_mirror *m)
{
	struct drover_err err = { 0 };

	done(drover_mirror_cancel(m, &err), &err);
	uses(&m->source);
	remove_node(&m->target);
}

/* --- tests --- */

static void the_disk_is_found(void **state)
{
	struct drover_node node;
	struct drover_err err = { 0 };

	done(drover_node_of_disk(qmp, "root", &node, &err), &err);
	assert_string_equal(node.name, "disk-root");
	assert_string_equal(node.file, "file-root");
	assert_int_equal(node.fdset, 1);
	assert_int_equal(drover_node_of_disk(qmp, "data", &node, &err), -ENOENT);
	assert_string_equal(err.text, "QEMU has no disk data");
}

static void a_disk_changes_its_image_and_back(void **state)
{
	struct drover_mirror m;
	struct drover_err err = { 0 };
	struct stat st;

	guest("write -P 1 0 8M");
	start(&m, "new.qcow2", "qcow2", 4 * MIB);
	await(&m, DROVER_MIRROR_COPYING);
	guest("write -P 2 1M 4M");
	guest("write -P 3 60M 1M");
	done(drover_mirror_speed(&m, 0, &err), &err);
	await(&m, DROVER_MIRROR_IN_STEP);
	guest("write -P 4 30M 64k");
	done(drover_mirror_hold(&m, &err), &err);
	await(&m, DROVER_MIRROR_PENDING);
	uses(&m.source);
	same("old", "raw", "new.qcow2", "qcow2");
	done(drover_mirror_switch(&m, &err), &err);
	uses(&m.target);
	remove_node(&m.source);
	assert_false(is_open("old"));
	assert_true(is_open("new.qcow2"));
	guest("read -P 2 1M 4M");
	guest("read -P 4 30M 64k");

	start(&m, "back.raw", "raw", 0);
	await(&m, DROVER_MIRROR_IN_STEP);
	done(drover_mirror_hold(&m, &err), &err);
	done(drover_mirror_switch(&m, &err), &err);
	remove_node(&m.source);
	assert_false(is_open("new.qcow2"));
	same("old", "raw", "back.raw", "raw");
	assert_int_equal(stat(in("back.raw"), &st), 0);
	assert_true(st.st_blocks * 512ULL < 11 * MIB);
}

static void a_cancelled_mirror_leaves_the_disk(void **state)
{
	struct drover_mirror m;
	struct drover_err err = { 0 };

	start(&m, "c1", "raw", MIB);
	cancel(&m);
	assert_false(is_open("c1"));
	start(&m, "c2", "qcow2", 0);
	await(&m, DROVER_MIRROR_IN_STEP);
	cancel(&m);
	start(&m, "c3", "qcow2", 0);
	await(&m, DROVER_MIRROR_IN_STEP);
	done(drover_mirror_hold(&m, &err), &err);
	cancel(&m);
	/* None is no error, either. */
	done(drover_mirror_cancel(&m, &err), &err);
	guest("write -P 5 0 64k");
}

static void both_can_part(void **state)
{
	struct drover_mirror m;
	struct drover_err err = { 0 };

	start(&m, "p", "raw", 0);
	await(&m, DROVER_MIRROR_IN_STEP);
	guest("write -P 6 2M 64k");
	done(drover_mirror_part(&m, &err), &err);
	uses(&m.source);
	remove_node(&m.target);
	same("back.raw", "raw", "p", "raw");
	guest("write -P 7 2M 64k");
}

static void a_full_store_interrupts_and_the_guest_does_not_see_it(void **state)
{
	struct drover_mirror m;
	struct drover_err err = { 0 };
	struct drover_mirror_status status;

	guest("write -P 8 0 12M");
	prepare(&m, "full.qcow2", "qcow2");
	limit_files(6 * MIB);
	done(drover_mirror_start(&m, false, 0, &err), &err);
	await(&m, DROVER_MIRROR_INTERRUPTED);
	done(drover_mirror_look(&m, &status, &err), &err);
	assert_string_equal(status.error, "a write to the new image failed");
	assert_true(status.todo > 0);
	/* Into what the old image has already: it may not grow, either. */
	guest("write -P 9 1M 64k");
	done(drover_mirror_resume(&m, &err), &err);
	await(&m, DROVER_MIRROR_INTERRUPTED);
	limit_files(RLIM_INFINITY);
	resume_until_in_step(&m);
	done(drover_mirror_hold(&m, &err), &err);
	done(drover_mirror_switch(&m, &err), &err);
	remove_node(&m.source);
	same("back.raw", "raw", "full.qcow2", "qcow2");
}

/* QEMU 7.2 would end itself. */
static void a_vm_that_stops_meanwhile_is_not_switched(void **state)
{
	struct drover_mirror m;
	struct drover_err err = { 0 };

	start(&m, "s", "raw", 0);
	await(&m, DROVER_MIRROR_IN_STEP);
	done(drover_mirror_hold(&m, &err), &err);
	guest("aio_write -P 1 3M 64k");
	json_decref(call("stop", NULL));
	assert_int_equal(drover_mirror_switch(&m, &err), -EAGAIN);
	assert_string_equal(err.text, "the VM changed from running to paused during the switch");
	cancel(&m);
	guest("read -P 1 3M 64k");
	json_decref(call("cont", NULL));
}

static void what_an_earlier_agent_left_is_found(void **state)
{
	struct drover_node used, found;
	struct drover_mirror m;
	struct drover_err err = { 0 };

	done(drover_node_of_disk(qmp, "root", &used, &err), &err);
	prepare(&m, "left1", "raw");
	done(drover_node_of_path(qmp, "root", in("left1"), &found, &err), &err);
	assert_string_equal(found.name, m.target.name);
	assert_string_equal(found.file, m.target.file);
	assert_int_equal(found.fdset, m.target.fdset);
	prepare(&m, "left2", "qcow2");
	assert_int_equal(drover_node_of_path(qmp, "data", in("left1"), &found, &err), -ENOENT);
	assert_int_equal(drover_node_of_path(qmp, "root", in("left"), &found, &err), -ENOENT);
	done(drover_node_sweep(qmp, "root", 10000, &err), &err);
	assert_false(is_open("left1") || is_open("left2"));
	uses(&used);
	assert_int_equal(drover_node_of_path(qmp, "root", in("left1"), &found, &err), -ENOENT);
}

static void what_cannot_be_added_leaves_nothing(void **state)
{
	struct drover_disk_def direct = like;
	struct drover_node node;
	struct drover_err err = { 0 };

	strcpy(direct.cache, "none");
	strcpy(direct.aio, "native");
	assert_int_equal(drover_node_add_file(qmp, "root", in("none"), "raw", &like, &node, &err),
			 -ENOENT);
	assert_int_equal(drover_node_add_file(qmp, "root", dir, "raw", &like, &node, &err),
			 -EINVAL);
	assert_int_equal(drover_node_add_file(qmp, "root", in("c1"), "qcow2", &like, &node, &err),
			 -EREMOTEIO);
	assert_non_null(strstr(err.text, "not in qcow2 format"));
	assert_false(is_open("c1"));
	assert_int_equal(drover_node_add_nbd(qmp, "root", in("nobody"), "x", &node, &err),
			 -EREMOTEIO);
}

static void the_guests_writes_are_counted(void **state)
{
	struct drover_node_stats before, after;
	struct drover_err err = { 0 };

	/* Those of the monitor are not the device's. */
	done(drover_node_stats(qmp, "root", &before, &err), &err);
	done(drover_node_stats(qmp, "root", &after, &err), &err);
	assert_int_equal(before.writes, after.writes);
	assert_int_equal(drover_node_stats(qmp, "data", &before, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_disk_is_found),
		cmocka_unit_test(a_disk_changes_its_image_and_back),
		cmocka_unit_test(a_cancelled_mirror_leaves_the_disk),
		cmocka_unit_test(both_can_part),
		cmocka_unit_test(a_full_store_interrupts_and_the_guest_does_not_see_it),
		cmocka_unit_test(a_vm_that_stops_meanwhile_is_not_switched),
		cmocka_unit_test(what_an_earlier_agent_left_is_found),
		cmocka_unit_test(what_cannot_be_added_leaves_nothing),
		cmocka_unit_test(the_guests_writes_are_counted),
	};

	return cmocka_run_group_tests(tests, start_qemu, end_qemu);
}
