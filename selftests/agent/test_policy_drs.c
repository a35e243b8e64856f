// SPDX-License-Identifier: GPL-2.0-or-later
/* Plans for small clusters, worked out by hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy_scene.h"

/* One host wants 12000 of 10000 MHz, the other 2000. */
static struct scene *uneven(void)
{
	struct scene *c = scene_new();

	scene_host(c, "a", 10000, 65536);
	scene_host(c, "b", 10000, 65536);
	scene_vm(c, "v1", 0, 5000, 4096);
	scene_vm(c, "v2", 0, 4000, 4096);
	scene_vm(c, "v3", 0, 3000, 4096);
	scene_vm(c, "v4", 1, 2000, 4096);
	return c;
}

static void relieves_a_full_host(void **state)
{
	struct scene *c = uneven();

	scene_balance(c);
	scene_print(c);
	assert_int_equal(c->plan.move_count, 1);
	assert_int_equal(c->plan.moves[0].from, 0);
	assert_int_equal(c->plan.moves[0].to, 1);
	assert_int_equal(c->plan.moves[0].kind, DROVER_DRS_BALANCE);
	assert_true(c->plan.moves[0].automatic);
	assert_true(c->plan.moves[0].benefit > c->plan.moves[0].cost);
	assert_true(c->plan.moves[0].cost > 0);
	assert_non_null(strstr(c->plan.moves[0].reason, "12000"));
	assert_true(c->plan.before.unmet > 1999 && c->plan.before.unmet < 2001);
	assert_true(c->plan.after.unmet < 1);
	assert_true(c->plan.after.expected < c->plan.before.expected);
	assert_true(c->plan.after.imbalance < c->plan.before.imbalance);
	assert_true(c->plan.after.score > c->plan.before.score);
	scene_free(c);
}

static void leaves_balance_alone(void **state)
{
	struct scene *c = scene_new();

	for (int h = 0; h < 4; h++) {
		char name[16];

		snprintf(name, sizeof(name), "h%d", h);
		scene_host(c, name, 10000, 65536);
		for (int i = 0; i < 4; i++) {
			snprintf(name, sizeof(name), "v%d-%d", h, i);
			scene_vm(c, name, h, 1000 + 100 * i, 4096);
		}
	}
	c->s.options.threshold = 5;
	scene_balance(c);
	scene_print(c);
	assert_int_equal(c->plan.move_count, 0);
	scene_free(c);
}

static void threshold_one_moves_nothing(void **state)
{
	struct scene *c = uneven();

	c->s.options.threshold = 1;
	scene_balance(c);
	assert_int_equal(c->plan.move_count, 0);
	scene_free(c);
}

