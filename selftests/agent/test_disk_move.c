// SPDX-License-Identifier: GPL-2.0-or-later
/* Disks of a VM that runs (a real QEMU) and of one that is stopped change their pool. */
#include "qemu.h"
#include "dead_store.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/io.h"
#include "block/mirror.h"
#include "block/move.h"
#include "block/record.h"
#include "core/clock.h"

#define PATIENCE_US 20000000

static struct drover_conf conf;
static struct drover_vm_def def;

/* --- what a move needs from above --- */

static struct {
	pthread_mutex_t lock;
	char switched[2 * DROVER_FIELD_LEN];
	char states[256];
	int switch_error, allow_error;
	const char *needed_by, *dies;
	int finished;
} above = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int allowed(void *data, const char *vm, struct drover_err *err)
{
	assert_string_equal(vm, "web");
	return above.allow_error ? drover_err_set(err, above.allow_error, "it runs elsewhere") : 0;
}

static int needed(void *data, const char *path, const char *vm, struct drover_err *err)
{
	assert_string_equal(vm, "web");
	return above.needed_by ? drover_err_set(err, EBUSY, "%s is based on it", above.needed_by)
			       : 0;
}

static void changed(void *data, const struct drover_disk_move_info *info)
{
	size_t n;

	pthread_mutex_lock(&above.lock);
	n = strlen(above.states);
	snprintf(above.states + n, sizeof(above.states) - n, "%d ", info->state);
	pthread_mutex_unlock(&above.lock);
}

static int switched(void *data, const struct drover_disk_move_info *info, struct drover_err *err)
{
	assert_ptr_equal(data, &above);
	dead_store = above.dies;
	if (above.switch_error)
		return drover_err_set(err, above.switch_error, "the definition cannot be written");
	snprintf(above.switched, sizeof(above.switched), "%s %s %s", info->disk, info->new_path,
		 info->new_format);
	return 0;
}

static void finished(void *data, struct drover_disk_move *move)
{
	pthread_mutex_lock(&above.lock);
	above.finished++;
	pthread_mutex_unlock(&above.lock);
}

static const struct drover_disk_move_env env = {
	.conf = &conf,
	.data = &above,
	.allowed = allowed,
	.needed = needed,
	.changed = changed,
	.switched = switched,
	.finished = finished,
};

/* --- a host with two pools --- */

static void add_pool(const char *name, const char *format)
{
	struct drover_pool_conf *pool = &conf.pools[conf.pool_count++];

	snprintf(pool->name, sizeof(pool->name), "%s", name);
	snprintf(pool->path, sizeof(pool->path), "%s", in(name));
	snprintf(pool->format, sizeof(pool->format), "%s", format);
	assert_int_equal(mkdir(pool->path, 0755), 0);
}

static int set_up(void **state)
{
	struct drover_err err = { 0 };

	if (start_qemu(state) < 0)
		return -1;
	memset(&conf, 0, sizeof(conf));
	strcpy(conf.host, "host1");
	strcpy(conf.state_dir, dir);
	strcpy(conf.vm_dir, dir);
	conf.storage_grace_s = 1;
	add_pool("fast", "raw");
	add_pool("slow", "qcow2");
	memset(&def, 0, sizeof(def));
	strcpy(def.name, "web");
	def.disk_count = 1;
	strcpy(def.disks[0].name, "root");
	strcpy(def.disks[0].path, in("old"));
	strcpy(def.disks[0].format, "raw");
	strcpy(def.disks[0].cache, "writeback");
	strcpy(def.disks[0].aio, "threads");
	above.switched[0] = '\0';
	above.states[0] = '\0';
	above.switch_error = 0;
	above.allow_error = 0;
	above.finished = 0;
	return drover_disk_record_init(&conf, &err);
}

static struct drover_disk_move_options to(const char *pool)
{
	struct drover_disk_move_options options = { 0 };

	strcpy(options.pool, pool);
	return options;
}

static struct drover_disk_move *start(const struct drover_disk_move_options *options, bool runs)
{
	struct drover_disk_move *m;
	struct drover_err err = { 0 };

	done(drover_disk_move_start(&env, runs ? dir : NULL, &def, "root", options, &m, &err),
	     &err);
	return m;
}

static struct drover_disk_move *recover(const struct drover_disk_record *record, bool runs)
{
	struct drover_disk_move *m;
	struct drover_err err = { 0 };

	done(drover_disk_move_recover(&env, record, runs ? dir : NULL, &m, &err), &err);
	return m;
}

static void await_state(struct drover_disk_move *m, enum drover_disk_move_state wanted)
{
	uint64_t deadline = drover_clock_monotonic() + PATIENCE_US;
	struct drover_disk_move_info info;

	do {
		drover_disk_move_info(m, &info);
		if (info.state == wanted)
			return;
		usleep(10000);
	} while (drover_clock_monotonic() < deadline && !drover_disk_move_ended(m));
	drover_disk_move_info(m, &info);
	if (info.state != wanted)
		fail_msg("state %d wanted, seen %d: %s", wanted, info.state, info.error);
}

/* Waits for the end, and lets go of it. */
static struct drover_disk_move_info end(struct drover_disk_move *m,
					enum drover_disk_move_state wanted)
{
	uint64_t deadline = drover_clock_monotonic() + PATIENCE_US;
	struct drover_disk_move_info info;
	int n = 0;

