// SPDX-License-Identifier: GPL-2.0-or-later
/* Advice about pools: cases worked out by hand, and what must hold for any figures. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/pool.h"

#define MIB    (UINT64_C(1) << 20)
#define MANY   12
#define ROUNDS 3000

/* Room for what one case needs; sizes are in MiB. */
struct scene {
	struct drover_pool_figures pools[MANY];
	struct drover_pool_disk disks[MANY * 4];
	struct drover_pool_view view;
	struct drover_pool_advice *advice;
	size_t count;
};

static struct scene *scene(uint32_t threshold)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->view = (struct drover_pool_view){ .pools = s->pools, .disks = s->disks,
					     .threshold = threshold };
	return s;
}

static void end(struct scene *s)
{
	free(s->advice);
	free(s);
}

static struct drover_pool_figures *pool(struct scene *s, const char *name, uint64_t size,
					uint64_t used, uint64_t latency_us)
{
	struct drover_pool_figures *p = &s->pools[s->view.pool_count++];

	assert_true(s->view.pool_count <= MANY);
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->size = size * MIB;
	p->used = used * MIB;
	p->latency_us = latency_us;
	return p;
}

static struct drover_pool_disk *disk(struct scene *s, const char *vm, const char *in,
				     uint64_t bytes, uint32_t writes)
{
	struct drover_pool_disk *d = &s->disks[s->view.disk_count++];

	assert_true(s->view.disk_count <= MANY * 4);
	snprintf(d->vm, sizeof(d->vm), "%s", vm);
	strcpy(d->disk, "root");
	snprintf(d->pool, sizeof(d->pool), "%s", in);
	d->bytes = bytes * MIB;
	d->writes = writes;
	return d;
}

static void balance(struct scene *s)
{
	struct drover_err err = { 0 };

	free(s->advice);
	assert_int_equal(drover_pool_balance(&s->view, &s->advice, &s->count, &err), 0);
}

static void empty(struct scene *s, const char *from)
{
	struct drover_err err = { 0 };

	free(s->advice);
	assert_int_equal(drover_pool_empty(&s->view, from, &s->advice, &s->count, &err), 0);
}

static void advised(const struct scene *s, size_t i, const char *vm, const char *to)
{
	assert_true(i < s->count);
	assert_string_equal(s->disks[s->advice[i].disk].vm, vm);
	assert_string_equal(s->advice[i].to, to);
}

/* --- space --- */

static void nothing_is_over(void **state)
{
	struct scene *s = scene(80);

	pool(s, "a", 100, 80, 0);
	pool(s, "b", 100, 0, 0);
	disk(s, "v1", "a", 80, 1000);
	balance(s);
	assert_int_equal(s->count, 0);
	s->view.pool_count = 0;
	balance(s);
	assert_int_equal(s->count, 0);
	end(s);
}

/* 90 of 100 are 10 too many: one disk of 12 does it, better than one of 40 or two of 6. */
static void smallest_sufficient_set(void **state)
{
	struct scene *s = scene(80);

	pool(s, "old", 100, 90, 0);
	pool(s, "new", 1000, 100, 0);
	disk(s, "large", "old", 40, 0);
	disk(s, "right", "old", 12, 0);
	disk(s, "small1", "old", 6, 0);
	disk(s, "small2", "old", 6, 0);
	balance(s);
	assert_int_equal(s->count, 1);
	advised(s, 0, "right", "new");
	assert_string_equal(s->advice[0].reason,
			    "pool old is 90 % full, above the threshold of 80 %; with this it comes to "
			    "78 %, and pool new to 11 %");
	assert_int_equal(s->advice[0].priority, 2);
	end(s);
}

/* 25 too many: no disk alone is enough; the largest first, then the smallest that will do. */
static void several_where_one_will_not_do(void **state)
{
	struct scene *s = scene(70);

	pool(s, "old", 100, 95, 0);
	pool(s, "new", 1000, 100, 0);
	disk(s, "v20", "old", 20, 0);
	disk(s, "v18", "old", 18, 0);
	disk(s, "v5", "old", 5, 0);
	disk(s, "v4", "old", 4, 0);
	balance(s);
	assert_int_equal(s->count, 2);
	advised(s, 0, "v20", "new");
	advised(s, 1, "v5", "new");
	assert_int_equal(s->advice[0].priority, 1);
	end(s);
}

