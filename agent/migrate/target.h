/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The target half of a migration: from Prepare to running, or to nothing left behind. */
#ifndef DROVER_MIGRATE_TARGET_H
#define DROVER_MIGRATE_TARGET_H

#include "migrate/migration.h"
#include "migrate/record.h"

/**
 * drover_target_serve() - be the target of one migration, until its end
 * @env: what the layer above offers
 * @peer: control connection; borrowed
 * @prepare: its first message; borrowed
 * @listed: called once with the migration, for listing, before anything else
 *
 * Runs in the connection's own thread. Refusals have been sent to the peer.
 */
void drover_target_serve(const struct drover_migrate_env *env, struct drover_peer *peer,
			 const Drover__Prepare *prepare,
			 void (*listed)(void *data, struct drover_migration *m));

/**
 * drover_target_data() - serve a RAM, DEVICE_STATE or TUNNEL connection until it closes
 *
 * Errors: -EACCES when migration and token do not belong together.
 */
int drover_target_data(struct drover_peer *peer, const Drover__Hello *hello,
		       struct drover_err *err);

/**
 * drover_target_resume() - a control connection in place of one that was lost
 *
 * Returns when it is of no more use. Errors: -EACCES when nothing here waits for it.
 */
int drover_target_resume(struct drover_peer *peer, const Drover__Resume *resume,
			 struct drover_err *err);

/**
 * drover_target_outcome() - what became of a migration to this host
 * @source: name of the source host
 * @ret_decision: out: RUNNING or NEVER; after NEVER this host will not run it
 */
int drover_target_outcome(const struct drover_conf *conf, const char *source, uint64_t id,
			  enum drover_decision *ret_decision, struct drover_err *err);

/**
 * drover_target_adopt() - a VM that was arriving when an earlier agent ended
 * @ret_runs: out: true: the decision was to run it, and it does; false: it was ended
 */
int drover_target_adopt(const struct drover_conf *conf, struct drover_vm *vm, bool *ret_runs,
			struct drover_err *err);

/**
 * drover_target_recover() - disks that had arrived when an earlier agent, or the host, ended
 *
 * After all VMs were adopted. Those of VMs that run here stay, the others are deleted. What
 * cannot be settled is logged and left.
 */
int drover_target_recover(const struct drover_conf *conf, struct drover_err *err);

#endif
