/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys in a file of credentials. For credentials.c alone. */
#ifndef DROVER_POWER_KEYS_H
#define DROVER_POWER_KEYS_H

#include "power/power.h"

/** drover_powerkeys_begin() - a section begins, whose driver is @way->ops: its defaults */
void drover_powerkeys_begin(struct drover_power_access *way);

/** drover_powerkeys_set() - one key of it; -EINVAL: unknown to that driver, or a wrong value */
int drover_powerkeys_set(struct drover_power_access *way, const char *key, const char *value,
			 struct drover_err *err);

/** drover_powerkeys_end() - it is over: is all there? */
int drover_powerkeys_end(const struct drover_power_access *way, struct drover_err *err);

#endif
