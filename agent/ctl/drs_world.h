/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hosts say of themselves and of their VMs, as a policy wants to see it. Pure. */
#ifndef DROVER_CTL_DRS_WORLD_H
#define DROVER_CTL_DRS_WORLD_H

#include "ctl/drs_kept.h"
#include "ctl/shared.h"
#include "peer.pb-c.h"
#include "policy/drs.h"

/**
 * struct drover_drs_report - what is known of one host
 * @host: name
 * @reply: what it said last, or NULL
 * @age_us: of that
 * @own_cpus: processors that the host needs for itself; below 0: what @reply tells just now
 * @state: DROVER_DRS_HOST_UP for all that are there
 */
struct drover_drs_report {
	const char *host;
	const Drover__HostReply *reply;
	uint64_t age_us;
	double own_cpus;
	enum drover_drs_host_state state;
};

/**
 * struct drover_drs_facts - all that a snapshot is made of
 * @hosts, @vms, @rules, @shares, @respools: what the cluster shares, each of its record
 * @history: moves that the leader gave order for, or NULL
 * @place: a VM that is to start somewhere, or NULL
 * @now_us: UTC
 */
struct drover_drs_facts {
	const struct drover_drs_report *reports;
	size_t report_count;
	struct drover_shared_list hosts, vms, rules, shares, respools;
	const Drover__DrsHistory *history;
	const struct drover_vm_def *place;
	struct drover_drs_options options;
	uint64_t now_us;
};

/**
 * struct drover_drs_world - a snapshot, with all that it points to
 *
 * Made by drover_drs_world_make(), ended by drover_drs_world_free().
 */
struct drover_drs_world {
	struct drover_drs_snapshot snapshot;
	struct drover_drs_host *hosts;
	struct drover_drs_vm *vms;
	struct drover_drs_rule *rules;
	struct drover_drs_respool *respools;
	uint32_t **lists;
	size_t list_count;
	char **flags;
};

/**
 * drover_drs_world_make() - put all that is known together
 * @kept: list of what is remembered; figures of this look are added to it
 *
 * A VM that migrates is where it comes from, with @moving_to. One whose move failed rests, longer
 * each time. A rule that names no VM or host that is known is left out.
 */
int drover_drs_world_make(const struct drover_drs_facts *facts, struct drover_drs_kept **kept,
			  struct drover_drs_world *ret_world, struct drover_err *err);
void drover_drs_world_free(struct drover_drs_world *world);

/* Index by name, or DROVER_DRS_NONE. */
int32_t drover_drs_world_host(const struct drover_drs_world *world, const char *name);
int32_t drover_drs_world_vm(const struct drover_drs_world *world, const char *name);

/** drover_drs_world_wants() - drs_wants.c: add pools, shares and rules; hosts and VMs are there */
void drover_drs_world_wants(struct drover_drs_world *world, const struct drover_drs_facts *facts);

/**
 * drover_drs_world_own() - processors that a host uses beside its VMs
 * @ret_cpus: out
 *
 * False while VMs come or go: what that takes will be over soon, and is no reason to move more.
 */
bool drover_drs_world_own(const Drover__HostReply *reply, double *ret_cpus);

/** drover_drs_world_rest() - seconds that a VM rests from now on, as its moves failed; or 0 */
uint32_t drover_drs_world_rest(const Drover__DrsHistory *history, const char *vm, uint64_t now_us);

#endif
