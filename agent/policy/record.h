/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pass put down: what the policy saw and what it came to, as JSON, so that it can be thought
 * through again later, by the same code or by a newer one.
 */
#ifndef DROVER_POLICY_RECORD_H
#define DROVER_POLICY_RECORD_H

#include <jansson.h>

#include "policy/drs.h"

/**
 * drover_drs_record() - one pass of drover_drs_balance()
 *
 * Returns an object of the caller's, or NULL without memory.
 */
json_t *drover_drs_record(const struct drover_drs_snapshot *s, const struct drover_drs_plan *plan);

/**
 * struct drover_drs_recorded - one that was read
 * @snapshot: with arrays of its own
 * @moves: "VM FROM TO", as they were decided, in their order
 */
struct drover_drs_recorded {
	struct drover_drs_snapshot snapshot;
	char **moves;
	size_t move_count;
};

/** drover_drs_record_read() - the reverse; -EINVAL for what is no record, -ENOMEM */
int drover_drs_record_read(const json_t *record, struct drover_drs_recorded *ret_recorded,
			   struct drover_err *err);
void drover_drs_record_free(struct drover_drs_recorded *recorded);

/**
 * drover_drs_record_replay() - think it through again
 * @ret_same: out: the moves are those of the record
 * @text: out: what was decided then and now, where that differs; of @len bytes
 */
int drover_drs_record_replay(const struct drover_drs_recorded *recorded, bool *ret_same, char *text,
			     size_t len, struct drover_err *err);

#endif
