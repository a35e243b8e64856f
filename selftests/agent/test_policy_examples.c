// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The worked examples of Documentation/scheduling.rst, by their numbers, and what the formulas
 * come to at their ends.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/cost.h"
#include "policy/entitle.h"
#include "policy/predict.h"
#include "policy_scene.h"

static void same(double a, double b, double part)
{
	if (fabs(a - b) > part * (1 + fabs(b)))
		fail_msg("%f is not %f", a, b);
}

static void near(double a, double b)
{
	same(a, b, 1e-6);
}

static void about(double a, double b)
{
	same(a, b, 0.01);
}

/* Example 1: three VMs want 9000 of 6000 MHz. */
static void example_1_shares(void **state)
{
	struct drover_drs_claim c[3] = {
		{.alloc = {.shares = 2000}, .demand = 4000},
		{.alloc = {.shares = 1000}, .demand = 4000},
		{.alloc = {.shares = 1000, .reservation = 800}, .demand = 1000},
	};

	drover_drs_share_out(c, 3, 6000);
	near(c[0].get, 10000 / 3.0);
	near(c[1].get, 5000 / 3.0);
	near(c[2].get, 1000);
	drover_drs_share_out(c, 3, 2400);
	near(c[0].get, 3200 / 3.0);
	near(c[1].get, 1600 / 3.0);
	near(c[2].get, 800);
	drover_drs_share_out(c, 3, 400);
	near(c[0].get, 0);
	near(c[2].get, 400);
	drover_drs_share_out(c, 3, 20000);
	near(c[0].get + c[1].get + c[2].get, 9000);
	c[0].alloc.limit = 500;
	drover_drs_share_out(c, 3, 20000);
	near(c[0].get, 500);
}

static double total(const struct drover_drs_part *p, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += p[i].cpu;
	return sum;
}

/* Example 2: a pool shares like one VM, and what it gets is shared out in it. */
static void example_2_pools(void **state)
{
	struct scene *c = scene_new();
	struct drover_drs_part *p = NULL;

	scene_host(c, "a", 3000, 8192);
	scene_host(c, "b", 3000, 8192);
	c->s.respool_count = 1;
	c->pools[0] = (struct drover_drs_respool){
		.name = "test", .parent = DROVER_DRS_NONE, .cpu = {.shares = 1000}};
	scene_vm(c, "web", 0, 6000, 1024)->cpu.shares = 2000;
	scene_vm(c, "t1", 1, 3000, 1024)->respool = 0;
	scene_vm(c, "t2", 1, 3000, 1024)->respool = 0;
	assert_int_equal(drover_drs_entitle(&c->s, &p, &c->err), 0);
	near(p[0].cpu, 4000);
	near(p[1].cpu, 1000);
	near(p[2].cpu, 1000);
	near(p[0].cpu_got, 3000);
	free(p);
	c->pools[0].cpu.limit = 1200;
	assert_int_equal(drover_drs_entitle(&c->s, &p, &c->err), 0);
	near(p[1].cpu, 600);
	near(p[0].cpu, 4800);
	near(total(p, 3), 6000);
	free(p);
	c->pools[0].cpu.limit = 0;
	c->pools[0].cpu.reservation = 3000;
	assert_int_equal(drover_drs_entitle(&c->s, &p, &c->err), 0);
	near(p[1].cpu, 1500);
	near(p[0].cpu, 3000);
	free(p);
	c->pools[0].parent = 0;
	assert_int_equal(drover_drs_entitle(&c->s, &p, &c->err), -EINVAL);
	scene_free(c);
}

/* Example 3: load of hosts, imbalance, scores. */
static void example_3_load(void **state)
{
	struct scene *c = scene_new();
	struct drover_drs_host_load hosts[2];
	struct drover_drs_state all;
	double scores[3];

	scene_host(c, "a", 10000, 65536);
	scene_host(c, "b", 10000, 65536);
	scene_vm(c, "v1", 0, 8000, 4096);
	scene_vm(c, "v2", 0, 4000, 4096);
	scene_vm(c, "v3", 1, 2000, 4096);
	assert_int_equal(drover_drs_load(&c->s, &all, hosts, scores, &c->err), 0);
	near(hosts[0].cpu, 1.2);
	near(hosts[1].cpu, 0.2);
	near(all.imbalance, 0.5);
	near(hosts[0].unmet, 2000);
	near(all.unmet, 2000);
	near(scores[0], 75);
	near(scores[1], 100);
	near(all.score, 100 * 12000 / 14000.0);
	assert_int_equal(hosts[0].vms, 2);
	c->vms[2].memory_mib = c->vms[2].memory_demand_mib = 131072;
	assert_int_equal(drover_drs_load(&c->s, &all, hosts, NULL, &c->err), 0);
	near(hosts[1].unmet, 10000);
	scene_free(c);
}