	do {
		usleep(10000);
		pthread_mutex_lock(&above.lock);
		n = above.finished;
		pthread_mutex_unlock(&above.lock);
	} while (!n && drover_clock_monotonic() < deadline);
	assert_int_equal(n, 1);
	above.finished = 0;
	drover_disk_move_info(m, &info);
	if (info.state != wanted)
		fail_msg("state %d wanted, seen %d: %s", wanted, info.state, info.error);
	drover_disk_move_put(m);
	return info;
}

static size_t records(struct drover_disk_record *ret_first)
{
	struct drover_disk_record *list = NULL;
	struct drover_err err = { 0 };
	size_t n = 0;

	done(drover_disk_record_list(&conf, &list, &n, &err), &err);
	if (n && ret_first)
		*ret_first = list[0];
	free(list);
	return n;
}

static void uses(const char *name)
{
	struct drover_node used, node;
	struct drover_err err = { 0 };

	done(drover_node_of_disk(qmp, "root", &used, &err), &err);
	if (!strcmp(name, "old")) {
		assert_string_equal(used.name, "disk-root");
		return;
	}
	done(drover_node_of_path(qmp, "root", in(name), &node, &err), &err);
	assert_string_equal(used.name, node.name);
}

/* The disk is where it was, and nothing is left of the attempt. */
static void nothing_happened(void)
{
	assert_int_equal(records(NULL), 0);
	assert_false(is_there("fast/web-root.raw") || is_there("slow/web-root.qcow2"));
	assert_string_equal(above.switched, "");
	assert_true(is_there("old"));
}

static void same(const char *a, const char *a_format, const char *b, const char *b_format)
{
	uint64_t verified, mismatched;
	struct drover_err err = { 0 };

	done(drover_image_compare(in(a), a_format, in(b), b_format, NULL, NULL, &verified,
				  &mismatched, &err),
	     &err);
	assert_int_equal(mismatched, 0);
}

static bool vm_runs(void)
{
	struct drover_err err = { 0 };
	char status[32];

	done(drover_qmp_status(qmp, status, sizeof(status), &err), &err);
	return !strcmp(status, "running");
}

/* --- a VM that runs --- */

static void a_disk_moves_while_its_vm_runs(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move_info info;
	struct drover_disk_record record;
	char wanted[DROVER_FIELD_LEN];

	guest("write -P 1 0 8M");
	options.verify = true;
	info = end(start(&options, true), DROVER_DISK_MOVE_DONE);
	snprintf(wanted, sizeof(wanted), "root %s qcow2", in("slow/web-root.qcow2"));
	assert_string_equal(above.switched, wanted);
	assert_string_equal(above.states, "2 4 5 6 ");
	assert_int_equal(info.size_bytes, SIZE);
	assert_int_equal(info.verified_bytes, SIZE);
	assert_int_equal(info.mismatched_bytes, 0);
	assert_string_equal(info.new_pool, "slow");
	assert_string_equal(info.error, "");
	assert_true(info.switch_us > 0);
	assert_false(info.old_deleted);
	uses("slow/web-root.qcow2");
	assert_false(is_open("old"));
	assert_true(vm_runs());
	assert_int_equal(records(&record), 1);
	assert_int_equal(record.step, DROVER_DISK_STEP_OLD_LEFT);
	same("old", "raw", "slow/web-root.qcow2", "qcow2");

	/* And back, with the image left behind deleted. */
	strcpy(def.disks[0].path, in("slow/web-root.qcow2"));
	strcpy(def.disks[0].format, "qcow2");
	options = to("fast");
	options.delete_old = true;
	info = end(start(&options, true), DROVER_DISK_MOVE_DONE);
	assert_true(info.old_deleted);
	assert_string_equal(info.old_pool, "slow");
	assert_false(is_there("slow/web-root.qcow2"));
	assert_int_equal(records(NULL), 1);
	uses("fast/web-root.raw");
	guest("read -P 1 0 8M");
}

static void an_image_that_another_vm_needs_is_left(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_record record;
	struct drover_disk_move_info info;

	above.needed_by = "disk root of vm clone";
	options.delete_old = true;
	info = end(start(&options, true), DROVER_DISK_MOVE_DONE);
	above.needed_by = NULL;
	assert_string_equal(info.error,
			    "the old image was not deleted: disk root of vm clone is based on it");
	assert_false(info.old_deleted);
	assert_true(is_there("old"));
	assert_int_equal(records(&record), 1);
	assert_int_equal(record.step, DROVER_DISK_STEP_OLD_LEFT);
}

/* Nor is QEMU made to wait for it, which would hold up the guest. */
static void an_old_store_that_dies_is_not_waited_for(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move_info info;
	char *old = strdup(in("old"));
	char wanted[512];

	above.dies = old;
	options.delete_old = true;
	info = end(start(&options, true), DROVER_DISK_MOVE_DONE);
	above.dies = NULL;
	snprintf(wanted, sizeof(wanted),
		 "the old image was not deleted: directory %s does not answer", dir);
	assert_string_equal(info.error, wanted);
	assert_int_equal(records(NULL), 1);
	uses("slow/web-root.qcow2");
	assert_true(is_open("old"));
	dead_store_revive();
	/* The next move takes it out of QEMU. */
	strcpy(def.disks[0].path, in("slow/web-root.qcow2"));
	strcpy(def.disks[0].format, "qcow2");
	options = to("fast");
	end(start(&options, true), DROVER_DISK_MOVE_DONE);
	assert_false(is_open("old"));
	free(old);
}

