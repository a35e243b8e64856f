/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the leader saw and decided, kept for those who ask later why. */
#ifndef DROVER_CTL_PASSES_H
#define DROVER_CTL_PASSES_H

#include "core/model.h"
#include "policy/drs.h"

/**
 * drover_passes_keep() - add a pass to STATE_DIR/passes.log, a line of JSON (policy/record.h)
 *
 * Only if its moves are other than those of the one before. The file is set aside as
 * passes.log.old when it has grown to 16 MiB. What goes wrong is said in the journal, once.
 */
void drover_passes_keep(const struct drover_conf *conf, const struct drover_drs_snapshot *s,
			const struct drover_drs_plan *plan);

#endif
