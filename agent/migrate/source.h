/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The source half of a migration, from the operator's word to the settled outcome. */
#ifndef DROVER_MIGRATE_SOURCE_H
#define DROVER_MIGRATE_SOURCE_H

#include "migrate/migration.h"

/**
 * drover_source_start() - begin to move a running VM
 * @env: what the layer above offers; outlives the migration
 * @vm: the VM; lent to the migration until env->finished()
 * @to: the target
 * @options: of this migration
 * @ret_migration: out: for drover_migration_put()
 *
 * Returns as soon as the thread runs. On error env->finished() is not called.
 */
int drover_source_start(const struct drover_migrate_env *env, struct drover_vm *vm,
			const struct drover_peer_conf *to,
			const struct drover_migration_options *options,
			struct drover_migration **ret_migration, struct drover_err *err);

/**
 * drover_source_adopt() - go on with a commit whose outcome is not known
 * @vm: its paused VM, or NULL when the process is gone
 * @id, @target: as the commit record has them
 *
 * After the agent's restart. The migration is in doubt until the target answers.
 */
int drover_source_adopt(const struct drover_migrate_env *env, struct drover_vm *vm,
			const char *vm_name, uint64_t id, const char *target,
			struct drover_migration **ret_migration, struct drover_err *err);

/**
 * drover_source_recover() - end what a migration of an earlier agent left undone
 *
 * A VM that it had paused runs again, disks that were on their way stay here. Only when there
 * is no commit record for it. Does nothing for a VM that was not migrated.
 */
int drover_source_recover(const struct drover_conf *conf, struct drover_vm *vm,
			  struct drover_err *err);

#endif