/* The one that was left was removed by hand; this must not be taken for it. */
static void a_disk_that_comes_back_is_not_left(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_record record = {
		.id = 9,
		.step = DROVER_DISK_STEP_OLD_LEFT,
		.vm = "web",
		.disk = "root",
		.old_format = "qcow2",
		.new_format = "raw",
	};
	struct drover_disk_move *m;
	struct drover_err err = { 0 };

	strcpy(record.old_path, in("slow/web-root.qcow2"));
	strcpy(record.new_path, in("old"));
	done(drover_disk_record_write(&conf, &record, &err), &err);
	guest("write -P 1 0 8M");
	options.bandwidth = MIB;
	m = start(&options, true);
	await_state(m, DROVER_DISK_MOVE_COPYING);
	assert_int_equal(records(&record), 1);
	assert_int_equal(record.step, DROVER_DISK_STEP_COPYING);
	done(drover_disk_move_cancel(m, &err), &err);
	end(m, DROVER_DISK_MOVE_CANCELLED);
}

static void a_cancelled_move_leaves_nothing(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move_info info;
	struct drover_disk_move *m;
	struct drover_err err = { 0 };

	guest("write -P 1 0 8M");
	options.bandwidth = MIB;
	m = start(&options, true);
	await_state(m, DROVER_DISK_MOVE_COPYING);
	assert_int_equal(records(NULL), 1);
	done(drover_disk_move_cancel(m, &err), &err);
	drover_disk_move_get(m);
	info = end(m, DROVER_DISK_MOVE_CANCELLED);
	assert_string_equal(info.error, "the move was cancelled");
	assert_int_equal(drover_disk_move_cancel(m, &err), -EALREADY);
	drover_disk_move_put(m);
	nothing_happened();
	uses("old");
	assert_false(is_open("slow/web-root.qcow2"));
}

/* Its new image is one that QEMU has locked: another name of the old one. */
static void what_a_cancel_leaves_is_told(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move_info info;
	struct drover_disk_record record;
	struct drover_disk_move *m;
	struct drover_err err = { 0 };
	char wanted[512];

	guest("write -P 1 0 8M");
	options.bandwidth = MIB;
	m = start(&options, true);
	await_state(m, DROVER_DISK_MOVE_COPYING);
	assert_int_equal(unlink(in("slow/web-root.qcow2")), 0);
	assert_int_equal(link(in("old"), in("slow/web-root.qcow2")), 0);
	done(drover_disk_move_cancel(m, &err), &err);
	info = end(m, DROVER_DISK_MOVE_FAILED);
	snprintf(wanted, sizeof(wanted),
		 "the move was cancelled, but %s is left: %s is in use; droverd tries again when it is "
		 "restarted",
		 in("slow/web-root.qcow2"), in("slow/web-root.qcow2"));
	assert_string_equal(info.error, wanted);
	assert_int_equal(records(&record), 1);
	assert_int_equal(record.step, DROVER_DISK_STEP_COPYING);
	uses("old");
	/* And so it does. */
	kill_qemu();
	end(recover(&record, false), DROVER_DISK_MOVE_FAILED);
	nothing_happened();
}

/* QEMU keeps what it closes open, but not locked, until its VM runs again. */
static void so_does_one_of_a_paused_vm(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move *m;
	struct drover_err err = { 0 };

	json_decref(call("stop", NULL));
	guest("write -P 1 0 8M");
	options.bandwidth = MIB;
	m = start(&options, true);
	await_state(m, DROVER_DISK_MOVE_COPYING);
	done(drover_disk_move_cancel(m, &err), &err);
	end(m, DROVER_DISK_MOVE_CANCELLED);
	nothing_happened();
}

static void a_limit_can_be_lifted(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move *m;

	guest("write -P 1 0 32M");
	options.bandwidth = MIB;
	m = start(&options, true);
	await_state(m, DROVER_DISK_MOVE_COPYING);
	drover_disk_move_speed(m, 0);
	end(m, DROVER_DISK_MOVE_DONE);
}

static void a_full_pool_is_waited_for(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move_info info;
	struct drover_disk_move *m;

	conf.storage_grace_s = 60;
	guest("write -P 1 0 12M");
	limit_files(6 * MIB);
	m = start(&options, true);
	await_state(m, DROVER_DISK_MOVE_INTERRUPTED);
	drover_disk_move_info(m, &info);
	assert_non_null(strstr(info.error, "a write to the new image failed"));
	limit_files(RLIM_INFINITY);
	info = end(m, DROVER_DISK_MOVE_DONE);
	assert_int_equal(info.interruptions, 1);
	assert_string_equal(info.error, "");
	guest("read -P 1 0 12M");
}

static void a_pool_that_stays_full_ends_the_move(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move_info info;

	guest("write -P 1 0 12M");
	limit_files(6 * MIB);
	info = end(start(&options, true), DROVER_DISK_MOVE_FAILED);
	assert_non_null(strstr(info.error, "for more than 1 s"));
	limit_files(RLIM_INFINITY);
	nothing_happened();
	uses("old");
	guest("write -P 2 0 12M");
}

