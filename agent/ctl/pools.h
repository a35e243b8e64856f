/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files pools*.c share: the disks of this host's VMs, figures of pools, and
 * jobs that move several disks one after the other.
 */
#ifndef DROVER_CTL_POOLS_H
#define DROVER_CTL_POOLS_H

#include "block/pool.h"
#include "ctl/agent.h"
#include "net/peer.h"
#include "policy/pool.h"

/**
 * struct drover_pools_disk - a disk of a VM that runs here or is defined here
 * @pool: that its image lies in, or NULL
 * @used: bytes that the image takes, by drover_pools_look()
 * @writes: of the guest in a second, by drover_pools_sample()
 * @run_dir: of the VM, if it runs and nobody else talks to it; else ""
 * @running: the VM runs here, or its name is in use
 * @unused: the definition names it, but the VM runs with another image
 * @silent: its store does not answer, by drover_pools_look()
 * @fixed: why it cannot be moved, or ""
 */
struct drover_pools_disk {
	char vm[DROVER_NAME_LEN];
	struct drover_disk_def def;
	const struct drover_pool_conf *pool;
	uint64_t used;
	uint32_t writes;
	char run_dir[512];
	bool running;
	bool unused;
	bool silent;
	char fixed[256];
};

struct drover_pools_disks {
	struct drover_pools_disk *list;
	size_t count;
};

/** drover_pools_named() - the pool of that name; NULL and -ENOENT in @err where there is none */
const struct drover_pool_conf *drover_pools_named(struct drover_agent *agent, const char *name,
						  struct drover_err *err);

/** drover_pools_collect() - all disks, as they are now; control thread */
int drover_pools_collect(struct drover_agent *agent, struct drover_pools_disks *ret_disks,
			 struct drover_err *err);
void drover_pools_free(struct drover_pools_disks *disks);

/*
 * --- pools_info.c: blocking, so never in the control thread; but a store that is dead is not
 * waited for, see block/ask.h ---
 */

/**
 * drover_pools_usable() - is the pool there, with the images that VMs have in it?
 *
 * Errors: those of drover_ask_pool(); -ENOTDIR when none of the images can be found: then
 * most likely nothing is mounted there.
 */
int drover_pools_usable(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			const struct drover_pools_disks *disks, struct drover_err *err);

/**
 * drover_pools_look() - how much space the images take
 *
 * Those that are not there cannot move, nor can those that do not answer.
 */
void drover_pools_look(const struct drover_conf *conf, struct drover_pools_disks *disks);

/**
 * drover_pools_info() - a pool as operators see it; NULL when out of memory
 * @images: list every image, too
 */
Drover__PoolInfo *drover_pools_info(const struct drover_conf *conf,
				    const struct drover_pool_conf *pool,
				    const struct drover_pools_disks *disks, bool images);

/** drover_pools_measure() - measure, and keep it; -ETIMEDOUT when the pool does not answer */
int drover_pools_measure(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			 struct drover_err *err);

/** drover_pools_refresh() - before a choice: measure, unless that was done within the last hour */
int drover_pools_refresh(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			 struct drover_err *err);

/* --- pools_strays.c: blocking, as pools_info.c --- */

/**
 * struct drover_pools_stray - a file in a pool that belongs to no VM of this host
 * @size: bytes; @used: that it takes
 * @note: what is known of it
 */
struct drover_pools_stray {
	const char *path;
	uint64_t size, used;
	const char *note;
};

/** drover_pools_strays() - all of them; -ETIMEDOUT when the pool does not answer */
int drover_pools_strays(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			const struct drover_pools_disks *disks,
			void (*each)(void *data, const struct drover_pools_stray *stray),
			void *data, struct drover_err *err);

/* --- pools_needed.c: blocking --- */

/**
 * drover_pools_needed() - may the old image of a disk of @vm be deleted, as far as other VMs go?
 * @agent: struct drover_agent; for those who know it as their "data"
 *
 * Not from the control thread. Errors, with a sentence that speaks of the image as "it": -EBUSY when
 * it is another VM's disk or one is based on it, here or, in a shared pool, on another host;
 * -ETIMEDOUT, -EHOSTUNREACH and others when that cannot be told.
 */
int drover_pools_needed(void *agent, const char *path, const char *vm, struct drover_err *err);

/** drover_pools_needed_by() - the same, as far as these disks go; from any thread but that of control */
int drover_pools_needed_by(const struct drover_conf *conf, const struct drover_pools_disks *disks,
			   const char *path, const char *vm, struct drover_err *err);

/* --- pools_elsewhere.c: what peers know; blocking --- */

/**
 * struct drover_pools_others - images of other hosts' VMs in a shared pool, and what they are based on
 * @silent: names of hosts that did not answer, or ""
 * @unread: what a disk on another host is based on is not known: a sentence, or ""
 */
