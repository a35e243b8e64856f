// SPDX-License-Identifier: GPL-2.0-or-later
/* Which hosts sleep and wake: small clusters with known answers, then clusters drawn from seeds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/power.h"
#include "policy/power_worth.h"
#include "policy_scene.h"

#define CLUSTERS 300
#define STEPS	 16
#define DAYS	 200 /* passes in a row */

/**
 * struct night - a scene, and what power management knows beside it
 */
struct night {
	struct scene *c;
	struct drover_dpm_host power[SCENE_HOSTS];
	float history[SCENE_VMS][STEPS];
	struct drover_dpm_view view;
	struct drover_dpm_plan plan;
};

static struct night *night_new(void)
{
	struct night *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	n->c = scene_new();
	n->view = (struct drover_dpm_view){
		.snapshot = &n->c->s,
		.hosts = n->power,
		.options = {.mode = DROVER_DPM_AUTOMATIC},
	};
	return n;
}

static void night_free(struct night *n)
{
	drover_dpm_plan_free(&n->plan);
	scene_free(n->c);
	free(n);
}

/* Three hosts of 8 GHz and 32 GiB with two small VMs each: all fit on one. */
static struct night *quiet_night(void)
{
	struct night *n = night_new();
	static const char *const names[] = {"h1", "h2", "h3"};
	char name[8];

	for (int h = 0; h < 3; h++) {
		scene_host(n->c, names[h], 8000, 32768);
		n->power[h].tested = true;
		for (int i = 0; i < 2; i++) {
			snprintf(name, sizeof(name), "v%d%d", h, i);
			scene_vm(n->c, name, h, 400, 2048);
		}
	}
	return n;
}

static void pass(struct night *n)
{
	drover_dpm_plan_free(&n->plan);
	assert_int_equal(drover_dpm_plan(&n->view, &n->plan, &n->c->err), 0);
}

static void set_demand(struct night *n, double mhz)
{
	for (size_t v = 0; v < n->c->s.vm_count; v++)
		n->c->vms[v].cpu_demand = mhz;
}

static void standby(struct night *n, size_t h)
{
	n->c->hosts[h].state = DROVER_DRS_HOST_STANDBY;
	for (size_t v = 0; v < n->c->s.vm_count; v++)
		if (n->c->vms[v].host == (int32_t)h)
			n->c->vms[v].host = h ? 0 : 1;
}

static const char *why_not(const struct night *n, size_t h)
{
	for (size_t i = 0; i < n->plan.reject_count; i++)
		if (n->plan.rejects[i].host == h)
			return n->plan.rejects[i].reason;
	return "";
}

/* --- known answers --- */

static void an_idle_host_sleeps(void **state)
{
	struct night *n = quiet_night();
	const struct drover_dpm_advice *a;

	pass(n);
	assert_int_equal(n->plan.advice_count, 1);
	a = n->plan.advice;
	assert_int_equal(a->kind, DROVER_DPM_SLEEP);
	assert_int_equal(a->move_count, 2);
	assert_true(a->automatic && a->benefit_j > a->cost_j);
	assert_non_null(strstr(a->reason, "busy by 10 %"));
	night_free(n);
}

static void the_dear_host_goes_first(void **state)
{
	struct night *n = quiet_night();

	n->power[1].watts_idle = 300;
	n->power[1].watts_full = 500;
	pass(n);
	assert_int_equal(n->plan.advice_count, 1);
	assert_int_equal(n->plan.advice[0].host, 1);
	night_free(n);
}

static void a_host_in_its_band_stays(void **state)
{
	struct night *n = quiet_night();

	set_demand(n, 2000);
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	night_free(n);
}