/* The newest child of one of our threads, and its first words. */
static pid_t child_of(const char *thread, char *words, size_t size)
{
	char path[300];
	int pid = 0, fd;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/children", thread);
	f = fopen(path, "r");
	while (f && fscanf(f, "%d", &pid) == 1)
		;
	if (f)
		fclose(f);
	memset(words, 0, size);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	fd = pid ? open(path, O_RDONLY) : -1;
	if (fd >= 0 && read(fd, words, size - 2) < 0)
		pid = 0;
	close(fd);
	return pid;
}

/* Has qemu-img stand still as soon as it compares: no image is large enough here to last. */
static void stop_comparison(void)
{
	uint64_t deadline = drover_clock_monotonic() + PATIENCE_US;
	char words[64];

	do {
		DIR *list = opendir("/proc/self/task");
		struct dirent *d;

		while ((d = readdir(list))) {
			pid_t pid = child_of(d->d_name, words, sizeof(words));

			if (pid > 0 && !strcmp(words, "/usr/bin/qemu-img") &&
			    !strcmp(words + strlen(words) + 1, "compare") &&
			    kill(pid, SIGSTOP) == 0) {
				closedir(list);
				return;
			}
		}
		closedir(list);
		usleep(100);
	} while (drover_clock_monotonic() < deadline);
	fail_msg("nothing is compared");
}

static void a_comparison_can_be_cancelled(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move *m;
	struct drover_err err = { 0 };
	uint64_t begin;

	guest("write -P 1 0 32M");
	options.verify = true;
	m = start(&options, true);
	stop_comparison();
	assert_false(vm_runs());
	assert_true(drover_disk_move_holds(m));
	begin = drover_clock_monotonic();
	done(drover_disk_move_cancel(m, &err), &err);
	drover_disk_move_get(m);
	end(m, DROVER_DISK_MOVE_CANCELLED);
	assert_true(drover_clock_monotonic() - begin < 5000000);
	assert_false(drover_disk_move_holds(m));
	drover_disk_move_put(m);
	assert_true(vm_runs());
	nothing_happened();
	uses("old");
	guest("write -P 2 0 64k");
}

static void without_a_record_there_is_no_switch(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_record record;
	struct drover_disk_move *m;

	guest("write -P 1 0 8M");
	options.bandwidth = MIB;
	m = start(&options, true);
	await_state(m, DROVER_DISK_MOVE_COPYING);
	assert_int_equal(rename(in("disks"), in("away")), 0);
	drover_disk_move_speed(m, 0);
	end(m, DROVER_DISK_MOVE_FAILED);
	assert_int_equal(rename(in("away"), in("disks")), 0);
	uses("old");
	assert_string_equal(above.switched, "");
	guest("write -P 2 0 8M");
	/* What was written down may call it the true one, for all that is known. */
	assert_true(is_there("slow/web-root.qcow2"));
	assert_int_equal(records(&record), 1);
	end(recover(&record, true), DROVER_DISK_MOVE_FAILED);
	nothing_happened();
}

static void so_it_is_for_a_vm_that_is_stopped(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_record record;
	struct drover_disk_move *m;

	guest("write -P 1 0 8M");
	kill_qemu();
	options.bandwidth = 8 * MIB;
	m = start(&options, false);
	await_state(m, DROVER_DISK_MOVE_COPYING);
	assert_int_equal(rename(in("disks"), in("away")), 0);
	end(m, DROVER_DISK_MOVE_FAILED);
	assert_int_equal(rename(in("away"), in("disks")), 0);
	assert_true(is_there("slow/web-root.qcow2"));
	assert_int_equal(records(&record), 1);
	end(recover(&record, false), DROVER_DISK_MOVE_FAILED);
	nothing_happened();
}

static void await_complaint(struct drover_disk_move *m, const char *part)
{
	uint64_t deadline = drover_clock_monotonic() + PATIENCE_US;
	struct drover_disk_move_info info;

	do {
		usleep(10000);
		drover_disk_move_info(m, &info);
	} while (!strstr(info.error, part) && drover_clock_monotonic() < deadline);
	if (!strstr(info.error, part))
		fail_msg("\"%s\" does not say \"%s\"", info.error, part);
}

/* It has not ended, so that nobody starts the VM or moves anything of it. */
static void goes_on_switching(struct drover_disk_move *m)
{
	struct drover_disk_record record;
	struct drover_err err = { 0 };

	await_complaint(m, "the definition cannot be written");
	await_state(m, DROVER_DISK_MOVE_SWITCHING);
	assert_int_equal(drover_disk_move_cancel(m, &err), -EBUSY);
	assert_int_equal(records(&record), 1);
	assert_int_equal(record.step, DROVER_DISK_STEP_SWITCHING);
	assert_true(is_there("old"));
}

static void a_definition_that_cannot_change_keeps_the_record(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move_info info;
	struct drover_disk_move *m;

	above.switch_error = EROFS;
	options.delete_old = true;
	m = start(&options, true);
	goes_on_switching(m);
	above.switch_error = 0;
	info = end(m, DROVER_DISK_MOVE_DONE);
	assert_string_equal(info.error, "");
	assert_string_not_equal(above.switched, "");
	assert_true(info.old_deleted);
	assert_false(is_there("old") || is_open("old"));
	assert_int_equal(records(NULL), 0);
}

