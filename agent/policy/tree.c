// SPDX-License-Identifier: GPL-2.0-or-later
/* Sharing out through the tree of resource pools. */
#include "policy/tree.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "policy/entitle.h"

/*
 * Nodes: the pools in their order, and one more, the cluster. Each has its children side by
 * side in @child: a VM as its index, a pool as vm_count + its index.
 */
struct tree {
	const struct drover_drs_snapshot *s;
	enum drs_resource resource;
	struct drs_tree_list *kids;
	uint32_t *child;
	uint32_t *down; /* nodes from the top down */
	struct drover_drs_claim *vm_claims, *pool_claims, *room;
};

static bool index_ok(int32_t i, size_t count)
{
	return i == DROVER_DRS_NONE || (i >= 0 && (size_t)i < count);
}

int drs_tree_check(const struct drover_drs_snapshot *s, struct drover_err *err)
{
	for (size_t i = 0; i < s->vm_count; i++)
		if (!index_ok(s->vms[i].host, s->host_count) ||
		    !index_ok(s->vms[i].moving_to, s->host_count) ||
		    !index_ok(s->vms[i].respool, s->respool_count))
			return drover_err_set(err, EINVAL,
					      "VM %s names a host or pool that is none",
					      s->vms[i].name);
	for (size_t i = 0; i < s->respool_count; i++) {
		int32_t up = s->respools[i].parent;

		for (size_t n = 0; up != DROVER_DRS_NONE; n++) {
			if (!index_ok(up, s->respool_count) || n == s->respool_count)
				return drover_err_set(
					err, EINVAL, "resource pool %s does not lie in the cluster",
					s->respools[i].name);
			up = s->respools[up].parent;
		}
	}
	return 0;
}

void drs_tree_sort(const struct drover_drs_snapshot *s, struct drs_tree_list *on, uint32_t *vms)
{
	uint32_t first = 0;

	for (size_t i = 0; i < s->vm_count; i++)
		if (s->vms[i].host >= 0)
			on[s->vms[i].host].count++;
	for (size_t h = 0; h < s->host_count; h++) {
		on[h].first = first;
		first += on[h].count;
		on[h].count = 0;
	}
	for (size_t i = 0; i < s->vm_count; i++)
		if (s->vms[i].host >= 0)
			vms[on[s->vms[i].host].first + on[s->vms[i].host].count++] = i;
}

static size_t parent_of(const struct tree *t, int32_t pool)
{
	return pool == DROVER_DRS_NONE ? t->s->respool_count : (size_t)pool;
}

static void tree_link(struct tree *t)
{
	const struct drover_drs_snapshot *s = t->s;
	uint32_t first = 0;

	for (size_t i = 0; i < s->vm_count; i++)
		t->kids[parent_of(t, s->vms[i].respool)].count++;
	for (size_t i = 0; i < s->respool_count; i++)
		t->kids[parent_of(t, s->respools[i].parent)].count++;
	for (size_t i = 0; i <= s->respool_count; i++) {
		t->kids[i].first = first;
		first += t->kids[i].count;
		t->kids[i].count = 0;
	}
	for (size_t i = 0; i < s->vm_count + s->respool_count; i++) {
		int32_t up =
			i < s->vm_count ? s->vms[i].respool : s->respools[i - s->vm_count].parent;
		struct drs_tree_list *k = &t->kids[parent_of(t, up)];

		t->child[k->first + k->count++] = i;
	}
}

/* From the cluster down, each node before its children. */
static void tree_walk(struct tree *t)
{
	uint32_t known = 1;

	t->down[0] = t->s->respool_count;
	for (uint32_t i = 0; i < known; i++) {
		struct drs_tree_list k = t->kids[t->down[i]];

		for (uint32_t c = k.first; c < k.first + k.count; c++)
			if (t->child[c] >= t->s->vm_count)
				t->down[known++] = t->child[c] - t->s->vm_count;
	}
}

