// SPDX-License-Identifier: GPL-2.0-or-later
/* A snapshot in an order of its own, checked. */
#include "policy/canon.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/tree.h"

#define ABSURD 2.0 /* times the CPU of the largest host: no VM wants that */

struct drover_drs_options drs_options_default(const struct drover_drs_options *o)
{
	struct drover_drs_options r = *o;

	r.threshold = !o->threshold ? 3 : o->threshold > 5 ? 5 : o->threshold;
	r.memory_percent = o->memory_percent ? o->memory_percent : 100;
	r.stale_s = o->stale_s ? o->stale_s : 60;
	r.settle_s = o->settle_s ? o->settle_s : 900;
	r.return_s = o->return_s ? o->return_s : 3600;
	r.host_moves = o->host_moves ? o->host_moves : 2;
	return r;
}

void drs_canon_exit(struct drs_canon *c)
{
	drs_order_exit(&c->hosts);
	drs_order_exit(&c->vms);
	drs_order_exit(&c->pools);
	drs_order_exit(&c->rules);
	free(c->host);
	free(c->vm);
	free(c->pool);
	free(c->rule);
	free(c->listed);
	free(c->stale_host);
	free(c->stale_vm);
}

static int check_rules(const struct drover_drs_snapshot *s, size_t *ret_listed,
		       struct drover_err *err)
{
	size_t listed = 0;

	for (size_t i = 0; i < s->rule_count; i++) {
		const struct drover_drs_rule *r = &s->rules[i];

		for (uint32_t k = 0; k < r->vm_count; k++)
			if (r->vms[k] >= s->vm_count)
				return drover_err_set(err, EINVAL,
						      "rule %s names a VM that is none", r->name);
		for (uint32_t k = 0; k < r->host_count; k++)
			if (r->hosts[k] >= s->host_count)
				return drover_err_set(err, EINVAL,
						      "rule %s names a host that is none", r->name);
		listed += (size_t)r->vm_count + r->host_count;
	}
	*ret_listed = listed;
	return 0;
}

static int check(const struct drover_drs_snapshot *s, const struct drover_drs_change *changes,
		 size_t count, size_t *ret_listed, struct drover_err *err)
{
	if (s->host_count > INT32_MAX || s->vm_count > INT32_MAX || s->rule_count > INT32_MAX)
		return drover_err_set(err, EINVAL, "too many hosts, VMs or rules");
	for (size_t i = 0; i < count; i++)
		if (changes[i].host >= s->host_count)
			return drover_err_set(err, EINVAL, "a change names a host that is none");
	return check_rules(s, ret_listed, err) ?: drs_tree_check(s, err);
}

static int allocate(struct drs_canon *c, const struct drover_drs_snapshot *s, size_t listed,
		    struct drover_err *err)
{
	int r = drs_order_init(&c->hosts, s->hosts, sizeof(*s->hosts), s->host_count, err) ?:
		drs_order_init(&c->vms, s->vms, sizeof(*s->vms), s->vm_count, err) ?:
		drs_order_init(&c->pools, s->respools, sizeof(*s->respools), s->respool_count, err) ?:
		drs_order_init(&c->rules, s->rules, sizeof(*s->rules), s->rule_count, err);

	if (r < 0)
		return r;
	c->host = calloc(s->host_count + 1, sizeof(*c->host));
	c->vm = calloc(s->vm_count + 1, sizeof(*c->vm));
	c->pool = calloc(s->respool_count + 1, sizeof(*c->pool));
	c->rule = calloc(s->rule_count + 1, sizeof(*c->rule));
	c->listed = calloc(listed + 1, sizeof(*c->listed));
	c->stale_host = calloc(s->host_count + 1, sizeof(*c->stale_host));
	c->stale_vm = calloc(s->vm_count + 1, sizeof(*c->stale_vm));
	if (!c->host || !c->vm || !c->pool || !c->rule || !c->listed || !c->stale_host ||
	    !c->stale_vm)
		return drover_err_set(err, ENOMEM, "out of memory");
	return 0;
}

static int32_t renamed(const struct drs_order *o, int32_t index)
{
	return index == DROVER_DRS_NONE ? index : (int32_t)o->rank[index];
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* A VM or host that a rule names twice counts once. */
static uint32_t copy_list(const struct drs_order *o, const uint32_t *from, uint32_t count,
			  uint32_t *to)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		to[i] = o->rank[from[i]];
	qsort(to, count, sizeof(*to), by_value);
	for (uint32_t i = 0; i < count; i++)
		if (!n || to[n - 1] != to[i])
			to[n++] = to[i];
	return n;
}

static void copy_rules(struct drs_canon *c, const struct drover_drs_snapshot *s)
{
	uint32_t *to = c->listed;

	for (size_t i = 0; i < s->rule_count; i++) {
		struct drover_drs_rule *r = &c->rule[i];

		*r = s->rules[c->rules.at[i]];
		r->vm_count = copy_list(&c->vms, r->vms, r->vm_count, to);
		r->vms = to;
		to += r->vm_count;
		r->host_count = copy_list(&c->hosts, r->hosts, r->host_count, to);
		r->hosts = to;
		to += r->host_count;
	}
}

