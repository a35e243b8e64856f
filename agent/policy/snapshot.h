/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the scheduling policies look at: hosts, VMs, resource pools, rules and options, as they
 * are at one time. Plain figures; who fills them in owns every array, and nothing here is
 * changed by a policy. Hosts, VMs and pools are told apart by their names: the order of the
 * arrays makes no difference to any decision.
 *
 * CPU is in MHz of all cores together, memory in MiB, times in seconds of one clock of the
 * caller's, rates per second.
 */
#ifndef DROVER_POLICY_SNAPSHOT_H
#define DROVER_POLICY_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "core/model.h"

#define DROVER_DRS_NONE	     (-1) /* in place of an index */
#define DROVER_DRS_CPU_WORDS 8	  /* 512 processor flags */
#define DROVER_DRS_PAST_MAX  8

/* Which hosts run VMs. */
enum drover_drs_host_state {
	DROVER_DRS_HOST_UP,	     /* runs VMs and takes more */
	DROVER_DRS_HOST_MAINTENANCE, /* on, to be emptied, takes none */
	DROVER_DRS_HOST_STANDBY,     /* off, may be woken */
	DROVER_DRS_HOST_DOWN,	     /* lost: no VMs, no telemetry */
};

/**
 * struct drover_drs_host - a member of the cluster
 * @cpu_mhz: of all cores together; @cores: how many
 * @memory_mib: that VMs may use
 * @cpu_other: MHz that the host needs for itself
 * @memory_other_mib: MiB likewise
 * @link_mib_s: MiB per second that migrations can use; 0: not known, 100 is assumed
 * @cpu_flags: bit set of processor flags; who fills in the snapshot numbers them, the maker of
 *	the processor being one of them (VMs do not migrate between makers)
 * @sampled_s: when the figures were taken
 */
struct drover_drs_host {
	char name[DROVER_NAME_LEN];
	enum drover_drs_host_state state;
	uint32_t cores;
	double cpu_mhz;
	double cpu_other;
	uint64_t memory_mib;
	uint64_t memory_other_mib;
	double link_mib_s;
	uint64_t cpu_flags[DROVER_DRS_CPU_WORDS];
	uint64_t sampled_s;
};

/**
 * struct drover_drs_alloc - what a VM or a pool is promised, of CPU (MHz) or memory (MiB)
 * @reservation: kept for it whatever others want
 * @limit: never gets more; 0: no limit
 * @shares: weight against its siblings when there is not enough; 0: 1000
 */
struct drover_drs_alloc {
	double reservation;
	double limit;
	double shares;
};

/**
 * struct drover_drs_respool - VMs and pools that share one allocation
 * @parent: index, or DROVER_DRS_NONE for one directly below the cluster
 */
struct drover_drs_respool {
	char name[DROVER_NAME_LEN];
	int32_t parent;
	struct drover_drs_alloc cpu;
	struct drover_drs_alloc memory;
};

/* What may be done with one VM without asking. */
enum drover_drs_override {
	DROVER_DRS_AS_CLUSTER, /* the cluster's automation level */
	DROVER_DRS_VM_MANUAL,
	DROVER_DRS_VM_PARTIAL,
	DROVER_DRS_VM_FULL,
	DROVER_DRS_VM_FIXED, /* is never moved, not even offered */
};

/* A move that was carried out; @from and @to: DROVER_DRS_NONE for hosts that are gone. */
struct drover_drs_past {
	uint64_t when_s;
	int32_t from, to;
};

/**
 * struct drover_drs_habit - what a VM's CPU demand is like at each time of day
 * @mean: MHz in each half hour of the day (of UTC)
 * @weight: 0 for one that was never seen, else up to 1 the more often it was
 *
 * Kept by drover_drs_habit_learn(); start from all zero.
 */
#define DROVER_DRS_SLOTS 48
struct drover_drs_habit {
	float mean[DROVER_DRS_SLOTS];
	float weight[DROVER_DRS_SLOTS];
};

