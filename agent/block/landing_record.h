/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of a landing: <state_dir>/landings/SOURCE-ID. For landing.c alone. */
#ifndef DROVER_BLOCK_LANDING_RECORD_H
#define DROVER_BLOCK_LANDING_RECORD_H

#include "block/landing.h"

int drover_landing_record_write(const struct drover_conf *conf, const struct drover_landing *l,
				struct drover_err *err);
int drover_landing_record_forget(const struct drover_conf *conf, const struct drover_landing *l,
				 struct drover_err *err);

#endif