static void targets_stay_below_the_threshold(void **state)
{
	struct scene *s = scene(80);

	pool(s, "old", 100, 100, 0);
	pool(s, "full", 100, 75, 0);
	pool(s, "tight", 100, 60, 0);
	disk(s, "v30", "old", 30, 0);
	disk(s, "v21", "old", 21, 0);
	disk(s, "v19", "old", 19, 0);
	balance(s);
	/* 20 would be wanted, but only the one of 19 finds a place; nothing fits beside it. */
	assert_int_equal(s->count, 1);
	advised(s, 0, "v19", "tight");
	end(s);
}

static void pools_that_are_left_out(void **state)
{
	struct scene *s = scene(80);

	pool(s, "old", 100, 90, 0)->leave_out = true;
	pool(s, "gone", 0, 0, 0);
	pool(s, "new", 100, 0, 0);
	disk(s, "v", "old", 30, 0);
	disk(s, "w", "gone", 30, 0);
	balance(s);
	assert_int_equal(s->count, 0);
	s->pools[0].leave_out = false;
	s->pools[2].leave_out = true;
	balance(s);
	assert_int_equal(s->count, 0);
	s->pools[2].leave_out = false;
	s->disks[0].fixed = true;
	balance(s);
	assert_int_equal(s->count, 0);
	end(s);
}

static void the_quicker_of_two_targets(void **state)
{
	struct scene *s = scene(80);

	pool(s, "old", 100, 90, 4000);
	pool(s, "unknown", 1000, 0, 0);
	pool(s, "slow", 1000, 0, 9000);
	pool(s, "middle", 1000, 0, 7000);
	pool(s, "quick", 1000, 700, 2000);
	disk(s, "v", "old", 20, 0);
	balance(s);
	assert_int_equal(s->count, 1);
	advised(s, 0, "v", "quick");
	s->pools[4].leave_out = true;
	balance(s);
	advised(s, 0, "v", "middle");
	s->pools[3].leave_out = true;
	balance(s);
	/* Slower than twice is not accepted; what was not measured comes last. */
	advised(s, 0, "v", "unknown");
	s->pools[1].leave_out = true;
	balance(s);
	assert_int_equal(s->count, 0);
	end(s);
}

/* --- latency --- */

static void busiest_disk_leaves_a_slow_pool(void **state)
{
	struct scene *s = scene(80);

	pool(s, "slow", 100, 50, 6000);
	pool(s, "quick", 100, 50, 1000);
	disk(s, "idle", "slow", 10, 9);
	disk(s, "busy", "slow", 10, 40);
	disk(s, "busier", "slow", 35, 400);
	balance(s);
	/* The busiest of all does not fit there. */
	assert_int_equal(s->count, 1);
	advised(s, 0, "busy", "quick");
	assert_string_equal(s->advice[0].reason,
			    "pool slow takes 6000 us for a small write, pool quick 1000 us, and the "
			    "disk makes 40 writes a second");
	assert_int_equal(s->advice[0].priority, 4);
	end(s);
}

static void not_much_slower(void **state)
{
	struct scene *s = scene(80);

	pool(s, "slow", 100, 50, 2900);
	pool(s, "quick", 100, 10, 1000);
	disk(s, "busy", "slow", 10, 400);
	balance(s);
	assert_int_equal(s->count, 0);
	s->pools[0].latency_us = 3000;
	balance(s);
	assert_int_equal(s->count, 1);
	/* Quick enough, however quick another may be. */
	s->pools[0].latency_us = 500;
	s->pools[1].latency_us = 20;
	balance(s);
	assert_int_equal(s->count, 0);
	s->pools[0].latency_us = 9000;
	s->pools[1].latency_us = 0;
	balance(s);
	assert_int_equal(s->count, 0);
	end(s);
}

/* --- emptying --- */