/* Example 4: what a migration costs. */
static void example_4_cost(void **state)
{
	struct drover_drs_host a = {.cores = 4, .cpu_mhz = 10000, .link_mib_s = 1000}, b = a;
	struct drover_drs_vm vm = {.memory_mib = 4096, .cpu_demand = 5000};
	struct drover_drs_cost c = drover_drs_move_cost(&vm, &a, &b, 2);

	near(c.duration_s, 1 + 4096 / 500.0);
	near(c.work, 2 * 4 * 0.5 * 2500 + 0.1 * 5000);
	vm.dirty_rate = 250 * 1048576.0;
	vm.blackout_ms = 40;
	c = drover_drs_move_cost(&vm, &a, &b, 2);
	near(c.bytes, 8192 * 1048576.0);
	near(c.duration_s, 1 + 8192 / 500.0);
	near(c.blackout_s, 0.04);
	vm.dirty_rate = 1e15;
	c = drover_drs_move_cost(&vm, &a, &b, 2);
	assert_true(isfinite(c.work) && c.bytes < 50e9);
	b.link_mib_s = 0;
	near(drover_drs_move_cost(&vm, &a, &b, 1).duration_s, 1 + 40960 / 100.0);
}

/* Example 5: which of four VMs goes, and why. */
static void example_5_move(void **state)
{
	struct scene *c = scene_new();

	scene_host(c, "a", 10000, 65536);
	scene_host(c, "b", 10000, 65536);
	scene_vm(c, "v1", 0, 5000, 4096);
	scene_vm(c, "v2", 0, 4000, 4096);
	scene_vm(c, "v3", 0, 3000, 4096);
	scene_vm(c, "v4", 1, 2000, 4096);
	scene_balance(c);
	scene_print(c);
	assert_int_equal(c->plan.move_count, 1);
	near(c->plan.before.unmet, 2000);
	near(c->plan.after.unmet, 0);
	near(c->plan.moves[0].cost, 10000 + 0.1 * c->vms[c->plan.moves[0].vm].cpu_demand);
	assert_int_equal(c->plan.moves[0].priority, 2);
	scene_free(c);
}

/* Example 6: forecasts. */
static void example_6_forecast(void **state)
{
	float calm[24], swings[24];
	struct drover_drs_habit habit = {0};
	struct drover_drs_vm vm = {.cpu_demand = 1000, .history = calm, .history_count = 24};
	struct drover_drs_forecast f;
	uint64_t nine = 9 * 3600;

	for (int i = 0; i < 24; i++) {
		calm[i] = 1000;
		swings[i] = i % 2 ? 1500 : 500;
	}
	f = drover_drs_forecast(&vm, nine, 300, 1200);
	near(f.mean, 1000);
	assert_true(f.dev < 60);
	/* What is high by chance falls back, and is not relied upon. */
	vm.history = swings;
	vm.cpu_demand = 1500;
	f = drover_drs_forecast(&vm, nine, 300, 1200);
	assert_true(f.mean < 1250 && f.mean > 1000 && f.dev > 300);
	/* A habit that is known brings a rise forward; it never takes demand away. */
	vm.habit = &habit;
	assert_true(fabs(drover_drs_forecast(&vm, nine, 300, 1200).mean - f.mean) < 1e-9);
	for (int day = 0; day < 5; day++)
		for (uint64_t t = 0; t < 24 * 3600; t += 300)
			drover_drs_habit_learn(&habit, day * 86400 + t,
					       t >= nine && t < nine + 7200 ? 3000 : 100);
	about(drover_drs_forecast(&vm, nine, 300, 1200).mean, 3000);
	near(drover_drs_forecast(&vm, 20 * 3600, 300, 1200).mean, f.mean);
	drover_drs_habit_learn(&habit, nine, NAN);
	about(drover_drs_forecast(&vm, nine, 300, 1200).mean, 3000);
}

/* A host that will be short soon is relieved before it is. */
static void a_habit_brings_a_move_forward(void **state)
{
	struct scene *c = scene_new();
	struct drover_drs_habit habit = {0};

	scene_host(c, "a", 10000, 65536);
	scene_host(c, "b", 10000, 65536);
	for (int i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof(name), "v%d", i);
		scene_vm(c, name, 0, 1500, 4096)->habit = &habit;
	}
	scene_balance(c);
	assert_int_equal(c->plan.move_count, 0);
	for (int i = 0; i < DROVER_DRS_SLOTS; i++) {
		habit.mean[i] = 4000;
		habit.weight[i] = 1;
	}
	scene_balance(c);
	assert_true(c->plan.move_count > 0);
	scene_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_1_shares),
		cmocka_unit_test(example_2_pools),
		cmocka_unit_test(example_3_load),
		cmocka_unit_test(example_4_cost),
		cmocka_unit_test(example_5_move),
		cmocka_unit_test(example_6_forecast),
		cmocka_unit_test(a_habit_brings_a_move_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
