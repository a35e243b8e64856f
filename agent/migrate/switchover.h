/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the source does while its VM is paused: the last pages, verification, the
 * device state, and taking it all back if anything fails before the commit.
 */
#ifndef DROVER_MIGRATE_SWITCHOVER_H
#define DROVER_MIGRATE_SWITCHOVER_H

#include "migrate/source_stages.h"

/** drover_switchover_ready() - before the pause: the path for the device state stands */
int drover_switchover_ready(struct drover_source *s, struct drover_err *err);

/** drover_switchover_end_relay() - end the relay, whatever it waits for */
void drover_switchover_end_relay(struct drover_source *s);

/**
 * drover_switchover_run() - pause; the target holds everything when this returns 0
 * @round: number of the last round
 */
int drover_switchover_run(struct drover_source *s, uint32_t round, struct drover_err *err);

/**
 * drover_switchover_resume() - the VM runs again; only before the commit, or after NEVER
 * @qmp: the migration's monitor connection; NULL: each try makes one of its own
 * @timeout_s: no try begins later than this; 0: they go on for ten minutes at least
 *
 * Tries again, as a QEMU that drains a slow disk may not answer at once, until the process ends. A
 * try takes up to a minute where QEMU does not answer.
 */
int drover_switchover_resume(struct drover_vm *vm, struct drover_qmp *qmp, uint32_t timeout_s,
			     struct drover_err *err);

/* A file that says that a migration paused the VM: it must run again if the agent dies. */
int drover_switchover_mark(const struct drover_vm *vm, bool paused, struct drover_err *err);
bool drover_switchover_marked(const struct drover_vm *vm);

#endif
