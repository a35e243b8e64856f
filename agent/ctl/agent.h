/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent: what the control thread owns. Other threads reach it through
 * drover_call_post() and drover_call_wait() alone.
 */
#ifndef DROVER_CTL_AGENT_H
#define DROVER_CTL_AGENT_H

#include <systemd/sd-event.h>

#include "core/model.h"
#include "ctl/call.h"
#include "ctl/mailbox.h"
#include "migrate/migration.h"
#include "peer.pb-c.h"

#define DROVER_MIGRATIONS_KEPT 200

struct drover_telemetry;
struct drover_cluster;
struct drover_drs_run;
struct drover_sleep_run;

struct drover_disk_move;
struct drover_pools_job;
struct drover_pools_balance;
struct drover_disk_move_options;

/* What the control thread does with a VM. */
enum drover_entry_state {
	DROVER_ENTRY_STARTING,	/* being launched, or its name kept for one that arrives */
	DROVER_ENTRY_RUNNING,	/* a process of ours, watched */
	DROVER_ENTRY_LEAVING,	/* lent to a migration that has not ended */
	DROVER_ENTRY_UNKNOWN,	/* may have a process, which could not be adopted, or ended */
};

/**
 * struct drover_entry - a name in use on this host
 * @vm: NULL while STARTING, and for a commit in doubt whose process is gone
 * @paused: as QEMU's events tell
 * @migration_id: of the migration that has it, or 0
 * @exit_watch, @qmp_watch: on its pidfd and its monitor
 * @stop_request: mailbox request that waits for its end, or 0
 * @stop_until_us: and until when, monotonic
 * @stop_timer: presses the power button again, and ends that wait
 */
struct drover_entry {
	struct drover_entry *next;
	struct drover_agent *agent;
	char name[DROVER_NAME_LEN];
	enum drover_entry_state state;
	struct drover_vm *vm;
	bool paused;
	bool ended;
	uint64_t migration_id;
	sd_event_source *exit_watch;
	sd_event_source *qmp_watch;
	uint64_t stop_request;
	uint64_t stop_until_us;
	sd_event_source *stop_timer;
};

/**
 * struct drover_agent - the agent of this host
 * @entries: names in use
 * @migrations: newest first; those that have ended are kept for listing
 * @env: what it offers to the migration engines
 * @telemetry: what is known of the load, or NULL at first
 * @cluster: its part in the cluster; @alone: which has this host alone
 * @drs: what load balancing keeps from one pass to the next
 * @sleep: hosts that sleep, or are on their way
 * @leaving: this host is about to be turned off, and takes no VMs; @leave_timer: its next step
 * @storage: disks that change their pool
 * @pool_jobs: evacuations and the balancing of pools, one of each pool; pools_job.c
 * @pool_balance: what balancing keeps from one look to the next; pools_balance.c
 * @ending: it was asked to end, and waits for migrations that it has cancelled
 */
struct drover_agent {
	struct drover_conf conf;
	sd_event *event;
	struct drover_calls *calls;
	struct drover_mailbox *mailbox;
	int listener;
	sd_event_source *listener_watch;
	struct drover_entry *entries;
	struct drover_migration *migrations[DROVER_MIGRATIONS_KEPT];
	uint32_t migration_count;
	struct drover_migrate_env env;
	struct drover_telemetry *telemetry;
	struct drover_cluster *cluster;
	bool alone;
	struct drover_drs_run *drs;
	struct drover_sleep_run *sleep;
	bool leaving;
	sd_event_source *leave_timer;
	struct drover_storage *storage;
	char qemu_version[64];
	struct drover_pools_job *pool_jobs;
	struct drover_pools_balance *pool_balance;
	bool ending;
};

/* --- registry.c: names, processes, migrations --- */

struct drover_entry *drover_entry_find(struct drover_agent *agent, const char *name);

/** drover_entry_count() - how many names are in use; control thread only */
uint32_t drover_entry_count(const struct drover_agent *agent);

/** drover_entry_reserve() - take a name; -EEXIST, -EBUSY with a sentence when it is in use */
int drover_entry_reserve(struct drover_agent *agent, const char *name,
			 struct drover_entry **ret_entry, struct drover_err *err);

/** drover_entry_run() - the VM runs: watch it. The entry owns @vm from now on. */
void drover_entry_run(struct drover_entry *entry, struct drover_vm *vm);

/** drover_entry_drop() - forget the name; its VM must have been given away or have ended */
void drover_entry_drop(struct drover_entry *entry);

/** drover_entry_lend() - stop watching the process while a migration has it */
void drover_entry_lend(struct drover_entry *entry, uint64_t migration_id);

/** drover_registry_add() - list a migration; takes a reference of its own */
void drover_registry_add(struct drover_agent *agent, struct drover_migration *m);