static void automation_is_of_the_vm_first(void **state)
{
	static const struct {
		enum drover_automation cluster;
		enum drover_drs_override vm;
		bool automatic;
	} cases[] = {
		{DROVER_AUTOMATION_FULL, DROVER_DRS_AS_CLUSTER, true},
		{DROVER_AUTOMATION_FULL, DROVER_DRS_VM_MANUAL, false},
		{DROVER_AUTOMATION_FULL, DROVER_DRS_VM_PARTIAL, false},
		{DROVER_AUTOMATION_PARTIAL, DROVER_DRS_AS_CLUSTER, false},
		{DROVER_AUTOMATION_MANUAL, DROVER_DRS_AS_CLUSTER, false},
		{DROVER_AUTOMATION_MANUAL, DROVER_DRS_VM_FULL, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct scene *c = uneven();

		c->s.options.automation = cases[i].cluster;
		for (size_t v = 0; v < c->s.vm_count; v++)
			c->vms[v].override = cases[i].vm;
		scene_balance(c);
		assert_int_equal(c->plan.move_count, 1);
		assert_int_equal(c->plan.moves[0].automatic, cases[i].automatic);
		scene_free(c);
	}
}

/* Every VM of the full host has a reason of its own to stay. */
static void those_that_stay(void **state)
{
	struct scene *c = uneven();

	c->vms[0].override = DROVER_DRS_VM_FIXED;
	c->vms[1].past_count = 1;
	c->vms[1].past[0] = (struct drover_drs_past){SCENE_NOW - 100, 1, 0};
	c->vms[2].sampled_s = SCENE_NOW - 1000;
	scene_balance(c);
	scene_print(c);
	assert_int_equal(c->plan.move_count, 0);
	assert_true(c->plan.note_count > 0);
	assert_non_null(strstr(c->plan.notes[0].text, "v3"));
	assert_true(c->plan.reject_count > 0);
	scene_free(c);
}

static void no_way_back_within_the_window(void **state)
{
	struct scene *c = uneven();

	for (int i = 0; i < 3; i++) {
		c->vms[i].past_count = 1;
		c->vms[i].past[0] = (struct drover_drs_past){SCENE_NOW - 2000, 1, 0};
	}
	scene_balance(c);
	assert_int_equal(c->plan.move_count, 0);
	assert_non_null(strstr(c->plan.rejects[0].reason, "it left b only 2000 s ago"));
	for (int i = 0; i < 3; i++)
		c->vms[i].past[0].when_s = SCENE_NOW - 3601;
	scene_balance(c);
	assert_int_equal(c->plan.move_count, 1);
	scene_free(c);
}

static void absurd_figures_are_ignored(void **state)
{
	struct scene *c = uneven();

	c->vms[3].cpu_demand = NAN;
	scene_vm(c, "v5", 1, 1e12, 4096);
	c->s.options.threshold = 5;
	scene_balance(c);
	assert_true(c->plan.note_count > 0);
	assert_null(scene_move(c, 4));
	scene_free(c);
}

static void a_host_without_news_takes_none(void **state)
{
	struct scene *c = uneven();

	c->hosts[1].sampled_s = SCENE_NOW - 3600;
	scene_balance(c);
	assert_int_equal(c->plan.move_count, 0);
	assert_non_null(strstr(c->plan.notes[0].text, "b"));
	scene_free(c);
}

/* --- rules --- */

static void apart_is_mended_and_kept(void **state)
{
	struct scene *c = uneven();
	struct drover_drs_rule *r = scene_rule(c, "r", DROVER_DRS_APART, true);
	struct drover_drs_broken broken[4];

	scene_names_vm(r, 0);
	scene_names_vm(r, 2);
	assert_int_equal(drover_drs_rules_broken(&c->s, broken, 4), 1);
	assert_int_equal(broken[0].vm, 2);
	scene_balance(c);
	scene_print(c);
	assert_true(c->plan.move_count >= 1);
	assert_int_equal(c->plan.moves[0].kind, DROVER_DRS_RULE);
	assert_int_equal(c->plan.moves[0].priority, 1);
	drover_drs_plan_apply(&c->plan, c->vms);
	assert_int_equal(drover_drs_rules_broken(&c->s, broken, 4), 0);
	scene_free(c);
}

static void together_go_together(void **state)
{
	struct scene *c = uneven();
	struct drover_drs_rule *r = scene_rule(c, "r", DROVER_DRS_TOGETHER, true);

	scene_names_vm(r, 1);
	scene_names_vm(r, 2);
	c->vms[0].override = DROVER_DRS_VM_FIXED;
	scene_balance(c);
	scene_print(c);
	assert_true(c->plan.move_count >= 2);
	assert_non_null(scene_move(c, 1));
	assert_non_null(scene_move(c, 2));
	assert_int_equal(scene_move(c, 1)->to, scene_move(c, 2)->to);
	scene_free(c);
}

static void hosts_by_rule(void **state)
{
	struct scene *c = uneven();
	struct drover_drs_rule *r = scene_rule(c, "r", DROVER_DRS_ON, true);

	for (uint32_t i = 0; i < 3; i++)
		scene_names_vm(r, i);
	scene_names_host(r, 0);
	scene_balance(c);
	assert_int_equal(c->plan.move_count, 0);
	r->kind = DROVER_DRS_NOT_ON;
	scene_balance(c);
	scene_print(c);
	assert_true(c->plan.move_count >= 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(scene_move(c, i)->to, 1);
	r->must = false;
	scene_balance(c);
	drover_drs_plan_apply(&c->plan, c->vms);
	assert_true(c->plan.after.unmet <= c->plan.before.unmet);
	scene_free(c);
}

static void processors_must_match(void **state)
{
	struct scene *c = uneven();
	uint64_t base[DROVER_DRS_CPU_WORDS];

	for (int i = 0; i < 4; i++)
		c->vms[i].cpu_need[1] = 6;
	c->hosts[0].cpu_flags[1] = 7;
	c->hosts[1].cpu_flags[1] = 2;
	scene_balance(c);
	assert_int_equal(c->plan.move_count, 0);
	assert_non_null(strstr(c->plan.rejects[0].reason, "flag 66"));
	drover_drs_cpu_baseline(&c->s, base);
	assert_int_equal(base[1], 2);
	assert_int_equal(base[0], 0);
	scene_free(c);
}

static void reservations_and_ram_are_kept(void **state)
{
	struct scene *c = uneven();

	c->vms[3].cpu.reservation = 8000;
	for (int i = 0; i < 3; i++)
		c->vms[i].cpu.reservation = 2500;
	scene_balance(c);
	assert_int_equal(c->plan.move_count, 0);
	c->vms[3].cpu.reservation = 0;
	c->hosts[1].memory_mib = 6000;
	scene_balance(c);
	assert_int_equal(c->plan.move_count, 0);
	assert_non_null(strstr(c->plan.rejects[0].reason, "1904 MiB left"));
	scene_free(c);
}

/* --- placement, evacuation, what if --- */

static void places_where_there_is_room(void **state)
{
	struct scene *c = uneven();
	size_t vms[2];

	scene_vm(c, "new1", DROVER_DRS_NONE, 1000, 4096);
	scene_vm(c, "new2", DROVER_DRS_NONE, 1000, 1 << 20);
	vms[0] = 4;
	vms[1] = 5;
	assert_int_equal(drover_drs_place(&c->s, vms, 2, &c->plan, &c->err), 0);
	scene_print(c);
	assert_int_equal(c->plan.move_count, 2);
	assert_int_equal(scene_move(c, 4)->to, 1);
	assert_int_equal(scene_move(c, 4)->from, DROVER_DRS_NONE);
	assert_int_equal(scene_move(c, 5)->to, DROVER_DRS_NONE);
	assert_int_equal(c->plan.unplaced, 1);
	assert_non_null(strstr(scene_move(c, 5)->reason, "lack RAM"));
	scene_free(c);
}

static void failover_room_is_kept(void **state)
{
	struct scene *c = uneven();
	size_t vm = 4;
	char why[128] = "";

	scene_vm(c, "new", DROVER_DRS_NONE, 1000, 60000);
	c->s.options.failover_hosts = 1;
	assert_true(drover_drs_headroom(&c->s, DROVER_DRS_NONE, why, sizeof(why)));
	assert_false(drover_drs_headroom(&c->s, 1, why, sizeof(why)));
	assert_true(why[0] != 0);
	assert_int_equal(drover_drs_place(&c->s, &vm, 1, &c->plan, &c->err), 0);
	assert_int_equal(c->plan.unplaced, 1);
	scene_free(c);
}

static void empties_a_host(void **state)
{
	struct scene *c = uneven();

	scene_host(c, "c", 10000, 65536);
	assert_int_equal(drover_drs_evacuate(&c->s, 0, &c->plan, &c->err), 0);
	scene_print(c);
	assert_int_equal(c->plan.move_count, 3);
	assert_int_equal(c->plan.unplaced, 0);
	for (size_t i = 0; i < 3; i++)
		assert_true(c->plan.moves[i].to > 0);
	assert_int_equal(drover_drs_evacuate(&c->s, 7, &c->plan, &c->err), -EINVAL);
	c->hosts[0].state = DROVER_DRS_HOST_MAINTENANCE;
	scene_balance(c);
	assert_int_equal(c->plan.move_count, 3);
	assert_int_equal(c->plan.moves[0].kind, DROVER_DRS_EVACUATE);
	scene_free(c);
}

static void what_if_a_host_came_or_went(void **state)
{
	struct scene *c = uneven();
	struct drover_drs_change change = {2, DROVER_DRS_HOST_UP};

	scene_host(c, "c", 10000, 65536)->state = DROVER_DRS_HOST_STANDBY;
	c->vms[3].cpu_demand = 9000;
	assert_int_equal(drover_drs_what_if(&c->s, &change, 1, &c->plan, &c->err), 0);
	assert_true(c->plan.move_count >= 1);
	assert_true(c->plan.after.unmet < c->plan.before.unmet);
	drover_drs_plan_free(&c->plan);
	change = (struct drover_drs_change){1, DROVER_DRS_HOST_STANDBY};
	assert_int_equal(drover_drs_what_if(&c->s, &change, 1, &c->plan, &c->err), 0);
	assert_int_equal(c->plan.moves[0].kind, DROVER_DRS_EVACUATE);
	assert_int_equal(c->plan.moves[0].to, 0);
	scene_free(c);
}

/* No more at once than hosts can take; to think further ahead is free. */
static void a_pass_is_bounded(void **state)
{
	struct scene *c = scene_new();
	size_t in = 0;

	scene_host(c, "a", 10000, 262144);
	scene_host(c, "b", 20000, 262144);
	for (int i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "v%02d", i);
		scene_vm(c, name, 0, 1000, 4096);
	}
	c->s.options.host_moves = 1;
	scene_balance(c);
	for (size_t i = 0; i < c->plan.move_count; i++)
		in += c->plan.moves[i].to == 1;
	assert_int_equal(in, 2);
	drover_drs_plan_free(&c->plan);
	assert_int_equal(drover_drs_what_if(&c->s, NULL, 0, &c->plan, &c->err), 0);
	assert_true(c->plan.move_count >= 10);
	assert_true(c->plan.after.unmet < 1);
	c->s.options.host_moves = 50;
	c->s.options.max_moves = 3;
	scene_balance(c);
	assert_int_equal(c->plan.move_count, 3);
	scene_free(c);
}

static void bad_indices_are_refused(void **state)
{
	struct scene *c = uneven();

	c->vms[0].host = 9;
	assert_int_equal(drover_drs_balance(&c->s, &c->plan, &c->err), -EINVAL);
	c->vms[0].host = 0;
	scene_names_vm(scene_rule(c, "r", DROVER_DRS_APART, true), 99);
	assert_int_equal(drover_drs_balance(&c->s, &c->plan, &c->err), -EINVAL);
	scene_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relieves_a_full_host),
		cmocka_unit_test(leaves_balance_alone),
		cmocka_unit_test(threshold_one_moves_nothing),
		cmocka_unit_test(automation_is_of_the_vm_first),
		cmocka_unit_test(those_that_stay),
		cmocka_unit_test(no_way_back_within_the_window),
		cmocka_unit_test(absurd_figures_are_ignored),
		cmocka_unit_test(a_host_without_news_takes_none),
		cmocka_unit_test(apart_is_mended_and_kept),
		cmocka_unit_test(together_go_together),
		cmocka_unit_test(hosts_by_rule),
		cmocka_unit_test(processors_must_match),
		cmocka_unit_test(reservations_and_ram_are_kept),
		cmocka_unit_test(places_where_there_is_room),
		cmocka_unit_test(failover_room_is_kept),
		cmocka_unit_test(empties_a_host),
		cmocka_unit_test(what_if_a_host_came_or_went),
		cmocka_unit_test(a_pass_is_bounded),
		cmocka_unit_test(bad_indices_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
