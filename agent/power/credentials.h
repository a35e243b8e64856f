/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How hosts are powered: a file for each, with secrets, that root alone may read. */
#ifndef DROVER_POWER_CREDENTIALS_H
#define DROVER_POWER_CREDENTIALS_H

#include "power/power.h"

#define DROVER_POWER_DIR "/etc/drover/power"

/**
 * drover_power_load() - read DIR/NAME.conf (drover-power(5))
 * @dir: DROVER_POWER_DIR, or another for tests
 * @name: the host
 * @ret_host: out: its ways, the preferred one first; to be wiped with drover_power_forget()
 *
 * Errors: -ENOENT when there is no file; -EACCES when others than its owner may read or change it,
 * or it is neither root's nor ours; -EINVAL with "NAME.conf:LINE: …". None repeats a secret.
 */
int drover_power_load(const char *dir, const char *name, struct drover_power_host *ret_host,
		      struct drover_err *err);

/** drover_power_forget() - wipe what was loaded */
void drover_power_forget(struct drover_power_host *host);

#endif
