/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan in the making: what all parts of a search share. Once memory is short, @failed says
 * so and nothing more is added. Private to policy.
 */
#ifndef DROVER_POLICY_MAKING_H
#define DROVER_POLICY_MAKING_H

#include "policy/cost.h"
#include "policy/fit.h"

/**
 * struct drs_making - a plan in the making
 * @w, @units: the cluster, which follows each move
 * @plan: with indices of the canonical copy, until drs_making_end()
 * @balanced: moves for balance so far
 * @to_the_end: as if there were as many passes as it takes: no limit on moves
 */
struct drs_making {
	struct drs_work w;
	struct drs_units units;
	struct drover_drs_plan plan;
	size_t move_room, reject_room, note_room;
	uint32_t balanced;
	bool to_the_end;
	bool failed;
};

int drs_making_start(struct drs_making *m, const struct drover_drs_snapshot *s,
		     const struct drover_drs_change *changes, size_t count, struct drover_err *err);

/**
 * drs_making_end() - hand the plan over and free the rest
 * @r: what went wrong before, or 0
 */
int drs_making_end(struct drs_making *m, int r, struct drover_drs_plan *ret_plan,
		   struct drover_err *err);

/** drs_making_move() - add a move of one VM and carry it out; the reason is still empty */
struct drover_drs_move *drs_making_move(struct drs_making *m, uint32_t vm, int32_t to,
					enum drover_drs_move_kind kind);

/** drs_making_reject() - add one; the reason is still empty; NULL when there is no memory */
struct drover_drs_reject *drs_making_reject(struct drs_making *m, uint32_t vm, int32_t to);

void drs_making_note(struct drs_making *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** drs_making_cost() - of moving all VMs of a unit */
struct drover_drs_cost drs_making_cost(const struct drs_making *m, const struct drs_unit *u,
				       int32_t to);

/** drs_say_obstacle() - why a unit does not fit on a host, as part of a sentence */
void drs_say_obstacle(const struct drs_making *m, const struct drs_unit *u, int32_t host,
		      struct drs_verdict v, char *text, size_t len);

/** drs_say() - a sentence, cut off where it does not fit */
void drs_say(char *text, size_t len, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The parts of a pass, in this order. */
void drs_mend_rules(struct drs_making *m);
/** @host: canonical */
void drs_empty_host(struct drs_making *m, int32_t host);
void drs_empty_maintenance(struct drs_making *m);
int drs_search(struct drs_making *m, struct drover_err *err);

#endif
