/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A made-up cluster: hosts, VMs, where they start, and what they want over time. */
#ifndef DROVER_SIM_CLUSTER_H
#define DROVER_SIM_CLUSTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SIM_NAME_LEN 32
#define SIM_NOWHERE  (-1)

/* Units as in policy/snapshot.h. */
struct sim_host {
	char name[SIM_NAME_LEN];
	uint32_t cores;
	double cpu_mhz;
	uint64_t memory_mib;
	double link_mib_s;
};

/**
 * struct sim_vm - a VM
 * @max_mhz: what it uses at 100 %
 * @dirty_mib_s: MiB of RAM it writes a second while it uses all of that
 * @start: index of the host where it is at first
 * @percent: what it wants at each step, 0 to 100
 */
struct sim_vm {
	char name[SIM_NAME_LEN];
	uint32_t vcpus;
	double max_mhz;
	uint64_t memory_mib;
	double dirty_mib_s;
	int32_t start;
	const float *percent;
};

/**
 * struct sim_cluster - a cluster and its load
 * @percent: owns what the VMs' point into
 * @step_s: seconds for which each figure holds
 */
struct sim_cluster {
	char name[SIM_NAME_LEN];
	struct sim_host *hosts;
	size_t host_count;
	struct sim_vm *vms;
	size_t vm_count;
	float *percent;
	size_t steps;
	uint32_t step_s;
};

void sim_cluster_free(struct sim_cluster *c);

/** sim_cluster_demand() - MHz that a VM wants at a step */
static inline double sim_cluster_demand(const struct sim_vm *vm, size_t step)
{
	return vm->percent[step] / 100 * vm->max_mhz;
}

/** sim_cluster_peak() - the highest sum of demands at any step, in MHz */
double sim_cluster_peak(const struct sim_cluster *c);

/**
 * sim_cluster_planetlab() - VMs of a recorded trace on as few hosts as carry them
 * @fill: the highest sum of demands as a share of all hosts' CPU
 *
 * VMs are of four sizes, by quarters of the file, as the trace is used elsewhere: 2500, 2000,
 * 1000 and 500 MHz with 870, 1740, 1740 and 613 MiB. Hosts have two cores of 2660 MHz, 64 GiB,
 * and a link of 10 Gbit/s. VMs start dealt out in turn.
 */
int sim_cluster_planetlab(const char *path, const char *name, double fill,
			  struct sim_cluster *ret, struct drover_err *err);

/**
 * sim_cluster_read() - a cluster of our own CSV format
 *
 * Hosts stand above the VMs that start on them; empty lines and those with # in front are passed over:
 *   step,SECONDS
 *   host,NAME,CORES,MHZ,MEMORY_MIB,LINK_MIB_S         MHZ of all cores
 *   vm,NAME,VCPUS,MHZ,MEMORY_MIB,DIRTY_MIB_S,HOST,PERCENT,PERCENT,...
 */
int sim_cluster_read(const char *path, struct sim_cluster *ret, struct drover_err *err);

/* Kinds of load that are made up. */
enum sim_load {
	SIM_STEADY,	/* VMs differ, and stay as they are */
	SIM_DAILY,	/* a wave over the day, VMs at hours of their own */
	SIM_FLASH,	/* crowds that come at once and stay a while */
	SIM_CORRELATED,	/* groups of VMs that rise and fall together */
	SIM_NOISY,	/* quick ups and downs around a level of each VM's own */
	SIM_LOADS
};

extern const char *const sim_load_names[SIM_LOADS];

/**
 * struct sim_recipe - what to make
 * @seed: the same seed gives the same cluster
 * @fill: as in sim_cluster_planetlab()
 */
struct sim_recipe {
	enum sim_load load;
	uint64_t seed;
	size_t hosts;
	size_t vms;
	size_t steps;
	uint32_t step_s;
	double fill;
};

int sim_cluster_make(const struct sim_recipe *recipe, struct sim_cluster *ret,
		     struct drover_err *err);

#endif
