// SPDX-License-Identifier: GPL-2.0-or-later
/* A VM's load. Its vCPU threads are known by the names that QEMU gives them ("CPU 0/KVM"). */
#include "stat/vmload.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/clock.h"

static int slurp(char **ret_text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int slurp(char **ret_text, const char *fmt, ...)
{
	char path[DROVER_PATH_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return n < 0 || n >= (int)sizeof(path) ? -ENAMETOOLONG
					       : drover_io_read_file(path, 65536, ret_text, NULL, NULL);
}

static bool is_vcpu(const char *root, pid_t pid, const char *tid)
{
	auto_free char *comm = NULL;

	return slurp(&comm, "%s/proc/%d/task/%s/comm", root, pid, tid) == 0 &&
	       !strncmp(comm, "CPU ", 4) && strstr(comm, "/KVM");
}

/* vCPUs come and go hardly ever: their threads are looked for once. */
static void find_vcpus(const char *root, pid_t pid, struct drover_vm_counters *c)
{
	char path[DROVER_PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	c->vcpu_count = 0;
	if (drover_io_path(path, NULL, "%s/proc/%d/task", root, pid) < 0)
		return;
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) && c->vcpu_count < DROVER_VCPUS_SEEN_MAX)
		if (is_vcpu(root, pid, entry->d_name))
			c->vcpu[c->vcpu_count++] = atoi(entry->d_name);
	if (dir)
		closedir(dir);
}

/* Field 2 of schedstat: nanoseconds spent waiting on a run queue. */
static bool read_ready(const char *root, struct drover_vm_counters *c)
{
	c->ready_ns = 0;
	for (uint32_t i = 0; i < c->vcpu_count; i++) {
		auto_free char *text = NULL;
		uint64_t ran, waited;

		if (slurp(&text, "%s/proc/%d/task/%d/schedstat", root, c->pid, c->vcpu[i]) < 0 ||
		    sscanf(text, "%" SCNu64 " %" SCNu64, &ran, &waited) != 2)
			return false;
		c->ready_ns += waited;
	}
	return c->vcpu_count > 0;
}

/* utime and stime, fields 14 and 15 of stat; the name before them may hold anything. */
static int read_cpu(const char *root, struct drover_vm_counters *c, struct drover_err *err)
{
	auto_free char *text = NULL;
	uint64_t utime, stime;
	const char *p;

	if (slurp(&text, "%s/proc/%d/stat", root, c->pid) < 0)
		return drover_err_set(err, ESRCH, "process %d has ended", c->pid);
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
			 &utime, &stime) != 2)
		return drover_err_set(err, EBADMSG, "/proc/%d/stat cannot be read", c->pid);
	c->cpu_s = (double)(utime + stime) / sysconf(_SC_CLK_TCK);
	return 0;
}

static uint64_t field(const char *text, const char *key)
{
	const char *p = strstr(text, key);

	return p ? strtoull(p + strlen(key), NULL, 10) : 0;
}

static void read_disk(const char *root, struct drover_vm_counters *c)
{
	auto_free char *text = NULL;

	if (slurp(&text, "%s/proc/%d/io", root, c->pid) < 0)
		return;
	c->disk_read = field(text, "\nread_bytes: ");
	c->disk_write = field(text, "\nwrite_bytes: ");
}

static uint64_t read_counter(const char *root, const char *tap, const char *name)
{
	auto_free char *text = NULL;

	return slurp(&text, "%s/sys/class/net/%s/statistics/%s", root, tap, name) < 0
		       ? 0
		       : strtoull(text, NULL, 10);
}

/* What the host receives from a tap the guest has sent. */
static void read_net(const char *root, const struct drover_vm_watched *vm,
		     struct drover_vm_counters *c)
{
	for (uint32_t i = 0; i < vm->tap_count; i++) {
		c->net_tx += read_counter(root, vm->tap[i], "rx_bytes");
		c->net_rx += read_counter(root, vm->tap[i], "tx_bytes");
	}
}

static double rate(double now, double before, double seconds)
{
	return now > before && seconds > 0 ? (now - before) / seconds : 0;
}

static void take_rates(const struct drover_vm_counters *then, const struct drover_vm_counters *now,
		       struct drover_vm_load *l)
{
	double seconds = (now->time_us - then->time_us) / 1e6;

	if (!then->time_us || then->pid != now->pid)
		return;
	l->rated = true;
	l->cpu_used = rate(now->cpu_s, then->cpu_s, seconds);
	l->cpu_ready = rate(now->ready_ns, then->ready_ns, seconds) / 1e9;
	l->net_rx = rate(now->net_rx, then->net_rx, seconds);
	l->net_tx = rate(now->net_tx, then->net_tx, seconds);
	l->disk_read = rate(now->disk_read, then->disk_read, seconds);
	l->disk_write = rate(now->disk_write, then->disk_write, seconds);
}

int drover_vm_load_read(const char *root, const struct drover_vm_watched *vm,
			struct drover_vm_counters *last, struct drover_vm_load *ret_load,
			struct drover_err *err)
{
	auto_free struct drover_vm_counters *now = calloc(1, sizeof(*now));
	struct drover_vm_load l = { 0 };
	struct stat st;
	int r;

	if (!now)
		return drover_err_set(err, ENOMEM, "out of memory");
	now->time_us = drover_clock_monotonic();
	now->pid = vm->pid;
	r = read_cpu(root, now, err);
	if (r < 0)
		return r;
	if (last->pid == vm->pid) {
		now->vcpu_count = last->vcpu_count;
		memcpy(now->vcpu, last->vcpu, sizeof(now->vcpu));
	}
	if (!read_ready(root, now)) {
		find_vcpus(root, vm->pid, now);
		read_ready(root, now);
	}
	read_disk(root, now);
	read_net(root, vm, now);
	if (vm->ram_fd >= 0 && fstat(vm->ram_fd, &st) == 0)
		l.resident = st.st_blocks * 512ULL;
	take_rates(last, now, &l);
	*last = *now;
	*ret_load = l;
	return 0;
}
