// SPDX-License-Identifier: GPL-2.0-or-later
/* When pre-copy ends: properties that must hold for any figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "migrate/pace.h"

#define MIB (1ULL << 20)

static struct drover_pace pace_of(uint64_t limit_us, uint32_t max_rounds)
{
	return (struct drover_pace){ .limit_us = limit_us, .max_rounds = max_rounds };
}

static void first_round_runs_live(void **state)
{
	static const uint64_t dirty[] = { 0, 4096, 512 * MIB, UINT64_MAX };

	for (int i = 0; i < 4; i++)
		for (uint32_t max = 0; max < 3; max++) {
			struct drover_pace p = pace_of(UINT64_MAX, max);

			assert_false(drover_pace_harvested(&p, 1, dirty[i]));
			/* Also when an earlier migration's figures are there. */
			p = pace_of(UINT64_MAX, max);
			p.rate = 1000 * MIB;
			p.stalled = 100;
			assert_false(drover_pace_harvested(&p, 1, dirty[i]));
		}
}

/* Runs rounds over a link of @rate with a guest that writes @dirty_rate; returns the last. */
static uint32_t run(struct drover_pace *p, uint64_t ram, uint64_t rate, uint64_t dirty_rate)
{
	uint64_t dirty = ram;

	for (uint32_t round = 1; round < 1000; round++) {
		uint64_t us;

		if (drover_pace_harvested(p, round, dirty))
			return round;
		us = dirty * 1000000 / rate;
		drover_pace_sent(p, dirty, us);
		p->dirty_rate = dirty_rate;
		dirty = dirty_rate * us / 1000000 < ram ? dirty_rate * us / 1000000 : ram;
	}
	return 1000;
}

static void converging_series_switches_below_the_limit(void **state)
{
	for (uint64_t share = 0; share <= 8; share++) {
		struct drover_pace p = pace_of(300000, 64);
		uint64_t rate = 100 * MIB;
		uint32_t round = run(&p, 512 * MIB, rate, rate * share / 10);

		assert_in_range(round, 2, 30);
		assert_true(drover_pace_blackout(&p, p.last_dirty) <= p.limit_us);
		/* It was not the stall that ended it. */
		assert_true(p.stalled < DROVER_PACE_STALLED_ROUNDS);
	}
}

static void not_before_the_limit_allows(void **state)
{
	struct drover_pace p = pace_of(DROVER_PACE_FIXED_US + 1000000, 64);

	drover_pace_harvested(&p, 1, 512 * MIB);
	drover_pace_sent(&p, 100 * MIB, 1000000);
	assert_false(drover_pace_harvested(&p, 2, 102 * MIB));
	assert_true(drover_pace_harvested(&p, 3, 99 * MIB));
}

static void idle_guest_switches_at_once(void **state)
{
	struct drover_pace p = pace_of(300000, 64);

	assert_int_equal(run(&p, 512 * MIB, 100 * MIB, 0), 2);
}

static void stalled_guest_does_not_run_for_ever(void **state)
{
	struct drover_pace p = pace_of(1000, 64);
	uint32_t round = run(&p, 512 * MIB, 100 * MIB, 200 * MIB);

	/* Rounds 3 to 6 are the harvests that did not shrink. */
	assert_int_equal(round, 2 + DROVER_PACE_STALLED_ROUNDS);
}

static void progress_resets_the_stall(void **state)
{
	struct drover_pace p = pace_of(0, 1000);

	drover_pace_harvested(&p, 1, 1000);
	drover_pace_harvested(&p, 2, 1000);
	for (uint32_t round = 3; round < 100; round++) {
		/* Grows, grows, shrinks. */
		uint64_t dirty = round % 3 == 2 ? 100 : 1000 + round;

		assert_false(drover_pace_harvested(&p, round, dirty));
	}
}

static void last_round_comes(void **state)
{
	for (uint32_t max = 0; max < 20; max++) {
		struct drover_pace p = pace_of(0, max);
		uint64_t dirty = 1 << 30;
		uint32_t round = 1;

		/* Shrinks for ever, but never below the limit. */
		while (!drover_pace_harvested(&p, round, dirty)) {
			drover_pace_sent(&p, 1 << 20, 1000000);
			dirty -= 4096;
			round++;
		}
		assert_int_equal(round, max + 1 < 2 ? 2 : max + 1);
	}
}

