// SPDX-License-Identifier: GPL-2.0-or-later
/* VMs that go together, and where they may go. */
#include "policy/fit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* --- units --- */

void drs_unit_look(struct drs_unit *u, const struct drs_work *w)
{
	const uint32_t *vms = u->vms;
	uint32_t count = u->count;

	*u = (struct drs_unit){.vms = vms, .count = count, .at = w->vms[vms[0]].at};
	for (uint32_t i = 0; i < count; i++) {
		const struct drs_vm *v = &w->vms[vms[i]];

		if (v->at != u->at)
			u->at = DRS_SCATTERED;
		if (v->stay > u->stay)
			u->stay = v->stay;
		drs_load_add(&u->load, &v->load, 1);
		u->ram += v->vm->memory_mib;
		u->cpu_reserved += v->vm->cpu.reservation;
		u->memory_reserved += v->vm->memory.reservation;
		for (int k = 0; k < DROVER_DRS_CPU_WORDS; k++)
			u->need[k] |= v->vm->cpu_need[k];
	}
}

void drs_units_exit(struct drs_units *u)
{
	free(u->unit);
	free(u->vms);
	free(u->of);
}

static uint32_t head_of(uint32_t *head, uint32_t vm)
{
	while (head[vm] != vm)
		vm = head[vm] = head[head[vm]];
	return vm;
}

/* Every VM's head is the lowest VM that a chain of rules keeps it with. */
static void join(uint32_t *head, const struct drs_work *w)
{
	for (uint32_t i = 0; i < w->s->vm_count; i++)
		head[i] = i;
	for (size_t r = 0; r < w->s->rule_count; r++) {
		const struct drover_drs_rule *rule = &w->s->rules[r];

		if (rule->kind != DROVER_DRS_TOGETHER || !rule->must)
			continue;
		for (uint32_t k = 1; k < rule->vm_count; k++) {
			uint32_t a = head_of(head, rule->vms[0]), b = head_of(head, rule->vms[k]);

			head[a > b ? a : b] = a > b ? b : a;
		}
	}
}

/* Those that do not run do not hold others up, nor go anywhere with them. */
static bool belongs(const struct drs_work *w, uint32_t vm)
{
	return w->vms[vm].at != DROVER_DRS_NONE;
}

static void deal_out(struct drs_units *u, const struct drs_work *w)
{
	uint32_t *head = u->of, n = w->s->vm_count, next = 0;

	for (uint32_t i = 0; i < n; i++)
		head[i] = head_of(head, i);
	/* Counts first, by head; then each head's number. */
	for (uint32_t i = 0; i < n; i++)
		if (belongs(w, i))
			u->unit[head[i]].count++;
	for (uint32_t i = 0; i < n; i++) {
		u->unit[i].vms = u->vms + next;
		next += u->unit[i].count;
		u->unit[i].count = 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct drs_unit *to = &u->unit[head[i]];

		if (belongs(w, i))
			u->vms[(to->vms - u->vms) + to->count++] = i;
	}
	for (uint32_t i = 0; i < n; i++)
		if (u->unit[i].count)
			drs_unit_look(&u->unit[i], w);
	u->count = n;
}

int drs_units_init(struct drs_units *u, const struct drs_work *w, struct drover_err *err)
{
	size_t n = w->s->vm_count + 1;

	*u = (struct drs_units){
		.unit = calloc(n, sizeof(*u->unit)),
		.vms = calloc(n, sizeof(*u->vms)),
		.of = calloc(n, sizeof(*u->of)),
	};
	if (!u->unit || !u->vms || !u->of) {
		drs_units_exit(u);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	join(u->of, w);
	deal_out(u, w);
	return 0;
}

/* --- rules --- */

static bool is_named(const struct drs_vm *v, uint32_t rule)
{
	for (uint32_t k = 0; k < v->rule_count; k++)
		if (v->rules[k] == rule)
			return true;
	return false;
}

/* Of a rule's VMs that run: how many others are on the host, and how many elsewhere? */
static void others(const struct drs_work *w, const struct drs_unit *u, uint32_t rule, int32_t host,
		   uint32_t *ret_mine, uint32_t *ret_here, uint32_t *ret_elsewhere)
{
	uint32_t mine = 0, here = *drs_count_on(w, rule, host), all = w->running[rule];

	for (uint32_t i = 0; i < u->count; i++) {
		const struct drs_vm *v = &w->vms[u->vms[i]];

		if (!is_named(v, rule))
			continue;
		mine++;
		here -= v->at == host;
		all -= v->at != DROVER_DRS_NONE;
	}
	*ret_mine = mine;
	*ret_here = here;
	*ret_elsewhere = all - here;
}

static bool breaks(const struct drs_work *w, const struct drs_unit *u, uint32_t rule, int32_t host)
{
	uint32_t mine, here, elsewhere;

	if (w->s->rules[rule].kind == DROVER_DRS_ON)
		return !*drs_count_on(w, rule, host);
	if (w->s->rules[rule].kind == DROVER_DRS_NOT_ON)
		return *drs_count_on(w, rule, host);
	others(w, u, rule, host, &mine, &here, &elsewhere);
	return w->s->rules[rule].kind == DROVER_DRS_APART ? mine + here > 1 : elsewhere > 0;
}

uint32_t drs_breaches(const struct drs_work *w, const struct drs_unit *u, int32_t host, bool must,
		      uint32_t *ret_rule)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < u->count; i++) {
		const struct drs_vm *v = &w->vms[u->vms[i]];

		for (uint32_t k = 0; k < v->rule_count; k++) {
			uint32_t rule = v->rules[k];

			if (w->s->rules[rule].must != must || !breaks(w, u, rule, host))
				continue;
			if (!n++ && ret_rule)
				*ret_rule = rule;
		}
	}
	return n;
}

