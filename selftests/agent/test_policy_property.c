// SPDX-License-Identifier: GPL-2.0-or-later
/* What must hold for the plan of any cluster: clusters drawn from fixed seeds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/record.h"
#include "policy_scene.h"

#define CLUSTERS 400
#define STEPS	 20
#define ROUNDS	 30

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % below;
}

static void draw_hosts(struct scene *c)
{
	uint32_t hosts = 2 + draw(10);

	for (uint32_t h = 0; h < hosts; h++) {
		struct drover_drs_host *host;
		char name[16];

		snprintf(name, sizeof(name), "h%02u", (h * 7 + 3) % 24);
		host = scene_host(c, name, 5000 + 1000 * draw(16), 32768 + 8192 * draw(8));
		host->cpu_flags[0] = draw(5) ? 7 : 3;
		host->cpu_other = draw(500);
		if (!draw(12))
			host->state = draw(4);
		if (!draw(20))
			host->sampled_s -= 1000;
	}
}

static void draw_vms(struct scene *c, float *history)
{
	uint32_t vms = 1 + draw(c->s.host_count * 8);

	for (uint32_t i = 0; i < vms; i++) {
		struct drover_drs_vm *v;
		char name[16];

		snprintf(name, sizeof(name), "v%03u", (i * 37 + 11) % 160);
		v = scene_vm(c, name, (int32_t)draw(c->s.host_count), draw(3000), 1024 << draw(3));
		v->memory_demand_mib = draw(v->memory_mib);
		v->cpu_need[0] = draw(4) ? 3 : 7;
		v->override = draw(8) ? DROVER_DRS_AS_CLUSTER : draw(5);
		if (!draw(5))
			v->cpu.reservation = draw(1500);
		if (!draw(6))
			v->cpu.limit = 500 + draw(2000);
		v->memory.reservation = draw(5) ? 0 : draw(v->memory_mib);
		v->respool = c->s.respool_count && !draw(3) ? (int32_t)draw(c->s.respool_count)
							    : DROVER_DRS_NONE;
		if (!draw(20))
			v->sampled_s -= 500;
		if (!draw(15))
			v->moving_to = draw(c->s.host_count);
		if (!draw(10))
			v->past[v->past_count++] = (struct drover_drs_past){
				SCENE_NOW - draw(5000), (int32_t)draw(c->s.host_count), v->host};
		if (draw(2))
			continue;
		v->history = history + i * STEPS;
		v->history_count = STEPS;
		for (uint32_t k = 0; k < STEPS; k++)
			history[i * STEPS + k] = draw(3000);
	}
}

static void draw_rules(struct scene *c)
{
	uint32_t rules = draw(6);

	for (uint32_t i = 0; i < rules; i++) {
		uint32_t vms = 2 + draw(3), hosts = 1 + draw(c->s.host_count);
		struct drover_drs_rule *r;
		char name[16];

		snprintf(name, sizeof(name), "r%u", (i * 5 + 2) % 7);
		r = scene_rule(c, name, draw(4), draw(3));
		for (uint32_t k = 0; k < vms; k++)
			scene_names_vm(r, draw(c->s.vm_count));
		for (uint32_t k = 0; k < hosts; k++)
			scene_names_host(r, draw(c->s.host_count));
	}
}

static struct scene *draw_scene(uint64_t number)
{
	struct scene *c = scene_new();
	float *history = calloc(SCENE_VMS * STEPS, sizeof(*history));

	assert_non_null(history);
	seed = number * 1000003 + 17;
	c->s.options.threshold = 1 + draw(5);
	c->s.options.memory_percent = draw(4) ? 100 : 130;
	draw_hosts(c);
	for (uint32_t i = 0, pools = draw(4); i < pools; i++) {
		struct drover_drs_respool *p = &c->pools[c->s.respool_count++];

		snprintf(p->name, sizeof(p->name), "p%u", (i * 3 + 1) % 5);
		p->parent = i && draw(2) ? (int32_t)draw(i) : DROVER_DRS_NONE;
		p->cpu.limit = draw(2) ? 2000 + draw(9000) : 0;
	}
	draw_vms(c, history);
	draw_rules(c);
	/* The first VM's history is where it all lies. */
	c->vms[SCENE_VMS - 1].history = history;
	return c;
}