static void off_and_manual(void **state)
{
	struct night *n = quiet_night();

	n->view.options.mode = DROVER_DPM_OFF;
	n->power[0].mode = DROVER_DPM_AUTOMATIC;
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	assert_string_equal(n->plan.note, "Power management is off");

	n->view.options.mode = DROVER_DPM_MANUAL;
	for (int h = 0; h < 3; h++)
		n->power[h].mode = h == 1 ? DROVER_DPM_AUTOMATIC : DROVER_DPM_OFF;
	pass(n);
	assert_int_equal(n->plan.advice_count, 1);
	assert_int_equal(n->plan.advice[0].host, 1);
	assert_true(n->plan.advice[0].automatic);

	n->power[1].mode = DROVER_DPM_AS_CLUSTER;
	pass(n);
	assert_int_equal(n->plan.advice_count, 1);
	assert_false(n->plan.advice[0].automatic);
	night_free(n);
}

static void what_keeps_a_host_on(void **state)
{
	struct night *n = quiet_night();

	n->power[2].tested = n->power[1].tested = false;
	n->power[0].since_s = SCENE_NOW - 1000;
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	assert_non_null(strstr(why_not(n, 1), "wake test"));
	assert_non_null(strstr(why_not(n, 0), "has been on for 1000 s only"));

	n->power[0].since_s = 0;
	n->view.options.hosts_min = 3;
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	assert_non_null(strstr(why_not(n, 0), "3 hosts must stay on"));

	n->view.options.hosts_min = 0;
	n->view.options.cpu_min_mhz = 20000;
	pass(n);
	assert_non_null(strstr(why_not(n, 0), "20000 MHz must stay on"));

	n->view.options.cpu_min_mhz = 0;
	n->c->s.options.failover_hosts = 2;
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	night_free(n);
}

static void rules_keep_a_host_on(void **state)
{
	struct night *n = quiet_night();
	struct drover_drs_rule *rule = scene_rule(n->c, "apart", DROVER_DRS_APART, true);

	for (uint32_t v = 0; v < 6; v += 2)
		scene_names_vm(rule, v);
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	assert_non_null(strstr(why_not(n, 0), "no other place for v"));
	night_free(n);
}

static void old_figures_put_nothing_to_sleep(void **state)
{
	struct night *n = quiet_night();

	n->c->hosts[2].sampled_s -= 600;
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	assert_non_null(strstr(n->plan.note, "too old"));
	night_free(n);
}

/* Nothing is known of it yet: its host stays on, and is no worse a place for others. */
static void a_vm_that_has_just_started(void **state)
{
	struct night *n = quiet_night();

	n->c->vms[4].sampled_s = 0;
	pass(n);
	assert_non_null(strstr(why_not(n, 2), "has just started"));
	assert_int_equal(n->plan.advice_count, 1);
	assert_int_not_equal(n->plan.advice[0].host, 2);
	night_free(n);
}

static void too_small_a_gain(void **state)
{
	struct night *n = quiet_night();

	for (int h = 0; h < 3; h++) {
		n->power[h].watts_idle = 50;
		n->power[h].watts_full = 400;
	}
	n->view.options.threshold = 2;
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	assert_non_null(strstr(why_not(n, 0), "at a cost of"));
	n->view.options.threshold = 5;
	pass(n);
	assert_int_equal(n->plan.advice_count, 1);
	night_free(n);
}

static void demand_wakes(void **state)
{
	struct night *n = quiet_night();

	standby(n, 2);
	set_demand(n, 2600);
	pass(n);
	assert_int_equal(n->plan.advice_count, 1);
	assert_int_equal(n->plan.advice[0].kind, DROVER_DPM_WAKE);
	assert_int_equal(n->plan.advice[0].host, 2);
	assert_non_null(strstr(n->plan.advice[0].reason, "in the last 300 s"));

	n->power[2].tested = false;
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	assert_non_null(strstr(n->plan.note, "No host is left"));
	night_free(n);
}

/* One host is too full, the other has room: that is for load balancing. */
static void moves_come_before_a_wake(void **state)
{
	struct night *n = quiet_night();

	standby(n, 2);
	for (int v = 0; v < 6; v++)
		n->c->vms[v].host = 0;
	set_demand(n, 1300);
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	night_free(n);
}

