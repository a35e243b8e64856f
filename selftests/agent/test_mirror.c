// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Nodes and mirrors in a real QEMU, whose machine has nothing to boot: the writes of a guest are
 * those of the monitor's own command "qemu-io".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/image.h"
#include "block/mirror.h"
#include "core/clock.h"

#define QEMU	 "/usr/bin/qemu-system-x86_64"
#define MIB	 (1ULL << 20)
#define SIZE	 (64 * MIB)
#define PATIENCE 20000000

static const struct drover_disk_def like = { .name = "root",
					     .cache = "writeback",
					     .aio = "threads" };

static char dir[64];
static pid_t qemu;
static struct drover_qmp *qmp;

static const char *in(const char *name)
{
	static char paths[4][128];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void done(int r, const struct drover_err *err)
{
	if (r < 0)
		fail_msg("%s", err->text);
}

/* --- QEMU --- */

static void become_qemu(int fd)
{
	char add[32], chardev[128];

	snprintf(add, sizeof(add), "fd=%d,set=1", fd);
	snprintf(chardev, sizeof(chardev), "socket,id=q,path=%s/q,server=on,wait=off", dir);
	/* A file may not grow beyond a limit that a test sets: an error, not the end. */
	signal(SIGXFSZ, SIG_IGN);
	/* What "qemu-io" says. */
	dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
	execl(QEMU, QEMU, "-machine", "q35,accel=tcg", "-nodefaults", "-display", "none", "-m",
	      "64", "-add-fd", add, "-chardev", chardev, "-mon", "chardev=q,mode=control",
	      "-blockdev",
	      "{\"driver\":\"file\",\"filename\":\"/dev/fdset/1\",\"node-name\":\"file-root\"}",
	      "-blockdev",
	      "{\"driver\":\"raw\",\"file\":\"file-root\",\"node-name\":\"disk-root\"}", "-device",
	      "virtio-blk-pci,id=virtio-root,drive=disk-root", NULL);
	_exit(127);
}

static int start_qemu(void **state)
{
	struct drover_err err = { 0 };
	int fd;

	strcpy(dir, "/tmp/drover-mirror.XXXXXX");
	if (!mkdtemp(dir) || drover_image_create(in("old"), "raw", SIZE, NULL, NULL, &err) < 0)
		return -1;
	fd = open(in("old"), O_RDWR);
	qemu = fork();
	if (qemu == 0)
		become_qemu(fd);
	close(fd);
	return drover_qmp_connect(in("q"), 20000, &qmp, &err);
}

static int end_qemu(void **state)
{
	char command[128];
	int status;

	drover_qmp_close(qmp);
	kill(qemu, SIGKILL);
	waitpid(qemu, &status, 0);
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

/* What a guest would do. */
static void guest(const char *what)
{
	struct drover_err err = { 0 };
	json_t *result = NULL;
	char line[256];

	snprintf(line, sizeof(line), "qemu-io -d virtio-root/virtio-backend \"%s\"", what);
	done(drover_qmp_call(qmp, "human-monitor-command", json_pack("{ss}", "command-line", line),
			     10000, &result, &err),
	     &err);
	if (strstr(json_string_value(result), "rror") || strstr(json_string_value(result), "ailed"))
		fail_msg("%s: %s", what, json_string_value(result));
	json_decref(result);
}

/* Does QEMU have that file open? */
static bool is_open(const char *name)
{
	char fds[64], target[256];
	struct dirent *d;
	bool found = false;
	DIR *list;

	snprintf(fds, sizeof(fds), "/proc/%d/fd", qemu);
	list = opendir(fds);
	assert_non_null(list);
	while ((d = readdir(list))) {
		ssize_t n = readlinkat(dirfd(list), d->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		found |= !strcmp(target, in(name));
	}
	closedir(list);
	return found;
}

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

	done(drover_image_compare(in(a), a_format, in(b), b_format, &verified, &mismatched, &err),
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

static void limit_files(uint64_t bytes)
{
	struct rlimit limit = { bytes, RLIM_INFINITY };

	assert_int_equal(prlimit(qemu, RLIMIT_FSIZE, &limit, NULL), 0);
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
	done(drover_mirror_resume(&m, &err), &err);
	await(&m, DROVER_MIRROR_IN_STEP);
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
	done(drover_qmp_call(qmp, "stop", NULL, 10000, NULL, &err), &err);
	assert_int_equal(drover_mirror_switch(&m, &err), -EAGAIN);
	assert_string_equal(err.text, "the VM changed from running to paused during the switch");
	cancel(&m);
	guest("read -P 1 3M 64k");
	done(drover_qmp_call(qmp, "cont", NULL, 10000, NULL, &err), &err);
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
	done(drover_node_sweep(qmp, "root", &err), &err);
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
