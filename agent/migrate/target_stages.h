/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the stages of the target half share; each has a file of its own. */
#ifndef DROVER_MIGRATE_TARGET_STAGES_H
#define DROVER_MIGRATE_TARGET_STAGES_H

#include "migrate/arrival.h"
#include "migrate/migration.h"

#define DROVER_TARGET_QMP_MS 20000

/* What may come next; the frames of a migration have one order. */
enum drover_target_stage {
	DROVER_TARGET_PREPARED,	/* RAM streams fill the RAM file */
	DROVER_TARGET_LISTENING, /* QEMU takes device state; pages may be compared */
	DROVER_TARGET_READY,	/* everything is loaded, the RAM is closed: only Commit is left */
};

/**
 * struct drover_target - the target's hold on everything during a migration
 * @stage: what may come next
 * @peer: control connection
 * @def: the VM's definition
 * @vm: its process, or NULL
 * @qmp: the migration's own monitor connection
 * @arrival: what data connections need
 * @reserved: its name is kept
 * @running: the VM runs here
 * @used_before: its number was used before: nothing is decided about it
 */
struct drover_target {
	enum drover_target_stage stage;
	struct drover_migration *m;
	struct drover_peer *peer;
	struct drover_vm_def def;
	struct drover_vm *vm;
	struct drover_qmp *qmp;
	struct drover_arrival arrival;
	bool reserved;
	bool running;
	bool used_before;
};

/** drover_target_prepare() - check, make the VM, answer PrepareReply */
int drover_target_prepare(struct drover_target *t, const Drover__Prepare *p,
			  struct drover_err *err);

/** drover_target_listen() - QEMU listens for its device state; answers DeviceStateReady */
int drover_target_listen(struct drover_target *t, struct drover_err *err);

/** drover_target_hashes() - answers VerifyPages */
int drover_target_hashes(struct drover_target *t, const Drover__VerifyPages *ask,
			 struct drover_err *err);

/** drover_target_ready() - answers ReadyQuery once everything is loaded; closes the RAM */
int drover_target_ready(struct drover_target *t, const Drover__ReadyQuery *query,
			struct drover_err *err);

/** drover_target_take_over() - Commit: decide, resume, answer Running */
int drover_target_take_over(struct drover_target *t, const Drover__Commit *commit,
			    struct drover_err *err);

#endif