static void the_minimum_wakes(void **state)
{
	struct night *n = quiet_night();

	standby(n, 1);
	standby(n, 2);
	n->power[1].since_s = n->power[2].since_s = SCENE_NOW - 10;
	n->view.options.hosts_min = 2;
	pass(n);
	assert_int_equal(n->plan.advice_count, 1);
	assert_int_equal(n->plan.advice[0].kind, DROVER_DPM_WAKE);
	assert_int_equal(n->plan.advice[0].priority, 1);
	night_free(n);
}

static void a_vm_without_a_place_wakes(void **state)
{
	struct night *n = quiet_night();

	standby(n, 2);
	scene_vm(n->c, "large", DROVER_DRS_NONE, 100, 30000);
	pass(n);
	assert_int_equal(n->plan.advice_count, 1);
	assert_non_null(strstr(n->plan.advice[0].reason, "large has no place"));
	night_free(n);
}

/* A wake that would take nothing off the full host is not asked for. */
static void a_wake_that_does_not_help(void **state)
{
	struct night *n = night_new();
	struct drover_drs_vm *vm;

	scene_host(n->c, "h1", 4000, 8192);
	scene_host(n->c, "h2", 4000, 8192)->state = DROVER_DRS_HOST_STANDBY;
	n->power[0].tested = n->power[1].tested = true;
	vm = scene_vm(n->c, "v", 0, 3900, 1024);
	vm->vcpus = 4;
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	assert_non_null(strstr(why_not(n, 1), "takes none of the load"));
	night_free(n);
}

static void habit_wakes_ahead(void **state)
{
	struct night *n = quiet_night();
	static struct drover_drs_habit busy;

	for (int i = 0; i < DROVER_DRS_SLOTS; i++) {
		busy.mean[i] = 2600;
		busy.weight[i] = 1;
	}
	standby(n, 2);
	pass(n);
	for (size_t i = 0; i < n->plan.advice_count; i++)
		assert_int_equal(n->plan.advice[i].kind, DROVER_DPM_SLEEP);
	for (int v = 0; v < 6; v++)
		n->c->vms[v].habit = &busy;
	pass(n);
	assert_int_equal(n->plan.advice_count, 1);
	assert_int_equal(n->plan.advice[0].kind, DROVER_DPM_WAKE);
	assert_non_null(strstr(n->plan.advice[0].reason, "are expected"));
	/* With the habit of the morning, nothing sleeps either. */
	n->c->hosts[2].state = DROVER_DRS_HOST_UP;
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	night_free(n);
}

/* Where there are finer steps than those of the history, these count alone. */
/* One that took years, by a clock that was put back meanwhile: nobody looks so far ahead. */
static void a_wake_that_took_too_long(void **state)
{
	struct night *n = quiet_night();
	struct drover_dpm_host *slow = &n->power[2];
	static struct drover_drs_habit idle;

	for (int i = 0; i < DROVER_DRS_SLOTS; i++)
		idle.weight[i] = 1;
	for (int v = 0; v < 6; v++)
		n->c->vms[v].habit = &idle;
	standby(n, 2);
	assert_int_equal(drover_dpm_wake_s(slow), 180);
	slow->wake_s = 900;
	assert_int_equal(drover_dpm_wake_s(slow), 900);
	assert_int_equal(drover_dpm_ahead_s(&n->view), 1200);
	slow->wake_s = UINT32_MAX - 1000;
	assert_int_equal(drover_dpm_wake_s(slow), 3600);
	assert_int_equal(drover_dpm_ahead_s(&n->view), 3900);
	pass(n);
	night_free(n);
}

