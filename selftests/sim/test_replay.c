// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Passes that a leader put down in the lab, with three hosts whose load shifted (make demo-drs):
 * they are decided today as they were then. Where the policy is meant to decide otherwise,
 * record them anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/record.h"
#include "sim.h"

#define PASSES "selftests/sim/passes.log"

static int replay_file(const char *path)
{
	char *argv[] = {(char *)"drover-sim", (char *)path, NULL};

	return sim_replay(2, argv);
}

static void the_lab_decides_as_it_did(void **state)
{
	assert_int_equal(replay_file(PASSES), 0);
}

/* The first pass with a move, whose first move is said to have been another. */
static void another_decision_is_noticed(void **state)
{
	char path[] = "/tmp/drover-passes-XXXXXX", line[1 << 16];
	int fd = mkstemp(path);
	FILE *out = fdopen(fd, "w"), *in = fopen(PASSES, "re");
	json_t *record = NULL, *moves = NULL;

	assert_true(out && in);
	while (fgets(line, sizeof(line), in)) {
		record = json_loads(line, 0, NULL);
		assert_non_null(record);
		moves = json_object_get(record, "moves");
		if (json_array_size(moves))
			break;
		json_decref(record);
		record = NULL;
	}
	assert_non_null(record);
	json_array_set_new(moves, 0, json_string("vm1 host1 nowhere"));
	json_dumpf(record, out, JSON_COMPACT);
	fputc('\n', out);
	fclose(out);
	fclose(in);
	json_decref(record);
	assert_int_equal(replay_file(path), 1);
	unlink(path);
}

static void what_is_no_record_is_refused(void **state)
{
	assert_int_equal(replay_file("README.md"), 1);
	assert_int_equal(replay_file("/nonexistent"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lab_decides_as_it_did),
		cmocka_unit_test(another_decision_is_noticed),
		cmocka_unit_test(what_is_no_record_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
