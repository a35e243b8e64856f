/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that an image is based on, one behind the other. */
#ifndef DROVER_BLOCK_CHAIN_H
#define DROVER_BLOCK_CHAIN_H

#include <stdint.h>

#include "base/err.h"
#include "core/model.h"

/* So many at most: a chain that goes round would have no end. */
#define DROVER_CHAIN_MAX 64

/**
 * drover_chain_each() - each backing file of an image, the nearest first
 * @each: not 0 ends it, and is what is returned
 *
 * Errors: those of drover_ask_image(), of the image or of a backing file; -ELOOP.
 */
int drover_chain_each(const struct drover_conf *conf, const char *path, const char *format,
		      int (*each)(void *data, const char *backing), void *data,
		      struct drover_err *err);

/**
 * drover_chain_used() - bytes that all backing files of an image take on their stores
 * @ret_bytes: out, also on errors: of those up to the first that cannot be looked at
 *
 * Errors: those of drover_chain_each().
 */
int drover_chain_used(const struct drover_conf *conf, const char *path, const char *format,
		      uint64_t *ret_bytes, struct drover_err *err);

#endif
