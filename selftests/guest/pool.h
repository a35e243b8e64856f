/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_POOL_H
#define GUEST_POOL_H

#include <stdint.h>

struct options;

void pool_start(const struct options *opt);

/* Checks every buffer that holds something; returns how many pages that were. */
uint64_t pool_check(void);

#endif
