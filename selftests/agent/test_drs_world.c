// SPDX-License-Identifier: GPL-2.0-or-later
/* From what hosts say to what the policies look at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ctl/drs_run.h"
#include "ctl/drs_world.h"

#define NOW_US	 (1000000 * UINT64_C(1000000))
#define THEIR_US (5000 * UINT64_C(1000000)) /* a clock that is quite another */

/* A host of 2 processors of 1000 MHz, with one VM that uses 0.5 of one and waits for 0.25. */
static Drover__HostReply *reply_of(const char *host, const char *vm, uint64_t sampled_ago_us)
{
	Drover__HostReply *r = calloc(1, sizeof(*r));
	Drover__HostInfo *h = calloc(1, sizeof(*h));
	Drover__HostLoad *l = calloc(1, sizeof(*l));
	Drover__VmInfo *v = calloc(1, sizeof(*v));
	Drover__VmLoad *vl = calloc(1, sizeof(*vl));

	assert_true(r && h && l && v && vl);
	drover__host_reply__init(r);
	drover__host_info__init(h);
	drover__host_load__init(l);
	drover__vm_info__init(v);
	drover__vm_load__init(vl);
	h->name = strdup(host);
	h->cpus = 2;
	h->cpu_mhz = 1000;
	h->memory_mib = 4096;
	h->cpu_flags = calloc(2, sizeof(char *));
	h->cpu_flags[h->n_cpu_flags++] = strdup("svm");
	h->cpu_flags[h->n_cpu_flags++] = strdup(host);
	l->cpu_used = 0.75;
	l->memory_used_bytes = UINT64_C(1024) << 20;
	l->sampled_time_us = THEIR_US - sampled_ago_us;
	h->load = l;
	v->name = strdup(vm);
	v->state = DROVER__VM_STATE__VM_STATE_RUNNING;
	v->vcpus = 1;
	v->memory_mib = 512;
	vl->cpu_used = 0.5;
	vl->cpu_ready = 0.25;
	vl->resident_bytes = UINT64_C(256) << 20;
	v->load = vl;
	r->host = h;
	r->vms = calloc(1, sizeof(*r->vms));
	r->vms[r->n_vms++] = v;
	r->time_us = THEIR_US;
	return r;
}

struct scene {
	Drover__HostReply *a, *b;
	struct drover_drs_report reports[3];
	struct drover_drs_facts facts;
	struct drover_drs_kept *kept;
	struct drover_drs_world world;
	struct drover_err err;
};

static struct scene *scene_new(void)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->a = reply_of("a", "web", 3000000);
	s->b = reply_of("b", "db", 0);
	s->reports[0] = (struct drover_drs_report){"a", s->a, 2000000, -1, DROVER_DRS_HOST_UP};
	s->reports[1] = (struct drover_drs_report){"b", s->b, 0, 0.1, DROVER_DRS_HOST_MAINTENANCE};
	s->reports[2] = (struct drover_drs_report){"c", NULL, 0, -1, DROVER_DRS_HOST_DOWN};
	s->facts = (struct drover_drs_facts){
		.reports = s->reports, .report_count = 3, .now_us = NOW_US};
	return s;
}

static void scene_make(struct scene *s)
{
	drover_drs_world_free(&s->world);
	assert_int_equal(drover_drs_world_make(&s->facts, &s->kept, &s->world, &s->err), 0);
}

static void scene_free(struct scene *s)
{
	drover_drs_world_free(&s->world);
	drover_drs_kept_free(&s->kept);
	drover__host_reply__free_unpacked(s->a, NULL);
	drover__host_reply__free_unpacked(s->b, NULL);
	free(s);
}

