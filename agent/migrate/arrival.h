/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migrations that are arriving here, and how their other connections find them:
 * data connections, tunnels for disks, and a new control connection after the first one
 * was lost. One lock guards the list and every arrival's connections.
 */
#ifndef DROVER_MIGRATE_ARRIVAL_H
#define DROVER_MIGRATE_ARRIVAL_H

#include "migrate/migration.h"
#include "migrate/ram.h"
#include "migrate/sender.h"

/* RAM streams, then the device state, then tunnels: one a disk, and one to compare. */
#define DROVER_ARRIVAL_DEVICE	   DROVER_STREAMS_MAX
#define DROVER_ARRIVAL_TUNNELS	   (DROVER_ARRIVAL_DEVICE + 1)
#define DROVER_ARRIVAL_CONNECTIONS (DROVER_ARRIVAL_TUNNELS + 2 * DROVER_DISKS_MAX)

/**
 * struct drover_arrival - what other connections need of a migration that arrives
 * @host, @id, @token: by which they find it; @previous is good for resuming where the
 *	answer with the newer token was lost
 * @ram: where pages go
 * @incoming_path: QEMU's socket for its device state
 * @disks_path: that of its NBD server, or ""
 * @connection: those being served
 * @busy: number of them
 * @device_done: the device state has been relayed, or that failed: @device_result
 * @failed: a RAM stream failed: @stream_err
 * @control: the control connection that is in use
 * @resumable: a new one may take its place: @next, then @current
 * @streaming: memory or device state has begun to come
 * @abandoned: it never will run: somebody was told so
 */
struct drover_arrival {
	struct drover_arrival *next_arrival;
	char host[DROVER_NAME_LEN];
	uint64_t id;
	uint8_t token[DROVER_PEER_TOKEN_SIZE], previous[DROVER_PEER_TOKEN_SIZE];
	struct drover_ram ram;
	char incoming_path[512];
	char disks_path[512];
	struct drover_peer *connection[DROVER_ARRIVAL_CONNECTIONS];
	uint32_t busy;
	bool device_done;
	int device_result;
	uint64_t device_bytes;
	struct drover_err device_err;
	bool failed;
	struct drover_err stream_err;
	struct drover_peer *control;
	bool resumable, abandoned, streaming;
	struct drover_arrival_control *next, *current;
};

/** drover_arrival_open() - draw a token and let data connections in */
int drover_arrival_open(struct drover_arrival *a, struct drover_peer *control,
			struct drover_err *err);

/** drover_arrival_close() - let no more in, end those that are, and wait for their end */
void drover_arrival_close(struct drover_arrival *a);

/** drover_arrival_wait_device() - until the device state was relayed; @timeout_ms at most */
int drover_arrival_wait_device(struct drover_arrival *a, int timeout_ms, struct drover_err *err);

/** drover_arrival_failure() - why a RAM stream failed, or 0 */
int drover_arrival_failure(struct drover_arrival *a, struct drover_err *err);

/** drover_arrival_serve() - see drover_target_data() */
int drover_arrival_serve(struct drover_peer *peer, const Drover__Hello *hello,
			 struct drover_err *err);

/* --- a control connection that is replaced --- */

/** drover_arrival_hold() - may the control connection be replaced from now on? */
void drover_arrival_hold(struct drover_arrival *a, bool resumable);

/**
 * drover_arrival_can_wait() - the control connection was lost: is it worth waiting for another?
 *
 * Not once memory has begun to come, nor after drover_arrival_abandon().
 */
bool drover_arrival_can_wait(struct drover_arrival *a);

/**
 * drover_arrival_await() - wait for another control connection
 * @m: its cancel ends the wait
 * @ret_control: out: it is the one in use now; drover_arrival_release() gives it back
 *
 * All tunnels have ended when this returns 0, and only a token drawn anew lets others in.
 */
int drover_arrival_await(struct drover_arrival *a, struct drover_migration *m, uint32_t timeout_s,
			 struct drover_peer **ret_control, struct drover_err *err);

/** drover_arrival_release() - the control connection is of no more use; its thread closes it */
void drover_arrival_release(struct drover_arrival *a);

/** drover_arrival_resume() - see drover_target_resume() */
int drover_arrival_resume(struct drover_peer *peer, const Drover__Resume *resume,
			  struct drover_err *err);

/** drover_arrival_abandon() - end one that is waiting, or whose source may be gone */
void drover_arrival_abandon(const char *host, uint64_t id);

#endif