/** drover_registry_find() - the newest migration of that number, or NULL */
struct drover_migration *drover_registry_find(struct drover_agent *agent, uint64_t id);

/** drover_registry_env() - fill in agent->env */
void drover_registry_env(struct drover_agent *agent);

/* --- news.c: events for operators --- */

void drover_news_vm(struct drover_agent *agent, const char *vm, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void drover_news_migration(struct drover_agent *agent, const struct drover_migration_info *info);
void drover_news_disk_move(struct drover_agent *agent, const struct drover_disk_move_info *info);

/* --- verbs.c, vms.c, moves.c, hosts.c, storage_verbs.c: what operators ask --- */

void drover_verbs_request(void *data, uint64_t id, const Drover__ControlRequest *request);

/* Answer a request and free the reply. */
void drover_verbs_reply(struct drover_agent *agent, uint64_t id, Drover__ControlReply *reply);
void drover_verbs_refuse(struct drover_agent *agent, uint64_t id, const struct drover_err *err);

/* A verb answers its request by drover_verbs_reply(), at once or later. */
typedef void drover_verb(struct drover_agent *agent, uint64_t id,
			 const Drover__ControlRequest *request);
drover_verb drover_vms_start, drover_vms_stop, drover_vms_list, drover_vms_show;
drover_verb drover_moves_migrate, drover_moves_list, drover_moves_show, drover_moves_cancel,
	drover_moves_resolve;
drover_verb drover_hosts_list, drover_hosts_show;
drover_verb drover_storage_migrate, drover_storage_list, drover_storage_show,
	drover_storage_cancel_move;
drover_verb drover_pools_list, drover_pools_show, drover_pools_report, drover_pools_stop,
	drover_pools_evacuate, drover_pools_rebalance;

/* start_on.c: start a VM on another host, or on the one that the leader chooses */
drover_verb drover_start_on;

/** drover_vms_info() - one VM, or NULL when this host knows nothing of it */
Drover__VmInfo *drover_vms_info(struct drover_agent *agent, const char *name);

/** drover_vms_ended() - the process of an entry has ended: answer who waits, drop the entry */
void drover_vms_ended(struct drover_entry *entry);

/** drover_vms_running() - add what runs here, or may run here, to a message's list */
void drover_vms_running(struct drover_agent *agent, Drover__VmInfo ***list, size_t *count);

/** drover_hosts_self() - this host */
Drover__HostInfo *drover_hosts_self(struct drover_agent *agent, uint32_t vms);

/**
 * drover_hosts_reply() - this host as the others ask for it
 * @schedule: with all that a scheduler wants to know
 *
 * Free it with drover__host_reply__free_unpacked(). NULL: out of memory.
 */
Drover__HostReply *drover_hosts_reply(struct drover_agent *agent, bool schedule);

/** drover_moves_begin() - begin to migrate a VM; errors as those of the verb */
int drover_moves_begin(struct drover_agent *agent, const Drover__Migrate *q, uint64_t *ret_id,
		       struct drover_err *err);

/* --- elsewhere.c: what other hosts know; blocking, so never in the control thread --- */

/**
 * drover_elsewhere_check() - refuse to start a VM that runs on another host
 * @def: its definition here, or NULL. It must not be started with images that are not true any
 *	more: -ESTALE where another host's records call one of them old, or where it was moved away
 *	from here and another host has others for its disks.
 * @placement: where it was moved to as far as is known here, or ""
 * @force: take the operator's word that an unreachable host does not run it
 *
 * All peers are asked; one that the cluster knows to be asleep need not answer.
 */
int drover_elsewhere_check(struct drover_agent *agent, const char *vm,
			   const struct drover_vm_def *def, const char *placement, bool force,
			   struct drover_err *err);

/**
 * drover_elsewhere_hosts() - ask all peers about themselves at once, and add what they say
 * @only: ask this one alone; NULL: all
 */
void drover_elsewhere_hosts(const struct drover_conf *conf, const char *only,
			    Drover__ControlReply *reply);

/** drover_elsewhere_runs() - 0: not on that peer; -EEXIST: it does; else: that is not known */
int drover_elsewhere_runs(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			  const char *vm, struct drover_err *err);

/** drover_elsewhere_pool() - which images have VMs of a peer in the pool of that id? */
int drover_elsewhere_pool(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			  const char *id, Drover__PoolReply **ret_reply, struct drover_err *err);

/** drover_elsewhere_schedule() - all that a scheduler wants to know of a peer */
int drover_elsewhere_schedule(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			      Drover__HostReply **ret_reply, struct drover_err *err);

/** drover_elsewhere_order() - as the leader, have a VM of a peer migrated */
int drover_elsewhere_order(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			   const char *vm, const char *to, uint64_t *ret_id,
			   struct drover_err *err);

/** drover_elsewhere_allot() - as the leader, tell a peer what its VMs may use */
int drover_elsewhere_allot(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			   const Drover__Allot *allot, struct drover_err *err);

/**
 * drover_elsewhere_sleep() - as the leader, have a peer leave the cluster, to be turned off
 * or, with @order->stay, to come back to it
 */
int drover_elsewhere_sleep(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			   const Drover__SleepOrder *order, struct drover_err *err);

/**
 * drover_elsewhere_forward() - have an operator's request answered by a peer
 *
 * Waits up to 28 s. A refusal there is an answer here.
 */
int drover_elsewhere_forward(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			     Drover__ControlRequest *request, Drover__ControlReply **ret_reply,
			     struct drover_err *err);

/* --- definition.c: definitions whose disks have other images; control thread only --- */

/**
 * drover_definition_set_disk() - the VM's disk uses another image from now on
 *
 * Changes the definition file (which is made for a VM that runs here without one) durably,
 * then what is known of the running VM.
 */
int drover_definition_set_disk(struct drover_agent *agent, const char *vm, const char *disk,
			       const char *path, const char *format, struct drover_err *err);

/**
 * drover_definition_follow() - a VM has come here: its disks may have other images than when it left
 *
 * A definition file that there is not is not made.
 */
int drover_definition_follow(struct drover_agent *agent, const struct drover_vm *vm,
			     struct drover_err *err);

/* --- storage.c: disks that change their pool; control thread only --- */

struct drover_storage;

int drover_storage_init(struct drover_agent *agent, struct drover_err *err);

/** drover_storage_adopt() - go on with what an earlier agent left, by its records */
int drover_storage_adopt(struct drover_agent *agent, struct drover_err *err);

/**
 * drover_storage_begin() - begin to move one disk of a VM that runs here, or is stopped here
 * @ret_move: out: a reference, for drover_disk_move_put(); its info tells the rest
 *
 * Errors: those of drover_disk_move_start(); -ENOENT (no such VM here), -EBUSY (the VM or the
 * disk is at something else). Nothing is touched then.
 */
int drover_storage_begin(struct drover_agent *agent, const char *vm, const char *disk,
			 const struct drover_disk_move_options *options,
			 struct drover_disk_move **ret_move, struct drover_err *err);

/**
 * drover_storage_definition() - what drover_storage_begin() would move
 * @ret_vm_dir: out: run directory of the running VM; NULL if it is stopped
 */
int drover_storage_definition(struct drover_agent *agent, const char *vm,
			      struct drover_vm_def *ret_def, const char **ret_vm_dir,
			      struct drover_err *err);

/** drover_storage_moves() - is this disk of the VM being moved? NULL: any of them */
bool drover_storage_moves(struct drover_agent *agent, const char *vm, const char *disk);

/** drover_storage_cancel() - cancel all moves of the VM's disks that can be */
void drover_storage_cancel(struct drover_agent *agent, const char *vm);

/**
 * drover_storage_release() - cancel those moves that a guest waits for
 *
 * Returns whether there were any: their end must be waited for.
 */
bool drover_storage_release(struct drover_agent *agent);

/**
 * drover_storage_share() - let moves share a bandwidth, as long as more than one of them goes on
 * @group: a number of theirs, not 0
 * @bandwidth: bytes per second for all together, 0 for no limit
 */
void drover_storage_share(struct drover_agent *agent, struct drover_disk_move *move,
			  uint64_t group, uint64_t bandwidth);

/** drover_storage_each() - call @each for all moves, newest first, also those that have ended */
void drover_storage_each(struct drover_agent *agent,
			 void (*each)(void *data, struct drover_disk_move *move), void *data);

/** drover_storage_find() - a move by its number, or NULL */
struct drover_disk_move *drover_storage_find(struct drover_agent *agent, uint64_t id);

/* --- pools_balance.c --- */

/** drover_pools_init() - after all that ran was adopted: balance by itself where configured so */
int drover_pools_init(struct drover_agent *agent, struct drover_err *err);

/* --- members.c: the cluster --- */

/** drover_members_open() - take part in the cluster that corosync.conf tells of, or in none */
int drover_members_open(struct drover_agent *agent, struct drover_err *err);

drover_verb drover_members_status, drover_members_conf, drover_members_reload;

/* --- inventory.c: this host and its VMs, as the cluster knows them --- */

int drover_inventory_open(struct drover_agent *agent, struct drover_err *err);

/* --- inbound.c: connections from peers --- */

int drover_inbound_open(struct drover_agent *agent, struct drover_err *err);

/* --- end.c: the agent's own end --- */

/** drover_end_begin() - cancel what can be, then leave the event loop; within 15 s */
void drover_end_begin(struct drover_agent *agent);

/** drover_end_check() - a migration has ended: is there still one to wait for? */
void drover_end_check(struct drover_agent *agent);

/* --- adopt.c: what an earlier agent left --- */

int drover_adopt_all(struct drover_agent *agent, struct drover_err *err);

#endif
