/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small clusters for tests of the scheduling policies. Include after cmocka.h. */
#ifndef DROVER_SELFTESTS_POLICY_SCENE_H
#define DROVER_SELFTESTS_POLICY_SCENE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/drs.h"
#include "policy/rules.h"

#define SCENE_HOSTS 24
#define SCENE_VMS   160
#define SCENE_RULES 12
#define SCENE_POOLS 8
#define SCENE_NOW   1000000

struct scene {
	struct drover_drs_host hosts[SCENE_HOSTS];
	struct drover_drs_vm vms[SCENE_VMS];
	struct drover_drs_rule rules[SCENE_RULES];
	struct drover_drs_respool pools[SCENE_POOLS];
	uint32_t named_vms[SCENE_RULES][SCENE_VMS];
	uint32_t named_hosts[SCENE_RULES][SCENE_HOSTS];
	struct drover_drs_snapshot s;
	struct drover_drs_plan plan;
	struct drover_err err;
};

static inline struct scene *scene_new(void)
{
	struct scene *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->s = (struct drover_drs_snapshot){
		.now_s = SCENE_NOW,
		.hosts = c->hosts,
		.vms = c->vms,
		.rules = c->rules,
		.respools = c->pools,
		.options = {.automation = DROVER_AUTOMATION_FULL},
	};
	return c;
}

static inline void scene_free(struct scene *c)
{
	drover_drs_plan_free(&c->plan);
	free(c);
}

static inline struct drover_drs_host *scene_host(struct scene *c, const char *name, double mhz,
						 uint64_t memory_mib)
{
	struct drover_drs_host *h = &c->hosts[c->s.host_count++];

	assert_true(c->s.host_count <= SCENE_HOSTS);
	*h = (struct drover_drs_host){.cores = 4,
				      .cpu_mhz = mhz,
				      .memory_mib = memory_mib,
				      .link_mib_s = 1000,
				      .sampled_s = SCENE_NOW};
	snprintf(h->name, sizeof(h->name), "%s", name);
	return h;
}

static inline struct drover_drs_vm *scene_vm(struct scene *c, const char *name, int32_t host,
					     double demand, uint64_t memory_mib)
{
	struct drover_drs_vm *v = &c->vms[c->s.vm_count++];

	assert_true(c->s.vm_count <= SCENE_VMS);
	*v = (struct drover_drs_vm){.host = host,
				    .moving_to = DROVER_DRS_NONE,
				    .vcpus = 2,
				    .cpu_demand = demand,
				    .memory_mib = memory_mib,
				    .memory_demand_mib = memory_mib / 2,
				    .respool = DROVER_DRS_NONE,
				    .sampled_s = SCENE_NOW};
	snprintf(v->name, sizeof(v->name), "%s", name);
	return v;
}

static inline struct drover_drs_rule *scene_rule(struct scene *c, const char *name,
						 enum drover_drs_rule_kind kind, bool must)
{
	size_t n = c->s.rule_count++;
	struct drover_drs_rule *r = &c->rules[n];

	assert_true(c->s.rule_count <= SCENE_RULES);
	*r = (struct drover_drs_rule){
		.kind = kind, .must = must, .vms = c->named_vms[n], .hosts = c->named_hosts[n]};
	snprintf(r->name, sizeof(r->name), "%s", name);
	return r;
}

static inline void scene_names_vm(struct drover_drs_rule *r, uint32_t vm)
{
	((uint32_t *)r->vms)[r->vm_count++] = vm;
}

static inline void scene_names_host(struct drover_drs_rule *r, uint32_t host)
{
	((uint32_t *)r->hosts)[r->host_count++] = host;
}

static inline void scene_balance(struct scene *c)
{
	drover_drs_plan_free(&c->plan);
	assert_int_equal(drover_drs_balance(&c->s, &c->plan, &c->err), 0);
}

/* The plan's move of a VM, or NULL. */
static inline const struct drover_drs_move *scene_move(const struct scene *c, size_t vm)
{
	for (size_t i = 0; i < c->plan.move_count; i++)
		if (c->plan.moves[i].vm == vm)
			return &c->plan.moves[i];
	return NULL;
}

static inline void scene_print(const struct scene *c)
{
	for (size_t i = 0; i < c->plan.move_count; i++)
		print_message("move %s -> %s p%u: %s\n", c->vms[c->plan.moves[i].vm].name,
			      c->plan.moves[i].to < 0 ? "-" : c->hosts[c->plan.moves[i].to].name,
			      c->plan.moves[i].priority, c->plan.moves[i].reason);
	for (size_t i = 0; i < c->plan.reject_count; i++)
		print_message("not %s: %s\n", c->vms[c->plan.rejects[i].vm].name,
			      c->plan.rejects[i].reason);
	for (size_t i = 0; i < c->plan.note_count; i++)
		print_message("note: %s\n", c->plan.notes[i].text);
}

#endif