static void what_was_lately_wanted(void **state)
{
	struct night *n = quiet_night();
	static struct drover_drs_habit none;
	static float recent[160], history[8];

	n->c->s.recent_step_s = 15;
	for (int i = 0; i < 160; i++)
		recent[i] = 400;
	for (int i = 0; i < 8; i++)
		history[i] = 7000;
	for (size_t v = 0; v < n->c->s.vm_count; v++) {
		n->c->vms[v].habit = &none;
		n->c->vms[v].history = history;
		n->c->vms[v].history_count = 8;
		n->c->vms[v].recent = recent;
		n->c->vms[v].recent_count = 160;
	}
	pass(n);
	assert_int_equal(n->plan.advice_count, 1);
	assert_int_equal(n->plan.advice[0].kind, DROVER_DPM_SLEEP);
	/* Busy for two minutes and a half, a quarter of an hour ago. */
	for (int i = 90; i < 100; i++)
		recent[i] = 7000;
	pass(n);
	assert_int_equal(n->plan.advice_count, 0);
	n->view.options.sleep_window_s = 600;
	n->view.options.quiet_s = 2400;
	pass(n);
	assert_int_equal(n->plan.advice_count, 1);
	assert_non_null(strstr(n->plan.advice[0].reason, "over 10.0 min"));
	night_free(n);
}

static void indices_that_point_nowhere(void **state)
{
	struct night *n = quiet_night();

	n->c->vms[0].host = 7;
	assert_int_equal(drover_dpm_plan(&n->view, &n->plan, &n->c->err), -EINVAL);
	night_free(n);
}

/* --- what must hold for any cluster --- */

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % below;
}

static struct night *drawn(uint64_t from)
{
	struct night *n = night_new();
	struct drover_dpm_options *o = &n->view.options;
	uint32_t hosts, most;
	char name[16];

	seed = from * 977 + 5;
	hosts = 2 + draw(10);
	most = draw(2) ? 600 : 3000;
	for (uint32_t h = 0; h < hosts; h++) {
		struct drover_drs_host *host;

		snprintf(name, sizeof(name), "h%02u", (h * 7 + 3) % 24);
		host = scene_host(n->c, name, 5000 + 1000 * draw(8), 16384 + 8192 * draw(6));
		host->state = draw(4) ? DROVER_DRS_HOST_UP : draw(4);
		if (!draw(40))
			host->sampled_s -= 1000;
		n->power[h] = (struct drover_dpm_host){
			.mode = draw(8) ? DROVER_DPM_AS_CLUSTER : draw(4),
			.changing = !draw(20),
			.since_s = SCENE_NOW - draw(20000),
			.tested = draw(5) > 0,
			.watts_idle = 50 + draw(200),
			.watts_full = 250 + draw(200),
		};
	}
	for (uint32_t i = 0, vms = draw(hosts * 5); i < vms; i++) {
		struct drover_drs_vm *v;

		snprintf(name, sizeof(name), "v%03u", (i * 37 + 11) % 160);
		v = scene_vm(n->c, name, (int32_t)draw(hosts + 1) - 1, draw(most), 1024 << draw(3));
		v->override = draw(12) ? DROVER_DRS_AS_CLUSTER : draw(5);
		if (v->host >= 0 && !draw(20))
			v->moving_to = (int32_t)draw(hosts);
		v->history = n->history[i];
		v->history_count = draw(3) ? STEPS : 0;
		for (uint32_t k = 0; k < STEPS; k++)
			n->history[i][k] = (float)draw(most);
	}
	for (uint32_t i = 0, rules = draw(4); n->c->s.vm_count && i < rules; i++) {
		struct drover_drs_rule *r = scene_rule(n->c, "r", draw(4), draw(2));

		for (uint32_t k = 0; k < 2; k++)
			scene_names_vm(r, draw((uint32_t)n->c->s.vm_count));
		scene_names_host(r, draw(hosts));
	}
	*o = (struct drover_dpm_options){
		.mode = draw(10) ? DROVER_DPM_AUTOMATIC : DROVER_DPM_MANUAL,
		.threshold = draw(6),
		.hosts_min = draw(4),
		.cpu_min_mhz = draw(2) ? 0 : draw(40000),
		.memory_min_mib = draw(2) ? 0 : draw(100000),
		.leave_max = draw(4),
	};
	n->c->s.options.failover_hosts = draw(3) ? 0 : 1;
	return n;
}

static bool moves_away(const struct night *n, const struct drover_dpm_advice *a, size_t vm)
{
	for (size_t m = a->first_move; m < a->first_move + a->move_count; m++)
		if (n->plan.moves[m].vm == vm)
			return true;
	return false;
}

