/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_REPORT_H
#define GUEST_REPORT_H

#include <stddef.h>

struct options;

/* All figures as one line of JSON, without the newline. */
void report_json(char *text, size_t size);

/* Says that the guest is ready, then the figures from time to time, for ever. */
void report_run(const struct options *opt) __attribute__((noreturn));

#endif
