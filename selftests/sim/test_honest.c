// SPDX-License-Identifier: GPL-2.0-or-later
/* The honest model: figures that can be worked out by hand, and Drover's own policy in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "cloudsim_peer.h"
#include "dpm_drover.h"
#include "honest.h"

#define DAY_S 86400.0

static float *days(size_t vms, float percent)
{
	float *all = malloc(vms * CS_STEPS * sizeof(*all));

	assert_non_null(all);
	for (size_t i = 0; i < vms * CS_STEPS; i++)
		all[i] = percent;
	return all;
}

static void near(double value, double expected, double share)
{
	if (fabs(value - expected) > fabs(expected) * share)
		fail_msg("%g is not within %g %% of %g", value, 100 * share, expected);
}

static double still_watts(void)
{
	return cs_watts(&cs_host_types[0], 0.5 * 1500 / 3720) +
	       cs_watts(&cs_host_types[1], 0.5 * 4500 / 5320);
}

static void energy_of_a_still_day(void **state)
{
	auto_free float *percent = days(4, 50);
	struct cs_policy policy = {.name = "still", .place = cs_first_fit};
	struct honest_result r;

	assert_int_equal(honest_run(percent, 4, &policy, &r), 0);
	near(r.kwh, still_watts() * DAY_S / 3.6e6, 1e-6);
	assert_true(r.unmet == 0 && r.wakes == 0 && r.offs == 0);
	near(r.hosts_on, 2, 1e-9);
}

static void idle_vms_stay(void **state)
{
	auto_free float *percent = days(4, 0);
	struct cs_policy policy = {.name = "still", .place = cs_first_fit};
	struct honest_result r;

	assert_int_equal(honest_run(percent, 4, &policy, &r), 0);
	near(r.kwh, (86 + 93.7) * DAY_S / 3.6e6, 1e-6);
}

static int place_on_slow(struct cs_world *w, int vm, void *data)
{
	return 2 * vm;
}

static void a_slow_core_leaves_demand_unmet(void **state)
{
	auto_free float *percent = days(1, 100);
	struct cs_policy policy = {.name = "slow", .place = place_on_slow};
	struct honest_result r;

	assert_int_equal(honest_run(percent, 1, &policy, &r), 0);
	near(r.unmet, (2500 - 1860) / 2500.0, 1e-6);
	near(r.unmet_core, r.unmet, 1e-6);
}

/* Host 3 is awake for ten steps, and for nothing. */
static int plan_power(struct cs_world *w, struct cs_move *moves, int room, void *data)
{
	w->hosts[3].wanted = w->step >= 10 && w->step < 20;
	return 0;
}

static void waking_and_leaving_cost(void **state)
{
	auto_free float *percent = days(4, 50);
	struct cs_policy policy = {
		.name = "power", .place = cs_first_fit, .plan = plan_power, .own_power = true};
	double wake_j = 135 * (HONEST_WAKE_S + HONEST_OFF_S);
	struct honest_result r;

	assert_int_equal(honest_run(percent, 4, &policy, &r), 0);
	assert_int_equal(r.wakes, 1);
	assert_int_equal(r.offs, 1);
	near(r.kwh * 3.6e6 - still_watts() * DAY_S, wake_j + 93.7 * (3000 - HONEST_WAKE_S), 0.01);
}

static int plan_one(struct cs_world *w, struct cs_move *moves, int room, void *data)
{
	if (w->step != 10)
		return 0;
	moves[0] = (struct cs_move){.vm = 0, .to = 5};
	return 1;
}

static void a_move_wakes_and_darkens(void **state)
{
	auto_free float *percent = days(1, 40);
	struct cs_policy policy = {.name = "one", .place = cs_first_fit, .plan = plan_one};
	struct honest_result r;

	assert_int_equal(honest_run(percent, 1, &policy, &r), 0);
	assert_true(r.moves == 1 && r.wakes == 1 && r.offs == 1);
	/* A blackout is a fraction of a second of the day. */
	assert_true(r.unmet_dark > 0.01 / DAY_S && r.unmet_dark < 1 / DAY_S);
	near(r.unmet, r.unmet_dark, 1e-9);
}

/* Loads that fall at night: fewer hosts than without management, nobody starves. */
static void drover_lets_hosts_sleep(void **state)
{
	auto_free float *percent = days(60, 0);
	struct cs_policy still = {.name = "still", .place = dpm_drover_place};
	struct dpm_drover drover;
	struct cs_policy policy = {
		.name = "Drover",
		.place = dpm_drover_place,
		.plan = dpm_drover_plan,
		.data = &drover,
		.own_power = true,
	};
	struct honest_result base, r;

	for (size_t i = 0; i < 60 * CS_STEPS; i++)
		percent[i] = i % CS_STEPS < 100 || i % CS_STEPS > 200 ? 3 : 60;
	assert_int_equal(dpm_drover_init(&drover, 60), 0);
	assert_int_equal(honest_run(percent, 60, &still, &base), 0);
	assert_int_equal(honest_run(percent, 60, &policy, &r), 0);
	dpm_drover_exit(&drover);
	assert_true(r.offs > 0 && r.moves > 0);
	assert_true(r.kwh < base.kwh);
	assert_true(r.unmet < 0.01);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(energy_of_a_still_day),
		cmocka_unit_test(idle_vms_stay),
		cmocka_unit_test(a_slow_core_leaves_demand_unmet),
		cmocka_unit_test(waking_and_leaving_cost),
		cmocka_unit_test(a_move_wakes_and_darkens),
		cmocka_unit_test(drover_lets_hosts_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
