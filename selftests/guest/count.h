/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_COUNT_H
#define GUEST_COUNT_H

#include <stddef.h>
#include <stdint.h>

/* Every figure that the guest reports, in the order of the report line. */
enum count {
	MEM_WRITES,
	MEM_CHECKS,
	MEM_ERRORS,
	DISK_WRITES,
	DISK_READS,
	DISK_ERRORS,
	DISK_KEPT,
	LOAD_KIB,
	FIO_ERRORS,
	TCP_CLIENTS,
	TCP_BYTES,
	NET_BYTES,
	NET_CONNECTS,
	NET_ERRORS,
	BEAT_SEQ,
	MAX_GAP_MS,
	CLOCK_ERRORS,
	SETUP_ERRORS,
	COUNT_MAX,
};

void count_add(enum count which, uint64_t n);
void count_set(enum count which, uint64_t n);
uint64_t count_get(enum count which);
uint64_t count_errors(void);
const char *count_name(enum count which);

/* Counts one error and says on the console what it was. */
void fail(enum count which, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
