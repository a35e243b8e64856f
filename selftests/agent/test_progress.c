// SPDX-License-Identifier: GPL-2.0-or-later
/* How fast a copy goes and when it will end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "block/progress.h"

#define S 1000000ULL

static void add(struct drover_progress *p, uint64_t time_us, uint64_t done, uint64_t todo,
		uint64_t writes, uint64_t write_us)
{
	struct drover_progress_sample sample = {
		.time_us = time_us,
		.done = done,
		.todo = todo,
		.stats = { writes, writes * 4096, write_us * 1000 },
	};

	drover_progress_add(p, &sample);
}

static void nothing_is_known_at_first(void **state)
{
	struct drover_disk_move_info info = { .rate_bytes = 1, .expected_us = 1 };
	struct drover_progress p = { 0 };

	drover_progress_info(&p, &info);
	assert_int_equal(info.rate_bytes, 0);
	assert_int_equal(info.expected_us, 0);
	add(&p, S, 100, 900, 0, 0);
	drover_progress_info(&p, &info);
	assert_int_equal(info.done_bytes, 100);
	assert_int_equal(info.todo_bytes, 1000);
	assert_int_equal(info.rate_bytes, 0);
	assert_int_equal(info.expected_us, 0);
}

static void the_end_is_expected_at_the_speed_of_now(void **state)
{
	struct drover_disk_move_info info = { 0 };
	struct drover_progress p = { 0 };

	add(&p, S, 0, 1000, 0, 0);
	add(&p, 3 * S, 200, 800, 0, 0);
	drover_progress_info(&p, &info);
	assert_int_equal(info.rate_bytes, 100);
	assert_int_equal(info.expected_us, 8 * S);
	/* The guest writes to both, which adds to what is done and takes away nothing. */
	add(&p, 4 * S, 1000, 800, 0, 0);
	drover_progress_info(&p, &info);
	assert_int_equal(info.expected_us, 12 * S);
}

static void the_end_is_unknown_while_nothing_goes(void **state)
{
	struct drover_disk_move_info info = { 0 };
	struct drover_progress p = { 0 };

	add(&p, S, 0, 1000, 0, 0);
	add(&p, 2 * S, 50, 1000, 0, 0);
	drover_progress_info(&p, &info);
	assert_int_equal(info.expected_us, 0);
	add(&p, 3 * S, 50, 1100, 0, 0);
	drover_progress_info(&p, &info);
	assert_int_equal(info.expected_us, 0);
	assert_int_equal(info.todo_bytes, 1150);
}

static void old_samples_are_forgotten(void **state)
{
	struct drover_disk_move_info info = { 0 };
	struct drover_progress p = { 0 };

	add(&p, 0, 0, 1000000, 0, 0);
	for (uint64_t i = 1; i <= DROVER_PROGRESS_SAMPLES; i++)
		add(&p, 1000 * S + i * S, 500000 + 10 * i, 500000 - 10 * i, 0, 0);
	drover_progress_info(&p, &info);
	assert_int_equal(info.rate_bytes, 10);
	drover_progress_reset(&p);
	drover_progress_info(&p, &info);
	assert_int_equal(info.rate_bytes, 0);
}

static void the_guests_writes_are_averaged(void **state)
{
	struct drover_disk_move_info info = { 0 };
	struct drover_progress p = { 0 };

	add(&p, S, 0, 100, 1000, 5000000);
	add(&p, 3 * S, 1, 99, 1200, 5000000 + 200 * 3100);
	drover_progress_info(&p, &info);
	assert_int_equal(info.write_now_us, 3100);
	assert_int_equal(info.write_rate_now_bytes, 100 * 4096);
	drover_progress_reset(&p);
	add(&p, S, 0, 100, 1000, 5000000);
	add(&p, 3 * S, 1, 99, 1000, 5000000);
	drover_progress_info(&p, &info);
	assert_int_equal(info.write_now_us, 0);
	assert_int_equal(info.write_rate_now_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_at_first),
		cmocka_unit_test(the_end_is_expected_at_the_speed_of_now),
		cmocka_unit_test(the_end_is_unknown_while_nothing_goes),
		cmocka_unit_test(old_samples_are_forgotten),
		cmocka_unit_test(the_guests_writes_are_averaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
