/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of those commands that deal with recommendations: their numbers, and the threshold. */
#ifndef DROVER_TOOL_RECOMMENDATION_H
#define DROVER_TOOL_RECOMMENDATION_H

#include <stddef.h>
#include <stdint.h>

#define RECOMMENDATIONS_MAX 64

/**
 * recommendation_ids() - numbers of recommendations, or --all
 * @ret_ids: room for RECOMMENDATIONS_MAX
 * @ret_count: out: 0 means all
 *
 * Returns 0, EXIT_HELP, or EXIT_USAGE after a sentence on standard error.
 */
int recommendation_ids(int argc, char **argv, const char *usage, uint64_t *ret_ids,
		       size_t *ret_count);

/** recommendation_threshold() - the last priority, 1 to 5, that is recommended; returns the same */
int recommendation_threshold(int argc, char **argv, const char *usage, uint32_t *ret_threshold);

#endif
