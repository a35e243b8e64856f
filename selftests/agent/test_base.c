// SPDX-License-Identifier: GPL-2.0-or-later
/* The error holder, whole reads and writes, durable files, folders and paths. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/meminfo.h"
#include "base/thread.h"

/* Each test has a folder of its own. */
struct place {
	char dir[64];
	char path[DROVER_PATH_MAX];
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	strcpy(place->dir, "/tmp/drover-base.XXXXXX");
	*state = place;
	return mkdtemp(place->dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct place *place = *state;

	nftw(place->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(place);
	return 0;
}

static const char *at(struct place *place, const char *name)
{
	snprintf(place->path, sizeof(place->path), "%s/%s", place->dir, name);
	return place->path;
}

static void put(const char *path, const char *bytes, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

static void holds(const char *path, const char *wanted)
{
	auto_free char *text = NULL;
	struct drover_err err = { 0 };

	assert_int_equal(drover_io_read_file(path, 1 << 20, &text, NULL, &err), 0);
	assert_string_equal(text, wanted);
}

/* --- the error holder --- */

static void err_keeps_code_and_sentence(void **state)
{
	struct drover_err err = { 0 };

	assert_int_equal(drover_err_set(&err, EINVAL, "%s of %d", "two", 3), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.text, "two of 3");
	assert_int_equal(drover_err_set(&err, -ENOENT, "gone"), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_int_equal(drover_err_prefix(&err, "vm %s", "web1"), -ENOENT);
	assert_int_equal(drover_err_prefix(&err, "host2"), -ENOENT);
	assert_string_equal(err.text, "host2: vm web1: gone");
}

static void err_is_made_from_the_old_one(void **state)
{
	struct drover_err err = { 0 };

	drover_err_set(&err, EIO, "it broke");
	drover_err_set(&err, EINVAL, "again: %s", err.text);
	assert_string_equal(err.text, "again: it broke");
}

static void err_wanted_by_nobody(void **state)
{
	assert_int_equal(drover_err_set(NULL, EIO, "nobody reads this"), -EIO);
	assert_int_equal(drover_err_prefix(NULL, "nor this"), 0);
}

static void err_cuts_what_is_too_long(void **state)
{
	struct drover_err err = { 0 };
	char text[2 * DROVER_ERR_TEXT_MAX];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	drover_err_set(&err, EIO, "%s", text);
	assert_int_equal(strlen(err.text), DROVER_ERR_TEXT_MAX - 1);
	drover_err_prefix(&err, "front");
	assert_memory_equal(err.text, "front: xxx", 10);
	assert_int_equal(strlen(err.text), DROVER_ERR_TEXT_MAX - 1);
	drover_err_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.text), DROVER_ERR_TEXT_MAX - 1);
}

/* --- whole reads and writes --- */

#define BIG (3U << 20)

struct writer {
	int fd;
	const uint8_t *bytes;
	int result;
};

static void *write_big(void *data)
{
	struct writer *w = data;

	w->result = drover_io_write(w->fd, w->bytes, BIG);
	close(w->fd);
	return NULL;
}

/* More than a buffer holds, so that both sides see short counts. */
static void move_big(int from, int to)
{
	auto_free uint8_t *sent = malloc(BIG), *got = malloc(BIG);
	struct writer w = { .fd = to, .bytes = sent };
	pthread_t thread;

	for (size_t i = 0; i < BIG; i++)
		sent[i] = i * 2654435761U >> 24;
	assert_int_equal(pthread_create(&thread, NULL, write_big, &w), 0);
	assert_int_equal(drover_io_read(from, got, BIG), 0);
	pthread_join(thread, NULL);
	assert_int_equal(w.result, 0);
	assert_memory_equal(got, sent, BIG);
	assert_int_equal(drover_io_read(from, got, 1), -ENODATA);
	close(from);
}

static void io_moves_all_of_it(void **state)
{
	int pipes[2], sockets[2];

	assert_int_equal(pipe(pipes), 0);
	move_big(pipes[0], pipes[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	move_big(sockets[0], sockets[1]);
}

static void io_tells_where_a_stream_ended(void **state)
{
	char buf[8];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(drover_io_write(fds[1], "abc", 3), 0);
	close(fds[1]);
	assert_int_equal(drover_io_read(fds[0], buf, 0), 0);
	assert_int_equal(drover_io_read(fds[0], buf, 8), -EPIPE);
	assert_int_equal(drover_io_read(fds[0], buf, 8), -ENODATA);
	close(fds[0]);
	assert_int_equal(drover_io_read(-1, buf, 8), -EBADF);
	assert_int_equal(drover_io_write(-1, buf, 8), -EBADF);
}

/* Without MSG_NOSIGNAL this would end the test. */
static void io_survives_a_peer_that_left(void **state)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	close(fds[0]);
	assert_int_equal(drover_io_write(fds[1], "abc", 3), -EPIPE);
	close(fds[1]);
}

/* --- files --- */

static void read_file_gives_all_bytes(void **state)
{
	struct drover_err err = { 0 };
	auto_free char *text = NULL, *empty = NULL, *proc = NULL;
	size_t len = 99;

	put(at(*state, "a"), "one\0two", 7);
	assert_int_equal(drover_io_read_file(at(*state, "a"), 7, &text, &len, &err), 0);
	assert_int_equal(len, 7);
	assert_memory_equal(text, "one\0two", 8);
	put(at(*state, "empty"), "", 0);
	assert_int_equal(drover_io_read_file(at(*state, "empty"), 0, &empty, &len, &err), 0);
	assert_int_equal(len, 0);
	assert_string_equal(empty, "");
	/* It claims to have no size. */
	assert_int_equal(drover_io_read_file("/proc/self/status", 65536, &proc, NULL, &err), 0);
	assert_non_null(strstr(proc, "Pid:"));
}

static void read_file_grows(void **state)
{
	struct drover_err err = { 0 };
	auto_free char *bytes = malloc(100001), *text = NULL;
	size_t len;

	memset(bytes, 'q', 100000);
	bytes[100000] = '\0';
	for (size_t n = 4094; n <= 4097; n++) {
		auto_free char *small = NULL;

		put(at(*state, "b"), bytes, n);
		assert_int_equal(drover_io_read_file(at(*state, "b"), n, &small, &len, &err), 0);
		assert_int_equal(len, n);
		assert_int_equal(strlen(small), n);
	}
	put(at(*state, "b"), bytes, 100000);
	assert_int_equal(drover_io_read_file(at(*state, "b"), 100000, &text, NULL, &err), 0);
	assert_string_equal(text, bytes);
}

static void read_file_says_why_not(void **state)
{
	char *const untouched = (char *)1;
	struct drover_err err = { 0 };
	char *text = untouched;

	assert_int_equal(drover_io_read_file(at(*state, "no"), 9, &text, NULL, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/no: No such file or directory"));
	put(at(*state, "long"), "0123456789", 10);
	assert_int_equal(drover_io_read_file(at(*state, "long"), 9, &text, NULL, &err), -EFBIG);
	assert_non_null(strstr(err.text, "/long is larger than 9 bytes"));
	assert_int_equal(drover_io_read_file(at(*state, "."), 9, &text, NULL, &err), -EIO);
	assert_ptr_equal(text, untouched);
}

static void durable_write_replaces(void **state)
{
	struct drover_err err = { 0 };
	struct stat st;

	umask(022);
	assert_int_equal(drover_io_write_durable(at(*state, "f"), "first", 5, 0600, &err), 0);
	holds(at(*state, "f"), "first");
	assert_int_equal(stat(at(*state, "f"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* What a death inside an earlier write has left does not matter. */
	put(at(*state, "f.new"), "half of something long", 22);
	assert_int_equal(drover_io_write_durable(at(*state, "f"), "2", 1, 0600, &err), 0);
	holds(at(*state, "f"), "2");
	assert_int_equal(access(at(*state, "f.new"), F_OK), -1);
	assert_int_equal(drover_io_write_durable(at(*state, "f"), "", 0, 0600, &err), 0);
	holds(at(*state, "f"), "");
}

static void durable_write_keeps_the_old_on_failure(void **state)
{
	const struct rlimit small = { 4, RLIM_INFINITY };
	struct rlimit before;
	struct drover_err err = { 0 };
	int r;

	assert_int_equal(drover_io_write_durable(at(*state, "f"), "old", 3, 0600, &err), 0);
	getrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	r = drover_io_write_durable(at(*state, "f"), "new and longer", 14, 0600, &err);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(r, -EFBIG);
	assert_non_null(strstr(err.text, "cannot write "));
	holds(at(*state, "f"), "old");
	assert_int_equal(access(at(*state, "f.new"), F_OK), -1);
	assert_int_equal(drover_io_write_durable(at(*state, "no/f"), "x", 1, 0600, &err), -ENOENT);
	assert_int_equal(mkdir(at(*state, "d"), 0700), 0);
	assert_int_equal(drover_io_write_durable(at(*state, "d"), "x", 1, 0600, &err), -EISDIR);
	assert_int_equal(access(at(*state, "d.new"), F_OK), -1);
}

/* A VM's directory belongs to QEMU's user: links in it must not lead our writes away. */
static void durable_write_follows_no_link(void **state)
{
	struct drover_err err = { 0 };
	char victim[DROVER_PATH_MAX];

	snprintf(victim, sizeof(victim), "%s", at(*state, "victim"));
	put(victim, "ours", 4);
	assert_int_equal(symlink(victim, at(*state, "f.new")), 0);
	assert_int_equal(symlink(victim, at(*state, "f")), 0);
	assert_int_equal(drover_io_write_durable(at(*state, "f"), "x", 1, 0600, &err), 0);
	holds(victim, "ours");
	holds(at(*state, "f"), "x");
}

static void durable_remove(void **state)
{
	struct drover_err err = { 0 };

	put(at(*state, "f"), "x", 1);
	assert_int_equal(drover_io_remove_durable(at(*state, "f"), &err), 0);
	assert_int_equal(access(at(*state, "f"), F_OK), -1);
	assert_int_equal(drover_io_remove_durable(at(*state, "f"), &err), 0);
	assert_int_equal(err.code, 0);
	mkdir(at(*state, "d"), 0700);
	assert_int_equal(drover_io_remove_durable(at(*state, "d"), &err), -EISDIR);
	assert_non_null(strstr(err.text, "cannot remove "));
}

/* --- folders and paths --- */

static void mkdirs_makes_parents(void **state)
{
	struct drover_err err = { 0 };
	struct stat st;

	umask(022);
	for (int again = 0; again < 2; again++)
		assert_int_equal(drover_io_mkdirs(at(*state, "a/b//c/"), 0750, &err), 0);
	assert_int_equal(stat(at(*state, "a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(drover_io_mkdirs("/", 0755, &err), 0);
	assert_int_equal(err.code, 0);
}

static void mkdirs_says_why_not(void **state)
{
	struct drover_err err = { 0 };
	char path[DROVER_PATH_MAX + 1];

	put(at(*state, "file"), "", 0);
	assert_int_equal(drover_io_mkdirs(at(*state, "file/x"), 0755, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, "cannot make the directory "));
	assert_int_equal(drover_io_mkdirs(at(*state, "file"), 0755, &err), -ENOTDIR);
	assert_int_equal(drover_io_mkdirs("", 0755, &err), -ENOENT);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[DROVER_PATH_MAX] = '\0';
	assert_int_equal(drover_io_mkdirs(path, 0755, &err), -ENAMETOOLONG);
}

static void paths_are_never_cut(void **state)
{
	char buf[DROVER_PATH_MAX], name[DROVER_PATH_MAX];
	struct drover_err err = { 0 };

	memset(name, 'n', sizeof(name));
	name[DROVER_PATH_MAX - 2] = '\0';
	assert_int_equal(drover_io_path(buf, &err, "/%s", name), 0);
	assert_int_equal(strlen(buf), DROVER_PATH_MAX - 1);
	assert_int_equal(drover_io_path(buf, &err, "//%s", name), -ENAMETOOLONG);
	assert_string_equal(err.text, "a path is longer than 1023 bytes");
}

/* --- the rest --- */

static char logged[256];

static void keep_line(enum drover_log_level level, const struct drover_log_subject *subject,
		      const char *text)
{
	snprintf(logged, sizeof(logged), "%d %s %llu %s", level, subject->vm,
		 (unsigned long long)subject->migration, text);
}

static void log_names_its_subject(void **state)
{
	drover_log_set_sink(keep_line, DROVER_LOG_INFO);
	drover_log_set_subject("web1", 7);
	log_warning("%d pages", 3);
	assert_string_equal(logged, "4 web1 7 3 pages");
	log_debug("not at this level");
	assert_string_equal(logged, "4 web1 7 3 pages");
	drover_log_set_subject(NULL, 0);
	log_info("later");
	assert_string_equal(logged, "6  0 later");
	drover_log_set_sink(NULL, DROVER_LOG_INFO);
}

static void meminfo_knows_its_keys(void **state)
{
	struct drover_err err = { 0 };
	uint64_t total = 0, available = 0;

	assert_int_equal(drover_meminfo_mib("MemTotal", &total, &err), 0);
	assert_int_equal(drover_meminfo_mib("MemAvailable", &available, &err), 0);
	assert_true(total > 0 && available <= total);
	assert_int_equal(drover_meminfo_mib("MemTot", &total, &err), -ENOENT);
	assert_string_equal(err.text, "/proc/meminfo has no MemTot");
}

static void *note_thread(void *data)
{
	__atomic_store_n((int *)data, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void threads_run(void **state)
{
	int ran = 0;

	assert_int_equal(drover_thread_detached(note_thread, &ran, NULL), 0);
	for (int i = 0; i < 500 && !__atomic_load_n(&ran, __ATOMIC_ACQUIRE); i++)
		usleep(10000);
	assert_int_equal(ran, 1);
}

int main(void)
{
#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_keeps_code_and_sentence),
		cmocka_unit_test(err_is_made_from_the_old_one),
		cmocka_unit_test(err_wanted_by_nobody),
		cmocka_unit_test(err_cuts_what_is_too_long),
		cmocka_unit_test(io_moves_all_of_it),
		cmocka_unit_test(io_tells_where_a_stream_ended),
		cmocka_unit_test(io_survives_a_peer_that_left),
		IN_A_PLACE(read_file_gives_all_bytes),
		IN_A_PLACE(read_file_grows),
		IN_A_PLACE(read_file_says_why_not),
		IN_A_PLACE(durable_write_replaces),
		IN_A_PLACE(durable_write_keeps_the_old_on_failure),
		IN_A_PLACE(durable_write_follows_no_link),
		IN_A_PLACE(durable_remove),
		IN_A_PLACE(mkdirs_makes_parents),
		IN_A_PLACE(mkdirs_says_why_not),
		cmocka_unit_test(paths_are_never_cut),
		cmocka_unit_test(log_names_its_subject),
		cmocka_unit_test(meminfo_knows_its_keys),
		cmocka_unit_test(threads_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