static void a_vm_that_ends_meanwhile_does_not_matter(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move_info info;
	struct drover_disk_record record;
	struct drover_disk_move *m;

	above.switch_error = EROFS;
	m = start(&options, true);
	goes_on_switching(m);
	kill_qemu();
	above.switch_error = 0;
	info = end(m, DROVER_DISK_MOVE_DONE);
	assert_string_equal(info.error, "");
	assert_string_not_equal(above.switched, "");
	assert_int_equal(records(&record), 1);
	assert_int_equal(record.step, DROVER_DISK_STEP_OLD_LEFT);
}

static void a_vm_that_ends_ends_the_move(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move_info info;
	struct drover_disk_move *m;

	guest("write -P 1 0 8M");
	options.bandwidth = MIB;
	m = start(&options, true);
	await_state(m, DROVER_DISK_MOVE_COPYING);
	kill_qemu();
	info = end(m, DROVER_DISK_MOVE_FAILED);
	assert_string_equal(info.error, "vm web has ended during the move");
	nothing_happened();
}

/* --- after the agent's restart --- */

/* What an agent leaves that is killed while the mirror copies. */
static struct drover_disk_record leave(struct drover_mirror *m, uint64_t speed)
{
	struct drover_disk_record record = {
		.id = 5,
		.vm = "web",
		.disk = "root",
		.old_format = "raw",
		.new_format = "qcow2",
	};
	struct drover_err err = { 0 };

	strcpy(record.old_path, in("old"));
	strcpy(record.new_path, in("slow/web-root.qcow2"));
	done(drover_disk_record_write(&conf, &record, &err), &err);
	done(drover_image_create(record.new_path, "qcow2", SIZE, NULL, NULL, &err), &err);
	guest("write -P 1 0 8M");
	*m = (struct drover_mirror){ .qmp = qmp, .job = "move-root" };
	done(drover_node_of_disk(qmp, "root", &m->source, &err), &err);
	done(drover_node_add_file(qmp, "root", record.new_path, "qcow2", &def.disks[0], &m->target,
				  &err),
	     &err);
	done(drover_mirror_start(m, false, speed, &err), &err);
	return record;
}

static void await_mirror(struct drover_mirror *m, enum drover_mirror_state wanted)
{
	uint64_t deadline = drover_clock_monotonic() + PATIENCE_US;
	struct drover_mirror_status status = { 0 };
	struct drover_err err = { 0 };

	while (status.state != wanted && drover_clock_monotonic() < deadline) {
		usleep(10000);
		done(drover_mirror_look(m, &status, &err), &err);
	}
	assert_int_equal(status.state, wanted);
}

static void leave_held(struct drover_mirror *m, struct drover_disk_record *record)
{
	struct drover_err err = { 0 };

	*record = leave(m, 0);
	await_mirror(m, DROVER_MIRROR_IN_STEP);
	done(drover_mirror_hold(m, &err), &err);
	record->step = DROVER_DISK_STEP_SWITCHING;
	done(drover_disk_record_write(&conf, record, &err), &err);
}

static void what_an_earlier_move_left_in_qemu_is_cleared(void **state)
{
	struct drover_disk_move_options options = to("fast");
	struct drover_disk_record record;
	struct drover_err err = { 0 };
	struct drover_mirror mirror;

	record = leave(&mirror, MIB);
	done(drover_disk_record_forget(&conf, record.id, &err), &err);
	end(start(&options, true), DROVER_DISK_MOVE_DONE);
	uses("fast/web-root.raw");
	assert_false(is_open("old") || is_open("slow/web-root.qcow2"));
	same("old", "raw", "fast/web-root.raw", "raw");
}

/* Into a store that takes 16 MiB a second. */
static void mirror_slowly(struct drover_mirror *m)
{
	struct drover_err err = { 0 };

	*m = (struct drover_mirror){ .qmp = qmp, .job = "move-root" };
	done(drover_node_of_disk(qmp, "root", &m->source, &err), &err);
	done(drover_image_create(in("new"), "qcow2", SIZE, NULL, NULL, &err), &err);
	done(drover_node_add_file(qmp, "root", in("new"), "qcow2", &def.disks[0], &m->target, &err),
	     &err);
	json_decref(call("object-add", json_pack("{ss ss s{sI}}", "qom-type", "throttle-group",
						 "id", "slow", "limits", "bps-write",
						 (json_int_t)(16 * MIB))));
	json_decref(call("blockdev-add", json_pack("{ss ss ss ss}", "driver", "throttle",
						   "node-name", "slow", "throttle-group", "slow",
						   "file", m->target.name)));
	strcpy(m->target.name, "slow");
	done(drover_mirror_start(m, false, 0, &err), &err);
}

/* A write fails as a whole where the new image would grow beyond the limit. */
static void what_an_interruption_left_to_copy_is_not_in_step(void **state)
{
	struct drover_mirror_status status = { .state = DROVER_MIRROR_INTERRUPTED };
	struct drover_err err = { 0 };
	struct drover_mirror mirror;

	mirror_slowly(&mirror);
	await_mirror(&mirror, DROVER_MIRROR_IN_STEP);
	limit_files(24 * MIB + 65536);
	guest("write -P 2 0 24M");
	await_mirror(&mirror, DROVER_MIRROR_INTERRUPTED);
	limit_files(RLIM_INFINITY);
	while (status.state == DROVER_MIRROR_INTERRUPTED) {
		/* It may be going on already. */
		drover_mirror_resume(&mirror, NULL);
		done(drover_mirror_look(&mirror, &status, &err), &err);
	}
	assert_int_equal(status.state, DROVER_MIRROR_COPYING);
	await_mirror(&mirror, DROVER_MIRROR_IN_STEP);
}

