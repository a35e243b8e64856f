/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How busy this host is: what changed in /proc and /sys between two looks. */
#ifndef DROVER_STAT_HOSTLOAD_H
#define DROVER_STAT_HOSTLOAD_H

#include <stdint.h>

#include "base/err.h"

/* Sums since boot. */
struct drover_host_counters {
	uint64_t time_us;	/* CLOCK_MONOTONIC */
	double cpu_busy;	/* seconds of all processors, steal not included */
	double cpu_steal;
	uint64_t swap_pages;	/* in and out */
	uint64_t net_rx, net_tx;	/* bytes of the physical interfaces */
	double energy_j;	/* RAPL packages; below 0: not told */
};

/**
 * struct drover_host_load - rates between two looks, and what holds now
 * @cpu_used, @cpu_steal: processors; 1.5 is one and a half of them busy all the time
 * @cpu_pressure, @memory_pressure, @io_pressure: share of the last 10 s in which some task
 *	waited for it, 0 to 1 (PSI "some avg10"); 0 where the kernel has no PSI
 * @memory_used: bytes that are not available any more
 * @swap_rate, @net_rx, @net_tx: bytes per second
 * @watts: below 0 where the host does not tell
 * @power_source: where from: "rapl" (processors and their memory only), "hwmon", "acpi", or ""
 */
struct drover_host_load {
	double cpu_used, cpu_steal;
	double cpu_pressure, memory_pressure, io_pressure;
	uint64_t memory, memory_used;
	double swap_rate, net_rx, net_tx;
	double watts;
	char power_source[8];
};

/**
 * drover_host_load_read() - look, and tell what changed since the last look
 * @root: what /proc and /sys lie in: "" but in tests
 * @last: of the last look, all zero at first; replaced
 * @ret_load: out: the rates are 0 at the first look
 */
int drover_host_load_read(const char *root, struct drover_host_counters *last,
			  struct drover_host_load *ret_load, struct drover_err *err);

#endif