static void everything_finds_a_place(void **state)
{
	struct scene *s = scene(80);

	pool(s, "old", 100, 100, 0);
	pool(s, "quick", 100, 50, 1000);
	pool(s, "slow", 100, 10, 8000);
	disk(s, "v10", "old", 10, 0);
	disk(s, "v30", "old", 30, 0);
	disk(s, "v45", "old", 45, 0);
	disk(s, "other", "slow", 10, 0);
	disk(s, "fixed", "old", 10, 0)->fixed = true;
	empty(s, "old");
	assert_int_equal(s->count, 3);
	advised(s, 0, "v45", "slow");
	advised(s, 1, "v30", "quick");
	advised(s, 2, "v10", "slow");
	assert_string_equal(s->advice[1].reason, "pool quick comes to 80 % with it");
	end(s);
}

static void above_the_threshold_before_nowhere(void **state)
{
	struct scene *s = scene(80);

	pool(s, "old", 100, 100, 0);
	pool(s, "b", 100, 70, 0);
	pool(s, "c", 100, 60, 0);
	disk(s, "v30", "old", 30, 0);
	disk(s, "v25", "old", 25, 0);
	disk(s, "v31", "old", 31, 0);
	empty(s, "old");
	assert_int_equal(s->count, 3);
	advised(s, 0, "v31", "c");
	advised(s, 1, "v30", "b");
	advised(s, 2, "v25", "");
	assert_string_equal(s->advice[2].reason,
			    "no other pool has space: 25 MiB are needed, at most 9 MiB are free");
	end(s);
}

/* --- what must hold for any figures --- */

static uint64_t seed;

/* Pelham Lehmer's generator with the figures of MINSTD (Park and Miller 1988): the same each run. */
static uint32_t below(uint32_t n)
{
	seed = seed * 48271 % 2147483647;
	return seed % n;
}

static struct scene *any(uint32_t number)
{
	static const uint64_t latencies[] = { 0, 100, 400, 900, 1500, 3000, 7000, 20000 };
	uint64_t used[MANY] = { 0 };
	struct scene *s = scene(50 + number % 46);
	uint32_t pools = 1 + below(MANY), disks = below(MANY * 4);
	char name[16], in[16];

	for (uint32_t i = 0; i < disks; i++) {
		uint32_t at = below(pools), bytes = below(60);

		snprintf(name, sizeof(name), "v%u", i);
		snprintf(in, sizeof(in), "p%u", at);
		disk(s, name, in, bytes, below(3) ? 0 : below(500))->fixed = !below(6);
		used[at] += bytes;
	}
	for (uint32_t i = 0; i < pools; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		used[i] += below(40);
		pool(s, name, used[i] + below(200) + 1, used[i], latencies[below(8)])->leave_out =
			!below(8);
	}
	return s;
}

static struct drover_pool_figures *named(struct scene *s, const char *name)
{
	for (size_t i = 0; i < s->view.pool_count; i++)
		if (!strcmp(s->pools[i].name, name))
			return &s->pools[i];
	fail_msg("there is no pool %s", name);
	return NULL;
}

static bool over(const struct scene *s, const struct drover_pool_figures *p)
{
	return p->used * 100 > p->size * s->view.threshold;
}

/* As if all had been carried out and the old images deleted. */
static void carry_out(struct scene *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct drover_pool_disk *d = &s->disks[s->advice[i].disk];

		named(s, d->pool)->used -= d->bytes;
		named(s, s->advice[i].to)->used += d->bytes;
		strcpy(d->pool, s->advice[i].to);
	}
}

static void check_each(struct scene *s)
{
	bool seen[MANY * 4] = { false };
	uint64_t in[MANY] = { 0 };

	for (size_t i = 0; i < s->count; i++) {
		const struct drover_pool_advice *a = &s->advice[i];
		const struct drover_pool_disk *d = &s->disks[a->disk];
		struct drover_pool_figures *to = named(s, a->to);

		assert_false(seen[a->disk]);
		seen[a->disk] = true;
		assert_false(d->fixed);
		assert_string_not_equal(d->pool, a->to);
		assert_false(to->leave_out || named(s, d->pool)->leave_out);
		assert_in_range(a->priority, 1, 5);
		assert_true(strlen(a->reason) > 20);
		/* Even while nothing has been deleted yet. */
		in[to - s->pools] += d->bytes;
		assert_true((to->used + in[to - s->pools]) * 100 <= to->size * s->view.threshold);
	}
}