static void figures_of_hosts(void **state)
{
	struct scene *s = scene_new();
	const struct drover_drs_host *h;

	scene_make(s);
	h = s->world.snapshot.hosts;
	assert_int_equal(s->world.snapshot.host_count, 3);
	assert_int_equal(h[0].cores, 2);
	assert_float_equal(h[0].cpu_mhz, 2000, 0.1);
	/* 0.75 in use, 0.5 of it by the VM. */
	assert_float_equal(h[0].cpu_other, 250, 0.1);
	assert_int_equal(h[0].memory_other_mib, 1024 - 256);
	/* 3 s old when it was said, which is 2 s ago; its clock does not matter. */
	assert_int_equal(h[0].sampled_s, NOW_US / 1000000 - 5);
	/* What it was before a VM came or went. */
	assert_float_equal(h[1].cpu_other, 100, 0.1);
	assert_int_equal(h[1].state, DROVER_DRS_HOST_MAINTENANCE);
	assert_int_equal(h[2].state, DROVER_DRS_HOST_DOWN);
	assert_true(h[0].cpu_flags[0] != h[1].cpu_flags[0]);
	assert_true(h[0].cpu_flags[0] & h[1].cpu_flags[0]);
	scene_free(s);
}

static void figures_of_vms(void **state)
{
	struct scene *s = scene_new();
	const struct drover_drs_vm *v;

	scene_make(s);
	v = s->world.snapshot.vms;
	assert_int_equal(s->world.snapshot.vm_count, 2);
	assert_string_equal(v[0].name, "web");
	assert_int_equal(v[0].host, 0);
	/* What it used, and what it waited for. */
	assert_float_equal(v[0].cpu_demand, 750, 0.1);
	assert_int_equal(v[0].memory_mib, 512);
	assert_int_equal(v[0].memory_demand_mib, 256);
	assert_int_equal(v[0].moving_to, DROVER_DRS_NONE);
	assert_int_equal(v[0].cpu_need[0], s->world.hosts[0].cpu_flags[0]);
	scene_free(s);
}

/* Its history has the mean of each step, once that is over. */
static void steps_are_remembered(void **state)
{
	struct scene *s = scene_new();

	s->facts.now_us -= s->facts.now_us % (300 * UINT64_C(1000000));
	scene_make(s);
	s->a->vms[0]->load->cpu_used = 0.75;
	s->facts.now_us += 10 * 1000000;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[0].history_count, 0);
	assert_int_equal(s->world.snapshot.recent_step_s, 15);
	assert_int_equal(s->world.snapshot.vms[0].recent_count, 0);
	s->facts.now_us += 5 * 1000000;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[0].recent_count, 1);
	assert_float_equal(s->world.snapshot.vms[0].recent[0], 875, 0.1);
	s->a->vms[0]->load->unrated = true;
	for (int i = 0; i < 5; i++) {
		s->facts.now_us += 57 * UINT64_C(1000000);
		s->a->vms[0]->load->unrated = i < 4;
		scene_make(s);
	}
	assert_int_equal(s->world.snapshot.vms[0].recent_count, 2);
	assert_float_equal(s->world.snapshot.vms[0].recent[1], 1000, 0.1);
	assert_int_equal(s->world.snapshot.vms[0].history_count, 1);
	assert_float_equal(s->world.snapshot.vms[0].history[0], 916.7, 0.1);
	scene_free(s);
}

/* What a move itself takes is nothing that the guest wants. */
static void moves_are_not_remembered(void **state)
{
	struct scene *s = scene_new();
	Drover__VmRecord vm = DROVER__VM_RECORD__INIT;
	Drover__MoveRecord move = DROVER__MOVE_RECORD__INIT, *moves[] = {&move};
	ProtobufCMessage *records[] = {&vm.base};

	s->facts.now_us -= s->facts.now_us % (300 * UINT64_C(1000000));
	scene_make(s);
	s->facts.now_us += 15 * 1000000;
	scene_make(s);
	assert_float_equal(s->world.snapshot.vms[0].cpu_demand, 750, 0.1);
	s->a->vms[0]->load->cpu_used = 1.75;
	s->a->vms[0]->migration_id = 7;
	s->facts.now_us += 15 * 1000000;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[0].recent_count, 1);
	assert_float_equal(s->world.snapshot.vms[0].cpu_demand, 750, 0.1);

	/* It has arrived, lately. */
	s->a->vms[0]->migration_id = 0;
	move.time_us = s->facts.now_us;
	move.from = "b";
	move.to = "a";
	vm.name = "web";
	vm.moves = moves;
	vm.n_moves = 1;
	s->facts.vms.messages = records;
	s->facts.vms.count = 1;
	s->facts.now_us += 14 * 1000000;
	scene_make(s);
	assert_float_equal(s->world.snapshot.vms[0].cpu_demand, 750, 0.1);
	s->facts.now_us += 1000000;
	scene_make(s);
	assert_float_equal(s->world.snapshot.vms[0].cpu_demand, 2000, 0.1);
	s->facts.now_us += 15 * 1000000;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[0].recent_count, 3);
	assert_float_equal(s->world.snapshot.vms[0].recent[2], 2000, 0.1);
	scene_free(s);
}

