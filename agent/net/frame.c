// SPDX-License-Identifier: GPL-2.0-or-later
/* Frame headers: see proto/wire.h for the layout. */
#include "net/frame.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static void put16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

void drover_frame_pack(const struct drover_frame_header *header,
		       uint8_t buf[DROVER_FRAME_HEADER_SIZE])
{
	put32(buf, header->length);
	put16(buf + 4, header->type);
	put16(buf + 6, header->flags);
	put32(buf + 8, header->sequence);
	put32(buf + 12, header->payload);
}

static bool type_exists(uint16_t type)
{
	return (type >= DROVER_FRAME_HELLO && type <= DROVER_FRAME_ERROR) ||
	       (type >= DROVER_FRAME_PREPARE && type <= DROVER_FRAME_OUTCOME_REPLY) ||
	       (type >= DROVER_FRAME_HOST_QUERY && type <= DROVER_FRAME_MOVE_ORDER_REPLY) ||
	       (type >= DROVER_FRAME_RESUME && type <= DROVER_FRAME_SLEEP_REPLY);
}

int drover_frame_unpack(const uint8_t buf[DROVER_FRAME_HEADER_SIZE],
			struct drover_frame_header *ret_header, struct drover_err *err)
{
	struct drover_frame_header h = {
		.length = get32(buf),
		.type = get16(buf + 4),
		.flags = get16(buf + 6),
		.sequence = get32(buf + 8),
		.payload = get32(buf + 12),
	};

	if (!type_exists(h.type))
		return drover_err_set(err, EPROTO, "the peer sent a frame of unknown type %u",
				      h.type);
	if (h.flags)
		return drover_err_set(err, EPROTO, "the peer sent a frame with unknown flags %#x",
				      h.flags);
	if (h.length > DROVER_FRAME_BODY_MAX || h.payload > DROVER_FRAME_PAYLOAD_MAX)
		return drover_err_set(err, EPROTO,
				      "the peer sent a frame larger than the protocol allows");
	*ret_header = h;
	return 0;
}
