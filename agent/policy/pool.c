// SPDX-License-Identifier: GPL-2.0-or-later
/* Which disks should change their pool. */
#include "policy/pool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MIB (UINT64_C(1) << 20)
/*
 * A disk goes to a pool at most TWICE as slow as its own for space, and leaves one only
 * when another is THRICE as quick for latency: so neither reason ever undoes the other.
 */
#define ACCEPT_RATIO 2
#define LEAVE_RATIO  3
#define FINE_US	     500	/* a write this quick is never too slow */
#define BUSY_WRITES  10		/* a second */
#define NOWHERE	     SIZE_MAX

/**
 * struct plan - advice in the making
 * @pools, @disks: as in the view, in an order of their own
 * @in, @out: bytes that the advice so far brings to each pool, and takes from it
 * @taken: of each disk: is there advice for it?
 * @disk_of: of each disk: its index in the view
 */
struct plan {
	struct drover_pool_figures *pools;
	struct drover_pool_disk *disks;
	uint64_t *in, *out;
	bool *taken;
	size_t *disk_of;
	size_t pool_count, disk_count;
	uint32_t threshold;
	struct drover_pool_advice *advice;
	size_t count;
};

/* --- the view in an order that does not depend on the caller --- */

static int by_name(const void *a, const void *b)
{
	const struct drover_pool_figures *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The largest first. */
static int by_bytes(const void *a, const void *b, void *data)
{
	const struct drover_pool_disk *disks = data, *x = &disks[*(const size_t *)a],
				      *y = &disks[*(const size_t *)b];
	int r = (x->bytes < y->bytes) - (x->bytes > y->bytes);

	if (!r)
		r = strcmp(x->vm, y->vm);
	return r ? r : strcmp(x->disk, y->disk);
}

static void plan_free(struct plan *p)
{
	free(p->pools);
	free(p->disks);
	free(p->in);
	free(p->out);
	free(p->taken);
	free(p->disk_of);
	free(p->advice);
}

static int plan_init(struct plan *p, const struct drover_pool_view *view, struct drover_err *err)
{
	size_t pools = view->pool_count, disks = view->disk_count;

	*p = (struct plan){
		.pools = calloc(pools + 1, sizeof(*p->pools)),
		.disks = calloc(disks + 1, sizeof(*p->disks)),
		.in = calloc(pools + 1, sizeof(*p->in)),
		.out = calloc(pools + 1, sizeof(*p->out)),
		.taken = calloc(disks + 1, sizeof(*p->taken)),
		.disk_of = calloc(disks + 1, sizeof(*p->disk_of)),
		.advice = calloc(disks + 1, sizeof(*p->advice)),
		.pool_count = pools,
		.disk_count = disks,
		.threshold = view->threshold,
	};
	if (!p->pools || !p->disks || !p->in || !p->out || !p->taken || !p->disk_of || !p->advice) {
		plan_free(p);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	if (pools)
		memcpy(p->pools, view->pools, pools * sizeof(*p->pools));
	qsort(p->pools, pools, sizeof(*p->pools), by_name);
	for (size_t i = 0; i < disks; i++)
		p->disk_of[i] = i;
	qsort_r(p->disk_of, disks, sizeof(*p->disk_of), by_bytes, (void *)view->disks);
	for (size_t i = 0; i < disks; i++)
		p->disks[i] = view->disks[p->disk_of[i]];
	return 0;
}

/* --- pools --- */

static size_t pool_of(const struct plan *p, const struct drover_pool_disk *disk)
{
	for (size_t i = 0; i < p->pool_count; i++)
		if (!strcmp(p->pools[i].name, disk->pool))
			return i;
	return NOWHERE;
}

static uint64_t limit_of(const struct plan *p, size_t pool)
{
	return (uint64_t)((__uint128_t)p->pools[pool].size * p->threshold / 100);
}

static uint32_t percent(uint64_t used, uint64_t size)
{
	return size ? (uint32_t)((__uint128_t)used * 100 / size) : 100;
}

/* Bytes above the threshold that the advice so far does not take away. */
static uint64_t excess_of(const struct plan *p, size_t pool)
{
	uint64_t keep = limit_of(p, pool) + p->out[pool];

	return p->pools[pool].used > keep ? p->pools[pool].used - keep : 0;
}

static bool was_over(const struct plan *p, size_t pool)
{
	return p->pools[pool].used > limit_of(p, pool);
}

/* What the advice will take away is still there when something comes. */
static uint64_t filled(const struct plan *p, size_t pool, uint64_t bytes)
{
	return p->pools[pool].used + p->in[pool] + bytes;
}

static bool slower_than_accepted(const struct drover_pool_figures *from,
				 const struct drover_pool_figures *to)
{
	return from->latency_us && to->latency_us > FINE_US &&
	       to->latency_us > ACCEPT_RATIO * from->latency_us;
}

/* Latencies of a factor of two count as alike; a pool that was not measured comes last. */
static int band(uint64_t latency_us)
{
	int n = 0;

	if (!latency_us)
		return 64;
	for (; latency_us > FINE_US; latency_us /= 2)
		n++;
	return n;
}

/* Is @a, with the bytes added, the better place? Equal ones keep the order of their names. */
static bool better(const struct plan *p, size_t a, size_t b, uint64_t bytes)
{
	int x = band(p->pools[a].latency_us), y = band(p->pools[b].latency_us);

	if (x != y)
		return x < y;
	return (__uint128_t)filled(p, a, bytes) * p->pools[b].size <
	       (__uint128_t)filled(p, b, bytes) * p->pools[a].size;
}

typedef bool fits(const struct plan *p, size_t from, size_t to, uint64_t bytes);

static bool fits_at_all(const struct plan *p, size_t from, size_t to, uint64_t bytes)
{
	return filled(p, to, bytes) <= p->pools[to].size;
}

static bool fits_below_threshold(const struct plan *p, size_t from, size_t to, uint64_t bytes)
{
	return filled(p, to, bytes) <= limit_of(p, to);
}

static bool relieves(const struct plan *p, size_t from, size_t to, uint64_t bytes)
{
	return fits_below_threshold(p, from, to, bytes) && !was_over(p, to) &&
	       !slower_than_accepted(&p->pools[from], &p->pools[to]);
}

static bool is_much_quicker(const struct plan *p, size_t from, size_t to, uint64_t bytes)
{
	return fits_below_threshold(p, from, to, bytes) && !was_over(p, to) &&
	       p->pools[to].latency_us &&
	       p->pools[from].latency_us >= LEAVE_RATIO * p->pools[to].latency_us;
}

static size_t choose(const struct plan *p, size_t from, uint64_t bytes, fits *fit)
{
	size_t best = NOWHERE;

	for (size_t i = 0; i < p->pool_count; i++) {
		if (i == from || !p->pools[i].size || p->pools[i].leave_out ||
		    !fit(p, from, i, bytes))
			continue;
		if (best == NOWHERE || better(p, i, best, bytes))
			best = i;
	}
	return best;
}

static struct drover_pool_advice *add(struct plan *p, size_t disk, size_t from, size_t to)
{
	struct drover_pool_advice *a = &p->advice[p->count++];

	p->taken[disk] = true;
	a->disk = p->disk_of[disk];
	if (to == NOWHERE)
		return a;
	p->out[from] += p->disks[disk].bytes;
	p->in[to] += p->disks[disk].bytes;
	strcpy(a->to, p->pools[to].name);
	return a;
}

/* --- space --- */

static bool may_leave(const struct plan *p, size_t disk, size_t from)
{
	return !p->taken[disk] && !p->disks[disk].fixed &&
	       !strcmp(p->disks[disk].pool, p->pools[from].name);
}

/*
 * The smallest disk that is enough alone, else the largest there is: that takes the fewest
 * disks, and of these the fewest bytes.
 */
static size_t next_to_relieve(const struct plan *p, size_t from, uint64_t excess, size_t *ret_to)
{
	size_t found = NOWHERE;

	for (size_t i = 0; i < p->disk_count; i++) {
		uint64_t bytes = p->disks[i].bytes;
		size_t to;

		if (!may_leave(p, i, from) || !bytes || (found != NOWHERE && bytes < excess))
			continue;
		to = choose(p, from, bytes, relieves);
		if (to == NOWHERE)
			continue;
		found = i;
		*ret_to = to;
	}
	return found;
}

static uint32_t urgency_of_space(const struct plan *p, size_t pool)
{
	uint32_t used = percent(p->pools[pool].used, p->pools[pool].size);
	uint32_t above = used - p->threshold, room = 100 - p->threshold;

	if (above * 5 >= room * 4)
		return 1;
	return above * 2 >= room ? 2 : 3;
}

static void relieve(struct plan *p, size_t from)
{
	const struct drover_pool_figures *pool = &p->pools[from];
	size_t disk, to;

	while (excess_of(p, from) &&
	       (disk = next_to_relieve(p, from, excess_of(p, from), &to)) != NOWHERE) {
		struct drover_pool_advice *a = add(p, disk, from, to);

		a->priority = urgency_of_space(p, from);
		snprintf(a->reason, sizeof(a->reason),
			 "pool %s is %u %% full, above the threshold of %u %%; with this it comes to %u "
			 "%%, and pool %s to %u %%",
			 pool->name, percent(pool->used, pool->size), p->threshold,
			 percent(pool->used - p->out[from], pool->size), p->pools[to].name,
			 percent(filled(p, to, 0), p->pools[to].size));
	}
}

/* The pool that is most above the threshold, of those not looked at yet. */
static size_t fullest(const struct plan *p, const bool *seen)
{
	size_t found = NOWHERE;

	for (size_t i = 0; i < p->pool_count; i++) {
		const struct drover_pool_figures *a = &p->pools[i],
						 *b = &p->pools[found == NOWHERE ? i : found];

		if (seen[i] || !a->size || a->leave_out || !was_over(p, i))
			continue;
		if (found == NOWHERE ||
		    (__uint128_t)a->used * b->size > (__uint128_t)b->used * a->size)
			found = i;
	}
	return found;
}

/* --- latency --- */

static size_t busiest(const struct plan *p, size_t from, size_t *ret_to)
{
	size_t found = NOWHERE;

	for (size_t i = 0; i < p->disk_count; i++) {
		uint32_t writes = p->disks[i].writes;
		size_t to;

		if (!may_leave(p, i, from) || writes < BUSY_WRITES ||
		    (found != NOWHERE && writes <= p->disks[found].writes))
			continue;
		to = choose(p, from, p->disks[i].bytes, is_much_quicker);
		if (to == NOWHERE)
			continue;
		found = i;
		*ret_to = to;
	}
	return found;
}

static void quicken(struct plan *p, size_t from)
{
	const struct drover_pool_figures *pool = &p->pools[from];
	struct drover_pool_advice *a;
	uint64_t ratio;
	size_t disk, to;

	if (!pool->size || pool->leave_out || pool->latency_us <= FINE_US)
		return;
	disk = busiest(p, from, &to);
	if (disk == NOWHERE)
		return;
	a = add(p, disk, from, to);
	ratio = pool->latency_us / p->pools[to].latency_us;
	a->priority = ratio >= 10 ? 3 : ratio >= 5 ? 4 : 5;
	snprintf(a->reason, sizeof(a->reason),
		 "pool %s takes %" PRIu64 " us for a small write, pool %s %" PRIu64
		 " us, and the disk makes %u writes a second",
		 pool->name, pool->latency_us, a->to, p->pools[to].latency_us,
		 p->disks[disk].writes);
}

static void hand_out(struct plan *p, struct drover_pool_advice **ret_advice, size_t *ret_count)
{
	*ret_advice = steal_ptr(p->advice);
	*ret_count = p->count;
	plan_free(p);
}

int drover_pool_balance(const struct drover_pool_view *view,
			struct drover_pool_advice **ret_advice, size_t *ret_count,
			struct drover_err *err)
{
	auto_free bool *seen = calloc(view->pool_count + 1, sizeof(*seen));
	struct plan p;
	size_t i;
	int r = seen ? plan_init(&p, view, err) : drover_err_set(err, ENOMEM, "out of memory");

	if (r < 0)
		return r;
	while ((i = fullest(&p, seen)) != NOWHERE) {
		seen[i] = true;
		relieve(&p, i);
	}
	for (i = 0; i < p.pool_count; i++)
		quicken(&p, i);
	hand_out(&p, ret_advice, ret_count);
	return 0;
}

/* --- emptying --- */

static uint64_t most_free(const struct plan *p, size_t from)
{
	uint64_t most = 0;

	for (size_t i = 0; i < p->pool_count; i++) {
		uint64_t used = filled(p, i, 0), size = p->pools[i].size;

		if (i != from && !p->pools[i].leave_out && size > used && size - used > most)
			most = size - used;
	}
	return most;
}

static void find_place(struct plan *p, size_t disk, size_t from)
{
	uint64_t bytes = p->disks[disk].bytes;
	size_t to = choose(p, from, bytes, fits_below_threshold);
	struct drover_pool_advice *a;

	if (to == NOWHERE)
		to = choose(p, from, bytes, fits_at_all);
	a = add(p, disk, from, to);
	a->priority = 3;
	if (to == NOWHERE) {
		snprintf(a->reason, sizeof(a->reason),
			 "no other pool has space: %" PRIu64 " MiB are needed, at most %" PRIu64
			 " MiB are free",
			 (bytes + MIB - 1) / MIB, most_free(p, from) / MIB);
		return;
	}
	snprintf(a->reason, sizeof(a->reason), "pool %s comes to %u %% with it", a->to,
		 percent(filled(p, to, 0), p->pools[to].size));
}

int drover_pool_empty(const struct drover_pool_view *view, const char *from,
		      struct drover_pool_advice **ret_advice, size_t *ret_count,
		      struct drover_err *err)
{
	struct plan p;
	int r = plan_init(&p, view, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p.disk_count; i++) {
		size_t pool = pool_of(&p, &p.disks[i]);

		if (pool != NOWHERE && !strcmp(p.disks[i].pool, from) && !p.disks[i].fixed)
			find_place(&p, i, pool);
	}
	hand_out(&p, ret_advice, ret_count);
	return 0;
}