static void a_copy_goes_on_after_a_restart(void **state)
{
	struct drover_disk_record record;
	struct drover_disk_move_info info;
	struct drover_disk_move *m;
	struct drover_mirror mirror;

	record = leave(&mirror, MIB);
	m = recover(&record, true);
	await_state(m, DROVER_DISK_MOVE_COPYING);
	drover_disk_move_speed(m, 0);
	drover_disk_move_speed(m, SIZE);
	info = end(m, DROVER_DISK_MOVE_DONE);
	assert_int_equal(info.size_bytes, SIZE);
	uses("slow/web-root.qcow2");
	assert_false(is_open("old"));
	same("old", "raw", "slow/web-root.qcow2", "qcow2");
}

static void requests_that_are_held_are_let_go_after_a_restart(void **state)
{
	struct drover_disk_move_info info;
	struct drover_disk_record record;
	struct drover_mirror mirror;

	leave_held(&mirror, &record);
	guest("aio_write -P 2 0 64k");
	info = end(recover(&record, true), DROVER_DISK_MOVE_FAILED);
	assert_non_null(strstr(info.error, "it stays on its old image"));
	nothing_happened();
	uses("old");
	guest("read -P 2 0 64k");
}

static void a_switch_is_finished_after_a_restart(void **state)
{
	struct drover_disk_record record;
	struct drover_err err = { 0 };
	struct drover_mirror mirror;

	leave_held(&mirror, &record);
	done(drover_mirror_switch(&mirror, &err), &err);
	guest("write -P 2 0 64k");
	end(recover(&record, true), DROVER_DISK_MOVE_DONE);
	assert_string_not_equal(above.switched, "");
	uses("slow/web-root.qcow2");
	assert_false(is_open("old"));
	assert_int_equal(records(&record), 1);
	assert_int_equal(record.step, DROVER_DISK_STEP_OLD_LEFT);
}

/* The definition was mended by hand, and the VM started. */
static struct drover_disk_record leave_started(const char *new)
{
	struct drover_disk_record record = {
		.id = 5,
		.step = DROVER_DISK_STEP_SWITCHING,
		.vm = "web",
		.disk = "root",
		.old_format = "raw",
		.new_format = "raw",
	};
	struct drover_err err = { 0 };

	strcpy(record.old_path, in("before"));
	strcpy(record.new_path, in(new));
	done(drover_image_create(record.old_path, "raw", SIZE, NULL, NULL, &err), &err);
	done(drover_disk_record_write(&conf, &record, &err), &err);
	return record;
}

static void a_vm_that_was_started_with_the_new_image_is_recognized(void **state)
{
	struct drover_disk_record record = leave_started("old");

	end(recover(&record, true), DROVER_DISK_MOVE_DONE);
	assert_string_not_equal(above.switched, "");
	assert_true(is_there("old"));
	assert_int_equal(records(&record), 1);
	assert_int_equal(record.step, DROVER_DISK_STEP_OLD_LEFT);
}

/* QEMU does not tell its name. */
static void an_image_in_use_is_kept_with_its_record(void **state)
{
	struct drover_disk_record record = leave_started("link");

	assert_int_equal(link(in("old"), in("link")), 0);
	end(recover(&record, true), DROVER_DISK_MOVE_FAILED);
	assert_true(is_there("link"));
	assert_int_equal(records(&record), 1);
	assert_int_equal(record.step, DROVER_DISK_STEP_SWITCHING);
}

static void a_vm_that_was_paused_runs_after_a_restart(void **state)
{
	struct drover_disk_record record;
	struct drover_mirror mirror;
	int fd;

	record = leave(&mirror, 8 * MIB);
	json_decref(call("stop", NULL));
	fd = open(in("paused-by-disk-move"), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	end(recover(&record, true), DROVER_DISK_MOVE_DONE);
	assert_true(vm_runs());
	assert_false(is_there("paused-by-disk-move"));
}

static void after_a_power_loss_the_record_decides(void **state)
{
	struct drover_disk_record record;
	struct drover_mirror mirror;

	record = leave(&mirror, MIB);
	kill_qemu();
	end(recover(&record, false), DROVER_DISK_MOVE_FAILED);
	nothing_happened();
}

static void after_a_power_loss_a_switch_counts(void **state)
{
	struct drover_disk_record record;
	struct drover_mirror mirror;

	leave_held(&mirror, &record);
	kill_qemu();
	record.delete_old = true;
	end(recover(&record, false), DROVER_DISK_MOVE_DONE);
	assert_string_not_equal(above.switched, "");
	assert_true(is_there("slow/web-root.qcow2"));
	assert_false(is_there("old"));
	assert_int_equal(records(NULL), 0);
}

/* A monitor that greets, and is gone with its QEMU at the first question. */
static void *greet_and_go(void *data)
{
	static const char greeting[] = "{\"QMP\": {}}\r\n", answer[] = "{\"return\": {}, \"id\": 1}\r\n";
	int listener = *(int *)data, fd = accept(listener, NULL, NULL);
	char buf[256];

	assert_int_equal(write(fd, greeting, strlen(greeting)), strlen(greeting));
	assert_true(read(fd, buf, sizeof(buf)) > 0);
	assert_int_equal(write(fd, answer, strlen(answer)), strlen(answer));
	assert_true(read(fd, buf, sizeof(buf)) > 0);
	close(fd);
	close(listener);
	return NULL;
}

static int monitor_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, in(name));
	unlink(address.sun_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	return listener;
}

