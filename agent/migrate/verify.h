/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hashes of RAM pages, to compare both sides while both VMs are paused. */
#ifndef DROVER_MIGRATE_VERIFY_H
#define DROVER_MIGRATE_VERIFY_H

#include <stdint.h>

#include "base/err.h"

/* Pages of one VerifyPages request at most. */
#define DROVER_VERIFY_PAGES_MAX 65536

/**
 * drover_verify_hash() - XXH3 (64 bits) of each of @count pages from @first on
 * @ram_fd: the RAM file
 * @ret_hashes: out: @count values
 *
 * Holes count as zero pages and stay holes. Errors: those of pread(2).
 */
int drover_verify_hash(int ram_fd, uint64_t first, uint32_t count, uint64_t *ret_hashes,
		       struct drover_err *err);

#endif