static bool runs(const struct drover_drs_snapshot *s, const struct drover_drs_vm *vm)
{
	enum drover_drs_host_state state;

	if (vm->host == DROVER_DRS_NONE)
		return false;
	state = s->hosts[vm->host].state;
	return state == DROVER_DRS_HOST_UP || state == DROVER_DRS_HOST_MAINTENANCE;
}

static struct drover_drs_claim claim_of(const struct tree *t, const struct drover_drs_vm *vm)
{
	struct drover_drs_claim c = {.alloc = t->resource == DRS_CPU ? vm->cpu : vm->memory};
	double demand = t->resource == DRS_CPU ? vm->cpu_demand : (double)vm->memory_demand_mib;

	if (runs(t->s, vm) && isfinite(demand) && demand > 0)
		c.demand = demand;
	return c;
}

static struct drover_drs_claim *kid(struct tree *t, uint32_t child)
{
	return child < t->s->vm_count ? &t->vm_claims[child]
				      : &t->pool_claims[child - t->s->vm_count];
}

static double most(const struct drover_drs_claim *c)
{
	return c->alloc.limit > 0 ? fmin(c->demand, c->alloc.limit) : c->demand;
}

/* What a pool wants and is promised follows from what is in it. */
static void gather(struct tree *t, uint32_t pool)
{
	struct drover_drs_claim *p = &t->pool_claims[pool];
	struct drs_tree_list k = t->kids[pool];
	double promised = 0;

	p->alloc = t->resource == DRS_CPU ? t->s->respools[pool].cpu : t->s->respools[pool].memory;
	p->demand = 0;
	for (uint32_t c = k.first; c < k.first + k.count; c++) {
		const struct drover_drs_claim *one = kid(t, t->child[c]);

		p->demand += most(one);
		promised += fmin(fmax(one->alloc.reservation, 0), most(one));
	}
	p->alloc.reservation = fmax(p->alloc.reservation, promised);
}

static void hand_down(struct tree *t, uint32_t node, double capacity)
{
	struct drs_tree_list k = t->kids[node];

	for (uint32_t c = 0; c < k.count; c++)
		t->room[c] = *kid(t, t->child[k.first + c]);
	drover_drs_share_out(t->room, k.count, capacity);
	for (uint32_t c = 0; c < k.count; c++)
		kid(t, t->child[k.first + c])->get = t->room[c].get;
}

static void tree_free(struct tree *t)
{
	free(t->kids);
	free(t->child);
	free(t->down);
	free(t->vm_claims);
	free(t->pool_claims);
	free(t->room);
}

static int tree_init(struct tree *t, struct drover_err *err)
{
	size_t pools = t->s->respool_count + 1, all = t->s->vm_count + pools;

	t->kids = calloc(pools, sizeof(*t->kids));
	t->child = calloc(all, sizeof(*t->child));
	t->down = calloc(pools, sizeof(*t->down));
	t->vm_claims = calloc(all, sizeof(*t->vm_claims));
	t->pool_claims = calloc(pools, sizeof(*t->pool_claims));
	t->room = calloc(all, sizeof(*t->room));
	if (!t->kids || !t->child || !t->down || !t->vm_claims || !t->pool_claims || !t->room) {
		tree_free(t);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	tree_link(t);
	tree_walk(t);
	return 0;
}

int drs_tree_share(const struct drover_drs_snapshot *s, enum drs_resource resource, double capacity,
		   double *got, struct drover_err *err)
{
	struct tree t = {.s = s, .resource = resource};
	uint32_t root = s->respool_count;
	int r = tree_init(&t, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s->vm_count; i++)
		t.vm_claims[i] = claim_of(&t, &s->vms[i]);
	for (size_t i = s->respool_count; i > 0; i--)
		gather(&t, t.down[i]);
	hand_down(&t, root, capacity);
	for (size_t i = 1; i <= s->respool_count; i++)
		hand_down(&t, t.down[i], t.pool_claims[t.down[i]].get);
	for (size_t i = 0; i < s->vm_count; i++)
		got[i] = t.vm_claims[i].get;
	tree_free(&t);
	return 0;
}