struct drover_pools_others {
	struct drover_pools_other {
		char path[DROVER_FIELD_LEN];	/* from the pool's directory */
		char vm[DROVER_NAME_LEN];
		char note[256];
	} *list;
	size_t count;
	char silent[256];
	char unread[512];
};

/** drover_pools_others_ask() - ask all peers; nothing is asked about a pool of this host alone */
void drover_pools_others_ask(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			     struct drover_pools_others *ret_others);
void drover_pools_others_free(struct drover_pools_others *others);

/**
 * drover_pools_settle() - disks of VMs that run on another host cannot move from here
 * @pool: it is about the disks in that pool alone; NULL for all
 *
 * In a shared pool those of VMs that may run on a host that does not answer cannot, either.
 */
void drover_pools_settle(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			 struct drover_pools_disks *disks);

/** drover_pools_answer() - a peer asks */
int drover_pools_answer(struct drover_agent *agent, struct drover_peer *peer, const char *id,
			struct drover_err *err);

/* --- pools_writes.c: how busy disks are --- */

/* What was counted last time; zero-initialised, and only for drover_pools_sample(). */
struct drover_pools_samples {
	struct drover_pools_sample *list;
	size_t count;
};

/**
 * drover_pools_sample() - fill in @writes
 * @samples: kept from call to call, so that the mean is over the time between
 *
 * Blocking, and in one thread at a time. Where there is no earlier sample it takes a second.
 */
void drover_pools_sample(struct drover_pools_samples *samples, struct drover_pools_disks *disks);

/* --- pools_figures.c: from pools and disks to what the policy wants; blocking --- */

/**
 * struct drover_pools_figures - the policy's view, and what it was made from
 * @places: where each disk of the view stands in the list it was made from
 */
struct drover_pools_figures {
	struct drover_pool_figures pools[DROVER_POOLS_MAX];
	struct drover_pool_disk *disks;
	size_t *places;
	struct drover_pool_view view;
};

/** drover_pools_view() - a pool that cannot be used gets the size 0 */
int drover_pools_view(const struct drover_conf *conf, const struct drover_pools_disks *disks,
		      struct drover_pools_figures *ret_figures, struct drover_err *err);
void drover_pools_view_free(struct drover_pools_figures *figures);

/* --- pools_job.c: control thread --- */

/**
 * struct drover_pools_item - one disk of a job, or a file that it leaves
 * @move: while it is under way
 * @state: of its move, or 0: not begun
 * @error: why it failed, or is left; with @state 0 it will not be begun
 */
struct drover_pools_item {
	char vm[DROVER_NAME_LEN];
	char disk[DROVER_NAME_LEN];
	char from[DROVER_NAME_LEN];
	char to[DROVER_NAME_LEN];
	char path[DROVER_FIELD_LEN];
	uint64_t bytes;
	uint32_t priority;
	char reason[256];
	struct drover_disk_move *move;
	uint64_t move_id;
	enum drover_disk_move_state state;
	char error[512];
};

/**
 * struct drover_pools_job - disks that move, some at a time
 * @pool: that is emptied; "" for balancing
 * @bandwidth: bytes per second for all together, 0 for no limit
 * @stopped: begins no more
 */
struct drover_pools_job {
	struct drover_pools_job *next;
	struct drover_agent *agent;
	char pool[DROVER_NAME_LEN];
	struct drover_pools_item *items;
	size_t count;
	uint32_t parallel;
	uint64_t bandwidth;
	bool delete_old;
	bool stopped;
	sd_event_source *timer;
};

struct drover_pools_job *drover_pools_job_new(const char *pool);
void drover_pools_job_free(struct drover_pools_job *job);

/** drover_pools_job_add() - one more item, all 0; NULL when out of memory */
struct drover_pools_item *drover_pools_job_add(struct drover_pools_job *job);

/** drover_pools_job_find() - the last one of that pool, or NULL */
struct drover_pools_job *drover_pools_job_find(struct drover_agent *agent, const char *pool);
bool drover_pools_job_active(const struct drover_pools_job *job);

/** drover_pools_job_start() - begin; it takes the place of the last one of that pool */
int drover_pools_job_start(struct drover_agent *agent, struct drover_pools_job *job,
			   struct drover_err *err);

/** drover_pools_job_stop() - begin no more */
void drover_pools_job_stop(struct drover_pools_job *job);

/** drover_pools_job_advice() - its items, into @reply */
void drover_pools_job_advice(const struct drover_pools_job *job, Drover__ControlReply *reply);

/* --- pools_balance.c: control thread --- */

/**
 * drover_pools_rest() - balancing moved this disk: leave it alone for an hour
 * @vm: ""; then @disk is a pool, which nothing is to be moved from or to for an hour
 */
void drover_pools_rest(struct drover_agent *agent, const char *vm, const char *disk);

#endif