static void end_at_the_first_question(const struct drover_disk_record *record,
				      enum drover_disk_move_state wanted)
{
	pthread_t thread;
	int listener;

	kill_qemu();
	listener = monitor_at("migrate.sock");
	assert_int_equal(pthread_create(&thread, NULL, greet_and_go, &listener), 0);
	end(recover(record, true), wanted);
	pthread_join(thread, NULL);
}

/* A monitor that greets, and refuses everything until its client is gone. */
static void *greet_and_refuse(void *data)
{
	static const char greeting[] = "{\"QMP\": {}}\r\n";
	int listener = *(int *)data, fd = accept(listener, NULL, NULL);
	FILE *f = fdopen(dup(fd), "r");
	char line[1024];

	dprintf(fd, "%s", greeting);
	for (int id = 1; fgets(line, sizeof(line), f); id++)
		dprintf(fd,
			id == 1 ? "{\"return\": {}, \"id\": %d}\r\n"
				: "{\"error\": {\"desc\": \"not now\"}, \"id\": %d}\r\n",
			id);
	fclose(f);
	close(fd);
	close(listener);
	return NULL;
}

/* Without its word nobody knows whether it still writes there. */
static void an_image_that_qemu_does_not_give_back_is_told(void **state)
{
	struct drover_disk_move_info info;
	struct drover_disk_record record;
	struct drover_mirror mirror;
	pthread_t thread;
	int listener;

	record = leave(&mirror, MIB);
	kill_qemu();
	listener = monitor_at("migrate.sock");
	assert_int_equal(pthread_create(&thread, NULL, greet_and_refuse, &listener), 0);
	info = end(recover(&record, true), DROVER_DISK_MOVE_FAILED);
	pthread_join(thread, NULL);
	assert_non_null(strstr(info.error, "slow/web-root.qcow2 is left, and QEMU may still write to it: "
					   "QEMU refused query-jobs: not now; droverd tries again"));
	assert_true(is_there("slow/web-root.qcow2"));
	assert_int_equal(records(&record), 1);
	assert_int_equal(record.step, DROVER_DISK_STEP_COPYING);
}

static void the_record_decides_where_qemu_ends_before_it_tells(void **state)
{
	struct drover_disk_record record;
	struct drover_err err = { 0 };
	struct drover_mirror mirror;

	leave_held(&mirror, &record);
	done(drover_mirror_switch(&mirror, &err), &err);
	guest("write -P 2 0 64k");
	end_at_the_first_question(&record, DROVER_DISK_MOVE_DONE);
	assert_string_not_equal(above.switched, "");
	assert_true(is_there("slow/web-root.qcow2"));
}

static void so_it_does_where_nothing_was_switched(void **state)
{
	struct drover_disk_record record;
	struct drover_mirror mirror;

	record = leave(&mirror, MIB);
	end_at_the_first_question(&record, DROVER_DISK_MOVE_FAILED);
	nothing_happened();
}

static void after_a_power_loss_the_definition_is_waited_for(void **state)
{
	struct drover_disk_record record;
	struct drover_disk_move *m;
	struct drover_mirror mirror;

	leave_held(&mirror, &record);
	kill_qemu();
	above.switch_error = EROFS;
	m = recover(&record, false);
	goes_on_switching(m);
	above.switch_error = 0;
	end(m, DROVER_DISK_MOVE_DONE);
	assert_string_equal(above.states, "5 6 ");
	assert_string_not_equal(above.switched, "");
}

/* --- a VM that is stopped --- */

static void a_stopped_vms_disk_is_copied(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move_info info;

	guest("write -P 1 0 8M");
	kill_qemu();
	options.verify = true;
	info = end(start(&options, false), DROVER_DISK_MOVE_DONE);
	assert_int_equal(info.verified_bytes, SIZE);
	assert_int_equal(info.mismatched_bytes, 0);
	assert_string_equal(above.states, "2 5 6 ");
	same("old", "raw", "slow/web-root.qcow2", "qcow2");
	assert_int_equal(records(NULL), 1);
}

static void a_stopped_vms_move_can_be_cancelled(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move *m;
	struct drover_err err = { 0 };

	guest("write -P 1 0 32M");
	kill_qemu();
	options.bandwidth = MIB;
	m = start(&options, false);
	await_state(m, DROVER_DISK_MOVE_COPYING);
	done(drover_disk_move_cancel(m, &err), &err);
	end(m, DROVER_DISK_MOVE_CANCELLED);
	nothing_happened();
}

static void one_that_runs_elsewhere_is_left_alone(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move_info info;

	above.allow_error = EBUSY;
	info = end(start(&options, false), DROVER_DISK_MOVE_FAILED);
	assert_string_equal(info.error, "it runs elsewhere");
	nothing_happened();
}

