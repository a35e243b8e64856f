/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at stores that may be dead, each in a thread that may never come back. Nobody waits
 * twice: one that is silent is not asked again until it has answered.
 */
#ifndef DROVER_BLOCK_ASK_H
#define DROVER_BLOCK_ASK_H

#include <sys/stat.h>

#include "base/err.h"
#include "block/image.h"
#include "core/model.h"

/**
 * drover_ask() - ask a question that may get no answer
 * @what: who is asked, as in "pool old"; with what is asked where that alone takes long
 * @ms: how long it is waited for; less while others are silent, so that many do not take much
 *	longer than one
 * @fn, @data, @drop: as for drover_within()
 * @ret_late: out: @data is not the caller's any more
 *
 * The first time that it is not answered, and when it is after all, the log says so. Errors: those
 * of @fn; -ETIMEDOUT, with a sentence, also at once where an earlier question to @what is open.
 */
int drover_ask(const char *what, uint32_t ms, int (*fn)(void *data, struct drover_err *err),
	       void *data, void (*drop)(void *data), bool *ret_late, struct drover_err *err);

/**
 * drover_ask_file() - stat(2), for five seconds
 * @path: of a disk's image, or of a file that one is based on; it tells whose silence it is
 */
int drover_ask_file(const struct drover_conf *conf, const char *path, struct stat *ret_st,
		    struct drover_err *err);

/** drover_ask_gone() - is nothing at that path, and is that not only out of reach? */
bool drover_ask_gone(const struct drover_conf *conf, const char *path);

/** drover_ask_image() - drover_image_look(), for ten seconds once its store has answered */
int drover_ask_image(const struct drover_conf *conf, const char *path, const char *format,
		     struct drover_image *ret_image, struct drover_err *err);

/**
 * drover_ask_sync() - fdatasync(2), for @ms
 *
 * Errors: those of open(2) and fdatasync(2); -ETIMEDOUT: the store is dead, or has more to write
 * than it can in that time, and goes on with it.
 */
int drover_ask_sync(const char *path, uint32_t ms, struct drover_err *err);

/**
 * drover_ask_pool() - drover_pool_space(), for five seconds
 * @write: it must be possible to write there, too; -EROFS
 */
int drover_ask_pool(const struct drover_pool_conf *pool, bool write, uint64_t *ret_size,
		    uint64_t *ret_free, struct drover_err *err);

#endif