/**
 * struct drover_drs_vm - a VM, running or to be placed
 * @host: index; DROVER_DRS_NONE: it does not run yet
 * @moving_to: index of the target while it migrates, else DROVER_DRS_NONE
 * @cpu_demand: MHz that it would use if it got all it wants (used and ready to run)
 * @memory_mib: RAM as defined; @memory_demand_mib: of it in use
 * @respool: index, DROVER_DRS_NONE for the cluster itself
 * @cpu_need: processor flags that it must find, numbered as the hosts'
 * @dirty_rate: bytes per second that it writes to pages not written before
 * @blackout_ms: of past migrations, 0: none yet
 * @past: its last moves, in any order
 * @history: demand in MHz at steps of the snapshot's history_step_s, the newest last (which is
 *	the step that just ended); may be NULL
 * @recent: the same at steps of recent_step_s, for as long as power management looks back
 * @habit: or NULL
 * @sampled_s: when the figures were taken
 */
struct drover_drs_vm {
	char name[DROVER_NAME_LEN];
	int32_t host;
	int32_t moving_to;
	enum drover_drs_override override;
	uint32_t vcpus;
	double cpu_demand;
	uint64_t memory_mib;
	uint64_t memory_demand_mib;
	struct drover_drs_alloc cpu;
	struct drover_drs_alloc memory;
	int32_t respool;
	uint64_t cpu_need[DROVER_DRS_CPU_WORDS];
	double dirty_rate;
	double blackout_ms;
	uint32_t past_count;
	struct drover_drs_past past[DROVER_DRS_PAST_MAX];
	const float *history;
	uint32_t history_count;
	const float *recent;
	uint32_t recent_count;
	const struct drover_drs_habit *habit;
	uint64_t sampled_s;
};

enum drover_drs_rule_kind {
	DROVER_DRS_TOGETHER, /* VMs on one host */
	DROVER_DRS_APART,    /* each VM on a host of its own */
	DROVER_DRS_ON,	     /* VMs on these hosts only */
	DROVER_DRS_NOT_ON,   /* VMs on other hosts only */
};

/**
 * struct drover_drs_rule - who goes with whom, or where
 * @must: never broken; otherwise broken only when there is no other way
 * @vms, @hosts: indices; @hosts only for ON and NOT_ON
 */
struct drover_drs_rule {
	char name[DROVER_NAME_LEN];
	enum drover_drs_rule_kind kind;
	bool must;
	const uint32_t *vms;
	uint32_t vm_count;
	const uint32_t *hosts;
	uint32_t host_count;
};

/**
 * struct drover_drs_options - how eager the policies are; 0 stands for the default
 * @threshold: 1 (only what must be) to 5 (every gain), default 3
 * @automation: of the cluster
 * @failover_hosts: so many hosts may fail and all reservations and all RAM still fit
 * @memory_percent: RAM of VMs that a host may carry, in percent of its own; default 100
 * @stale_s: figures older than this are not believed; default 60
 * @settle_s: a VM stays at least that long after a move; default 900
 * @return_s: a VM does not go back to where it was within that time; default 3600
 * @host_moves: migrations of one host at a time, either way; default 2
 * @max_moves: of one pass; default: what threshold and size of the cluster give
 */
struct drover_drs_options {
	uint32_t threshold;
	enum drover_automation automation;
	uint32_t failover_hosts;
	uint32_t memory_percent;
	uint32_t stale_s;
	uint32_t settle_s;
	uint32_t return_s;
	uint32_t host_moves;
	uint32_t max_moves;
};

/**
 * struct drover_drs_snapshot - all that a policy knows
 * @now_s: the caller's time; of UTC, for habits
 * @flag_names: of the processor flags, or NULL; for sentences only
 * @history_step_s: between two figures of a VM's history; 0: 300
 * @recent_step_s: of what VMs lately wanted; 0: their histories tell
 */
struct drover_drs_snapshot {
	uint64_t now_s;
	const struct drover_drs_host *hosts;
	size_t host_count;
	const struct drover_drs_vm *vms;
	size_t vm_count;
	const struct drover_drs_respool *respools;
	size_t respool_count;
	const struct drover_drs_rule *rules;
	size_t rule_count;
	const char *const *flag_names;
	uint32_t flag_count;
	uint32_t history_step_s;
	uint32_t recent_step_s;
	struct drover_drs_options options;
};

#endif
