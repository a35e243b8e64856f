/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_CLOCK_H
#define GUEST_CLOCK_H

struct options;

void clock_start(const struct options *opt);
void clock_reset_gap(void);

#endif