/* Without any one of the moves off a pool that is relieved it would still be over. */
static void check_smallest(struct scene *s)
{
	for (size_t i = 0; i < s->view.pool_count; i++) {
		struct drover_pool_figures *p = &s->pools[i];
		uint64_t out = 0, least = UINT64_MAX;

		for (size_t j = 0; j < s->count; j++) {
			const struct drover_pool_disk *d = &s->disks[s->advice[j].disk];

			if (strcmp(d->pool, p->name) || !strstr(s->advice[j].reason, "threshold"))
				continue;
			out += d->bytes;
			least = d->bytes < least ? d->bytes : least;
		}
		if (out)
			assert_true((p->used - out + least) * 100 > p->size * s->view.threshold);
	}
}

static bool accepted(const struct drover_pool_figures *from, const struct drover_pool_figures *to)
{
	return !from->latency_us || to->latency_us <= 500 || to->latency_us <= 2 * from->latency_us;
}

/* A pool that stays over has no disk that any other could take. */
static void check_sufficient(struct scene *s)
{
	uint64_t in[MANY] = { 0 }, out[MANY] = { 0 };
	bool moved[MANY * 4] = { false };

	for (size_t i = 0; i < s->count; i++) {
		const struct drover_pool_disk *d = &s->disks[s->advice[i].disk];

		moved[s->advice[i].disk] = true;
		in[named(s, s->advice[i].to) - s->pools] += d->bytes;
		out[named(s, d->pool) - s->pools] += d->bytes;
	}
	for (size_t i = 0; i < s->view.disk_count; i++) {
		const struct drover_pool_disk *d = &s->disks[i];
		struct drover_pool_figures *from = named(s, d->pool), after = *from;

		after.used -= out[from - s->pools];
		if (moved[i] || d->fixed || !d->bytes || from->leave_out ||
		    !over(s, &after))
			continue;
		for (size_t k = 0; k < s->view.pool_count; k++) {
			struct drover_pool_figures *to = &s->pools[k];

			if (to->leave_out || over(s, to) || !accepted(from, to))
				continue;
			assert_true((to->used + in[k] + d->bytes) * 100 >
				    to->size * s->view.threshold);
		}
	}
}

static void properties_of_balancing(void **state)
{
	size_t relieved = 0, quickened = 0;

	for (uint32_t n = 1; n <= ROUNDS; n++) {
		struct scene *s;
		size_t first;

		seed = n;
		s = any(n);
		balance(s);
		check_each(s);
		check_smallest(s);
		check_sufficient(s);
		for (size_t i = 0; i < s->count; i++) {
			if (strstr(s->advice[i].reason, "threshold"))
				relieved++;
			else
				quickened++;
		}
		/* No see-saw: what moved stays where it came to, as long as no figure changes. */
		first = s->count;
		carry_out(s);
		for (size_t i = 0; i < s->view.disk_count; i++)
			s->disks[i].fixed = true;
		for (size_t i = 0; i < first; i++)
			s->disks[s->advice[i].disk].fixed = false;
		balance(s);
		for (size_t i = 0; i < s->count; i++)
			assert_null(strstr(s->advice[i].reason, "threshold"));
		check_each(s);
		end(s);
	}
	/* The figures were such that there was something to see. */
	assert_true(relieved > 500);
	assert_true(quickened > 500);
}

