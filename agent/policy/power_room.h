/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster on paper: how busy each host has been with the VMs it has, or would have, and
 * whether one more fits. For the files of power management alone.
 *
 * Demand is looked at in columns: the steps of the sleep window, each as long as the wake
 * window, the newest first, then what the VMs' habits expect for the near future. Columns of
 * VMs add up, so the columns of a host say what its VMs would have made of it, not the sum of
 * their worst.
 */
#ifndef DROVER_POLICY_POWER_ROOM_H
#define DROVER_POLICY_POWER_ROOM_H

#include "policy/power.h"

#define DROVER_DPM_STEPS_MAX 16
#define DROVER_DPM_COLUMNS   (DROVER_DPM_STEPS_MAX + 1)

/**
 * struct drover_dpm_load - a host on paper
 * @cpu: MHz in each column, its own need included; @reserved: of them promised
 * @memory_mib: booked, VMs that are moving away or here included
 * @on: takes VMs
 * @stale: figures of it, or of a VM on it, cannot be believed
 * @stuck: a VM on it migrates, or must never move
 */
struct drover_dpm_load {
	double cpu[DROVER_DPM_COLUMNS];
	double reserved;
	uint64_t memory_mib;
	uint32_t vms;
	bool on, stale, stuck;
};

/**
 * struct drover_dpm_room - all of them
 * @steps: columns that are past; the one at [steps] is the future
 * @low, @target, @high: the band, as a share of a host's CPU
 * @fill: to which a host may be filled on average: past the target by a quarter of the way to
 *	the end of the band; to see whether moves alone help, the end of the band
 * @load: of each host; @vm_cpu: columns of each VM, one after the other
 * @host_of: where each VM is on paper
 * @rank: of each host by its name; @price: watts for the mean VM, when as full as may be
 * @first, @next: the VMs of a host: first[host], then next[vm]; -1 ends
 * @ruled: of each VM: does a rule name it?
 */
struct drover_dpm_room {
	const struct drover_dpm_view *view;
	const struct drover_drs_snapshot *s;
	uint32_t steps;
	double low, target, high, fill;
	struct drover_dpm_load *load;
	double (*vm_cpu)[DROVER_DPM_COLUMNS];
	int32_t *host_of;
	size_t *rank;
	double *price;
	int32_t *first, *next;
	bool *ruled;
};

/** drover_dpm_room_init() - as the snapshot has it; @options: with all defaults filled in */
int drover_dpm_room_init(struct drover_dpm_room *room, const struct drover_dpm_view *view,
			 const struct drover_dpm_options *options, struct drover_err *err);
void drover_dpm_room_exit(struct drover_dpm_room *room);

/** drover_dpm_room_put() - move a VM on paper */
void drover_dpm_room_put(struct drover_dpm_room *room, size_t vm, int32_t to);

/** drover_dpm_room_find() - the best host for a VM but its own, or DROVER_DRS_NONE */
int32_t drover_dpm_room_find(const struct drover_dpm_room *room, size_t vm);

/** drover_dpm_room_fits() - may the VM be on this host, and is there room? */
bool drover_dpm_room_fits(const struct drover_dpm_room *room, size_t vm, int32_t host);

/** drover_dpm_room_mean() - share of a host's CPU over the sleep window */
double drover_dpm_room_mean(const struct drover_dpm_room *room, size_t host);

/** drover_dpm_room_excess() - MHz above the band in one column, over all hosts that are on */
double drover_dpm_room_excess(const struct drover_dpm_room *room, uint32_t column);

/** drover_dpm_capacity() - MHz that a host has */
double drover_dpm_capacity(const struct drover_drs_host *host);

#endif