static void end(struct scene *c)
{
	free((float *)c->vms[SCENE_VMS - 1].history);
	scene_free(c);
}

/* --- an oracle of its own for what must be --- */

static bool lists(const uint32_t *list, uint32_t count, uint32_t x)
{
	for (uint32_t i = 0; i < count; i++)
		if (list[i] == x)
			return true;
	return false;
}

static int32_t goes_to(const struct drover_drs_vm *v)
{
	return v->moving_to != DROVER_DRS_NONE ? v->moving_to : v->host;
}

static bool runs(const struct scene *c, const struct drover_drs_vm *v)
{
	return v->host >= 0 && c->hosts[v->host].state <= DROVER_DRS_HOST_MAINTENANCE &&
	       c->hosts[goes_to(v)].state <= DROVER_DRS_HOST_MAINTENANCE;
}

/* Does a VM, where it is in @c, break a rule? */
static bool breaks(const struct scene *c, const struct drover_drs_rule *r, uint32_t vm)
{
	int32_t at = goes_to(&c->vms[vm]);

	if (!lists(r->vms, r->vm_count, vm))
		return false;
	if (r->kind == DROVER_DRS_ON || r->kind == DROVER_DRS_NOT_ON)
		return lists(r->hosts, r->host_count, at) != (r->kind == DROVER_DRS_ON);
	for (uint32_t k = 0; k < r->vm_count; k++) {
		const struct drover_drs_vm *o = &c->vms[r->vms[k]];

		if (r->vms[k] != vm && runs(c, o) &&
		    (goes_to(o) == at) == (r->kind == DROVER_DRS_APART))
			return true;
	}
	return false;
}

/* RAM, and CPU that is reserved, of all that was or will be on a host. */
static void check_room(const struct scene *c, const struct scene *old, int32_t host)
{
	const struct drover_drs_host *h = &c->hosts[host];
	double ram = 0, cpu = 0, memory = 0;
	bool cpu_came = false, memory_came = false;

	for (size_t i = 0; i < c->s.vm_count; i++) {
		const struct drover_drs_vm *v = &c->vms[i];
		bool was = runs(old, &old->vms[i]) &&
			   (old->vms[i].host == host || goes_to(&old->vms[i]) == host);

		if (!was && goes_to(v) != host)
			continue;
		if (!runs(c, v))
			continue;
		ram += v->memory_mib;
		cpu += v->cpu.reservation;
		memory += v->memory.reservation;
		cpu_came |= !was && v->cpu.reservation > 0;
		memory_came |= !was && v->memory.reservation > 0;
	}
	assert_true(ram <= (double)h->memory_mib * c->s.options.memory_percent / 100 + 1e-6);
	if (cpu_came)
		assert_true(cpu <= h->cpu_mhz - h->cpu_other + 1e-6);
	if (memory_came)
		assert_true(memory <= h->memory_mib + 1e-6);
}

