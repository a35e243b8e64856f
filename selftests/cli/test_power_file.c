// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of drover-power(5) are changed where they should be, and nowhere else. */
#include "power_file.h"

#include "page.h"

static const char old[] = "# of host2\n[ipmi]\naddress = 10.0.9.2\n# why\nuser=drover\n"
			  "password = old\n\n[wol]\nmac = 52:54:00:12:34:56\n";

static void becomes(char *text, const char *wanted)
{
	assert_non_null(text);
	assert_string_equal(text, wanted);
	free(text);
}

static void made(void **state)
{
	const struct power_key keys[] = { { "address", "10.0.9.2" }, { "user", "drover" } };

	becomes(power_file_set("", "ipmi", keys, 2),
		"[ipmi]\naddress = 10.0.9.2\nuser = drover\n");
	becomes(power_file_set("[wol]\nmac = a", "ipmi", keys, 1),
		"[wol]\nmac = a\n\n[ipmi]\naddress = 10.0.9.2\n");
}

static void changed(void **state)
{
	const struct power_key keys[] = { { "password", "new" }, { "user", "" }, { "mac", "x" } };

	becomes(power_file_set(old, "ipmi", keys, 2),
		"# of host2\n[ipmi]\npassword = new\naddress = 10.0.9.2\n# why\n\n"
		"[wol]\nmac = 52:54:00:12:34:56\n");
	/* The key of that name in another section stays. */
	becomes(power_file_set(old, "wol", keys + 2, 1),
		"# of host2\n[ipmi]\naddress = 10.0.9.2\n# why\nuser=drover\npassword = old\n\n"
		"[wol]\nmac = x\n");
}

static void removed(void **state)
{
	char *text = power_file_remove(old, "ipmi");

	assert_false(power_file_is_empty(text));
	becomes(power_file_remove(text, "wol"), "# of host2\n");
	becomes(text, "# of host2\n[wol]\nmac = 52:54:00:12:34:56\n");
	assert_true(power_file_is_empty("# of host2\n"));
	becomes(power_file_remove(old, "redfish"), old);
}

static void values(void **state)
{
	assert_true(power_file_valid(""));
	assert_true(power_file_valid("a b#;=[x]"));
	assert_false(power_file_valid("a\nb = c"));
	assert_false(power_file_valid("a\tb"));
	assert_false(power_file_valid(" a"));
	assert_false(power_file_valid("a "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made),
		cmocka_unit_test(changed),
		cmocka_unit_test(removed),
		cmocka_unit_test(values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
