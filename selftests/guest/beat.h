/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_BEAT_H
#define GUEST_BEAT_H

struct options;

void beat_start(const struct options *opt);

#endif
