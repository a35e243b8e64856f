/* SPDX-License-Identifier: GPL-2.0-only */
/* Page contents: which pages hold data, and their way to a socket. */
#ifndef DROVER_STREAM_H
#define DROVER_STREAM_H

#include "bitmap.h"
#include "ram.h"
#include "stats.h"

int drover_stream_take(const struct drover_ram *ram, struct drover_bitmap *bitmap,
		       struct drover_take *take);
void drover_stream_untake(struct drover_bitmap *bitmap, const struct drover_take *take);
int drover_stream_send(const struct drover_ram *ram, struct drover_stats *stats,
		       struct drover_send *send);

#endif /* DROVER_STREAM_H */
