/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_LATENCY_H
#define GUEST_LATENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long the guest's own single writes to its disk took, one at a time. */
void latency_add(uint64_t ns);

/* Number, median, 99th percentile and maximum as one line of JSON; @reset: starts anew. */
void latency_json(bool reset, char *text, size_t size);

#endif
