/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_ECHO_H
#define GUEST_ECHO_H

struct options;

void echo_start(const struct options *opt);

#endif
