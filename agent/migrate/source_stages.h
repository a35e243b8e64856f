/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the stages of the source half share; each has a file of its own. */
#ifndef DROVER_MIGRATE_SOURCE_STAGES_H
#define DROVER_MIGRATE_SOURCE_STAGES_H

#include "migrate/migration.h"
#include "migrate/pace.h"
#include "migrate/sender.h"
#include "vm/qmp.h"

/**
 * struct drover_source - the source's hold on everything during a migration
 * @m: the migration
 * @vm: its VM
 * @to: the target
 * @qmp: the migration's own monitor connection
 * @control: connection with role CONTROL
 * @device: connection with role DEVICE_STATE
 * @listener: where QEMU delivers its device state
 * @relay: the thread that carries it, and what became of it
 * @tracker: the VM's memory
 * @sender: the RAM streams
 * @token: proves to the target that a data connection belongs to this migration
 * @unsent: figures of the harvest that led to the pause; they belong to the last round
 * @paused: the VM was stopped by us
 * @pause_us: when that was asked for, CLOCK_MONOTONIC
 */
struct drover_source {
	struct drover_migration *m;
	struct drover_vm *vm;
	struct drover_peer_conf to;
	struct drover_qmp *qmp;
	struct drover_peer *control;
	struct drover_peer *device;
	int listener;
	struct drover_source_relay {
		pthread_t thread;
		bool runs;
		int result;
		uint64_t bytes;
		struct drover_err err;
	} relay;
	struct drover_tracker *tracker;
	struct drover_sender sender;
	uint8_t token[DROVER_PEER_TOKEN_SIZE];
	struct drover_round_info unsent;
	bool paused;
	uint64_t pause_us;
};

/** drover_source_prepare() - until the target has made its VM and all streams stand */
int drover_source_prepare(struct drover_source *s, struct drover_err *err);

/**
 * drover_source_precopy() - rounds while the VM runs
 * @ret_rounds: out: number of the round that is left for the pause
 */
int drover_source_precopy(struct drover_source *s, uint32_t *ret_rounds, struct drover_err *err);

/**
 * drover_source_round() - harvest, decide, send
 * @round: number, from 1
 * @ret_done: out: the harvest is small enough: nothing was sent, pause now
 * @pace: decides, or NULL for the last round, which always sends
 */
int drover_source_round(struct drover_source *s, uint32_t round, struct drover_pace *pace,
			bool *ret_done, struct drover_err *err);

/** drover_source_stage() - log how long after the pause a stage of the switchover ended */
void drover_source_stage(const struct drover_source *s, const char *stage);

#endif
