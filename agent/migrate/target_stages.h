/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the stages of the target half share; each has a file of its own. */
#ifndef DROVER_MIGRATE_TARGET_STAGES_H
#define DROVER_MIGRATE_TARGET_STAGES_H

#include "block/landing.h"
#include "migrate/arrival.h"
#include "migrate/migration.h"

#define DROVER_TARGET_QMP_MS 20000

/* What may come next; the frames of a migration have one order. */
enum drover_target_stage {
	DROVER_TARGET_PREPARED,	/* disks arrive, then RAM streams fill the RAM file */
	DROVER_TARGET_LISTENING, /* QEMU takes device state; pages may be compared */
	DROVER_TARGET_CLOSED,	/* no bytes of disks come any more; only where disks travel */
	DROVER_TARGET_READY,	/* everything is loaded, the RAM is closed: only Commit is left */
};

/**
 * struct drover_target - the target's hold on everything during a migration
 * @stage: what may come next
 * @peer: control connection: @first, or one that came in its place
 * @grace_s: how long disks wait for a control connection that was lost
 * @landing: the disks that travel; none for most
 * @def: the VM's definition
 * @vm: its process, or NULL
 * @qmp: the migration's own monitor connection
 * @arrival: what data connections need
 * @reserved: its name is kept
 * @running: the VM runs here
 * @decided: that it runs here may have been decided, and was not retracted: nothing of it may be deleted
 * @remains: its process could not be ended
 * @used_before: its number was used before: nothing is decided about it
 */
struct drover_target {
	enum drover_target_stage stage;
	struct drover_migration *m;
	struct drover_peer *first, *peer;
	uint32_t grace_s;
	struct drover_landing landing;
	struct drover_vm_def def;
	struct drover_vm *vm;
	struct drover_qmp *qmp;
	struct drover_arrival arrival;
	bool reserved;
	bool running;
	bool decided;
	bool remains;
	bool used_before;
};

/** drover_target_prepare() - check, make the VM, answer PrepareReply */
int drover_target_prepare(struct drover_target *t, const Drover__Prepare *p,
			  struct drover_err *err);

/** drover_target_end_vm() - end its process if there is one, and forget it; see @remains */
int drover_target_end_vm(struct drover_target *t, struct drover_err *err);

/* --- target_disks.c --- */

/** drover_target_disks_plan() - check what travels; @text becomes that with the new images */
int drover_target_disks_plan(struct drover_target *t, const Drover__Prepare *p, char **text,
			     struct drover_err *err);

/** drover_target_disks_serve() - the VM's process is there: it takes what arrives */
int drover_target_disks_serve(struct drover_target *t, struct drover_err *err);

/** drover_target_answer() - PrepareReply, to Prepare and to Resume */
int drover_target_answer(struct drover_target *t, struct drover_err *err);

/**
 * drover_target_disks_wait() - the control connection was lost: wait for another if it makes sense
 * @err: why; changed when the wait was in vain
 *
 * Returns 0 when @t->peer is a new one.
 */
int drover_target_disks_wait(struct drover_target *t, struct drover_err *err);

/** drover_target_disks_close() - answers DisksClose: nobody else writes to the images any more */
int drover_target_disks_close(struct drover_target *t, struct drover_err *err);

/** drover_target_disks_drop() - the VM never will run here: its images go, if nothing uses them */
void drover_target_disks_drop(struct drover_target *t);

/** drover_target_disks_keep() - the VM runs here: it can be started here again */
void drover_target_disks_keep(struct drover_target *t);

/* --- */

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
