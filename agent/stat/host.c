// SPDX-License-Identifier: GPL-2.0-or-later
/* What this host is. */
#include "stat/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/meminfo.h"

#define PROC_MAX (16U << 20)

/* The text after "KEY<blanks>:" up to the end of that line, in place. */
static char *value_of(char *text, const char *key)
{
	size_t n = strlen(key);

	for (char *line = text; line; line = strchr(line, '\n')) {
		char *p;

		line += *line == '\n';
		if (strncmp(line, key, n))
			continue;
		p = line + n + strspn(line + n, " \t");
		if (*p++ != ':')
			continue;
		p += strspn(p, " \t");
		p[strcspn(p, "\n")] = '\0';
		return p;
	}
	return NULL;
}

/* "cpu MHz" is what the processor runs at just now; the scheduler wants what it can. */
static double mhz_of(char *cpuinfo)
{
	auto_free char *text = NULL;
	char *now;

	if (drover_io_read_file("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", 64, &text,
				NULL, NULL) == 0)
		return strtod(text, NULL) / 1000;
	now = value_of(cpuinfo, "cpu MHz");
	return now ? strtod(now, NULL) : 0;
}

int drover_host_stat_read(struct drover_host_stat *ret_stat, struct drover_err *err)
{
	auto_free char *cpu = NULL, *load = NULL;
	struct drover_host_stat s = { 0 };
	struct utsname u;
	char *model;
	int r;

	r = drover_meminfo_mib("MemTotal", &s.memory_mib, err);
	if (r == 0)
		r = drover_meminfo_mib("MemAvailable", &s.memory_free_mib, err);
	if (r == 0)
		r = drover_io_read_file("/proc/cpuinfo", PROC_MAX, &cpu, NULL, err);
	if (r == 0)
		r = drover_io_read_file("/proc/loadavg", PROC_MAX, &load, NULL, err);
	if (r < 0)
		return r;
	s.cpus = sysconf(_SC_NPROCESSORS_ONLN);
	s.load1 = strtod(load, NULL);
	/* value_of() cuts its line off, and what comes before that stays: the later line first. */
	s.cpu_mhz = mhz_of(cpu);
	model = value_of(cpu, "model name");
	snprintf(s.cpu_model, sizeof(s.cpu_model), "%s", model ? model : "unknown");
	if (uname(&u) == 0)
		snprintf(s.kernel, sizeof(s.kernel), "%s", u.release);
	*ret_stat = s;
	return 0;
}

int drover_cpu_flags_read(struct drover_cpu_flags *ret_flags, struct drover_err *err)
{
	struct drover_cpu_flags f = { 0 };
	char *save = NULL, *line;
	int r = drover_io_read_file("/proc/cpuinfo", PROC_MAX, &f.text, NULL, err);

	if (r < 0)
		return r;
	line = value_of(f.text, "flags");
	if (!line) {
		free(f.text);
		return drover_err_set(err, ENOENT, "/proc/cpuinfo names no processor flags");
	}
	for (char *w = strtok_r(line, " ", &save); w && f.count < DROVER_CPU_FLAGS_MAX;
	     w = strtok_r(NULL, " ", &save))
		f.flag[f.count++] = w;
	*ret_flags = f;
	return 0;
}

void drover_cpu_flags_free(struct drover_cpu_flags *flags)
{
	free(flags->text);
	flags->text = NULL;
	flags->count = 0;
}

static int has_flag(const struct drover_cpu_flags *have, const char *flag)
{
	for (uint32_t i = 0; i < have->count; i++)
		if (!strcmp(have->flag[i], flag))
			return 1;
	return 0;
}

const char *drover_cpu_flags_missing(const struct drover_cpu_flags *have, char *const *need,
				     uint32_t need_count)
{
	for (uint32_t i = 0; i < need_count; i++)
		if (!has_flag(have, need[i]))
			return need[i];
	return NULL;
}
