// SPDX-License-Identifier: GPL-2.0-or-later
/* What the search keeps sorted. */
#include "policy/ranking.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void drs_ranking_exit(struct drs_ranking *r)
{
	free(r->at);
	free(r->left);
	free(r->heap);
	free(r->first);
	free(r->next);
	free(r->prev);
}

/* --- hosts by what they have left --- */

/* With one standard deviation kept back. */
static double left_of(const struct drs_host *h)
{
	double near = h->load.near + sqrt(fmax(0, h->load.near_var));
	double far = h->load.far + sqrt(fmax(0, h->load.far_var));

	return h->cap - fmax(near, far);
}

static int by_left(const void *a, const void *b, void *data)
{
	const double *left = data;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (left[x] != left[y])
		return left[x] < left[y] ? 1 : -1;
	return (x > y) - (x < y);
}

/* Where a host is, or belongs. */
static uint32_t place_of(const struct drs_ranking *r, uint32_t host)
{
	uint32_t low = 0, high = r->count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (by_left(&r->at[mid], &host, r->left) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void drs_ranking_refresh(struct drs_ranking *r, const struct drs_making *m, uint32_t host)
{
	uint32_t i = place_of(r, host);
	bool listed = i < r->count && r->at[i] == host;

	if (listed) {
		memmove(&r->at[i], &r->at[i + 1], (r->count - i - 1) * sizeof(*r->at));
		r->count--;
	}
	r->left[host] = left_of(&m->w.hosts[host]);
	if (!listed)
		return;
	i = place_of(r, host);
	memmove(&r->at[i + 1], &r->at[i], (r->count - i) * sizeof(*r->at));
	r->at[i] = host;
	r->count++;
}

/* --- hosts by loss --- */

static bool worse(const struct drs_heap_entry *a, const struct drs_heap_entry *b)
{
	return a->loss != b->loss ? a->loss > b->loss : a->host < b->host;
}

static void swap_entries(struct drs_heap_entry *a, struct drs_heap_entry *b)
{
	struct drs_heap_entry c = *a;

	*a = *b;
	*b = c;
}

void drs_ranking_push(struct drs_ranking *r, const struct drs_making *m, uint32_t host)
{
	uint32_t i = r->heap_count++;

	r->heap[i] = (struct drs_heap_entry){m->w.hosts[host].loss, host};
	for (; i && worse(&r->heap[i], &r->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap_entries(&r->heap[i], &r->heap[(i - 1) / 2]);
}

static void sink(struct drs_ranking *r)
{
	for (uint32_t i = 0;;) {
		uint32_t worst = i;

		for (uint32_t k = 2 * i + 1; k <= 2 * i + 2 && k < r->heap_count; k++)
			if (worse(&r->heap[k], &r->heap[worst]))
				worst = k;
		if (worst == i)
			return;
		swap_entries(&r->heap[i], &r->heap[worst]);
		i = worst;
	}
}

/* A host is in the heap once, and may have been given VMs since it was put there. */
bool drs_ranking_pop(struct drs_ranking *r, const struct drs_making *m, uint32_t *ret_host)
{
	while (r->heap_count) {
		struct drs_heap_entry e = r->heap[0];

		r->heap[0] = r->heap[--r->heap_count];
		sink(r);
		if (e.loss == m->w.hosts[e.host].loss) {
			*ret_host = e.host;
			return true;
		}
		drs_ranking_push(r, m, e.host);
	}
	return false;
}

/* --- units of hosts --- */

static void link_unit(struct drs_ranking *r, uint32_t unit, int32_t host)
{
	r->prev[unit] = -1;
	r->next[unit] = r->first[host];
	if (r->first[host] >= 0)
		r->prev[r->first[host]] = unit;
	r->first[host] = unit;
}

void drs_ranking_rehome(struct drs_ranking *r, uint32_t unit, int32_t from, int32_t to)
{
	if (r->prev[unit] >= 0)
		r->next[r->prev[unit]] = r->next[unit];
	else
		r->first[from] = r->next[unit];
	if (r->next[unit] >= 0)
		r->prev[r->next[unit]] = r->prev[unit];
	link_unit(r, unit, to);
}

static void link_all(struct drs_ranking *r, const struct drs_making *m)
{
	for (size_t h = 0; h < m->w.s->host_count; h++)
		r->first[h] = -1;
	for (uint32_t i = m->units.count; i > 0; i--) {
		struct drs_unit *u = &m->units.unit[i - 1];

		if (!u->count)
			continue;
		drs_unit_look(u, &m->w);
		if (u->at >= 0)
			link_unit(r, i - 1, u->at);
	}
}

int drs_ranking_init(struct drs_ranking *r, const struct drs_making *m, struct drover_err *err)
{
	size_t hosts = m->w.s->host_count, units = m->units.count;

	*r = (struct drs_ranking){
		.at = calloc(hosts + 1, sizeof(*r->at)),
		.left = calloc(hosts + 1, sizeof(*r->left)),
		.heap = calloc(hosts + 1, sizeof(*r->heap)),
		.first = calloc(hosts + 1, sizeof(*r->first)),
		.next = calloc(units + 1, sizeof(*r->next)),
		.prev = calloc(units + 1, sizeof(*r->prev)),
	};
	if (!r->at || !r->left || !r->heap || !r->first || !r->next || !r->prev) {
		drs_ranking_exit(r);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	for (size_t h = 0; h < hosts; h++) {
		r->left[h] = left_of(&m->w.hosts[h]);
		if (m->w.hosts[h].takes)
			r->at[r->count++] = h;
		if (drs_host_runs(&m->w.hosts[h]) && m->w.hosts[h].believed)
			drs_ranking_push(r, m, h);
	}
	qsort_r(r->at, r->count, sizeof(*r->at), by_left, r->left);
	link_all(r, m);
	return 0;
}
