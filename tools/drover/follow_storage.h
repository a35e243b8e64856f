/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shows disk moves until they end. */
#ifndef DROVER_TOOL_FOLLOW_STORAGE_H
#define DROVER_TOOL_FOLLOW_STORAGE_H

#include "control.pb-c.h"

#define FOLLOW_STORAGE_MAX 16

/**
 * follow_storage() - begin moves, follow them, report
 * @verb: what begins them
 *
 * Ctrl-C cancels them; pressed once more it leaves them to themselves. Returns what drover is
 * to end with: that of the one that went worst.
 */
int follow_storage(Drover__StorageMigrate *verb);

#endif
