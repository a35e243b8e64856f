// SPDX-License-Identifier: GPL-2.0-or-later
/* How fast a pool is, measured with a probe file that has no name. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "block/pool.h"
#include "core/clock.h"

#define PROBE_BYTES (8U << 20)
#define SPARE_BYTES (24U << 20)	/* that must remain for the VMs */
#define CHUNK	    (1U << 20)
#define BLOCK	    4096
#define SAMPLES_MAX 64
#define SAMPLES_MIN 5
#define PHASE_US    400000

struct probe {
	int fd;
	char *buf;
	uint64_t written;
};

/* Stores that compress, or that know zeroes, must not be flattered (xorshift; Marsaglia 2003). */
static void fill(char *buf, size_t len)
{
	uint64_t x = drover_clock_monotonic() | 1;

	for (size_t i = 0; i < len; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(buf + i, &x, sizeof(x));
	}
}

/* For file systems without O_TMPFILE: it has a name for an instant. */
static int open_named(const char *dir, int flags)
{
	char path[DROVER_PATH_MAX];
	int fd;

	if (drover_io_path(path, NULL, "%s/.drover-probe.%d", dir, gettid()) < 0)
		return -ENAMETOOLONG;
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

static int open_nameless(const char *dir, int flags)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | flags, 0600);

	if (fd >= 0)
		return fd;
	return errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT ? open_named(dir, flags)
									 : -errno;
}

static int open_probe(const char *dir)
{
	int fd = open_nameless(dir, O_DIRECT);

	return fd == -EINVAL ? open_nameless(dir, 0) : fd;
}

static uint64_t rate(uint64_t bytes, uint64_t start_us)
{
	uint64_t us = drover_clock_monotonic() - start_us;

	return bytes * 1000000 / (us ? us : 1);
}

static int write_all(struct probe *p, uint64_t *ret_rate)
{
	uint64_t start = drover_clock_monotonic();

	do {
		ssize_t n = pwrite(p->fd, p->buf, CHUNK, p->written);

		if (n < 0)
			return -errno;
		if (n != CHUNK)
			return -ENOSPC;
		p->written += n;
	} while (p->written < PROBE_BYTES && drover_clock_monotonic() - start < PHASE_US);
	if (fdatasync(p->fd) < 0)
		return -errno;
	*ret_rate = rate(p->written, start);
	return 0;
}

static int read_all(const struct probe *p, uint64_t *ret_rate)
{
	uint64_t start, done = 0;

	/* Where there is no direct I/O: only what has been written back can be dropped, and it was. */
	posix_fadvise(p->fd, 0, 0, POSIX_FADV_DONTNEED);
	start = drover_clock_monotonic();
	do {
		ssize_t n = pread(p->fd, p->buf, CHUNK, done);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += n;
	} while (done < p->written && drover_clock_monotonic() - start < PHASE_US);
	*ret_rate = rate(done, start);
	return 0;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Writes over what is there, as most writes of guests do, jumping so that nothing can be merged. */
static int time_writes(const struct probe *p, uint64_t *ret_median_us)
{
	struct iovec io = { .iov_base = p->buf, .iov_len = BLOCK };
	uint64_t samples[SAMPLES_MAX], begin = drover_clock_monotonic();
	uint64_t blocks = p->written / BLOCK;
	int n = 0;

	do {
		uint64_t start = drover_clock_monotonic();

		if (pwritev2(p->fd, &io, 1, n * 997ULL % blocks * BLOCK, RWF_DSYNC) != BLOCK)
			return errno ? -errno : -EIO;
		samples[n++] = drover_clock_monotonic() - start;
	} while (n < SAMPLES_MAX &&
		 (n < SAMPLES_MIN || drover_clock_monotonic() - begin < PHASE_US));
	qsort(samples, n, sizeof(*samples), by_size);
	*ret_median_us = samples[n / 2] ? samples[n / 2] : 1;
	return 0;
}

static int measure(const char *dir, struct drover_pool_speed *speed)
{
	auto_free char *buf = aligned_alloc(BLOCK, CHUNK);
	auto_close int fd = open_probe(dir);
	struct probe p = { .fd = fd, .buf = buf };
	int r;

	if (!buf)
		return -ENOMEM;
	if (fd < 0)
		return fd;
	fill(buf, CHUNK);
	errno = 0;
	r = write_all(&p, &speed->write_rate);
	if (r == 0)
		r = time_writes(&p, &speed->latency_us);
	return r < 0 ? r : read_all(&p, &speed->read_rate);
}

int drover_pool_measure(const struct drover_pool_conf *pool, struct drover_pool_speed *ret_speed,
			struct drover_err *err)
{
	struct drover_pool_speed speed = { 0 };
	int r = drover_pool_check(pool, PROBE_BYTES + SPARE_BYTES, err);

	if (r < 0)
		return r;
	r = measure(pool->path, &speed);
	if (r < 0)
		return drover_err_set(err, r, "pool %s cannot be measured: %s", pool->name,
				      strerror(-r));
	speed.time_us = drover_clock_realtime();
	*ret_speed = speed;
	return 0;
}