/* Its image is locked by the QEMU that runs it. */
static void one_that_runs_after_all_is_not_deleted(void **state)
{
	struct drover_disk_record record = {
		.id = 5,
		.step = DROVER_DISK_STEP_SWITCHING,
		.delete_old = true,
		.vm = "web",
		.disk = "root",
		.old_format = "raw",
		.new_format = "qcow2",
	};
	struct drover_disk_move_info info;

	strcpy(record.old_path, in("old"));
	strcpy(record.new_path, in("slow/web-root.qcow2"));
	info = end(recover(&record, false), DROVER_DISK_MOVE_DONE);
	assert_non_null(strstr(info.error, "old is in use"));
	assert_true(is_there("old"));
}

/* --- what is refused --- */

static void refused(const struct drover_disk_move_options *options, const char *disk, int code,
		    const char *part)
{
	struct drover_disk_move *m;
	struct drover_err err = { 0 };

	assert_int_equal(drover_disk_move_start(&env, dir, &def, disk, options, &m, &err), code);
	if (!strstr(err.text, part))
		fail_msg("\"%s\" does not say \"%s\"", err.text, part);
	nothing_happened();
}

static void what_cannot_be_is_refused(void **state)
{
	struct drover_disk_move_options options = to("fast");

	refused(&options, "data", -ENOENT, "vm web has no disk data");
	options = to("nowhere");
	refused(&options, "root", -ENOENT, "host1 has no pool nowhere");
	options = to("fast");
	strcpy(options.format, "vmdk");
	refused(&options, "root", -EINVAL, "\"vmdk\" is no format");
	strcpy(options.format, "qcow2");
	options.keep_backing = true;
	refused(&options, "root", -EINVAL, "a raw image has none");
	options = to("fast");
	def.disks[0].readonly = true;
	refused(&options, "root", -EROFS, "is read-only");
	def.disks[0].readonly = false;
	strcpy(conf.pools[0].path, dir);
	refused(&options, "root", -EALREADY, "is in pool fast already, as raw");
	strcpy(conf.pools[0].path, "/nonexistent");
	refused(&options, "root", -ENOTDIR, "there is no directory /nonexistent");
	strcpy(conf.pools[0].path, in("fast"));
	strcpy(def.disks[0].path, "/nonexistent");
	refused(&options, "root", -ENOENT, "/nonexistent: No such file");
	strcpy(def.disks[0].path, dir);
	refused(&options, "root", -EINVAL, "cannot be read");
}

static void a_backing_file_must_be_there_to_be_kept(void **state)
{
	struct drover_disk_move_options options = to("slow");
	struct drover_disk_move_info info;
	struct drover_err err = { 0 };

	done(drover_image_create(in("plain"), "qcow2", SIZE, NULL, NULL, &err), &err);
	strcpy(def.disks[0].path, in("plain"));
	strcpy(def.disks[0].format, "qcow2");
	options.keep_backing = true;
	info = end(start(&options, true), DROVER_DISK_MOVE_FAILED);
	assert_string_equal(info.error, "disk root has no backing file that it could keep");
	nothing_happened();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, end_qemu)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_disk_moves_while_its_vm_runs),
		TEST(an_image_that_another_vm_needs_is_left),
		TEST(an_old_store_that_dies_is_not_waited_for),
		TEST(a_disk_that_comes_back_is_not_left),
		TEST(a_cancelled_move_leaves_nothing),
		TEST(what_a_cancel_leaves_is_told),
		TEST(so_does_one_of_a_paused_vm),
		TEST(a_limit_can_be_lifted),
		TEST(a_full_pool_is_waited_for),
		TEST(a_pool_that_stays_full_ends_the_move),
		TEST(a_comparison_can_be_cancelled),
		TEST(without_a_record_there_is_no_switch),
		TEST(so_it_is_for_a_vm_that_is_stopped),
		TEST(a_definition_that_cannot_change_keeps_the_record),
		TEST(a_vm_that_ends_meanwhile_does_not_matter),
		TEST(a_vm_that_ends_ends_the_move),
		TEST(what_an_earlier_move_left_in_qemu_is_cleared),
		TEST(what_an_interruption_left_to_copy_is_not_in_step),
		TEST(a_copy_goes_on_after_a_restart),
		TEST(requests_that_are_held_are_let_go_after_a_restart),
		TEST(a_switch_is_finished_after_a_restart),
		TEST(a_vm_that_was_started_with_the_new_image_is_recognized),
		TEST(an_image_in_use_is_kept_with_its_record),
		TEST(a_vm_that_was_paused_runs_after_a_restart),
		TEST(after_a_power_loss_the_record_decides),
		TEST(after_a_power_loss_a_switch_counts),
		TEST(the_record_decides_where_qemu_ends_before_it_tells),
		TEST(so_it_does_where_nothing_was_switched),
		TEST(an_image_that_qemu_does_not_give_back_is_told),
		TEST(after_a_power_loss_the_definition_is_waited_for),
		TEST(a_stopped_vms_disk_is_copied),
		TEST(a_stopped_vms_move_can_be_cancelled),
		TEST(one_that_runs_elsewhere_is_left_alone),
		TEST(one_that_runs_after_all_is_not_deleted),
		TEST(what_cannot_be_is_refused),
		TEST(a_backing_file_must_be_there_to_be_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