/*
 * A VM that has just come is not thought idle, before its arrival is written down and its new host
 * has looked at it twice: others would be sent after it.
 */
static void who_has_just_come_wants_what_it_wanted(void **state)
{
	struct scene *s = scene_new();
	Drover__VmInfo *web = s->a->vms[0], *db = s->b->vms[0];

	scene_make(s);
	web->load->cpu_used = 0.9;
	s->facts.now_us += 5 * 1000000;
	scene_make(s);
	assert_float_equal(s->world.snapshot.vms[0].cpu_demand, 1150, 0.1);

	s->a->vms[0] = db;
	s->b->vms[0] = web;
	web->load->cpu_used = web->load->cpu_ready = 0;
	web->load->unrated = true;
	s->facts.now_us += 5 * 1000000;
	scene_make(s);
	assert_string_equal(s->world.snapshot.vms[1].name, "web");
	assert_int_equal(s->world.snapshot.vms[1].host, 1);
	assert_true(s->world.snapshot.vms[1].cpu_demand > 900);
	web->load->unrated = false;
	s->facts.now_us += 14 * 1000000;
	scene_make(s);
	assert_true(s->world.snapshot.vms[1].cpu_demand > 900);
	s->facts.now_us += 1000000;
	scene_make(s);
	assert_float_equal(s->world.snapshot.vms[1].cpu_demand, 0, 0.1);
	scene_free(s);
}

/* That it moved counts before it is written down: it settles, and does not go straight back. */
static void who_has_just_come_has_moved(void **state)
{
	struct scene *s = scene_new();
	Drover__VmInfo *web = s->a->vms[0], *db = s->b->vms[0];
	Drover__DrsRecord r = DROVER__DRS_RECORD__INIT, *list[] = {&r};
	Drover__DrsHistory h = DROVER__DRS_HISTORY__INIT;
	Drover__VmRecord record = DROVER__VM_RECORD__INIT;
	Drover__MoveRecord move = DROVER__MOVE_RECORD__INIT, *moves[] = {&move};
	ProtobufCMessage *records[] = {&record.base};
	const struct drover_drs_vm *vm;

	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[0].past_count, 0);
	s->a->vms[0] = db;
	s->b->vms[0] = web;
	s->facts.now_us += 5 * 1000000;
	scene_make(s);
	vm = &s->world.snapshot.vms[1];
	assert_string_equal(vm->name, "web");
	assert_int_equal(vm->past_count, 1);
	assert_int_equal(vm->past[0].when_s, NOW_US / 1000000 + 5);
	assert_int_equal(vm->past[0].from, 0);
	assert_int_equal(vm->past[0].to, 1);

	/* Its host was to be emptied. */
	r.vm = "web";
	r.from = move.from = "a";
	r.to = move.to = "b";
	r.time_us = move.time_us = NOW_US;
	r.state = DROVER__DRS_RECORD__STATE__DONE;
	r.evacuation = true;
	h.records = list;
	h.n_records = 1;
	s->facts.history = &h;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[1].past[0].from, DROVER_DRS_NONE);

	/* Written down it counts once. */
	record.name = "web";
	record.host = "a";
	s->facts.vms = (struct drover_shared_list){records, 1};
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[1].past_count, 1);
	record.host = "b";
	record.moves = moves;
	record.n_moves = 1;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[1].past_count, 1);
	assert_int_equal(s->world.snapshot.vms[1].past[0].when_s, NOW_US / 1000000);
	/* It was not moved, but stopped there and started here. */
	record.n_moves = 0;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[1].past_count, 0);
	scene_free(s);
}