static bool sleeps(const struct night *n, size_t host)
{
	for (size_t i = 0; i < n->plan.advice_count; i++)
		if (n->plan.advice[i].kind == DROVER_DPM_SLEEP && n->plan.advice[i].host == host)
			return true;
	return false;
}

/* Nobody is left behind, and nobody goes where the light goes out. */
static void check_sleep(const struct night *n, const struct drover_dpm_advice *a)
{
	const struct drover_dpm_host *power = &n->power[a->host];

	assert_true(power->tested);
	assert_false(power->changing);
	assert_int_equal(n->c->hosts[a->host].state, DROVER_DRS_HOST_UP);
	assert_true(power->since_s + 2400 <= SCENE_NOW);
	assert_true(a->benefit_j >= a->cost_j);
	for (size_t v = 0; v < n->c->s.vm_count; v++) {
		assert_int_not_equal(n->c->vms[v].moving_to, a->host);
		if (n->c->vms[v].host != (int32_t)a->host)
			continue;
		assert_true(moves_away(n, a, v));
		assert_int_not_equal(n->c->vms[v].override, DROVER_DRS_VM_FIXED);
		assert_int_equal(n->c->vms[v].moving_to, DROVER_DRS_NONE);
	}
	for (size_t m = a->first_move; m < a->first_move + a->move_count; m++) {
		size_t to = (size_t)n->plan.moves[m].to;

		assert_true(to < n->c->s.host_count && !sleeps(n, to));
		assert_int_equal(n->c->hosts[to].state, DROVER_DRS_HOST_UP);
	}
}

/* What stays on is enough, unless there was too little before. */
static void check_minimum(const struct night *n)
{
	const struct drover_dpm_options *o = &n->view.options;
	uint32_t hosts = 0, min = o->hosts_min ? o->hosts_min : 1;
	uint64_t memory = 0;
	double cpu = 0;

	for (size_t h = 0; h < n->c->s.host_count; h++) {
		if (n->c->hosts[h].state != DROVER_DRS_HOST_UP || sleeps(n, h))
			continue;
		hosts++;
		cpu += n->c->hosts[h].cpu_mhz;
		memory += n->c->hosts[h].memory_mib;
	}
	assert_true(hosts >= min && cpu >= o->cpu_min_mhz && memory >= o->memory_min_mib);
}

static void check_memory(const struct night *n)
{
	uint64_t used[SCENE_HOSTS] = {0};
	bool given[SCENE_HOSTS] = {false};

	for (size_t v = 0; v < n->c->s.vm_count; v++) {
		int32_t at = n->c->vms[v].host;

		for (size_t m = 0; m < n->plan.move_count; m++)
			if (n->plan.moves[m].vm == v) {
				at = n->plan.moves[m].to;
				given[at] = true;
			}
		if (at >= 0)
			used[at] += n->c->vms[v].memory_mib;
	}
	for (size_t h = 0; h < n->c->s.host_count; h++)
		assert_true(!given[h] || used[h] <= n->c->hosts[h].memory_mib);
}

static void check_plan(const struct night *n)
{
	bool any_sleep = false, any_wake = false;

	for (size_t i = 0; i < n->plan.advice_count; i++) {
		const struct drover_dpm_advice *a = &n->plan.advice[i];
		uint32_t threshold = n->view.options.threshold ? n->view.options.threshold : 3;

		assert_true(a->priority >= 1 && a->priority <= threshold);
		assert_true(a->reason[0]);
		assert_int_not_equal(n->power[a->host].mode, DROVER_DPM_OFF);
		if (a->kind == DROVER_DPM_SLEEP) {
			any_sleep = true;
			check_sleep(n, a);
			continue;
		}
		any_wake = true;
		assert_int_equal(n->c->hosts[a->host].state, DROVER_DRS_HOST_STANDBY);
		assert_true(n->power[a->host].tested && !n->power[a->host].changing);
	}
	assert_false(any_sleep && any_wake);
	if (any_sleep)
		check_minimum(n);
	check_memory(n);
}

