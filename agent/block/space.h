/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much space an image needs. */
#ifndef DROVER_BLOCK_SPACE_H
#define DROVER_BLOCK_SPACE_H

#include <stdint.h>

/**
 * drover_space_with_margin() - what must be free for a copy of so many bytes
 *
 * A file system and qcow2 keep books of the blocks: below one part in 64, and a few MiB.
 */
static inline uint64_t drover_space_with_margin(uint64_t bytes)
{
	return bytes + bytes / 64 + (UINT64_C(4) << 20);
}

#endif