/* Neither host lists it as there: the new one is not as empty as it looks. */
static void who_is_in_nobodys_list(void **state)
{
	struct scene *s = scene_new();
	Drover__DrsRecord r = DROVER__DRS_RECORD__INIT, *list[] = {&r};
	Drover__DrsHistory h = DROVER__DRS_HISTORY__INIT;
	Drover__VmInfo *comes = s->b->vms[0];

	free(comes->name);
	comes->name = strdup("web");
	comes->state = DROVER__VM_STATE__VM_STATE_INCOMING;
	r.vm = "web";
	r.from = "a";
	r.to = "b";
	r.time_us = NOW_US - 20000000;
	h.records = list;
	h.n_records = 1;
	s->facts.history = &h;
	scene_make(s);
	assert_true(s->world.snapshot.hosts[1].sampled_s > 0);
	s->a->vms[0]->state = DROVER__VM_STATE__VM_STATE_STOPPED;
	scene_make(s);
	assert_int_equal(s->world.snapshot.hosts[1].sampled_s, 0);
	assert_true(s->world.snapshot.hosts[0].sampled_s > 0);

	/* It has not come, or is gone again, and its host says so. */
	comes->state = DROVER__VM_STATE__VM_STATE_STOPPED;
	scene_make(s);
	assert_true(s->world.snapshot.hosts[1].sampled_s > 0);
	comes->name[0] = 'x';
	scene_make(s);
	assert_true(s->world.snapshot.hosts[1].sampled_s > 0);

	/* What its host said is too old to tell. */
	s->reports[1].age_us = 9000000;
	scene_make(s);
	assert_int_equal(s->world.snapshot.hosts[1].sampled_s, 0);
	r.state = DROVER__DRS_RECORD__STATE__DONE;
	r.total_us = 12000000;
	scene_make(s);
	assert_int_equal(s->world.snapshot.hosts[1].sampled_s, 0);
	r.total_us = 10000000;
	scene_make(s);
	assert_true(s->world.snapshot.hosts[1].sampled_s > 0);
	r.state = DROVER__DRS_RECORD__STATE__FAILED;
	r.total_us = 12000000;
	scene_make(s);
	assert_true(s->world.snapshot.hosts[1].sampled_s > 0);
	scene_free(s);
}

/* What it used in a move that failed is not what it wants, either. */
static void who_stayed_after_all(void **state)
{
	struct scene *s = scene_new();

	scene_make(s);
	s->a->vms[0]->migration_id = 7;
	s->a->vms[0]->load->cpu_used = 1.75;
	s->facts.now_us += 5 * 1000000;
	scene_make(s);
	s->a->vms[0]->migration_id = 0;
	s->facts.now_us += 5 * 1000000;
	scene_make(s);
	assert_float_equal(s->world.snapshot.vms[0].cpu_demand, 750, 0.1);
	s->facts.now_us += 10 * 1000000;
	scene_make(s);
	assert_float_equal(s->world.snapshot.vms[0].cpu_demand, 2000, 0.1);
	assert_int_equal(s->world.snapshot.vms[0].past_count, 0);
	scene_free(s);
}

/* What it wanted before it was stopped, and where that was, says nothing. */
static void who_was_started_anew(void **state)
{
	struct scene *s = scene_new();
	Drover__VmInfo *web = s->a->vms[0], *db = s->b->vms[0];

	scene_make(s);
	web->state = DROVER__VM_STATE__VM_STATE_STOPPED;
	s->facts.now_us += 40 * 1000000;
	scene_make(s);
	s->facts.now_us += 40 * 1000000;
	s->a->vms[0] = db;
	s->b->vms[0] = web;
	web->state = DROVER__VM_STATE__VM_STATE_RUNNING;
	web->load->unrated = true;
	scene_make(s);
	assert_string_equal(s->world.snapshot.vms[1].name, "web");
	assert_float_equal(s->world.snapshot.vms[1].cpu_demand, 250, 0.1);
	assert_int_equal(s->world.snapshot.vms[1].past_count, 0);
	scene_free(s);
}

