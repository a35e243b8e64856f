// SPDX-License-Identifier: GPL-2.0-or-later
/* The figures that all threads add to, and the one way to report an error. */
#include "count.h"

#include <stdarg.h>
#include <stdio.h>

/* A guest gone bad has thousands: the first lines tell the story. */
#define LINES_MAX 100

static const char *const names[COUNT_MAX] = {
	[MEM_WRITES] = "mem_writes",	 [MEM_CHECKS] = "mem_checks",
	[MEM_ERRORS] = "mem_errors",	 [DISK_WRITES] = "disk_writes",
	[DISK_READS] = "disk_reads",	 [DISK_ERRORS] = "disk_errors",
	[DISK_KEPT] = "disk_kept",	 [LOAD_KIB] = "load_kib",
	[FIO_ERRORS] = "fio_errors",	 [TCP_CLIENTS] = "tcp_clients",
	[TCP_BYTES] = "tcp_bytes",	 [NET_BYTES] = "net_bytes",
	[NET_CONNECTS] = "net_connects", [NET_ERRORS] = "net_errors",
	[BEAT_SEQ] = "beat_seq",	 [MAX_GAP_MS] = "max_gap_ms",
	[CLOCK_ERRORS] = "clock_errors", [SETUP_ERRORS] = "setup_errors",
};

static uint64_t counts[COUNT_MAX];

void count_add(enum count which, uint64_t n)
{
	__atomic_fetch_add(&counts[which], n, __ATOMIC_RELAXED);
}

void count_set(enum count which, uint64_t n)
{
	__atomic_store_n(&counts[which], n, __ATOMIC_RELAXED);
}

uint64_t count_get(enum count which)
{
	return __atomic_load_n(&counts[which], __ATOMIC_RELAXED);
}

uint64_t count_errors(void)
{
	return count_get(MEM_ERRORS) + count_get(DISK_ERRORS) + count_get(FIO_ERRORS) +
	       count_get(NET_ERRORS) + count_get(CLOCK_ERRORS) + count_get(SETUP_ERRORS);
}

const char *count_name(enum count which)
{
	return names[which];
}

void fail(enum count which, const char *format, ...)
{
	char line[256];
	va_list args;

	count_add(which, 1);
	if (count_errors() > LINES_MAX)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	printf("DROVER-GUEST ERROR %s: %s\n", names[which], line);
}
