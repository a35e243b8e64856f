// SPDX-License-Identifier: GPL-2.0-or-later
/* Moves that have to be: rules that are broken, hosts that are to be emptied. */
#include <stdlib.h>

#include "policy/place.h"

#define WHY_LEN 160

/* Nobody waits for a VM to settle when it has to go. */
static bool may_go(const struct drs_unit *u)
{
	return u->count && u->at != DROVER_DRS_NONE && u->stay <= DRS_STALE;
}

static const char *say_stay(enum drs_stay stay)
{
	switch (stay) {
	case DRS_MOVABLE:
		return "it may move";
	case DRS_NOT_RUNNING:
		return "it does not run";
	case DRS_MIGRATES:
		return "it migrates already";
	case DRS_FIXED:
		return "it is fixed to its host";
	case DRS_SETTLES:
		return "it moved a short time ago";
	case DRS_STALE:
		return "its figures are not believed";
	}
	return "";
}

/* --- rules --- */

static bool is_broken(const struct drs_making *m, const struct drs_unit *u, bool must,
		      uint32_t *ret_rule)
{
	if (u->at == DRS_SCATTERED) {
		*ret_rule = m->w.vms[u->vms[0]].rules[0];
		for (uint32_t k = 0; k < m->w.vms[u->vms[0]].rule_count; k++) {
			const struct drover_drs_rule *r =
				&m->w.s->rules[m->w.vms[u->vms[0]].rules[k]];

			if (r->kind == DROVER_DRS_TOGETHER && r->must)
				*ret_rule = m->w.vms[u->vms[0]].rules[k];
		}
		return must;
	}
	return u->at >= 0 && drs_breaches(&m->w, u, u->at, must, ret_rule);
}

static void mend_must(struct drs_making *m, struct drs_unit *u)
{
	char why[WHY_LEN];
	struct drs_site site;
	uint32_t rule = 0;

	drs_unit_look(u, &m->w);
	if (!is_broken(m, u, true, &rule))
		return;
	if (!may_go(u)) {
		drs_making_note(m, "Rule %s is not kept by %s: %s", m->w.s->rules[rule].name,
				m->w.s->vms[u->vms[0]].name, say_stay(u->stay));
		return;
	}
	if (!drs_find_site(m, u, &site)) {
		drs_say_no_site(m, u, why, sizeof(why));
		drs_making_note(m, "Rule %s cannot be kept by %s: %s", m->w.s->rules[rule].name,
				m->w.s->vms[u->vms[0]].name, why);
		return;
	}
	drs_say(why, sizeof(why), "Rule %s must be kept", m->w.s->rules[rule].name);
	drs_go(m, u, site.host, DROVER_DRS_RULE, 1, why);
	drs_unit_look(u, &m->w);
}

/* Only where it costs nobody anything that he wants. */
static void mend_should(struct drs_making *m, struct drs_unit *u)
{
	struct drs_load rest;
	struct drs_site site;
	char why[WHY_LEN];
	uint32_t rule = 0;

	drs_unit_look(u, &m->w);
	if (u->stay != DRS_MOVABLE || m->w.vms[u->vms[0]].moved || !is_broken(m, u, false, &rule) ||
	    !m->w.hosts[u->at].believed || !drs_find_site(m, u, &site) ||
	    site.broken >= drs_breaches(&m->w, u, u->at, false, NULL) ||
	    drs_fit_gladly(&m->w, u, site.host).obstacle == DRS_RETURN)
		return;
	rest = m->w.hosts[u->at].load;
	drs_load_add(&rest, &u->load, -1);
	if (drs_loss(&rest, m->w.hosts[u->at].cap, m->w.hosts[u->at].memory_cap) + site.loss >
	    m->w.hosts[u->at].loss)
		return;
	drs_say(why, sizeof(why), "Rule %s should be kept", m->w.s->rules[rule].name);
	drs_go(m, u, site.host, DROVER_DRS_RULE, 2, why);
	drs_unit_look(u, &m->w);
}

void drs_mend_rules(struct drs_making *m)
{
	for (uint32_t i = 0; i < m->units.count; i++)
		if (m->units.unit[i].count && m->w.vms[m->units.unit[i].vms[0]].rule_count)
			mend_must(m, &m->units.unit[i]);
	if (m->w.s->options.threshold < 2)
		return;
	for (uint32_t i = 0; i < m->units.count; i++)
		if (m->units.unit[i].count && m->w.vms[m->units.unit[i].vms[0]].rule_count)
			mend_should(m, &m->units.unit[i]);
}

/* --- hosts that are to be emptied --- */

static void leave(struct drs_making *m, uint32_t vm, int32_t host)
{
	struct drs_unit *u = &m->units.unit[m->units.of[vm]];
	char why[WHY_LEN];
	struct drs_site site;

	drs_unit_look(u, &m->w);
	if (m->w.vms[vm].at != host)
		return;
	if (!may_go(u)) {
		drs_go_nowhere(m, vm, DROVER_DRS_EVACUATE, say_stay(u->stay));
		return;
	}
	if (!drs_find_site(m, u, &site)) {
		drs_say_no_site(m, u, why, sizeof(why));
		drs_go_nowhere(m, vm, DROVER_DRS_EVACUATE, why);
		return;
	}
	drs_say(why, sizeof(why), "Host %s is to be emptied", m->w.s->hosts[host].name);
	drs_go(m, u, site.host, DROVER_DRS_EVACUATE, 1, why);
	drs_unit_look(u, &m->w);
}

struct leaver {
	double ram;
	uint32_t vm;
};

/* The largest first: they are the hardest to place. */
static int by_ram(const void *a, const void *b)
{
	const struct leaver *x = a, *y = b;

	if (x->ram != y->ram)
		return x->ram < y->ram ? 1 : -1;
	return (x->vm > y->vm) - (x->vm < y->vm);
}

void drs_empty_host(struct drs_making *m, int32_t host)
{
	struct leaver *list;
	uint32_t n = 0;

	m->w.hosts[host].takes = false;
	list = calloc(m->w.hosts[host].vms + 1, sizeof(*list));
	if (!list) {
		m->failed = true;
		return;
	}
	for (uint32_t i = 0; i < m->w.s->vm_count; i++)
		if (m->w.vms[i].at == host)
			list[n++] = (struct leaver){m->w.s->vms[i].memory_mib, i};
	qsort(list, n, sizeof(*list), by_ram);
	for (uint32_t i = 0; i < n; i++)
		leave(m, list[i].vm, host);
	free(list);
}

void drs_empty_maintenance(struct drs_making *m)
{
	for (size_t h = 0; h < m->w.s->host_count; h++)
		if (m->w.s->hosts[h].state == DROVER_DRS_HOST_MAINTENANCE && m->w.hosts[h].vms)
			drs_empty_host(m, h);
}
