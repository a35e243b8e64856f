/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_CONTROL_H
#define GUEST_CONTROL_H

struct options;

void control_start(const struct options *opt);

#endif
