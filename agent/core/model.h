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
#define DROVER_POOLS_MAX   32

struct drover_disk_def {
	char name[DROVER_NAME_LEN];
	char path[DROVER_FIELD_LEN];	/* file, block device or nbd:// URI */
	char format[16];		/* raw, qcow2 */
	char cache[16];			/* none, writeback, writethrough */
	char aio[16];			/* native, threads, io_uring, or "": drover_vmdef_aio() */
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
 * struct drover_tls_conf - what connections between agents are encrypted and authenticated with
 * @on: there is a section [tls]: other connections are not made, nor accepted
 * @certificate, @key: of this host, PEM
 * @authority: certificates of whoever signs those of all hosts, PEM
 */
struct drover_tls_conf {
	bool on;
	char certificate[DROVER_FIELD_LEN];
	char key[DROVER_FIELD_LEN];
	char authority[DROVER_FIELD_LEN];
};

/**
 * struct drover_pool_conf - a directory of disk images
 * @id: pools of the same id on several hosts are one store; "" for one of this host alone
 * @format: of new images, raw or qcow2
 * @mounted: the directory is a mount point, and must not be used while nothing is mounted there
 */
struct drover_pool_conf {
	char name[DROVER_NAME_LEN];
	char path[DROVER_FIELD_LEN];
	char id[DROVER_NAME_LEN];
	char format[16];
	bool mounted;
};

/* How much Drover does by itself. */
enum drover_automation {
	DROVER_AUTOMATION_MANUAL,	/* advice alone */
	DROVER_AUTOMATION_PARTIAL,	/* what an operator approves */
	DROVER_AUTOMATION_FULL,
};

/**
 * struct drover_conf - drover.conf, checked, with its defaults filled in
 * @downtime_limit_ms: a switchover starts when the blackout is expected to be shorter
 * @bandwidth_mib: MiB per second for page data, 0 for no limit
 * @max_rounds: a migration that has not converged by then switches over all the same
 * @delete_old: delete an old image once the new one is proven, without being asked each time
 * @pool_threshold: percent of a pool's space from which balancing relieves it
 * @pool_automation: of balancing the pools
 * @pool_interval_s: how often balancing looks at them by itself
 * @storage_grace_s: how long disks in flight wait for a link that was cut
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
	struct drover_tls_conf tls;
	bool delete_old;
	uint32_t pool_threshold;
	enum drover_automation pool_automation;
	uint32_t pool_interval_s;
	uint32_t storage_grace_s;
	uint32_t pool_count;
	struct drover_pool_conf pools[DROVER_POOLS_MAX];
};

/* Each state is the one that operators see. */
enum drover_disk_move_state {
	DROVER_DISK_MOVE_PREPARE = 1,
	DROVER_DISK_MOVE_COPYING,
	DROVER_DISK_MOVE_INTERRUPTED,
	DROVER_DISK_MOVE_IN_STEP,
	DROVER_DISK_MOVE_SWITCHING,
	DROVER_DISK_MOVE_DONE,
	DROVER_DISK_MOVE_CANCELLED,
	DROVER_DISK_MOVE_FAILED,
};

/**
 * struct drover_disk_move_info - a disk on its way as operators see it
 *
 * The fields are those of DiskMoveInfo in proto/control.proto.
 */
struct drover_disk_move_info {
	uint64_t id;
	char vm[DROVER_NAME_LEN];
	char disk[DROVER_NAME_LEN];
	enum drover_disk_move_state state;
	char error[512];
	char host[DROVER_NAME_LEN];
	char old_path[DROVER_FIELD_LEN];
	char old_pool[DROVER_NAME_LEN];
	char old_format[16];
	char new_path[DROVER_FIELD_LEN];
	char new_pool[DROVER_NAME_LEN];
	char new_format[16];
	char new_host[DROVER_NAME_LEN];
	bool old_deleted;
	uint64_t start_time_us;
	uint64_t total_us;
	uint64_t size_bytes;
	uint64_t todo_bytes;
	uint64_t done_bytes;
	uint64_t rate_bytes;
	uint64_t expected_us;
	uint64_t write_before_us;
	uint64_t write_now_us;
	uint64_t write_rate_before_bytes;
	uint64_t write_rate_now_bytes;
	uint64_t switch_us;
	uint64_t verified_bytes;
	uint64_t mismatched_bytes;
	uint32_t interruptions;
};

#define DROVER_ROUNDS_MAX 128

/* Each state is the one that operators see. */
enum drover_migration_state {
	DROVER_MIGRATION_PREPARE = 1,	/* checks on both sides; the VM has not noticed */
	DROVER_MIGRATION_PRECOPY,	/* rounds, while the VM runs */
	DROVER_MIGRATION_SWITCHOVER,	/* the VM is paused */
	DROVER_MIGRATION_IN_DOUBT,	/* committed, and the target has not answered */
	DROVER_MIGRATION_DONE,		/* the VM runs on the target */
	DROVER_MIGRATION_CANCELLED,	/* the VM runs on the source, as was asked */
	DROVER_MIGRATION_FAILED,	/* the VM runs on the source, and the error says why */
};

struct drover_round_info {
	uint32_t number;
	uint64_t duration_us;
	uint64_t harvest_us;
	uint64_t dirty_pages;
	uint64_t log_pages;
	uint64_t vmm_pages;
	uint64_t kept_pages;
	uint64_t sent_pages;
	uint64_t zero_pages;
	uint64_t wire_bytes;
};

/**
 * struct drover_migration_info - a migration as operators see it
 *
 * The fields are those of MigrationInfo in proto/control.proto.
 */
struct drover_migration_info {
	uint64_t id;
	char vm[DROVER_NAME_LEN];
	char source[DROVER_NAME_LEN];
	char target[DROVER_NAME_LEN];
	enum drover_migration_state state;
	bool incoming;
	char error[512];
	uint64_t start_time_us;
	uint64_t total_us;
	uint64_t ram_bytes;
	uint64_t round_bytes;
	uint64_t dirty_bytes;
	uint64_t wire_bytes;
	uint64_t rate_bytes;
	uint64_t dirty_rate_bytes;
	uint64_t expected_us;
	uint64_t expected_blackout_us;
	uint64_t blackout_us;
	uint64_t sent_pages;
	uint64_t zero_pages;
	uint64_t vmm_pages;
	uint64_t verified_pages;
	uint64_t mismatched_pages;
	uint64_t device_state_bytes;
	uint32_t streams;
	uint32_t round_count;
	struct drover_round_info rounds[DROVER_ROUNDS_MAX];
	uint32_t disk_count;
	struct drover_disk_move_info disks[DROVER_DISKS_MAX];
};

/* What an operator may ask of one migration; 0 stands for the configured value. */
struct drover_migration_options {
	bool verify;
	bool no_vmm_writes;	/* debug: the result is wrong */
	uint32_t downtime_limit_ms;
	uint32_t bandwidth_mib;
	uint32_t streams;
	bool with_storage;
	bool delete_old;
	char pool[DROVER_NAME_LEN];	/* of the target; "" for its default */
};

#endif