/* Carried out again and again it comes to an end, and nothing ever goes back to where it was. */
static void never_back_and_forth(void **state)
{
	for (uint32_t n = 1; n <= ROUNDS / 10; n++) {
		char was[MANY * 4][MANY][DROVER_NAME_LEN] = { 0 };
		int rounds[MANY * 4] = { 0 };
		struct scene *s;
		int passes = 0;

		seed = n * 7919;
		s = any(n);
		for (size_t i = 0; i < s->view.disk_count; i++)
			strcpy(was[i][rounds[i]++], s->disks[i].pool);
		for (balance(s); s->count; balance(s)) {
			assert_true(++passes < 200);
			carry_out(s);
			for (size_t i = 0; i < s->count; i++) {
				size_t d = s->advice[i].disk;

				for (int k = 0; k < rounds[d]; k++)
					assert_string_not_equal(was[d][k], s->disks[d].pool);
				strcpy(was[d][rounds[d]++], s->disks[d].pool);
			}
		}
		end(s);
	}
}

static void shuffle(struct scene *s)
{
	for (size_t i = s->view.pool_count; i > 1; i--) {
		size_t j = below(i);
		struct drover_pool_figures t = s->pools[i - 1];

		s->pools[i - 1] = s->pools[j];
		s->pools[j] = t;
	}
	for (size_t i = s->view.disk_count; i > 1; i--) {
		size_t j = below(i);
		struct drover_pool_disk t = s->disks[i - 1];

		s->disks[i - 1] = s->disks[j];
		s->disks[j] = t;
	}
}

/* All of the advice as text, without the indices. */
static char *written(const struct scene *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	for (size_t i = 0; i < s->count; i++)
		fprintf(f, "%s to \"%s\", %u: %s\n", s->disks[s->advice[i].disk].vm,
			s->advice[i].to, s->advice[i].priority, s->advice[i].reason);
	fclose(f);
	return text;
}

static void order_makes_no_difference(void **state)
{
	for (uint32_t n = 1; n <= ROUNDS / 3; n++) {
		char *before, *after;
		struct scene *s;

		seed = n * 31;
		s = any(n);
		balance(s);
		before = written(s);
		shuffle(s);
		balance(s);
		after = written(s);
		assert_string_equal(before, after);
		free(before);
		free(after);
		empty(s, "p0");
		before = written(s);
		shuffle(s);
		empty(s, "p0");
		after = written(s);
		assert_string_equal(before, after);
		free(before);
		free(after);
		end(s);
	}
}

static void properties_of_emptying(void **state)
{
	size_t nowhere = 0, placed = 0;

	for (uint32_t n = 1; n <= ROUNDS / 3; n++) {
		uint64_t in[MANY] = { 0 };
		struct scene *s;
		size_t due = 0;

		seed = n * 101;
		s = any(n);
		empty(s, "p0");
		for (size_t i = 0; i < s->view.disk_count; i++)
			due += !strcmp(s->disks[i].pool, "p0") && !s->disks[i].fixed;
		assert_int_equal(s->count, due);
		for (size_t i = 0; i < s->count; i++) {
			const struct drover_pool_advice *a = &s->advice[i];
			struct drover_pool_figures *to;

			assert_string_equal(s->disks[a->disk].pool, "p0");
			if (!a->to[0]) {
				nowhere++;
				continue;
			}
			placed++;
			to = named(s, a->to);
			assert_string_not_equal(a->to, "p0");
			assert_false(to->leave_out);
			in[to - s->pools] += s->disks[a->disk].bytes;
			assert_true(to->used + in[to - s->pools] <= to->size);
		}
		end(s);
	}
	assert_true(nowhere > 50);
	assert_true(placed > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_over),
		cmocka_unit_test(smallest_sufficient_set),
		cmocka_unit_test(several_where_one_will_not_do),
		cmocka_unit_test(targets_stay_below_the_threshold),
		cmocka_unit_test(pools_that_are_left_out),
		cmocka_unit_test(the_quicker_of_two_targets),
		cmocka_unit_test(busiest_disk_leaves_a_slow_pool),
		cmocka_unit_test(not_much_slower),
		cmocka_unit_test(everything_finds_a_place),
		cmocka_unit_test(above_the_threshold_before_nowhere),
		cmocka_unit_test(properties_of_balancing),
		cmocka_unit_test(never_back_and_forth),
		cmocka_unit_test(order_makes_no_difference),
		cmocka_unit_test(properties_of_emptying),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