static void check_moves(const struct scene *c, const struct scene *old)
{
	for (size_t i = 0; i < old->plan.move_count; i++) {
		const struct drover_drs_move *m = &old->plan.moves[i];
		const struct drover_drs_vm *v = &old->vms[m->vm];

		assert_true(m->reason[0]);
		assert_ptr_equal(scene_move(old, m->vm), m);
		assert_true(m->priority >= 1 && m->priority <= old->s.options.threshold);
		if (m->to == DROVER_DRS_NONE)
			continue;
		assert_int_equal(m->from, v->host);
		assert_true(m->to != m->from);
		assert_int_equal(v->moving_to, DROVER_DRS_NONE);
		assert_int_not_equal(v->override, DROVER_DRS_VM_FIXED);
		assert_int_equal(c->hosts[m->to].state, DROVER_DRS_HOST_UP);
		assert_true(c->hosts[m->to].sampled_s == SCENE_NOW);
		assert_int_equal(v->cpu_need[0] & ~c->hosts[m->to].cpu_flags[0], 0);
		check_room(c, old, m->to);
		for (size_t r = 0; r < c->s.rule_count; r++)
			if (c->rules[r].must)
				assert_false(breaks(c, &c->rules[r], m->vm));
		if (m->kind != DROVER_DRS_BALANCE)
			continue;
		assert_true(m->benefit > m->cost);
		assert_int_equal(v->sampled_s, SCENE_NOW);
		for (uint32_t k = 0; k < v->past_count; k++) {
			assert_true(v->past[k].when_s + 900 <= SCENE_NOW);
			assert_true(v->past[k].from != m->to ||
				    v->past[k].when_s + 3600 <= SCENE_NOW);
		}
	}
}

static void keeps_what_must_be(void **state)
{
	size_t moves = 0, kinds[4] = {0};

	for (uint64_t n = 0; n < CLUSTERS; n++) {
		struct scene *old = draw_scene(n), *c = draw_scene(n);

		scene_balance(old);
		moves += old->plan.move_count;
		for (size_t i = 0; i < old->plan.move_count; i++)
			kinds[old->plan.moves[i].kind]++;
		drover_drs_plan_apply(&old->plan, c->vms);
		check_moves(c, old);
		end(old);
		end(c);
	}
	print_message("%zu moves: %zu for balance, %zu for rules, %zu to empty hosts\n", moves,
		      kinds[DROVER_DRS_BALANCE], kinds[DROVER_DRS_RULE],
		      kinds[DROVER_DRS_EVACUATE]);
	assert_true(kinds[DROVER_DRS_BALANCE] > CLUSTERS / 2);
	assert_true(kinds[DROVER_DRS_RULE] > 20 && kinds[DROVER_DRS_EVACUATE] > 20);
}

/* --- what moves come to --- */

static struct drover_drs_state look(struct scene *c)
{
	struct drover_drs_state state;

	assert_int_equal(drover_drs_load(&c->s, &state, NULL, NULL, &c->err), 0);
	return state;
}

/* Each for itself, in their order; the halves of a swap, and VMs kept together, at once. */
static void no_move_raises_unmet_demand(void **state)
{
	for (uint64_t n = 0; n < CLUSTERS; n++) {
		struct scene *c = draw_scene(n), *old = draw_scene(n);
		struct drover_drs_state before, after;

		scene_balance(old);
		for (size_t i = 0; i < old->plan.move_count; i++) {
			const struct drover_drs_move *m = &old->plan.moves[i];

			if (m->kind == DROVER_DRS_BALANCE)
				break;
			if (m->to != DROVER_DRS_NONE)
				c->vms[m->vm].host = m->to;
		}
		before = look(c);
		drover_drs_plan_apply(&old->plan, c->vms);
		after = look(c);
		assert_true(after.unmet <= before.unmet + 1e-6);
		assert_true(after.expected <= before.expected + 1e-6);
		assert_true(fabs(after.expected - old->plan.after.expected) < 1e-3);
		end(c);
		end(old);
	}
}

static void each_single_move_pays(void **state)
{
	for (uint64_t n = 0; n < CLUSTERS; n++) {
		struct scene *c = draw_scene(n), *old = draw_scene(n);

		c->s.rule_count = old->s.rule_count = 0;
		scene_balance(old);
		for (size_t i = 0; i < old->plan.move_count; i++) {
			const struct drover_drs_move *m = &old->plan.moves[i];
			struct drover_drs_state before = look(c), after;

			if (m->to != DROVER_DRS_NONE)
				c->vms[m->vm].host = m->to;
			if (m->swap > (int32_t)i) {
				i++;
				c->vms[m[1].vm].host = m[1].to;
			}
			after = look(c);
			if (m->kind != DROVER_DRS_BALANCE)
				continue;
			assert_true(after.unmet <= before.unmet + 1e-6);
			assert_true(after.expected < before.expected);
		}
		end(c);
		end(old);
	}
}

