// SPDX-License-Identifier: GPL-2.0-or-later
/* A definition gets another image for a disk, and nothing else changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"

#define VM "[vm]\nname = web\nmemory = 64\n"

static void becomes(const char *text, const char *disk, const char *path, const char *format,
		    const char *wanted)
{
	struct drover_err err = { 0 };
	char *seen = NULL;

	if (drover_vmdef_set_disk(text, disk, path, format, &seen, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(seen, wanted);
	free(seen);
}

static void refused(const char *text, const char *disk, const char *path, int code)
{
	struct drover_err err = { 0 };
	char *seen = (char *)text;

	assert_int_equal(drover_vmdef_set_disk(text, disk, path, "raw", &seen, &err), code);
	assert_ptr_equal(seen, text);
	assert_string_not_equal(err.text, "");
}

static void path_and_format_change(void **state)
{
	becomes(VM "[disk a]\npath = /old\nformat = raw\ncache = none\n", "a", "/new", "qcow2",
		VM "[disk a]\npath = /new\nformat = qcow2\ncache = none\n");
	becomes(VM "[disk a]\nformat = qcow2\npath = nbd://h/x\n", "a", "/new", "raw",
		VM "[disk a]\nformat = raw\npath = /new\n");
}

static void a_format_that_was_not_told_is_added(void **state)
{
	becomes(VM "[disk a]\npath = /old\n[nic lan]\nbridge = br0\n", "a", "/new", "qcow2",
		VM "[disk a]\npath = /new\nformat = qcow2\n[nic lan]\nbridge = br0\n");
	becomes(VM "[disk a]\npath = /old", "a", "/new", "qcow2",
		VM "[disk a]\npath = /new\nformat = qcow2");
	becomes(VM "[disk a]\npath = /old\n", "a", "/new", "raw", VM "[disk a]\npath = /new\n");
}

static void the_other_disks_stay(void **state)
{
	becomes(VM
		"[disk a]\npath = /a\n[disk ab]\npath = /ab\nformat = raw\n[disk b]\npath = /b\n",
		"ab", "/new", "qcow2",
		VM "[disk a]\npath = /a\n[disk ab]\npath = /new\nformat = qcow2\n[disk b]\npath = "
		   "/b\n");
}

static void comments_and_layout_stay(void **state)
{
	becomes("# path = /old\n\n  [vm]\r\nname=web\n memory = 64\n; x\n\t[ disk \t a ]  \n"
		"#path = /old\n  path=/old \t\r\n;format = raw\n\n  format   =\traw\n# end",
		"a", "/n w=1", "qcow2",
		"# path = /old\n\n  [vm]\r\nname=web\n memory = 64\n; x\n\t[ disk \t a ]  \n"
		"#path = /old\n  path=/n w=1 \t\r\n;format = raw\n\n  format   =\tqcow2\n# end");
}

static void what_cannot_be_is_refused(void **state)
{
	char longest[300];

	refused(VM "[disk a]\npath = /old\n", "b", "/new", -ENOENT);
	refused(VM, "a", "/new", -ENOENT);
	refused(VM "[disk a]\npath = /old\n", "a", "relative", -EINVAL);
	refused(VM "[disk a]\npath = /old\n", "a", "/two\nreadonly = yes", -EINVAL);
	refused(VM "[disk a]\npath = /old\n", "a", " /blank", -EINVAL);
	refused(VM "[disk a]\npath = /old\n", "a", "", -EINVAL);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	refused(VM "[disk a]\npath = /old\n", "a", longest, -EINVAL);
	refused("nonsense", "a", "/new", -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_and_format_change),
		cmocka_unit_test(a_format_that_was_not_told_is_added),
		cmocka_unit_test(the_other_disks_stay),
		cmocka_unit_test(comments_and_layout_stay),
		cmocka_unit_test(what_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
