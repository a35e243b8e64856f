/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One migration: what operators see of it, how it is cancelled, and what the
 * engines ask of the layer above. Each half (source, target) runs in a thread of
 * its own as plain sequential code.
 */
#ifndef DROVER_MIGRATE_MIGRATION_H
#define DROVER_MIGRATE_MIGRATION_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "core/model.h"
#include "net/peer.h"
#include "vm/vm.h"

/* How a migration left its VM on this host. */
enum drover_outcome {
	DROVER_OUTCOME_STAYED,	/* source: the VM runs here as before */
	DROVER_OUTCOME_LEFT,	/* source: it runs on the target; its process here was ended */
	DROVER_OUTCOME_STUCK,	/* it does not run here, and yet its process could not be ended */
	DROVER_OUTCOME_ARRIVED,	/* target: it runs here now */
	DROVER_OUTCOME_NOTHING,	/* target: nothing is left of it here */
};

struct drover_migration;

/**
 * struct drover_migrate_env - what the engines need from above
 * @conf: this host
 * @data: for the functions
 * @reserve: target: keep the name @vm for a VM that arrives; refuses if it is in use
 * @unreserve: target: the VM does not come after all
 * @needed: source: -EBUSY if another VM needs that old image of @vm; any error: it may be needed
 * @changed: the state of a migration changed
 * @finished: the last call for a migration. @vm is the VM (source: the one given at the
 *	start; target: the one that arrived, or NULL); the callee owns it from now on.
 *
 * All are called from the migration's thread.
 */
struct drover_migrate_env {
	const struct drover_conf *conf;
	void *data;
	int (*reserve)(void *data, const char *vm, struct drover_err *err);
	void (*unreserve)(void *data, const char *vm);
	int (*needed)(void *data, const char *path, const char *vm, struct drover_err *err);
	void (*changed)(void *data, const struct drover_migration_info *info);
	void (*finished)(void *data, struct drover_migration *m, enum drover_outcome outcome,
			 struct drover_vm *vm);
};

/* What an operator settles a migration in doubt with. */
enum drover_verdict { DROVER_VERDICT_ASK, DROVER_VERDICT_SOURCE, DROVER_VERDICT_TARGET };

/**
 * struct drover_migration - one half of a migration on this host
 * @lock: guards @info, @control, @sender, @disk_bytes, @verdict and @wake
 * @info: as operators see it; read it with drover_migration_info()
 * @cancelled: somebody wants it to end
 * @control: the connection that a cancel interrupts, or NULL
 * @sender: the RAM streams that a cancel interrupts, or NULL
 * @committed: too late to cancel
 * @disk_bytes: sent for disks, part of the info's wire_bytes
 * @wake: signalled when @verdict or @cancelled changes
 *
 * Referenced by its thread and by the one who lists it; the last put frees it.
 */
struct drover_migration {
	const struct drover_migrate_env *env;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_int references;
	struct drover_migration_info info;
	struct drover_migration_options options;
	uint64_t begin_us;
	uint64_t disk_bytes;
	bool cancelled;
	bool committed;
	bool settle;
	enum drover_verdict verdict;
	struct drover_peer *control;
	struct drover_sender *sender;
};

struct drover_migration *drover_migration_create(const struct drover_migrate_env *env,
						 uint64_t id, const char *vm, const char *source,
						 const char *target);
struct drover_migration *drover_migration_get(struct drover_migration *m);
void drover_migration_put(struct drover_migration *m);

/** drover_migration_info() - a copy of what operators see, with times up to now */
void drover_migration_info(struct drover_migration *m, struct drover_migration_info *ret_info);

/** drover_migration_ended() - done, cancelled or failed: nothing more will change */
bool drover_migration_ended(struct drover_migration *m);

/** drover_migration_state() - enter a state and tell env->changed() */
void drover_migration_state(struct drover_migration *m, enum drover_migration_state state);

/** drover_migration_fail() - enter FAILED or, if a cancel was asked for, CANCELLED */
void drover_migration_fail(struct drover_migration *m, const struct drover_err *why);

/**
 * drover_migration_cancel() - end it; the VM stays on the source
 *
 * Errors: -EALREADY when it has ended, -EBUSY when it has committed.
 */
int drover_migration_cancel(struct drover_migration *m, struct drover_err *err);

/** drover_migration_check() - -ECANCELED once a cancel was asked for */
int drover_migration_check(struct drover_migration *m, struct drover_err *err);

/**
 * drover_migration_point() - past this line there is no cancel
 *
 * Returns -ECANCELED when one came before.
 */
int drover_migration_point(struct drover_migration *m, struct drover_err *err);

/** drover_migration_attach() - what a cancel has to interrupt; NULL for none */
void drover_migration_attach(struct drover_migration *m, struct drover_peer *control,
			     struct drover_sender *sender);

/**
 * drover_migration_resolve() - an operator settles a migration in doubt
 *
 * Errors: -EINVAL when it is not in doubt.
 */
int drover_migration_resolve(struct drover_migration *m, enum drover_verdict verdict,
			     struct drover_err *err);

#endif
