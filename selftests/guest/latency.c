// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A histogram of times: each power of two of microseconds has eight buckets, so a
 * percentile is told at most an eighth too high.
 */
#include "latency.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define STEPS	8
#define BUCKETS (32 * STEPS)

static struct {
	uint64_t counts[BUCKETS];
	uint64_t total, max; /* max: microseconds */
} seen;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Below STEPS each value has a bucket of its own; then the top four bits tell. */
static unsigned bucket_of(uint64_t us)
{
	unsigned shift = us < STEPS ? 0 : 60 - (unsigned)__builtin_clzll(us);
	unsigned bucket = shift * STEPS + (unsigned)(us >> shift);

	return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_end(unsigned bucket)
{
	unsigned shift = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;

	return ((uint64_t)(bucket - shift * STEPS) + 1) * (1ull << shift) - 1;
}

void latency_add(uint64_t ns)
{
	uint64_t us = ns / 1000;

	pthread_mutex_lock(&lock);
	seen.counts[bucket_of(us)]++;
	seen.total++;
	if (seen.max < us)
		seen.max = us;
	pthread_mutex_unlock(&lock);
}

/* The smallest time that at least @percent of all writes did not exceed. */
static uint64_t percentile(unsigned percent)
{
	uint64_t wanted = (seen.total * percent + 99) / 100, sum = 0, end;

	for (unsigned i = 0; i < BUCKETS; i++) {
		sum += seen.counts[i];
		if (!sum || sum < wanted)
			continue;
		end = bucket_end(i);
		return end < seen.max ? end : seen.max;
	}
	return 0;
}

void latency_json(bool reset, char *text, size_t size)
{
	pthread_mutex_lock(&lock);
	snprintf(text, size,
		 "{\"writes\":%" PRIu64 ", \"write_p50_us\":%" PRIu64 ", \"write_p99_us\":%" PRIu64
		 ", \"write_max_us\":%" PRIu64 "}",
		 seen.total, percentile(50), percentile(99), seen.max);
	if (reset)
		memset(&seen, 0, sizeof(seen));
	pthread_mutex_unlock(&lock);
}
