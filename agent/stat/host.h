/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host is: processors, memory, kernel. Read from /proc. */
#ifndef DROVER_STAT_HOST_H
#define DROVER_STAT_HOST_H

#include <stdint.h>

#include "base/err.h"

#define DROVER_CPU_FLAGS_MAX 512

/**
 * struct drover_host_stat - this host now
 * @cpu_model: "model name" of /proc/cpuinfo
 * @memory_mib, @memory_free_mib: MemTotal and MemAvailable
 * @cpu_mhz: of one processor, the most it is made for where cpufreq tells; 0 if nobody does
 */
struct drover_host_stat {
	uint32_t cpus;
	uint64_t memory_mib;
	uint64_t memory_free_mib;
	double load1;
	double cpu_mhz;
	char cpu_model[128];
	char kernel[72];
};

int drover_host_stat_read(struct drover_host_stat *ret_stat, struct drover_err *err);

/**
 * struct drover_cpu_flags - features of the first processor
 * @text: owns the words
 * @flag: @count words, as /proc/cpuinfo names them
 */
struct drover_cpu_flags {
	char *text;
	uint32_t count;
	char *flag[DROVER_CPU_FLAGS_MAX];
};

int drover_cpu_flags_read(struct drover_cpu_flags *ret_flags, struct drover_err *err);
void drover_cpu_flags_free(struct drover_cpu_flags *flags);

/**
 * drover_cpu_flags_missing() - the first of @need that @have lacks
 *
 * Flags that a guest cannot see or use (e.g. "constant_tsc" words that the kernel
 * makes up) count too: two hosts of one model have the same. Returns NULL if none.
 */
const char *drover_cpu_flags_missing(const struct drover_cpu_flags *have, char *const *need,
				     uint32_t need_count);

#endif
