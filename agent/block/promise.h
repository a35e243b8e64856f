/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Space that new images on this host will still take. A file system tells what is free now, and not
 * that moves under way are about to fill it. For pool.c and for whoever holds a promise.
 */
#ifndef DROVER_BLOCK_PROMISE_H
#define DROVER_BLOCK_PROMISE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct drover_promise;

/**
 * drover_promise_make() - promise an image space
 * @dir: directory of its pool
 * @dev: its file system, which pools may share; 0: it was not looked at, and @dir alone tells
 * @path: where the image lies, once it is made
 * @bytes: that it takes in the end
 *
 * Looks at no file.
 */
int drover_promise_make(const char *dir, dev_t dev, const char *path, uint64_t bytes,
			struct drover_promise **ret_promise, struct drover_err *err);

/**
 * drover_promise_sum() - what images there will take beyond what they take already
 * @before: only promises that were made before this one; or NULL
 * @instead: one that does not count, because @before takes its place; or NULL
 *
 * Looks at the images, so it may take for ever where their store is dead.
 */
int drover_promise_sum(const char *dir, dev_t dev, const struct drover_promise *before,
		       const struct drover_promise *instead, uint64_t *ret_bytes,
		       struct drover_err *err);

/** drover_promise_drop() - the image is complete, gone, or was not made; NULL is fine */
void drover_promise_drop(struct drover_promise *promise);

#endif
