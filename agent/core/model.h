/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plain structs that the layers hand each other: what a host is configured to
 * be, what a VM is defined to be. They own their strings and point nowhere.
 */
#ifndef DROVER_CORE_MODEL_H
#define DROVER_CORE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define DROVER_NAME_LEN	   64	/* with the NUL */
#define DROVER_FIELD_LEN   256
#define DROVER_CMDLINE_LEN 1024
#define DROVER_DISKS_MAX   16
#define DROVER_NICS_MAX	   8
#define DROVER_PEERS_MAX   64

struct drover_disk_def {
	char name[DROVER_NAME_LEN];
	char path[DROVER_FIELD_LEN];	/* file, block device or nbd:// URI */
	char format[16];		/* raw, qcow2 */
	char cache[16];			/* none, writeback, writethrough */
	char aio[16];			/* native, threads, io_uring */
	bool readonly;
};

struct drover_nic_def {
	char name[DROVER_NAME_LEN];
	char bridge[16];
	char mac[18];
};

enum drover_console { DROVER_CONSOLE_LOG, DROVER_CONSOLE_SOCKET };

/**
 * struct drover_vm_def - a VM definition, checked
 * @memory_mib: RAM in MiB, even
 * @machine: QEMU's machine type, maybe an alias such as q35
 * @cpu: QEMU's CPU model, "host" for the host's own
 */
struct drover_vm_def {
	char name[DROVER_NAME_LEN];
	uint32_t vcpus;
	uint64_t memory_mib;
	char machine[DROVER_NAME_LEN];
	char cpu[DROVER_FIELD_LEN];
	char kernel[DROVER_FIELD_LEN];
	char initrd[DROVER_FIELD_LEN];
	char cmdline[DROVER_CMDLINE_LEN];
	char firmware[DROVER_FIELD_LEN];
	uint32_t disk_count;
	struct drover_disk_def disks[DROVER_DISKS_MAX];
	uint32_t nic_count;
	struct drover_nic_def nics[DROVER_NICS_MAX];
	enum drover_console console;
};

struct drover_peer_conf {
	char name[DROVER_NAME_LEN];
	char address[DROVER_FIELD_LEN];
	uint16_t port;
};

/**
 * struct drover_conf - drover.conf, checked, with its defaults filled in
 * @downtime_limit_ms: a switchover starts when the blackout is expected to be shorter
 * @bandwidth_mib: MiB per second for page data, 0 for no limit
 * @max_rounds: a migration that has not converged by then switches over all the same
 */
struct drover_conf {
	char host[DROVER_NAME_LEN];
	char address[DROVER_FIELD_LEN];
	uint16_t port;
	char vm_dir[DROVER_FIELD_LEN];
	char state_dir[DROVER_FIELD_LEN];
	char run_dir[DROVER_FIELD_LEN];
	char ram_dir[DROVER_FIELD_LEN];
	char qemu[DROVER_FIELD_LEN];
	char user[DROVER_NAME_LEN];
	uint32_t streams;
	uint32_t downtime_limit_ms;
	uint32_t bandwidth_mib;
	uint32_t max_rounds;
	uint32_t peer_count;
	struct drover_peer_conf peers[DROVER_PEERS_MAX];
};

#endif