static bool is_fresh(const struct drs_canon *c, uint64_t sampled_s)
{
	uint64_t now = c->s.now_s, stale = c->s.options.stale_s;

	return sampled_s + stale >= now && sampled_s <= now + stale;
}

static bool amount(double x)
{
	return isfinite(x) && x >= 0;
}

/* What makes no sense is not believed, and replaced by what does no harm. */
static void tidy_host(struct drs_canon *c, uint32_t i, bool changed)
{
	struct drover_drs_host *h = &c->host[i];
	bool sane = amount(h->cpu_mhz) && amount(h->cpu_other);

	if (!amount(h->cpu_mhz))
		h->cpu_mhz = 0;
	if (!amount(h->cpu_other))
		h->cpu_other = 0;
	h->cpu_other = fmin(h->cpu_other, h->cpu_mhz);
	if (h->memory_other_mib > h->memory_mib)
		h->memory_other_mib = h->memory_mib;
	if (h->state != DROVER_DRS_HOST_UP && h->state != DROVER_DRS_HOST_MAINTENANCE)
		return;
	c->stale_host[i] = !sane || (!changed && !is_fresh(c, h->sampled_s));
	c->stale_hosts += c->stale_host[i];
}

static void tidy_alloc(struct drover_drs_alloc *a)
{
	if (!amount(a->reservation))
		a->reservation = 0;
	if (!amount(a->limit))
		a->limit = 0;
	if (!amount(a->shares))
		a->shares = 0;
}

static void tidy_vm(struct drs_canon *c, uint32_t i, double most)
{
	struct drover_drs_vm *v = &c->vm[i];
	bool sane = amount(v->cpu_demand) && v->cpu_demand <= most &&
		    v->memory_demand_mib <= 2 * v->memory_mib + 1024;

	tidy_alloc(&v->cpu);
	tidy_alloc(&v->memory);
	if (v->past_count > DROVER_DRS_PAST_MAX)
		v->past_count = DROVER_DRS_PAST_MAX;
	if (!amount(v->cpu_demand))
		v->cpu_demand = v->cpu.reservation;
	v->cpu_demand = fmin(v->cpu_demand, most);
	if (v->memory_demand_mib > v->memory_mib)
		v->memory_demand_mib = v->memory_mib;
	if (v->host == DROVER_DRS_NONE)
		return;
	c->absurd += !sane;
	c->stale_vm[i] = !sane || !is_fresh(c, v->sampled_s);
	c->stale_vms += c->stale_vm[i];
}

static void copy(struct drs_canon *c, const struct drover_drs_snapshot *s, const bool *changed)
{
	double most = 0;

	for (size_t i = 0; i < s->host_count; i++) {
		tidy_host(c, i, changed[i]);
		most = fmax(most, ABSURD * c->host[i].cpu_mhz);
	}
	for (size_t i = 0; i < s->vm_count; i++) {
		c->vm[i] = s->vms[c->vms.at[i]];
		c->vm[i].host = renamed(&c->hosts, c->vm[i].host);
		c->vm[i].moving_to = renamed(&c->hosts, c->vm[i].moving_to);
		c->vm[i].respool = renamed(&c->pools, c->vm[i].respool);
		for (uint32_t k = 0; k < c->vm[i].past_count && k < DROVER_DRS_PAST_MAX; k++) {
			struct drover_drs_past *p = &c->vm[i].past[k];

			p->from = p->from >= 0 && (size_t)p->from < s->host_count
					  ? renamed(&c->hosts, p->from)
					  : DROVER_DRS_NONE;
		}
		tidy_vm(c, i, most);
	}
	for (size_t i = 0; i < s->respool_count; i++) {
		c->pool[i] = s->respools[c->pools.at[i]];
		c->pool[i].parent = renamed(&c->pools, c->pool[i].parent);
		tidy_alloc(&c->pool[i].cpu);
		tidy_alloc(&c->pool[i].memory);
	}
	copy_rules(c, s);
}

static int copy_hosts(struct drs_canon *c, const struct drover_drs_snapshot *s,
		      const struct drover_drs_change *changes, size_t count, struct drover_err *err)
{
	bool *changed = calloc(s->host_count + 1, sizeof(*changed));

	if (!changed)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < s->host_count; i++)
		c->host[i] = s->hosts[c->hosts.at[i]];
	for (size_t i = 0; i < count; i++) {
		uint32_t h = c->hosts.rank[changes[i].host];

		changed[h] = c->host[h].state != changes[i].state;
		c->host[h].state = changes[i].state;
	}
	copy(c, s, changed);
	free(changed);
	return 0;
}

int drs_canon_init(struct drs_canon *c, const struct drover_drs_snapshot *s,
		   const struct drover_drs_change *changes, size_t count, struct drover_err *err)
{
	size_t listed = 0;
	int r;

	*c = (struct drs_canon){.s = *s};
	c->s.options = drs_options_default(&s->options);
	r = check(s, changes, count, &listed, err);
	if (r < 0)
		return r;
	r = allocate(c, s, listed, err) ?: copy_hosts(c, s, changes, count, err);
	if (r < 0) {
		drs_canon_exit(c);
		return r;
	}
	c->s.hosts = c->host;
	c->s.vms = c->vm;
	c->s.respools = c->pool;
	c->s.rules = c->rule;
	return 0;
}