/* What it uses is not its host's own. */
static void who_is_not_rated_yet(void **state)
{
	struct scene *s = scene_new();
	double own;

	s->a->vms[0]->load->unrated = true;
	assert_false(drover_drs_world_own(s->a, &own));
	scene_make(s);
	assert_float_equal(s->world.snapshot.vms[0].cpu_demand, 250, 0.1);
	assert_int_equal(s->world.snapshot.vms[0].sampled_s, 0);

	drover__vm_load__free_unpacked(s->a->vms[0]->load, NULL);
	s->a->vms[0]->load = NULL;
	assert_false(drover_drs_world_own(s->a, &own));
	scene_make(s);
	assert_float_equal(s->world.snapshot.vms[0].cpu_demand, 250, 0.1);
	assert_int_equal(s->world.snapshot.vms[0].sampled_s, 0);
	/* Of one that could not be adopted it is never known. */
	s->a->vms[0]->state = DROVER__VM_STATE__VM_STATE_IN_DOUBT;
	assert_true(drover_drs_world_own(s->a, &own));
	scene_free(s);
}

/* On its way it is seen on both hosts, and counts once. */
static void a_vm_on_its_way(void **state)
{
	struct scene *s = scene_new();
	Drover__MigrationInfo m = DROVER__MIGRATION_INFO__INIT, *list[] = {&m};
	double own;

	assert_true(drover_drs_world_own(s->a, &own));
	assert_float_equal(own, 0.25, 0.001);
	free(s->b->vms[0]->name);
	s->b->vms[0]->name = strdup("web");
	s->b->vms[0]->state = DROVER__VM_STATE__VM_STATE_INCOMING;
	s->a->vms[0]->migration_id = m.id = 7;
	m.target = (char *)"b";
	s->a->migrations = list;
	s->a->n_migrations = 1;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vm_count, 1);
	assert_int_equal(s->world.snapshot.vms[0].host, 0);
	assert_int_equal(s->world.snapshot.vms[0].moving_to, 1);
	assert_false(drover_drs_world_own(s->a, &own));
	assert_false(drover_drs_world_own(s->b, &own));
	s->a->migrations = NULL;
	s->a->n_migrations = 0;
	scene_free(s);
}

/* Ordered, but not seen yet by the host that it leaves. */
static void a_vm_that_was_ordered_away(void **state)
{
	struct scene *s = scene_new();
	Drover__DrsRecord r = DROVER__DRS_RECORD__INIT, *list[] = {&r};
	Drover__DrsHistory h = DROVER__DRS_HISTORY__INIT;

	r.vm = (char *)"web";
	r.from = (char *)"a";
	r.to = (char *)"b";
	h.records = list;
	h.n_records = 1;
	s->facts.history = &h;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[0].moving_to, 1);
	r.state = DROVER__DRS_RECORD__STATE__DONE;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[0].moving_to, DROVER_DRS_NONE);
	scene_free(s);
}

/* A VM may go back to a host that it only left because that was to be emptied. */
static void where_it_came_from(void **state)
{
	struct scene *s = scene_new();
	Drover__MoveRecord m = DROVER__MOVE_RECORD__INIT, *moves[] = {&m};
	Drover__VmRecord v = DROVER__VM_RECORD__INIT;
	ProtobufCMessage *vms[] = {&v.base};
	Drover__DrsRecord r = DROVER__DRS_RECORD__INIT, *list[] = {&r};
	Drover__DrsHistory h = DROVER__DRS_HISTORY__INIT;

	v.name = "web";
	m.from = r.from = "b";
	m.to = r.to = "a";
	r.vm = "web";
	r.time_us = NOW_US - 60000000;
	m.time_us = NOW_US - 50000000;
	v.moves = moves;
	v.n_moves = 1;
	s->facts.vms = (struct drover_shared_list){vms, 1};
	h.records = list;
	h.n_records = 1;
	s->facts.history = &h;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[0].past_count, 1);
	assert_int_equal(s->world.snapshot.vms[0].past[0].from, 1);
	r.evacuation = true;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[0].past_count, 1);
	assert_int_equal(s->world.snapshot.vms[0].past[0].from, DROVER_DRS_NONE);
	/* Another day's. */
	r.time_us = NOW_US - UINT64_C(7200000000);
	scene_make(s);
	assert_int_equal(s->world.snapshot.vms[0].past[0].from, 1);
	scene_free(s);
}

