/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_MEMORY_H
#define GUEST_MEMORY_H

#include <stdint.h>

struct options;

void memory_start(const struct options *opt);
void memory_rate(unsigned long pages_per_second);

/* Checks every page now; returns how many that were. */
uint64_t memory_check(void);

#endif