static void blackout_grows_with_what_is_left(void **state)
{
	struct drover_pace p = pace_of(300000, 64);
	uint64_t last = 0;

	assert_true(drover_pace_blackout(&p, 0) == UINT64_MAX);
	p.rate = 100 * MIB;
	assert_int_equal(drover_pace_blackout(&p, 0), DROVER_PACE_FIXED_US);
	assert_int_equal(drover_pace_blackout(&p, 100 * MIB), DROVER_PACE_FIXED_US + 1000000);
	for (int bit = 0; bit < 64; bit++) {
		uint64_t now = drover_pace_blackout(&p, 1ULL << bit);

		assert_true(now >= last);
		last = now;
	}
}

static void huge_numbers_do_not_wrap(void **state)
{
	static const uint64_t huge[] = { 1ULL << 44, 1ULL << 52, 1ULL << 62, 1ULL << 63, UINT64_MAX };

	for (int i = 0; i < 5; i++) {
		struct drover_pace p = pace_of(1ULL << 40, 64);

		p.rate = 1;
		assert_true(drover_pace_blackout(&p, huge[i]) > 1ULL << 60);
		assert_false(drover_pace_harvested(&p, 2, huge[i]));
		assert_true(drover_pace_rest(&p, huge[i]) > 1ULL << 60);
		drover_pace_sent(&p, huge[i], 0);
		assert_true(p.rate >= huge[i] || p.rate > 1ULL << 60);
		p.rate = 0;
		drover_pace_sent(&p, huge[i], UINT64_MAX);
		assert_true(p.rate >= 1);
		p.rate = UINT64_MAX;
		assert_true(drover_pace_blackout(&p, huge[i]) < 2000000);
	}
}

static void small_rounds_tell_no_rate(void **state)
{
	struct drover_pace p = pace_of(0, 64);

	drover_pace_sent(&p, 100 * MIB, 1000000);
	assert_in_range(p.rate, 100 * MIB, 100 * MIB + 1);
	/* 4 KiB in a second: the latency of one page, not the link. */
	drover_pace_sent(&p, 4096, 1000000);
	assert_in_range(p.rate, 100 * MIB, 100 * MIB + 1);
	drover_pace_sent(&p, 1 * MIB, 100000);
	assert_in_range(p.rate, 10 * MIB, 10 * MIB + 1);
	/* Unless nothing else is known. */
	p.rate = 0;
	drover_pace_sent(&p, 4096, 1000000);
	assert_in_range(p.rate, 4096, 4097);
	p.rate = 0;
	drover_pace_sent(&p, 0, 0);
	assert_true(p.rate > 0);
}

static void rest_is_the_series(void **state)
{
	struct drover_pace p = pace_of(0, 64);
	double series = 0, dirty = 512 * MIB;

	assert_int_equal(drover_pace_rest(&p, 512 * MIB), 0);
	p.rate = 100 * MIB;
	p.dirty_rate = 50 * MIB;
	for (int i = 0; i < 60; i++, dirty /= 2)
		series += dirty * 1e6 / p.rate;
	assert_in_range(drover_pace_rest(&p, 512 * MIB), series + DROVER_PACE_FIXED_US - 10,
			series + DROVER_PACE_FIXED_US + 10);
	p.dirty_rate = p.rate;
	assert_int_equal(drover_pace_rest(&p, 512 * MIB), 0);
	p.dirty_rate = UINT64_MAX;
	assert_int_equal(drover_pace_rest(&p, 512 * MIB), 0);
}

static void any_figures_end(void **state)
{
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		struct drover_pace p = pace_of(random() % 1000000, random() % 100);
		uint64_t dirty = random();
		uint32_t round = 1;

		while (!drover_pace_harvested(&p, round, dirty)) {
			drover_pace_sent(&p, dirty, random());
			p.dirty_rate = (uint64_t)random() << random() % 32;
			dirty = (uint64_t)random() << random() % 32;
			round++;
		}
		assert_true(round > 1);
		assert_true(round <= p.max_rounds + 1 || round == 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_round_runs_live),
		cmocka_unit_test(converging_series_switches_below_the_limit),
		cmocka_unit_test(not_before_the_limit_allows),
		cmocka_unit_test(idle_guest_switches_at_once),
		cmocka_unit_test(stalled_guest_does_not_run_for_ever),
		cmocka_unit_test(progress_resets_the_stall),
		cmocka_unit_test(last_round_comes),
		cmocka_unit_test(blackout_grows_with_what_is_left),
		cmocka_unit_test(huge_numbers_do_not_wrap),
		cmocka_unit_test(small_rounds_tell_no_rate),
		cmocka_unit_test(rest_is_the_series),
		cmocka_unit_test(any_figures_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
