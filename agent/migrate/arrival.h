/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migrations that are arriving here, and how their data connections find
 * them. One lock guards the list and every arrival's connections.
 */
#ifndef DROVER_MIGRATE_ARRIVAL_H
#define DROVER_MIGRATE_ARRIVAL_H

#include "migrate/migration.h"
#include "migrate/ram.h"
#include "migrate/sender.h"

/* RAM streams, then the device state. */
#define DROVER_ARRIVAL_CONNECTIONS (DROVER_STREAMS_MAX + 1)

/**
 * struct drover_arrival - what data connections need of a migration that arrives
 * @host, @id, @token: by which they find it
 * @ram: where pages go
 * @incoming_path: QEMU's socket for its device state
 * @connection: those being served
 * @busy: number of them
 * @device_done: the device state has been relayed, or that failed: @device_result
 * @failed: a RAM stream failed: @stream_err
 */
struct drover_arrival {
	struct drover_arrival *next;
	char host[DROVER_NAME_LEN];
	uint64_t id;
	uint8_t token[DROVER_PEER_TOKEN_SIZE];
	struct drover_ram ram;
	char incoming_path[512];
	struct drover_peer *connection[DROVER_ARRIVAL_CONNECTIONS];
	uint32_t busy;
	bool device_done;
	int device_result;
	uint64_t device_bytes;
	struct drover_err device_err;
	bool failed;
	struct drover_err stream_err;
};

/** drover_arrival_open() - draw a token and let data connections in */
int drover_arrival_open(struct drover_arrival *a, struct drover_err *err);

/** drover_arrival_close() - let no more in, end those that are, and wait for their end */
void drover_arrival_close(struct drover_arrival *a);

/** drover_arrival_wait_device() - until the device state was relayed; @timeout_ms at most */
int drover_arrival_wait_device(struct drover_arrival *a, int timeout_ms, struct drover_err *err);

/** drover_arrival_failure() - why a RAM stream failed, or 0 */
int drover_arrival_failure(struct drover_arrival *a, struct drover_err *err);

/** drover_arrival_serve() - see drover_target_data() */
int drover_arrival_serve(struct drover_peer *peer, const Drover__Hello *hello,
			 struct drover_err *err);

#endif
