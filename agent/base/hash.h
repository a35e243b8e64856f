/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small hash for names: the same on every host, and no secret. */
#ifndef DROVER_BASE_HASH_H
#define DROVER_BASE_HASH_H

#include <stdint.h>

/** drover_hash_pair() - FNV-1a (Fowler, Noll, Vo), 32 bits, of "A/B" */
static inline uint32_t drover_hash_pair(const char *a, const char *b)
{
	uint32_t h = 2166136261U;

	for (; *a; a++)
		h = (h ^ (unsigned char)*a) * 16777619U;
	h = (h ^ '/') * 16777619U;
	for (; *b; b++)
		h = (h ^ (unsigned char)*b) * 16777619U;
	return h;
}

#endif
