// SPDX-License-Identifier: GPL-2.0-or-later
/* An order of names. */
#include "policy/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct names {
	const char *base;
	size_t size;
};

static int by_name(const void *a, const void *b, void *data)
{
	const struct names *n = data;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int r = strcmp(n->base + x * n->size, n->base + y * n->size);

	return r ? r : (x > y) - (x < y);
}

void drs_order_exit(struct drs_order *o)
{
	free(o->at);
	free(o->rank);
}

int drs_order_init(struct drs_order *o, const void *base, size_t size, size_t count,
		   struct drover_err *err)
{
	struct names names = {base, size};

	o->at = calloc(count + 1, sizeof(*o->at));
	o->rank = calloc(count + 1, sizeof(*o->rank));
	if (!o->at || !o->rank) {
		drs_order_exit(o);
		*o = (struct drs_order){0};
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	for (uint32_t i = 0; i < count; i++)
		o->at[i] = i;
	qsort_r(o->at, count, sizeof(*o->at), by_name, &names);
	for (uint32_t i = 0; i < count; i++)
		o->rank[o->at[i]] = i;
	return 0;
}
