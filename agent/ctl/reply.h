/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turns the plain structs of core/model.h into the messages of proto/control.proto. */
#ifndef DROVER_CTL_REPLY_H
#define DROVER_CTL_REPLY_H

#include "base/err.h"
#include "control.pb-c.h"
#include "core/model.h"

/*
 * All that these make is allocated, so that free_unpacked() of the message frees
 * it. Out of memory gives NULL.
 */
Drover__ControlReply *drover_reply_new(void);
Drover__ControlReply *drover_reply_error(const struct drover_err *err);
void drover_reply_free(Drover__ControlReply *reply);

/* Each takes the message over, and frees it where it cannot add it. */
void drover_reply_add_vm(Drover__ControlReply *reply, Drover__VmInfo *vm);
void drover_reply_add_migration(Drover__ControlReply *reply, Drover__MigrationInfo *migration);
void drover_reply_add_host(Drover__ControlReply *reply, Drover__HostInfo *host);
void drover_reply_add_pool(Drover__ControlReply *reply, Drover__PoolInfo *pool);
void drover_reply_add_disk_move(Drover__ControlReply *reply, Drover__DiskMoveInfo *move);
void drover_reply_add_image(Drover__ControlReply *reply, Drover__ImageInfo *image);
void drover_reply_add_power(Drover__ControlReply *reply, Drover__PowerInfo *power);
void drover_reply_add_advice(Drover__ControlReply *reply, Drover__PoolAdvice *advice);

/** drover_reply_vm() - what the definition tells; the caller adds the state */
Drover__VmInfo *drover_reply_vm(const struct drover_vm_def *def);
Drover__MigrationInfo *drover_reply_migration(const struct drover_migration_info *info);
Drover__DiskMoveInfo *drover_reply_disk_move(const struct drover_disk_move_info *info);

#endif