static void failures_make_it_rest(void **state)
{
	Drover__DrsRecord r[3], *list[] = {&r[0], &r[1], &r[2]};
	Drover__DrsHistory h = DROVER__DRS_HISTORY__INIT;

	h.records = list;
	for (int i = 0; i < 3; i++) {
		drover__drs_record__init(&r[i]);
		r[i].vm = (char *)"web";
		r[i].time_us = NOW_US;
		r[i].state = DROVER__DRS_RECORD__STATE__FAILED;
	}
	assert_int_equal(drover_drs_world_rest(&h, "web", NOW_US), 0);
	h.n_records = 1;
	assert_int_equal(drover_drs_world_rest(&h, "web", NOW_US), 30);
	assert_int_equal(drover_drs_world_rest(&h, "web", NOW_US + 31000000), 0);
	assert_int_equal(drover_drs_world_rest(&h, "db", NOW_US), 0);
	h.n_records = 3;
	assert_int_equal(drover_drs_world_rest(&h, "web", NOW_US), 120);
	r[2].state = DROVER__DRS_RECORD__STATE__DONE;
	assert_int_equal(drover_drs_world_rest(&h, "web", NOW_US), 0);
}

static void rules_and_shares(void **state)
{
	struct scene *s = scene_new();
	Drover__RuleRecord apart = DROVER__RULE_RECORD__INIT, on = DROVER__RULE_RECORD__INIT,
			   strange = DROVER__RULE_RECORD__INIT;
	Drover__ResourceRecord gold = DROVER__RESOURCE_RECORD__INIT,
			       web = DROVER__RESOURCE_RECORD__INIT;
	char *vms[] = {(char *)"web", (char *)"nobody", (char *)"db"}, *hosts[] = {(char *)"b"};
	ProtobufCMessage *rules[] = {&apart.base, &on.base, &strange.base};
	ProtobufCMessage *pools[] = {&gold.base}, *shares[] = {&web.base};

	apart.kind = DROVER__RULE_KIND__RULE_KIND_APART;
	apart.must = true;
	apart.vms = vms;
	apart.n_vms = 3;
	on.kind = DROVER__RULE_KIND__RULE_KIND_ON;
	on.vms = vms + 2;
	on.n_vms = 1;
	on.hosts = hosts;
	on.n_hosts = 1;
	strange.kind = DROVER__RULE_KIND__RULE_KIND_TOGETHER;
	strange.vms = vms + 1;
	strange.n_vms = 1;
	gold.name = (char *)"gold";
	gold.cpu_shares = 4000;
	web.name = (char *)"web";
	web.parent = (char *)"gold";
	web.cpu_reservation_mhz = 300;
	web.automation = DROVER__AUTOMATION__AUTOMATION_MANUAL;
	s->facts.rules = (struct drover_shared_list){rules, 3};
	s->facts.respools = (struct drover_shared_list){pools, 1};
	s->facts.shares = (struct drover_shared_list){shares, 1};
	scene_make(s);
	assert_int_equal(s->world.snapshot.rule_count, 2);
	assert_int_equal(s->world.rules[0].kind, DROVER_DRS_APART);
	assert_true(s->world.rules[0].must);
	assert_int_equal(s->world.rules[0].vm_count, 2);
	assert_int_equal(s->world.rules[1].kind, DROVER_DRS_ON);
	assert_int_equal(s->world.rules[1].hosts[0], 1);
	assert_int_equal(s->world.snapshot.respool_count, 1);
	assert_float_equal(s->world.respools[0].cpu.shares, 4000, 0);
	assert_int_equal(s->world.respools[0].parent, DROVER_DRS_NONE);
	assert_int_equal(s->world.vms[0].respool, 0);
	assert_float_equal(s->world.vms[0].cpu.reservation, 300, 0);
	assert_int_equal(s->world.vms[0].override, DROVER_DRS_VM_MANUAL);
	assert_int_equal(s->world.vms[1].override, DROVER_DRS_AS_CLUSTER);
	scene_free(s);
}

