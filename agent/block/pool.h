/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools: which one a path lies in, their space, their speed, names of new images. */
#ifndef DROVER_BLOCK_POOL_H
#define DROVER_BLOCK_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "block/promise.h"
#include "core/model.h"

/** drover_pool_find() - by name, or NULL; "" stands for the only or first one */
const struct drover_pool_conf *drover_pool_find(const struct drover_conf *conf, const char *name);

/** drover_pool_of() - the pool whose directory holds @path, or NULL */
const struct drover_pool_conf *drover_pool_of(const struct drover_conf *conf, const char *path);

/**
 * drover_pool_inside() - where a file is, from the pool's directory, with links followed; blocking
 * @buf: DROVER_PATH_MAX bytes; out: begins with a slash
 *
 * False if it is not in the pool, or not there.
 */
bool drover_pool_inside(const struct drover_pool_conf *pool, const char *path, char *buf);

/**
 * drover_pool_space() - bytes in all and free for us, now
 *
 * What a file system keeps for root counts as neither. Errors: -ENOTDIR when the directory is not
 * there, or is a mount point (by the configuration or by fstab(5)) with nothing mounted.
 */
int drover_pool_space(const struct drover_pool_conf *pool, uint64_t *ret_size, uint64_t *ret_free,
		      struct drover_err *err);

/**
 * drover_pool_check() - can the pool take @bytes more?
 *
 * What this host's moves and arrivals will still take of its file system is not free. Those of
 * other hosts that share it are not known here.
 *
 * Errors: -ENOTDIR, -EROFS, -ENOSPC with a sentence that holds the figures.
 */
int drover_pool_check(const struct drover_pool_conf *pool, uint64_t bytes, struct drover_err *err);

/**
 * drover_pool_promise() - the same for an image that is about to be made, and keep it the space
 * @path: of the image
 * @bytes: that it takes in the end
 * @promise: in and out: NULL, or one of the same image, which the new one replaces; who holds it
 *	drops it when the image is complete, or will not be
 *
 * Of several at the same time each reckons with those before it alone, so not all are refused.
 * Errors: those of drover_pool_check(); what was promised before stays so.
 */
int drover_pool_promise(const struct drover_pool_conf *pool, const char *path, uint64_t bytes,
			struct drover_promise **promise, struct drover_err *err);

/**
 * drover_pool_name_image() - DIR/VM-DISK.FORMAT, or with a number where that is in use
 *
 * Nothing is created; who creates it does so exclusively.
 */
int drover_pool_name_image(const struct drover_pool_conf *pool, const char *vm, const char *disk,
			   const char *format, char *buf, size_t size, struct drover_err *err);

/**
 * struct drover_pool_speed - measured by a probe file, with direct I/O
 * @latency_us: median of small synchronous writes
 * @read_rate, @write_rate: bytes per second
 * @time_us: when, CLOCK_REALTIME; 0: never
 */
struct drover_pool_speed {
	uint64_t latency_us, read_rate, write_rate, time_us;
};

/**
 * drover_pool_measure() - takes about a second, and for that time 8 MiB; blocking
 *
 * Errors: those of drover_pool_check(), also when less than 32 MiB are free.
 */
int drover_pool_measure(const struct drover_pool_conf *pool, struct drover_pool_speed *ret_speed,
			struct drover_err *err);

/** drover_pool_keep() - keep what was measured in <state_dir>/pools/ */
int drover_pool_keep(const struct drover_conf *conf, const struct drover_pool_conf *pool,
		     const struct drover_pool_speed *speed, struct drover_err *err);

/** drover_pool_kept() - what was measured last; all 0 when it is not known of this directory */
void drover_pool_kept(const struct drover_conf *conf, const struct drover_pool_conf *pool,
		      struct drover_pool_speed *ret_speed);

#endif
