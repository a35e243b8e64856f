// SPDX-License-Identifier: GPL-2.0-or-later
/* Logs of VMs that grow are cut, and nothing else is that lies where they should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "vm/logs.h"

static struct drover_conf conf;

static const char *in(const char *name)
{
	static char paths[4][128];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%.60s/vms/web/%.40s", conf.run_dir, name);
	return path;
}

/* So many bytes, of which the last are "end". */
static void put(const char *name, off_t size)
{
	int fd = open(in(name), O_WRONLY | O_CREAT | O_TRUNC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(pwrite(fd, "end", 3, size - 3), 3);
	close(fd);
}

static off_t size_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(in(name), &st), 0);
	return st.st_size;
}

static void a_large_one_keeps_its_end(void **state)
{
	char end[4] = "";
	int fd;

	put("console.log", DROVER_LOGS_MAX + 1);
	put("qemu.log", 2 * DROVER_LOGS_MAX);
	fd = open(in("console.log"), O_RDWR | O_APPEND);
	assert_true(fd >= 0);
	drover_logs_trim(&conf, "web");
	assert_int_equal(size_of("console.log"), DROVER_LOGS_KEPT);
	assert_int_equal(size_of("qemu.log"), DROVER_LOGS_KEPT);
	assert_int_equal(pread(fd, end, 3, DROVER_LOGS_KEPT - 3), 3);
	assert_string_equal(end, "end");
	/* Who has it open for appending goes on behind that. */
	assert_int_equal(write(fd, "more", 4), 4);
	assert_int_equal(size_of("console.log"), DROVER_LOGS_KEPT + 4);
	close(fd);
}

static void a_small_one_stays(void **state)
{
	put("console.log", DROVER_LOGS_MAX);
	drover_logs_trim(&conf, "web");
	assert_int_equal(size_of("console.log"), DROVER_LOGS_MAX);
}

static void what_is_no_log_is_left_alone(void **state)
{
	put("precious", 2 * DROVER_LOGS_MAX);
	unlink(in("console.log"));
	unlink(in("qemu.log"));
	assert_int_equal(symlink(in("precious"), in("console.log")), 0);
	assert_int_equal(link(in("precious"), in("qemu.log")), 0);
	drover_logs_trim(&conf, "web");
	assert_int_equal(size_of("precious"), 2 * DROVER_LOGS_MAX);
	unlink(in("console.log"));
	unlink(in("qemu.log"));
	unlink(in("precious"));
	assert_int_equal(mkfifo(in("console.log"), 0600), 0);
	drover_logs_trim(&conf, "web");
	drover_logs_trim(&conf, "nobody");
	unlink(in("console.log"));
}

static int set_up(void **state)
{
	char dir[] = "/tmp/drover-logs-XXXXXX";

	if (!mkdtemp(dir))
		return -1;
	snprintf(conf.run_dir, sizeof(conf.run_dir), "%s", dir);
	return drover_io_mkdirs(in("."), 0700, NULL);
}

static int tear_down(void **state)
{
	char path[128];

	unlink(in("console.log"));
	unlink(in("qemu.log"));
	rmdir(in(""));
	snprintf(path, sizeof(path), "%.60s/vms", conf.run_dir);
	rmdir(path);
	return rmdir(conf.run_dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_one_keeps_its_end),
		cmocka_unit_test(a_small_one_stays),
		cmocka_unit_test(what_is_no_log_is_left_alone),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
