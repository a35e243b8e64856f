/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packs and unpacks frame headers. Pure. */
#ifndef DROVER_NET_FRAME_H
#define DROVER_NET_FRAME_H

#include "base/err.h"
#include "wire.h"

/** drover_frame_pack() - write a header as the 16 bytes that travel */
void drover_frame_pack(const struct drover_frame_header *header,
		       uint8_t buf[DROVER_FRAME_HEADER_SIZE]);

/**
 * drover_frame_unpack() - read and check the 16 bytes of a header
 *
 * Errors: -EPROTO with a sentence for a type that does not exist, flags that are
 * set, or a length above its limit.
 */
int drover_frame_unpack(const uint8_t buf[DROVER_FRAME_HEADER_SIZE],
			struct drover_frame_header *ret_header, struct drover_err *err);

#endif
