/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts page batches that arrive into the target's RAM file. */
#ifndef DROVER_MIGRATE_RAM_H
#define DROVER_MIGRATE_RAM_H

#include <stdatomic.h>

#include "base/err.h"
#include "net/peer.h"

/**
 * struct drover_ram - a RAM file being filled
 * @fd: the file; holes are zero pages
 * @pages: its size
 * @streams: how many streams share the regions
 * @written: bit per page: holds something, so that a zero page must be cleared
 * @data_pages, @zero_pages, @wire_bytes: sums; read from any thread
 */
struct drover_ram {
	int fd;
	uint64_t pages;
	uint32_t streams;
	uint64_t *written;
	_Atomic uint64_t data_pages;
	_Atomic uint64_t zero_pages;
	_Atomic uint64_t wire_bytes;
};

/**
 * drover_ram_init() - begin to fill
 * @fd: borrowed
 *
 * Pages that the file holds already count as written.
 */
int drover_ram_init(struct drover_ram *ram, int fd, uint64_t pages, uint32_t streams,
		    struct drover_err *err);
void drover_ram_exit(struct drover_ram *ram);

/**
 * drover_ram_receive() - serve one stream until it closes
 * @stream: its number
 *
 * Returns 0 when the peer closed it between two frames. A batch outside of the RAM or of
 * the stream's regions is refused before a byte of it is written.
 */
int drover_ram_receive(struct drover_ram *ram, struct drover_peer *peer, uint32_t stream,
		       struct drover_err *err);

#endif
