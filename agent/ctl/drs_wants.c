// SPDX-License-Identifier: GPL-2.0-or-later
/* What operators want of VMs, as the policies want to see it: resource pools, shares, rules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/drs_world.h"

/* --- shares --- */

static void take_alloc(const Drover__ResourceRecord *r, struct drover_drs_alloc *cpu,
		       struct drover_drs_alloc *memory)
{
	*cpu = (struct drover_drs_alloc){r->cpu_reservation_mhz, r->cpu_limit_mhz, r->cpu_shares};
	*memory = (struct drover_drs_alloc){r->memory_reservation_mib, r->memory_limit_mib,
					    r->memory_shares};
}

static int32_t find_respool(const struct drover_drs_world *w, const char *name)
{
	for (size_t i = 0; *name && i < w->snapshot.respool_count; i++)
		if (!strcmp(w->respools[i].name, name))
			return i;
	return DROVER_DRS_NONE;
}

static void take_respools(struct drover_drs_world *w, const struct drover_drs_facts *f)
{
	size_t n = f->respools.count;

	for (size_t i = 0; i < n; i++) {
		const Drover__ResourceRecord *r =
			(const Drover__ResourceRecord *)f->respools.messages[i];

		snprintf(w->respools[i].name, sizeof(w->respools[i].name), "%s", r->name);
		take_alloc(r, &w->respools[i].cpu, &w->respools[i].memory);
	}
	w->snapshot.respool_count = n;
	for (size_t i = 0; i < n; i++)
		w->respools[i].parent = find_respool(
			w, ((const Drover__ResourceRecord *)f->respools.messages[i])->parent);
}

static void take_share(struct drover_drs_world *w, const Drover__ResourceRecord *r)
{
	static const enum drover_drs_override overrides[] = {
		[DROVER__AUTOMATION__AUTOMATION_UNSPECIFIED] = DROVER_DRS_AS_CLUSTER,
		[DROVER__AUTOMATION__AUTOMATION_MANUAL] = DROVER_DRS_VM_MANUAL,
		[DROVER__AUTOMATION__AUTOMATION_PARTIAL] = DROVER_DRS_VM_PARTIAL,
		[DROVER__AUTOMATION__AUTOMATION_FULL] = DROVER_DRS_VM_FULL,
		[DROVER__AUTOMATION__AUTOMATION_FIXED] = DROVER_DRS_VM_FIXED,
	};
	int32_t n = drover_drs_world_vm(w, r->name);

	if (n == DROVER_DRS_NONE)
		return;
	take_alloc(r, &w->vms[n].cpu, &w->vms[n].memory);
	w->vms[n].respool = find_respool(w, r->parent);
	if (w->vms[n].override == DROVER_DRS_AS_CLUSTER &&
	    r->automation < sizeof(overrides) / sizeof(*overrides))
		w->vms[n].override = overrides[r->automation];
}

/* --- rules --- */

/* Indices of those that are known; NULL where memory or all names are missing. */
static uint32_t *numbers(struct drover_drs_world *w, char **names, size_t count,
			 int32_t (*find)(const struct drover_drs_world *, const char *),
			 uint32_t *ret_count)
{
	uint32_t *list = calloc(count + 1, sizeof(*list));

	*ret_count = 0;
	if (!list)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		int32_t n = find(w, names[i]);

		if (n != DROVER_DRS_NONE)
			list[(*ret_count)++] = n;
	}
	w->lists[w->list_count++] = list;
	return list;
}

static void take_rule(struct drover_drs_world *w, const Drover__RuleRecord *record)
{
	struct drover_drs_rule rule = {.must = record->must};

	if (record->disabled || record->kind == DROVER__RULE_KIND__RULE_KIND_UNSPECIFIED)
		return;
	snprintf(rule.name, sizeof(rule.name), "%s", record->name);
	/* In the same order on purpose. */
	rule.kind = (enum drover_drs_rule_kind)(record->kind - 1);
	rule.vms = numbers(w, record->vms, record->n_vms, drover_drs_world_vm, &rule.vm_count);
	rule.hosts =
		numbers(w, record->hosts, record->n_hosts, drover_drs_world_host, &rule.host_count);
	if (rule.vms && rule.hosts && rule.vm_count &&
	    (rule.host_count || rule.kind == DROVER_DRS_TOGETHER || rule.kind == DROVER_DRS_APART))
		w->rules[w->snapshot.rule_count++] = rule;
}

void drover_drs_world_wants(struct drover_drs_world *w, const struct drover_drs_facts *f)
{
	take_respools(w, f);
	for (size_t i = 0; i < f->shares.count; i++)
		take_share(w, (const Drover__ResourceRecord *)f->shares.messages[i]);
	for (size_t i = 0; i < f->rules.count; i++)
		take_rule(w, (const Drover__RuleRecord *)f->rules.messages[i]);
}
