/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the stages of the source half share; each has a file of its own. */
#ifndef DROVER_MIGRATE_SOURCE_STAGES_H
#define DROVER_MIGRATE_SOURCE_STAGES_H

#include "block/travel.h"
#include "block/tunnel.h"
#include "migrate/migration.h"
#include "migrate/pace.h"
#include "migrate/record.h"
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
 * @travel: the disks that travel; none for most
 * @tunnel: their way to the target
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
	struct drover_travel travel;
	struct drover_tunnel *tunnel;
	struct drover_round_info unsent;
	bool paused;
	uint64_t pause_us;
};

/** drover_source_prepare() - until the target has made its VM */
int drover_source_prepare(struct drover_source *s, struct drover_err *err);

/** drover_source_connect() - open the control connection */
int drover_source_connect(struct drover_source *s, struct drover_err *err);

/** drover_source_take_reply() - PrepareReply, to Prepare or to Resume */
int drover_source_take_reply(struct drover_source *s, struct drover_err *err);

/** drover_source_open_streams() - the RAM streams */
int drover_source_open_streams(struct drover_source *s, struct drover_err *err);

/* --- source_disks.c; all are fine without disks --- */

/** drover_source_disks_choose() - which disks travel, if that was asked for */
int drover_source_disks_choose(struct drover_source *s, struct drover_err *err);

/**
 * drover_source_disks_ask() - fill in what Prepare says of them
 * @room, @list: for DROVER_DISKS_MAX messages; must live until it was sent
 */
int drover_source_disks_ask(struct drover_source *s, Drover__Prepare *prepare,
			    Drover__DiskTravel *room, Drover__DiskTravel **list,
			    struct drover_err *err);

/** drover_source_disks_answer() - check and take what PrepareReply says of them */
int drover_source_disks_answer(struct drover_source *s, const Drover__PrepareReply *reply,
			       struct drover_err *err);

/** drover_source_disks_copy() - until all are in step */
int drover_source_disks_copy(struct drover_source *s, struct drover_err *err);

/** drover_source_disks_check() - they must be in step still */
int drover_source_disks_check(struct drover_source *s, struct drover_err *err);

/** drover_source_disks_part() - the VM is paused: both sides are the same, and have one writer */
int drover_source_disks_part(struct drover_source *s, struct drover_err *err);

/** drover_source_disks_record() - for the commit */
void drover_source_disks_record(const struct drover_source *s, struct drover_commit *commit);

/** drover_source_disks_let_go() - before the VM resumes here: it must wait for no target */
void drover_source_disks_let_go(struct drover_source *s);

/** drover_source_disks_take_back() - the VM uses its images here alone, as before */
void drover_source_disks_take_back(struct drover_source *s, const struct drover_err *why);

/* --- travel_mark.c --- */

int drover_source_disks_mark(const struct drover_vm *vm, uint64_t id, const char *target,
			     struct drover_err *err);
void drover_source_disks_unmark(const struct drover_vm *vm);

/** drover_source_disks_recover() - see drover_source_recover() */
int drover_source_disks_recover(const struct drover_conf *conf, const struct drover_vm *vm,
				struct drover_err *err);

/* --- precopy.c --- */

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
