// SPDX-License-Identifier: GPL-2.0-or-later
/* The host's load. */
#include "stat/hostload.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/clock.h"

#define FILE_MAX (1U << 20)

static int slurp(const char *root, const char *name, char **ret_text, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s%s", root, name);

	return r < 0 ? r : drover_io_read_file(path, FILE_MAX, ret_text, NULL, err);
}

/* A file that holds one number; false where there is none. */
static bool read_number(const char *path, double *ret)
{
	auto_free char *text = NULL;
	char *end;

	if (drover_io_read_file(path, 4096, &text, NULL, NULL) < 0)
		return false;
	*ret = strtod(text, &end);
	return end != text;
}

/* "cpu user nice system idle iowait irq softirq steal guest guest_nice" in ticks; guest is in user. */
static int read_cpu(const char *root, struct drover_host_counters *c, struct drover_err *err)
{
	uint64_t user, nice, system, idle, iowait, irq, softirq, steal;
	auto_free char *text = NULL;
	double tick = sysconf(_SC_CLK_TCK);
	int r = slurp(root, "/proc/stat", &text, err);

	if (r < 0)
		return r;
	if (sscanf(text, "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64, &user, &nice, &system, &idle, &iowait, &irq, &softirq,
		   &steal) != 8)
		return drover_err_set(err, EBADMSG, "/proc/stat cannot be read");
	c->cpu_busy = (user + nice + system + irq + softirq) / tick;
	c->cpu_steal = steal / tick;
	return 0;
}

static uint64_t value_after(const char *text, const char *key)
{
	const char *p = text;
	size_t n = strlen(key);

	while (p && (strncmp(p, key, n) || (p[n] != ' ' && p[n] != ':'))) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	return p ? strtoull(p + n + 1, NULL, 10) : 0;
}

static int read_memory(const char *root, struct drover_host_counters *c, struct drover_host_load *l,
		       struct drover_err *err)
{
	auto_free char *info = NULL, *stat = NULL;
	uint64_t free_kib;
	int r = slurp(root, "/proc/meminfo", &info, err);

	if (r == 0)
		r = slurp(root, "/proc/vmstat", &stat, err);
	if (r < 0)
		return r;
	l->memory = value_after(info, "MemTotal") * 1024;
	free_kib = value_after(info, "MemAvailable");
	if (!l->memory || free_kib * 1024 > l->memory)
		return drover_err_set(err, EBADMSG, "/proc/meminfo cannot be read");
	l->memory_used = l->memory - free_kib * 1024;
	c->swap_pages = value_after(stat, "pswpin") + value_after(stat, "pswpout");
	return 0;
}

/* Interfaces with a device behind them; bridges, taps and lo carry the same bytes again. */
static void read_net(const char *root, struct drover_host_counters *c)
{
	char pattern[DROVER_PATH_MAX], path[DROVER_PATH_MAX + 32];
	glob_t found;

	c->net_rx = c->net_tx = 0;
	if (drover_io_path(pattern, NULL, "%s/sys/class/net/*/device", root) < 0 ||
	    glob(pattern, GLOB_NOSORT, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int dir = strlen(found.gl_pathv[i]) - strlen("device");
		double n;

		snprintf(path, sizeof(path), "%.*sstatistics/rx_bytes", dir, found.gl_pathv[i]);
		if (read_number(path, &n))
			c->net_rx += n;
		snprintf(path, sizeof(path), "%.*sstatistics/tx_bytes", dir, found.gl_pathv[i]);
		if (read_number(path, &n))
			c->net_tx += n;
	}
	globfree(&found);
}

/* The first of the files that a pattern names, times @unit; or the sum of all. */
static bool read_glob(const char *root, const char *name, bool sum, double unit, double *ret)
{
	char pattern[DROVER_PATH_MAX];
	bool any = false;
	glob_t found;

	*ret = 0;
	if (drover_io_path(pattern, NULL, "%s%s", root, name) < 0 || glob(pattern, 0, NULL, &found))
		return false;
	for (size_t i = 0; i < found.gl_pathc && (sum || !any); i++) {
		double n;

		if (!read_number(found.gl_pathv[i], &n))
			continue;
		*ret += n * unit;
		any = true;
	}
	globfree(&found);
	return any;
}

/* A meter of the whole machine is better than the processors' own. */
static void read_power(const char *root, struct drover_host_counters *c, struct drover_host_load *l)
{
	l->watts = -1;
	if (read_glob(root, "/sys/class/hwmon/hwmon*/device/power1_average", false, 1e-6, &l->watts))
		strcpy(l->power_source, "acpi");
	else if (read_glob(root, "/sys/class/hwmon/hwmon*/power1_average", false, 1e-6, &l->watts))
		strcpy(l->power_source, "hwmon");
	else
		l->watts = -1;
	if (!read_glob(root, "/sys/class/powercap/intel-rapl:?/energy_uj", true, 1e-6, &c->energy_j))
		c->energy_j = -1;
}

/* "some avg10=1.23 avg60=…" */
static double read_pressure(const char *root, const char *what)
{
	auto_free char *text = NULL;
	char name[64];
	double percent = 0;

	snprintf(name, sizeof(name), "/proc/pressure/%s", what);
	if (slurp(root, name, &text, NULL) < 0 || sscanf(text, "some avg10=%lf", &percent) != 1)
		return 0;
	return percent / 100;
}

/* Counters that ran over, or began anew, say nothing. */
static double rate(double now, double before, double seconds)
{
	return now > before && seconds > 0 ? (now - before) / seconds : 0;
}

static void take_rates(const struct drover_host_counters *then,
		       const struct drover_host_counters *now, struct drover_host_load *l)
{
	double seconds = (now->time_us - then->time_us) / 1e6;

	if (!then->time_us)
		return;
	l->cpu_used = rate(now->cpu_busy, then->cpu_busy, seconds);
	l->cpu_steal = rate(now->cpu_steal, then->cpu_steal, seconds);
	l->swap_rate = rate(now->swap_pages, then->swap_pages, seconds) * sysconf(_SC_PAGESIZE);
	l->net_rx = rate(now->net_rx, then->net_rx, seconds);
	l->net_tx = rate(now->net_tx, then->net_tx, seconds);
	if (l->watts < 0 && now->energy_j > then->energy_j && then->energy_j >= 0) {
		l->watts = rate(now->energy_j, then->energy_j, seconds);
		strcpy(l->power_source, "rapl");
	}
}

int drover_host_load_read(const char *root, struct drover_host_counters *last,
			  struct drover_host_load *ret_load, struct drover_err *err)
{
	struct drover_host_counters now = { .time_us = drover_clock_monotonic() };
	struct drover_host_load l = { 0 };
	int r = read_cpu(root, &now, err);

	if (r == 0)
		r = read_memory(root, &now, &l, err);
	if (r < 0)
		return r;
	read_net(root, &now);
	read_power(root, &now, &l);
	l.cpu_pressure = read_pressure(root, "cpu");
	l.memory_pressure = read_pressure(root, "memory");
	l.io_pressure = read_pressure(root, "io");
	take_rates(last, &now, &l);
	*last = now;
	*ret_load = l;
	return 0;
}
