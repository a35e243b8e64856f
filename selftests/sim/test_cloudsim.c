// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CloudSim's model: figures that can be worked out by hand, and, where the recorded days are
 * there (TRACES names their folder), what CloudSim itself gets on them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cloudsim.h"
#include "cloudsim_peer.h"
#include "trace.h"

#define SPAN_S 85800.0 /* from the first sample to the last: what CloudSim charges energy for */

static const struct cs_policy still = {.name = "still", .place = cs_first_fit};

static float *days(size_t vms, float percent)
{
	float *all = malloc(vms * CS_STEPS * sizeof(*all));

	assert_non_null(all);
	for (size_t i = 0; i < vms * CS_STEPS; i++)
		all[i] = percent;
	return all;
}

static struct cs_result peer_day(const float *percent, size_t vms, enum cs_limit limit,
				 double safety)
{
	auto_free struct cs_peer *peer = calloc(1, sizeof(*peer));
	struct cs_policy policy = {
		.name = "peer", .place = cs_peer_place, .plan = cs_peer_plan, .data = peer};
	struct cs_result result;

	assert_non_null(peer);
	peer->limit = limit;
	peer->safety = safety;
	assert_int_equal(cs_run(percent, vms, &policy, &result), 0);
	return result;
}

static void near(double value, double expected, double share)
{
	if (fabs(value - expected) > fabs(expected) * share)
		fail_msg("%g is not within %g %% of %g", value, 100 * share, expected);
}

static void watts_lie_between_points(void **state)
{
	near(cs_watts(&cs_host_types[0], 0), 86, 1e-9);
	near(cs_watts(&cs_host_types[0], 0.05), 87.7, 1e-9);
	near(cs_watts(&cs_host_types[1], 0.95), 134, 1e-9);
	near(cs_watts(&cs_host_types[1], 1), 135, 1e-9);
}

static void vms_are_of_four_kinds(void **state)
{
	near(cs_vm_mips(0, 10), 2500, 1e-9);
	near(cs_vm_mips(3, 10), 2000, 1e-9);
	near(cs_vm_mips(8, 10), 1000, 1e-9);
	near(cs_vm_mips(9, 10), 500, 1e-9);
	assert_int_equal(cs_vm_ram(9, 10), 613);
}

/* Four VMs are of 2500, 2000, 1000 and 500 MIPS; first fit needs cores as quick as they are. */
static void energy_of_a_still_day(void **state)
{
	auto_free float *percent = days(4, 50);
	struct cs_result r;
	double use_g4 = 0.5 * 1500 / 3720, use_g5 = 0.5 * 4500 / 5320, watts;

	assert_int_equal(cs_run(percent, 4, &still, &r), 0);
	watts = cs_watts(&cs_host_types[0], use_g4) + cs_watts(&cs_host_types[1], use_g5);
	near(r.kwh, watts * SPAN_S / 3.6e6, 1e-6);
	assert_int_equal(r.moves, 0);
	assert_true(r.slatah == 0 && r.pdm == 0);
}

static void every_host_burns_without_management(void **state)
{
	auto_free float *percent = days(4, 50);
	struct cs_policy policy = still;
	struct cs_result r;

	policy.always_on = true;
	assert_int_equal(cs_run(percent, 4, &policy, &r), 0);
	near(r.kwh, 400 * (117 + 135) * 86100.1 / 3.6e6, 1e-9);
}

static void idle_vms_vanish(void **state)
{
	auto_free float *percent = days(8, 30);
	struct cs_result r;

	for (int i = 100; i < CS_STEPS; i++)
		percent[5 * CS_STEPS + i] = 0;
	percent[6 * CS_STEPS + 50] = 0; /* one sample of nothing is no end */
	assert_int_equal(cs_run(percent, 8, &still, &r), 0);
	assert_int_equal(r.removed, 1);
}

/* A host that receives gives a tenth while asked for all: that is what SLATAH counts. */
static void moves_cost(void **state)
{
	auto_free float *percent = days(16, 20);
	struct cs_result r = peer_day(percent, 16, CS_LIMIT_THR, 0.8);

	assert_true(r.moves > 0);
	assert_true(r.slatah > 0 && r.pdm > 0 && r.pdm < 0.01);
	assert_true(r.hosts_on < 8);
}

static int plan_one(struct cs_world *w, struct cs_move *moves, int room, void *data)
{
	if (w->step != 10)
		return 0;
	moves[0] = (struct cs_move){.vm = 0, .to = 5};
	return 1;
}

static void one_move_in_figures(void **state)
{
	auto_free float *percent = days(1, 40);
	struct cs_policy policy = {.name = "one", .place = cs_first_fit, .plan = plan_one};
	struct cs_result r;
	double move_s = 870 / 62.5, all_s = SPAN_S;

	assert_int_equal(cs_run(percent, 1, &policy, &r), 0);
	assert_int_equal(r.moves, 1);
	near(r.pdm, 0.1 * move_s / all_s, 1e-3);
	/* Both hosts are on meanwhile, and the target alone counts as giving too little. */
	near(r.slatah, move_s / (all_s + move_s), 0.01);
}

static void the_same_day_twice(void **state)
{
	auto_free float *percent = days(40, 0);
	struct cs_result a, b;

	for (size_t i = 0; i < 40 * CS_STEPS; i++)
		percent[i] = (float)((i * 2654435761U >> 8) % 60);
	a = peer_day(percent, 40, CS_LIMIT_LR, 1.2);
	b = peer_day(percent, 40, CS_LIMIT_LR, 1.2);
	assert_memory_equal(&a, &b, sizeof(a));
}

static void no_place_is_an_error(void **state)
{
	auto_free float *percent = days(4000, 50);
	struct cs_result r;

	assert_int_equal(cs_run(percent, 4000, &still, &r), -ENOSPC);
}

/* --- against CloudSim --- */

static const struct known {
	const char *day;
	enum cs_limit limit;
	double safety, kwh, moves, slatah;
} known[] = {
	{"20110303", CS_LIMIT_THR, 0.8, 192.62, 26711, 4.913},
	{"20110303", CS_LIMIT_LR, 1.2, 163.48, 27859, 5.858},
	{"20110409", CS_LIMIT_THR, 0.8, 209.32, 29377, 4.866},
	{"20110409", CS_LIMIT_LR, 1.2, 179.89, 31556, 5.863},
};

static void as_cloudsim_has_it(void **state)
{
	const char *folder = getenv("TRACES");

	if (!folder || !*folder) {
		print_message("TRACES names no folder of recorded days: skipped\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		__attribute__((cleanup(sim_trace_free))) struct sim_trace trace = {0};
		const struct known *k = &known[i];
		struct drover_err err = {0};
		struct cs_result r;
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s.csv.gz", folder, k->day);
		if (sim_trace_read(path, &trace, &err) < 0)
			fail_msg("%s", err.text);
		r = peer_day(trace.percent, trace.vms, k->limit, k->safety);
		near(r.kwh, k->kwh, 0.02);
		near((double)r.moves, k->moves, 0.1);
		near(100 * r.slatah, k->slatah, 0.1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(watts_lie_between_points),
		cmocka_unit_test(vms_are_of_four_kinds),
		cmocka_unit_test(energy_of_a_still_day),
		cmocka_unit_test(every_host_burns_without_management),
		cmocka_unit_test(idle_vms_vanish),
		cmocka_unit_test(moves_cost),
		cmocka_unit_test(one_move_in_figures),
		cmocka_unit_test(the_same_day_twice),
		cmocka_unit_test(no_place_is_an_error),
		cmocka_unit_test(as_cloudsim_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
