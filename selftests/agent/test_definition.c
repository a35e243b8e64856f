// SPDX-License-Identifier: GPL-2.0-or-later
/* The definition file of a VM that is stopped, one of whose disks has another image now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config.h"
#include "ctl/agent.h"

static struct drover_agent agent;

static int setup(void **state)
{
	strcpy(agent.conf.vm_dir, "/tmp/drover-definition.XXXXXX");
	return mkdtemp(agent.conf.vm_dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[DROVER_FIELD_LEN + 16];

	snprintf(command, sizeof(command), "rm -r '%s'", agent.conf.vm_dir);
	return system(command);
}

static const char *file(void)
{
	static char path[DROVER_FIELD_LEN + 16];

	snprintf(path, sizeof(path), "%s/web.conf", agent.conf.vm_dir);
	return path;
}

static ino_t define(const char *path, const char *format)
{
	FILE *f = fopen(file(), "w");
	struct stat st;

	assert_non_null(f);
	fprintf(f, "[vm]\nname = web\nmemory = 64\n[disk root]\npath = %s\nformat = %s\n", path,
		format);
	fclose(f);
	assert_int_equal(stat(file(), &st), 0);
	return st.st_ino;
}

static void set_disk(void)
{
	struct drover_err err = { 0 };

	if (drover_definition_set_disk(&agent, "web", "root", "/srv/new", "qcow2", &err) < 0)
		fail_msg("%s", err.text);
}

static void names_the_new_image(void)
{
	struct drover_vm_def def;
	struct drover_err err = { 0 };

	assert_int_equal(drover_vmdef_read(agent.conf.vm_dir, "web", &def, NULL, &err), 0);
	assert_string_equal(def.disks[0].path, "/srv/new");
	assert_string_equal(def.disks[0].format, "qcow2");
}

static void it_is_changed(void **state)
{
	define("/srv/old", "raw");
	set_disk();
	names_the_new_image();
	define("/srv/new", "raw");
	set_disk();
	names_the_new_image();
}

/* It need not be possible to write it. */
static void one_that_was_corrected_is_left_alone(void **state)
{
	ino_t before = define("/srv/new", "qcow2");
	struct stat st;

	set_disk();
	assert_int_equal(stat(file(), &st), 0);
	assert_true(st.st_ino == before);
}

static void without_one_there_is_nothing_to_change(void **state)
{
	struct drover_err err = { 0 };

	assert_int_equal(drover_definition_set_disk(&agent, "web", "root", "/srv/new", "qcow2",
						    &err),
			 -ENOENT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_is_changed),
		TEST(one_that_was_corrected_is_left_alone),
		TEST(without_one_there_is_nothing_to_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