/* A cluster whose load stays as it is comes to rest, and stays there. */
static void comes_to_rest(void **state)
{
	for (uint64_t n = 0; n < CLUSTERS / 4; n++) {
		struct scene *c = draw_scene(n);
		int round;

		for (size_t i = 0; i < c->s.vm_count; i++) {
			c->vms[i].history = NULL;
			c->vms[i].history_count = 0;
			c->vms[i].past_count = 0;
		}
		c->s.options.settle_s = c->s.options.return_s = 1;
		for (round = 0; round < ROUNDS; round++) {
			bool any = false;

			scene_balance(c);
			for (size_t i = 0; i < c->plan.move_count; i++)
				any |= c->plan.moves[i].to != DROVER_DRS_NONE;
			if (!any)
				break;
			drover_drs_plan_apply(&c->plan, c->vms);
		}
		assert_true(round < ROUNDS);
		end(c);
	}
}

/* --- the order of arrays --- */

/* The same cluster with its arrays turned around. */
static struct scene *turned(const struct scene *c)
{
	struct scene *t = scene_new();
	size_t hosts = c->s.host_count, vms = c->s.vm_count, pools = c->s.respool_count;

	t->s = c->s;
	t->s.hosts = t->hosts;
	t->s.vms = t->vms;
	t->s.rules = t->rules;
	t->s.respools = t->pools;
	for (size_t h = 0; h < hosts; h++)
		t->hosts[hosts - 1 - h] = c->hosts[h];
	for (size_t p = 0; p < pools; p++) {
		t->pools[pools - 1 - p] = c->pools[p];
		if (c->pools[p].parent >= 0)
			t->pools[pools - 1 - p].parent = pools - 1 - c->pools[p].parent;
	}
	for (size_t i = 0; i < vms; i++) {
		struct drover_drs_vm *v = &t->vms[vms - 1 - i];

		*v = c->vms[i];
		v->host = v->host < 0 ? v->host : (int32_t)hosts - 1 - v->host;
		v->moving_to = v->moving_to < 0 ? v->moving_to : (int32_t)hosts - 1 - v->moving_to;
		v->respool = v->respool < 0 ? v->respool : (int32_t)pools - 1 - v->respool;
		for (uint32_t k = 0; k < v->past_count; k++)
			v->past[k].from = (int32_t)hosts - 1 - v->past[k].from;
	}
	for (size_t r = 0; r < c->s.rule_count; r++) {
		size_t to = c->s.rule_count - 1 - r;

		t->rules[to] = c->rules[r];
		t->rules[to].vms = t->named_vms[to];
		t->rules[to].hosts = t->named_hosts[to];
		for (uint32_t k = 0; k < c->rules[r].vm_count; k++)
			t->named_vms[to][c->rules[r].vm_count - 1 - k] =
				vms - 1 - c->rules[r].vms[k];
		for (uint32_t k = 0; k < c->rules[r].host_count; k++)
			t->named_hosts[to][k] = hosts - 1 - c->rules[r].hosts[k];
	}
	return t;
}

static const char *host_name(const struct scene *c, int32_t host)
{
	return host < 0 ? "-" : c->hosts[host].name;
}

static void the_order_of_arrays_makes_no_difference(void **state)
{
	for (uint64_t n = 0; n < CLUSTERS; n++) {
		struct scene *a = draw_scene(n), *b = turned(a);

		scene_balance(a);
		scene_balance(b);
		assert_int_equal(a->plan.move_count, b->plan.move_count);
		assert_int_equal(a->plan.reject_count, b->plan.reject_count);
		for (size_t i = 0; i < a->plan.move_count; i++) {
			const struct drover_drs_move *x = &a->plan.moves[i], *y = &b->plan.moves[i];

			assert_string_equal(a->vms[x->vm].name, b->vms[y->vm].name);
			assert_string_equal(host_name(a, x->to), host_name(b, y->to));
			assert_string_equal(x->reason, y->reason);
		}
		end(a);
		scene_free(b);
	}
}

