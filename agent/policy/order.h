/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An order of names, so that the order of arrays makes no difference. Private to policy. */
#ifndef DROVER_POLICY_ORDER_H
#define DROVER_POLICY_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* @at: index of each rank; @rank: rank of each index. */
struct drs_order {
	uint32_t *at;
	uint32_t *rank;
};

/** drs_order_init() - @base: structs of @size bytes that begin with their name */
int drs_order_init(struct drs_order *o, const void *base, size_t size, size_t count,
		   struct drover_err *err);
void drs_order_exit(struct drs_order *o);

#endif
