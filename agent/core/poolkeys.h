/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sections [pool NAME] and [storage] of drover.conf. For config.c alone. */
#ifndef DROVER_CORE_POOLKEYS_H
#define DROVER_CORE_POOLKEYS_H

#include "base/err.h"
#include "core/model.h"

/** drover_poolkeys_begin() - a section [pool @name] begins: the conf's last pool from now on */
int drover_poolkeys_begin(struct drover_conf *conf, const char *name, struct drover_err *err);

/** drover_poolkeys_end() - it is over: is all there, and does it fit to the pools before it? */
int drover_poolkeys_end(const struct drover_conf *conf, struct drover_err *err);

/* Each takes one key and its value; errors: -EINVAL, an unknown key or a wrong value. */
int drover_poolkeys_pool(struct drover_conf *conf, const char *key, const char *value,
			 struct drover_err *err);
int drover_poolkeys_storage(struct drover_conf *conf, const char *key, const char *value,
			    struct drover_err *err);

#endif
