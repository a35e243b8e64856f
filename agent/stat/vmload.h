/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How busy a VM is: what changed for its process between two looks. */
#ifndef DROVER_STAT_VMLOAD_H
#define DROVER_STAT_VMLOAD_H

#include <sys/types.h>

#include "base/err.h"
#include "core/model.h"

#define DROVER_VCPUS_SEEN_MAX 256

/**
 * struct drover_vm_watched - a VM whose load is looked at
 * @pid: its process
 * @ram_fd: its RAM file
 * @tap: names of its network interfaces on the host
 */
struct drover_vm_watched {
	char name[DROVER_NAME_LEN];
	pid_t pid;
	int ram_fd;
	uint32_t tap_count;
	char tap[DROVER_NICS_MAX][16];
};

/* Sums since the VM's start; @vcpu: threads that are virtual processors. */
struct drover_vm_counters {
	uint64_t time_us;
	pid_t pid;
	double cpu_s;
	uint64_t ready_ns;
	uint64_t net_rx, net_tx, disk_read, disk_write;
	uint32_t vcpu_count;
	pid_t vcpu[DROVER_VCPUS_SEEN_MAX];
};

/**
 * struct drover_vm_load - rates between two looks, and what holds now
 * @rated: there were two looks at this process: without, all rates are 0
 * @cpu_used: processors, all threads of the process
 * @cpu_ready: processors that its vCPUs were waiting for: ready to run, and not running
 * @resident: bytes of its RAM that are there
 * @net_rx, @net_tx: bytes per second, as the guest sees the direction
 * @disk_read, @disk_write: bytes per second to and from stores
 */
struct drover_vm_load {
	bool rated;
	double cpu_used, cpu_ready;
	uint64_t resident;
	double net_rx, net_tx, disk_read, disk_write;
};

/**
 * drover_vm_load_read() - look, and tell what changed since the last look
 * @root: what /proc and /sys lie in: "" but in tests
 * @last: of the last look at this VM, all zero at first; replaced
 *
 * Errors: -ESRCH when the process has ended.
 */
int drover_vm_load_read(const char *root, const struct drover_vm_watched *vm,
			struct drover_vm_counters *last, struct drover_vm_load *ret_load,
			struct drover_err *err);

#endif
