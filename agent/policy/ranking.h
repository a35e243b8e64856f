/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the search keeps sorted: hosts by the CPU they have left, hosts by what is to be expected
 * of them at worst, and the units of each host. Private to policy.
 */
#ifndef DROVER_POLICY_RANKING_H
#define DROVER_POLICY_RANKING_H

#include "policy/making.h"

/**
 * struct drs_ranking - hosts and units in order
 * @at: hosts that take VMs, those with the most CPU left first; @count of them
 * @left: MHz that each host has left
 * @heap: hosts by loss, the highest first, as they were when they were put there
 * @first: of each host, its first unit; @next, @prev: of each unit, its neighbours; -1: none
 */
struct drs_ranking {
	uint32_t *at;
	uint32_t count;
	double *left;
	struct drs_heap_entry {
		double loss;
		uint32_t host;
	} * heap;
	uint32_t heap_count;
	int32_t *first, *next, *prev;
};

int drs_ranking_init(struct drs_ranking *r, const struct drs_making *m, struct drover_err *err);
void drs_ranking_exit(struct drs_ranking *r);

/** drs_ranking_refresh() - a host's load has changed */
void drs_ranking_refresh(struct drs_ranking *r, const struct drs_making *m, uint32_t host);

/** drs_ranking_push() - a host may have to be relieved */
void drs_ranking_push(struct drs_ranking *r, const struct drs_making *m, uint32_t host);

/** drs_ranking_pop() - the worst one; false when there is none */
bool drs_ranking_pop(struct drs_ranking *r, const struct drs_making *m, uint32_t *ret_host);

/** drs_ranking_rehome() - a unit went from one host to another */
void drs_ranking_rehome(struct drs_ranking *r, uint32_t unit, int32_t from, int32_t to);

#endif