/* --- hosts --- */

static struct drs_verdict verdict(enum drs_obstacle obstacle, double detail)
{
	return (struct drs_verdict){obstacle, detail > 0 ? (uint32_t)fmin(detail, UINT32_MAX) : 0};
}

/* Number of a flag that is needed and not there, or -1. */
static int missing_flag(const uint64_t *need, const uint64_t *have)
{
	for (int k = 0; k < DROVER_DRS_CPU_WORDS; k++)
		if (need[k] & ~have[k])
			return k * 64 + __builtin_ctzll(need[k] & ~have[k]);
	return -1;
}

static struct drs_verdict fit_room(const struct drs_host *h, const struct drs_unit *u)
{
	if (h->ram + u->ram > h->ram_cap)
		return verdict(DRS_NO_RAM, h->ram_cap - h->ram);
	if (u->cpu_reserved > 0 && h->cpu_reserved + u->cpu_reserved > h->cap)
		return verdict(DRS_CPU_RESERVED, h->cap - h->cpu_reserved);
	if (u->memory_reserved > 0 && h->memory_reserved + u->memory_reserved > h->memory_cap)
		return verdict(DRS_RAM_RESERVED, h->memory_cap - h->memory_reserved);
	return verdict(DRS_FITS, 0);
}

/* Those that are there already need no more room. */
static struct drs_unit newcomers(const struct drs_work *w, const struct drs_unit *u, int32_t host)
{
	struct drs_unit rest = *u;

	for (uint32_t i = 0; i < u->count; i++) {
		const struct drs_vm *v = &w->vms[u->vms[i]];

		if (v->at != host)
			continue;
		rest.ram -= v->vm->memory_mib;
		rest.cpu_reserved -= v->vm->cpu.reservation;
		rest.memory_reserved -= v->vm->memory.reservation;
	}
	return rest;
}

struct drs_verdict drs_fit(const struct drs_work *w, const struct drs_unit *u, int32_t host)
{
	const struct drs_host *h = &w->hosts[host];
	struct drs_verdict v;
	uint32_t rule;
	int flag;

	if (!h->takes)
		return verdict(h->believed ? DRS_TAKES_NONE : DRS_NOT_BELIEVED, 0);
	if (u->at == DRS_SCATTERED) {
		struct drs_unit rest = newcomers(w, u, host);

		v = fit_room(h, &rest);
	} else {
		v = fit_room(h, u);
	}
	if (v.obstacle != DRS_FITS)
		return v;
	flag = missing_flag(u->need, h->host->cpu_flags);
	if (flag >= 0)
		return verdict(DRS_NO_FLAG, flag);
	if (drs_breaches(w, u, host, true, &rule))
		return verdict(DRS_MUST, rule);
	return v;
}

static const struct drover_drs_past *left_lately(const struct drs_work *w, const struct drs_unit *u,
						 int32_t host)
{
	for (uint32_t i = 0; i < u->count; i++) {
		const struct drover_drs_vm *vm = w->vms[u->vms[i]].vm;

		for (uint32_t k = 0; k < vm->past_count; k++)
			if (vm->past[k].from == host &&
			    vm->past[k].when_s + w->s->options.return_s > w->s->now_s)
				return &vm->past[k];
	}
	return NULL;
}

struct drs_verdict drs_fit_gladly(const struct drs_work *w, const struct drs_unit *u, int32_t host)
{
	struct drs_verdict v = drs_fit(w, u, host);
	const struct drover_drs_past *past;
	uint32_t rule = 0, broken;

	if (v.obstacle != DRS_FITS)
		return v;
	broken = drs_breaches(w, u, host, false, &rule);
	if (broken && (u->at < 0 || broken > drs_breaches(w, u, u->at, false, NULL)))
		return verdict(DRS_SHOULD, rule);
	past = left_lately(w, u, host);
	if (past)
		return verdict(DRS_RETURN, past->when_s < w->s->now_s
						   ? (double)(w->s->now_s - past->when_s)
						   : 0);
	return v;
}
