/* SPDX-License-Identifier: GPL-2.0-only */
/* The sentence that goes with a refusal. */
#ifndef DROVER_REASON_H
#define DROVER_REASON_H

#include <linux/compiler_attributes.h>

#include "uapi/drover.h"

struct drover_reason {
	char text[DROVER_REASON_MAX];
};

__printf(3, 4) int drover_refuse(struct drover_reason *why, int error, const char *format, ...);

#endif /* DROVER_REASON_H */
