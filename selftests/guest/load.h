/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_LOAD_H
#define GUEST_LOAD_H

#include <stdbool.h>

/* Starts what writes; it has nothing to do until it gets a rate. Call it after disk_start(). */
void load_start(void);

/* From now on this many KiB a second, if the disk can take them; false: there is no disk. */
bool load_rate(unsigned long kib);

#endif