/* --- hosts that are to be emptied --- */

static void every_vm_of_a_host_is_accounted_for(void **state)
{
	size_t placed = 0, nowhere = 0;

	for (uint64_t n = 0; n < CLUSTERS; n++) {
		struct scene *c = draw_scene(n), *after = draw_scene(n);
		size_t none = 0;

		assert_int_equal(drover_drs_evacuate(&c->s, 0, &c->plan, &c->err), 0);
		for (size_t i = 0; i < c->s.vm_count; i++)
			if (runs(c, &c->vms[i]) && goes_to(&c->vms[i]) == 0)
				assert_non_null(scene_move(c, i));
		drover_drs_plan_apply(&c->plan, after->vms);
		for (size_t i = 0; i < c->plan.move_count; i++) {
			const struct drover_drs_move *m = &c->plan.moves[i];

			none += m->to == DROVER_DRS_NONE;
			assert_true(m->to != 0);
			if (m->to == DROVER_DRS_NONE)
				continue;
			placed++;
			check_room(after, c, m->to);
			for (size_t r = 0; r < c->s.rule_count; r++)
				if (c->rules[r].must)
					assert_false(breaks(after, &c->rules[r], m->vm));
		}
		assert_int_equal(none, c->plan.unplaced);
		nowhere += none;
		end(c);
		end(after);
	}
	print_message("%zu VMs found a place, %zu none\n", placed, nowhere);
	assert_true(placed > CLUSTERS && nowhere > 0);
}

/* --- put down as text, read and thought through again --- */

static void a_record_decides_the_same(void **state)
{
	size_t moves = 0;

	for (uint64_t n = 0; n < CLUSTERS; n++) {
		struct scene *c = draw_scene(n);
		struct drover_drs_recorded r;
		char text[512];
		json_t *record;
		char *dumped;
		bool same;

		scene_balance(c);
		record = drover_drs_record(&c->s, &c->plan);
		dumped = json_dumps(record, JSON_COMPACT);
		json_decref(record);
		assert_non_null(dumped);
		record = json_loads(dumped, 0, NULL);
		assert_int_equal(drover_drs_record_read(record, &r, &c->err), 0);
		assert_int_equal(r.move_count, c->plan.move_count);
		assert_int_equal(drover_drs_record_replay(&r, &same, text, sizeof(text), &c->err), 0);
		if (!same)
			fail_msg("cluster %zu: %s", (size_t)n, text);
		moves += r.move_count;
		drover_drs_record_free(&r);
		json_decref(record);
		free(dumped);
		end(c);
	}
	assert_true(moves > CLUSTERS / 4);
}

/* What lacks a member, or has one of another kind, is no record. */
static void a_damaged_record_is_refused(void **state)
{
	static const char *const lists[] = { "hosts", "vms", "respools", "rules" };
	struct scene *c = draw_scene(3);
	struct drover_drs_recorded r;

	scene_balance(c);
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		json_t *record = drover_drs_record(&c->s, &c->plan), *list = json_object_get(record, lists[i]);

		json_array_append_new(list, json_pack("{ss}", "name", "x"));
		assert_int_equal(drover_drs_record_read(record, &r, &c->err), -EINVAL);
		json_decref(record);
	}
	assert_int_equal(drover_drs_record_read(NULL, &r, &c->err), -EINVAL);
	end(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_what_must_be),
		cmocka_unit_test(no_move_raises_unmet_demand),
		cmocka_unit_test(each_single_move_pays),
		cmocka_unit_test(comes_to_rest),
		cmocka_unit_test(the_order_of_arrays_makes_no_difference),
		cmocka_unit_test(every_vm_of_a_host_is_accounted_for),
		cmocka_unit_test(a_record_decides_the_same),
		cmocka_unit_test(a_damaged_record_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
