/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_STREAM_H
#define GUEST_STREAM_H

struct options;

void stream_start(const struct options *opt);

#endif