/* A record is all that is left of a host that is off. */
static void a_host_that_is_off(void **state)
{
	struct scene *s = scene_new();
	Drover__HostRecord c = DROVER__HOST_RECORD__INIT;
	ProtobufCMessage *hosts[] = {&c.base};

	c.name = (char *)"c";
	c.cpus = 8;
	c.cpu_mhz = 2000;
	c.memory_mib = 65536;
	s->facts.hosts = (struct drover_shared_list){hosts, 1};
	scene_make(s);
	assert_float_equal(s->world.hosts[2].cpu_mhz, 16000, 0);
	assert_int_equal(s->world.hosts[2].memory_mib, 65536);
	scene_free(s);
}

static void a_vm_to_be_placed(void **state)
{
	struct scene *s = scene_new();
	struct drover_vm_def def = {.name = "new", .vcpus = 2, .memory_mib = 100};
	struct drover_drs_plan plan;
	size_t vm = 2;

	s->facts.place = &def;
	scene_make(s);
	assert_int_equal(s->world.snapshot.vm_count, 3);
	assert_string_equal(s->world.vms[vm].name, "new");
	assert_int_equal(s->world.vms[vm].host, DROVER_DRS_NONE);
	assert_int_equal(drover_drs_place(&s->world.snapshot, &vm, 1, &plan, &s->err), 0);
	/* b is in maintenance, c is down. */
	assert_int_equal(plan.moves[0].to, 0);
	drover_drs_plan_free(&plan);
	scene_free(s);
}

/* Shares were removed: a host is told that until it has heard it. */
static void plain_is_told_until_it_is_heard(void **state)
{
	struct drover_drs_said said = {.host = "a"};
	struct drover_drs_run run = {.said = &said};

	/* Who leads since a moment ago knows nothing of what another one had told. */
	assert_true(drover_drs_owes(&run, "a", false));
	drover_drs_told(&run, "a", true, false);
	assert_true(drover_drs_owes(&run, "a", false));
	drover_drs_told(&run, "a", true, true);
	assert_false(drover_drs_owes(&run, "a", false));
	/* There are shares again. That it did not answer does not mean that it has not heard. */
	assert_true(drover_drs_owes(&run, "a", true));
	drover_drs_told(&run, "a", false, false);
	assert_true(drover_drs_owes(&run, "a", false));
	/* A host that has not said anything yet. */
	drover_drs_told(&run, "b", true, true);
	assert_true(drover_drs_owes(&run, "b", false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_of_hosts),
		cmocka_unit_test(figures_of_vms),
		cmocka_unit_test(steps_are_remembered),
		cmocka_unit_test(moves_are_not_remembered),
		cmocka_unit_test(who_has_just_come_wants_what_it_wanted),
		cmocka_unit_test(who_has_just_come_has_moved),
		cmocka_unit_test(who_is_in_nobodys_list),
		cmocka_unit_test(who_stayed_after_all),
		cmocka_unit_test(who_was_started_anew),
		cmocka_unit_test(who_is_not_rated_yet),
		cmocka_unit_test(a_vm_on_its_way),
		cmocka_unit_test(a_vm_that_was_ordered_away),
		cmocka_unit_test(where_it_came_from),
		cmocka_unit_test(failures_make_it_rest),
		cmocka_unit_test(rules_and_shares),
		cmocka_unit_test(a_host_that_is_off),
		cmocka_unit_test(a_vm_to_be_placed),
		cmocka_unit_test(plain_is_told_until_it_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
