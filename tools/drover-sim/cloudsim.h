/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model of CloudSim 3.0.3's PlanetLab example, re-made event by event, so that what a
 * power policy gets in it can be compared with published figures. What it leaves out (memory
 * after the first placement, the time a host takes to wake) is left out here, too: honest.h
 * holds a model that has it. Documentation/power.rst tells the rules.
 *
 * Samples lie at 0.1 s after each multiple of 300 s. There every VM gets a new demand, hosts
 * share their CPU, VMs that ask for nothing are removed for good, and a planner names moves.
 * A move lasts RAM / 62.5 MB/s, and all have ended before the next sample.
 */
#ifndef DROVER_SIM_CLOUDSIM_H
#define DROVER_SIM_CLOUDSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CS_STEPS   288 /* samples of a day */
#define CS_HOSTS   800
#define CS_HISTORY 30 /* demands that a VM's history holds */
#define CS_NOWHERE (-1)

/**
 * struct cs_host_type - a machine of the example
 * @pe_mips: of each of its two cores
 * @ram: MB
 * @power: watts at 0, 10, ... 100 % of its CPU
 */
struct cs_host_type {
	const char *name;
	double pe_mips;
	int ram;
	double power[11];
};

extern const struct cs_host_type cs_host_types[2];

/** cs_watts() - what a machine draws at @use, 0 to 1 of its CPU, straight between the points */
double cs_watts(const struct cs_host_type *type, double use);

/** cs_vm_mips(), cs_vm_ram() - of VM @vm of @count: its type goes by its place in the file */
double cs_vm_mips(size_t vm, size_t count);
int cs_vm_ram(size_t vm, size_t count);

/**
 * struct cs_vm - a VM
 * @host: where it runs, or CS_NOWHERE
 * @demand: MIPS that it asks for
 * @gone: it asked for nothing, and was removed
 * @history: its demand as a share of @mips, the newest first
 * @req_sum, @alloc_sum, @late_sum: MIPS x s asked for, got, and missed because of moves
 */
struct cs_vm {
	double mips;
	int ram;
	int host;
	double demand;
	bool new, moving, gone;
	double history[CS_HISTORY];
	int history_len;
	double entry_time, entry_alloc, entry_req;
	bool entry_moving;
	double req_sum, alloc_sum, late_sum;
};

/**
 * struct cs_slot - a VM on a host's list
 * @in: it is only moving here
 * @req, @alloc: MIPS asked of the host's scheduler, and given
 */
struct cs_slot {
	int vm;
	bool in;
	double req, alloc;
};

/**
 * struct cs_host - a host
 * @free_mips: what its scheduler has left
 * @free_ram: MB
 * @use: MIPS at the last sample or event
 * @on: in this model a host that gives nothing counts as switched off
 * @wanted: for policies that say so themselves: shall it be on?
 */
struct cs_host {
	const struct cs_host_type *type;
	double total, free_mips;
	int free_ram;
	struct cs_slot *slots;
	int count, room;
	double use;
	bool on, wanted;
	double entry_time, entry_alloc, entry_req, on_since;
	bool entry_active, was_active;
};

struct cs_move {
	int vm, to;
};

/**
 * struct cs_world - the machines and what became of them so far
 * @percent: of a VM's CPU, 0 to 100, CS_STEPS figures of each VM
 * @ram_binds: always, and not only while VMs are placed for the first time
 * @step: the sample at hand, 1 to 287
 * @joules, @active_s, @short_s: energy, time of hosts that are on, and that gave too little
 */
struct cs_world {
	const float *percent;
	struct cs_vm *vms;
	int vm_count;
	struct cs_host hosts[CS_HOSTS];
	bool ram_binds;
	int step;
	double now, last;
	double joules, active_s, short_s, on_s;
	double lack_sum;
	uint64_t lack_count, moves, shutdowns, removed;
};

/**
 * struct cs_policy - what is compared
 * @place: the host for a VM at the start, or CS_NOWHERE
 * @plan: writes up to @room moves, returns how many; NULL for a policy that moves nothing
 * @always_on: every machine is charged at full power, used or not
 * @own_power: it sets each host's "wanted"; else a host goes when it is empty, and comes when
 *	something is to move there
 */
struct cs_policy {
	const char *name;
	int (*place)(struct cs_world *world, int vm, void *data);
	int (*plan)(struct cs_world *world, struct cs_move *moves, int room, void *data);
	void *data;
	bool always_on, own_power;
};

/**
 * struct cs_result - what a day came to
 * @slatah: part of the hosts' active time in which they gave less than was asked
 * @pdm: part of the demand that was missed because of moves
 * @overall, @average: part of the demand missed: of all, and the mean of the misses
 * @hosts_on: mean number of active hosts
 */
struct cs_result {
	double kwh, slatah, pdm, overall, average, uptime_s, hosts_on;
	uint64_t moves, shutdowns, removed;
};

/** cs_slav(), cs_esv() - SLATAH x PDM, and kWh x that */
double cs_slav(const struct cs_result *result);
double cs_esv(const struct cs_result *result);

/**
 * cs_run() - a day under a policy
 * @percent: of each VM's CPU at CS_STEPS samples, VM after VM
 *
 * Returns 0, -ENOMEM, or -ENOSPC if a VM found no host at the start.
 */
int cs_run(const float *percent, size_t vms, const struct cs_policy *policy,
	   struct cs_result *ret_result);

/* --- for the other model --- */

/** cs_world_init() - all hosts empty, all VMs new; cs_world_exit() also after an error */
int cs_world_init(struct cs_world *world, const float *percent, size_t vms);
void cs_world_exit(struct cs_world *world);

/** cs_remember_demands() - add the demands of now to the VMs' histories */
void cs_remember_demands(struct cs_world *world);

/* --- for policies and their plans --- */

/** cs_host_add(), cs_host_remove() - put a VM on a host's list, or take it off, and share anew */
int cs_host_add(struct cs_world *world, int host, int vm, bool in);
void cs_host_remove(struct cs_world *world, int host, int vm);

/** cs_host_share() - share a host's CPU among what was asked */
void cs_host_share(struct cs_world *world, int host);

/** cs_host_takes() - cores quick enough, and MIPS and (where it binds) memory free? */
bool cs_host_takes(const struct cs_world *world, int host, int vm);

/** cs_host_use() - 0 to 1, as last measured */
double cs_host_use(const struct cs_host *host);

/** cs_host_given() - MIPS that the scheduler gives now, with what was planned */
double cs_host_given(const struct cs_host *host);

#endif
