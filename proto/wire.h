/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame that carries every message between agents, and the registry of
 * message numbers. Numbers are permanent; 0 is never sent.
 *
 *   0        4      6       8         12        16
 *   | length | type | flags | sequence| payload | body ... | payload ...
 *
 * All little endian. length: of the body, which is one protobuf message.
 * payload: bytes of raw data after the body, 0 for all but bulk types.
 */
#ifndef DROVER_PROTO_WIRE_H
#define DROVER_PROTO_WIRE_H

#include <stdint.h>

#define DROVER_FRAME_HEADER_SIZE	16
#define DROVER_FRAME_BODY_MAX		(1U << 20)
#define DROVER_FRAME_PAYLOAD_MAX	(2U << 20)
#define DROVER_PROTOCOL_VERSION_MIN	1
#define DROVER_PROTOCOL_VERSION_MAX	1
#define DROVER_PORT			7654

enum drover_frame_type {
	DROVER_FRAME_HELLO = 1,
	DROVER_FRAME_HELLO_REPLY = 2,
	DROVER_FRAME_ERROR = 3,
	DROVER_FRAME_PREPARE = 10,
	DROVER_FRAME_PREPARE_REPLY = 11,
	DROVER_FRAME_PAGE_BATCH = 12,	/* payload: pages */
	DROVER_FRAME_ROUND_END = 13,
	DROVER_FRAME_DEVICE_STATE_BEGIN = 14,
	DROVER_FRAME_DEVICE_STATE_READY = 15,
	DROVER_FRAME_DEVICE_STATE_DATA = 16,	/* no body; payload: bytes */
	DROVER_FRAME_DEVICE_STATE_END = 17,
	DROVER_FRAME_VERIFY_PAGES = 18,
	DROVER_FRAME_VERIFY_HASHES = 19,
	DROVER_FRAME_READY_QUERY = 20,
	DROVER_FRAME_READY = 21,
	DROVER_FRAME_COMMIT = 22,
	DROVER_FRAME_RUNNING = 23,
	DROVER_FRAME_ABORT = 24,
	DROVER_FRAME_OUTCOME = 25,
	DROVER_FRAME_OUTCOME_REPLY = 26,
	DROVER_FRAME_HOST_QUERY = 30,
	DROVER_FRAME_HOST_REPLY = 31,
	DROVER_FRAME_VM_QUERY = 32,
	DROVER_FRAME_VM_REPLY = 33,
	DROVER_FRAME_POOL_QUERY = 34,
	DROVER_FRAME_POOL_REPLY = 35,
	DROVER_FRAME_MOVE_ORDER = 36,
	DROVER_FRAME_MOVE_ORDER_REPLY = 37,
	DROVER_FRAME_RESUME = 40,
	DROVER_FRAME_DISKS_CLOSE = 41,
	DROVER_FRAME_DISKS_CLOSED = 42,
	DROVER_FRAME_ALLOT = 43,
	DROVER_FRAME_ALLOT_REPLY = 44,
	DROVER_FRAME_FORWARD = 45,
	DROVER_FRAME_FORWARD_REPLY = 46,
	DROVER_FRAME_SLEEP = 47,
	DROVER_FRAME_SLEEP_REPLY = 48,
};

/**
 * struct drover_frame_header - a decoded frame header
 * @length:	bytes of the body, at most DROVER_FRAME_BODY_MAX
 * @type:	enum drover_frame_type
 * @flags:	0 in version 1
 * @sequence:	counts the frames of one direction from 0
 * @payload:	bytes after the body, at most DROVER_FRAME_PAYLOAD_MAX
 */
struct drover_frame_header {
	uint32_t length;
	uint16_t type;
	uint16_t flags;
	uint32_t sequence;
	uint32_t payload;
};

#endif