static void any_cluster(void **state)
{
	uint32_t sleeping = 0, waking = 0;

	for (uint64_t i = 0; i < CLUSTERS; i++) {
		struct night *n = drawn(i);

		pass(n);
		check_plan(n);
		for (size_t k = 0; k < n->plan.advice_count; k++)
			if (n->plan.advice[k].kind == DROVER_DPM_SLEEP)
				sleeping++;
			else
				waking++;
		night_free(n);
	}
	/* The clusters that are drawn do put the policy to the test. */
	assert_true(sleeping > CLUSTERS / 20 && waking > CLUSTERS / 20);
}

static void carry_out(struct night *n, uint32_t *changes)
{
	for (size_t m = 0; m < n->plan.move_count; m++)
		n->c->vms[n->plan.moves[m].vm].host = n->plan.moves[m].to;
	for (size_t i = 0; i < n->plan.advice_count; i++) {
		size_t h = n->plan.advice[i].host;

		n->c->hosts[h].state = n->plan.advice[i].kind == DROVER_DPM_WAKE
					       ? DROVER_DRS_HOST_UP
					       : DROVER_DRS_HOST_STANDBY;
		n->power[h].since_s = n->c->s.now_s;
		changes[h]++;
	}
}

/* A load at the edge of two states: no host goes to and fro faster than its two waits allow. */
static void no_see_saw(void **state)
{
	struct night *n = quiet_night();
	uint32_t changes[SCENE_HOSTS] = {0};

	for (uint32_t t = 0; t < DAYS; t++) {
		n->c->s.now_s += 300;
		for (int h = 0; h < 3; h++)
			n->c->hosts[h].sampled_s = n->c->s.now_s;
		for (int v = 0; v < 6; v++) {
			n->c->vms[v].sampled_s = n->c->s.now_s;
			n->c->vms[v].cpu_demand = t % 2 ? 1300 : 700;
		}
		pass(n);
		for (size_t i = 0; i < n->plan.advice_count; i++)
			for (size_t v = 0; v < 6; v++)
				assert_true(n->plan.advice[i].kind != DROVER_DPM_SLEEP ||
					    n->c->vms[v].host != (int32_t)n->plan.advice[i].host ||
					    moves_away(n, &n->plan.advice[i], v));
		carry_out(n, changes);
	}
	for (int h = 0; h < 3; h++)
		assert_true(changes[h] <= 2 * (DAYS * 300 / 2400) + 2);
	night_free(n);
}

/* A second look gives the same answer. */
static void the_same_twice(void **state)
{
	for (uint64_t i = 0; i < 20; i++) {
		struct night *a = drawn(i), *b = drawn(i);

		pass(a);
		pass(b);
		assert_int_equal(a->plan.advice_count, b->plan.advice_count);
		for (size_t k = 0; k < a->plan.advice_count; k++)
			assert_string_equal(a->plan.advice[k].reason, b->plan.advice[k].reason);
		night_free(a);
		night_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_host_sleeps),
		cmocka_unit_test(the_dear_host_goes_first),
		cmocka_unit_test(a_host_in_its_band_stays),
		cmocka_unit_test(off_and_manual),
		cmocka_unit_test(what_keeps_a_host_on),
		cmocka_unit_test(rules_keep_a_host_on),
		cmocka_unit_test(old_figures_put_nothing_to_sleep),
		cmocka_unit_test(a_vm_that_has_just_started),
		cmocka_unit_test(too_small_a_gain),
		cmocka_unit_test(demand_wakes),
		cmocka_unit_test(moves_come_before_a_wake),
		cmocka_unit_test(the_minimum_wakes),
		cmocka_unit_test(a_vm_without_a_place_wakes),
		cmocka_unit_test(a_wake_that_does_not_help),
		cmocka_unit_test(habit_wakes_ahead),
		cmocka_unit_test(a_wake_that_took_too_long),
		cmocka_unit_test(what_was_lately_wanted),
		cmocka_unit_test(indices_that_point_nowhere),
		cmocka_unit_test(any_cluster),
		cmocka_unit_test(no_see_saw),
		cmocka_unit_test(the_same_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
