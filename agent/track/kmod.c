// SPDX-License-Identifier: GPL-2.0-or-later
/* Tracking by drover.ko: one session, its file descriptor and its mapped bitmap. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "track/tracker.h"

/* A sample holds a VM for a second: a migration waits for that. */
#define BUSY_TRIES 30
/* One word of 64 pages in so many is looked at, but some of them in a small VM. */
#define SAMPLE_WORDS 1024

struct kmod_tracker {
	struct drover_tracker base;
	int fd;
	size_t map_size;
};

static struct kmod_tracker *to_kmod(struct drover_tracker *t)
{
	return (struct kmod_tracker *)t;
}

static int kmod_start(struct drover_tracker *t, struct drover_err *err)
{
	struct drover_start start = { 0 };

	if (ioctl(to_kmod(t)->fd, DROVER_IOC_START, &start) < 0) {
		int e = errno;

		return drover_err_set(err, e, "%.*s", DROVER_REASON_MAX,
				      start.reason[0] ? start.reason : strerror(e));
	}
	return 0;
}

static int kmod_harvest(struct drover_tracker *t, struct drover_harvest *ret,
			struct drover_err *err)
{
	struct drover_harvest harvest = { 0 };

	if (ioctl(to_kmod(t)->fd, DROVER_IOC_HARVEST, &harvest) < 0)
		return drover_err_set(err, errno, "collecting the written pages failed: %s",
				      strerror(errno));
	*ret = harvest;
	return 0;
}

static int kmod_take(struct drover_tracker *t, struct drover_take *take, struct drover_err *err)
{
	if (ioctl(to_kmod(t)->fd, DROVER_IOC_TAKE, take) < 0)
		return drover_err_set(err, errno, "reading guest pages failed: %s",
				      strerror(errno));
	return 0;
}

static int kmod_send(struct drover_tracker *t, struct drover_send *send, struct drover_err *err)
{
	if (ioctl(to_kmod(t)->fd, DROVER_IOC_SEND, send) < 0) {
		int e = errno == EAGAIN ? ETIMEDOUT : errno;

		return drover_err_set(err, e, "sending guest pages failed: %s", strerror(e));
	}
	return 0;
}

static void kmod_close(struct drover_tracker *t)
{
	struct kmod_tracker *k = to_kmod(t);

	munmap((void *)t->bitmap, k->map_size);
	close(k->fd);
	free(k);
}

static const struct drover_tracker_ops kmod_ops = {
	.start = kmod_start,
	.harvest = kmod_harvest,
	.take = kmod_take,
	.send = kmod_send,
	.close = kmod_close,
};

static int create_session(const char *name, int kvm_fd, int ram_fd, bool no_vmm_writes,
			  uint64_t *ret_pages, struct drover_err *err)
{
	auto_close int dev = open(DROVER_DEVICE, O_RDWR | O_CLOEXEC);
	__s32 ram_fds[] = { ram_fd };
	struct drover_session_create create = {
		.size = sizeof(create),
		.flags = no_vmm_writes ? DROVER_SESSION_NO_VMM_WRITES : 0,
		.vm_fd = kvm_fd,
		.ram_count = 1,
		.ram_fds = (uintptr_t)ram_fds,
	};
	int fd;

	if (dev < 0)
		return drover_err_set(err, ENODEV, "cannot open %s: %s; is drover.ko loaded?",
				      DROVER_DEVICE, strerror(errno));
	snprintf(create.name, sizeof(create.name), "%s", name);
	fd = ioctl(dev, DROVER_IOC_SESSION_CREATE, &create);
	if (fd < 0) {
		int e = errno;

		return drover_err_set(err, e, "%.*s", DROVER_REASON_MAX,
				      create.reason[0] ? create.reason : strerror(e));
	}
	*ret_pages = create.ram_pages;
	return fd;
}

static int await_session(const char *name, int kvm_fd, int ram_fd, bool no_vmm_writes,
			 uint64_t *ret_pages, struct drover_err *err)
{
	const struct timespec nap = { .tv_nsec = 100000000 };
	int fd = -EBUSY;

	for (int i = 0; i < BUSY_TRIES && fd == -EBUSY; i++) {
		if (i)
			nanosleep(&nap, NULL);
		fd = create_session(name, kvm_fd, ram_fd, no_vmm_writes, ret_pages, err);
	}
	return fd;
}

int drover_kmod_open(const char *name, int kvm_fd, int ram_fd, bool no_vmm_writes,
		     struct drover_tracker **ret_tracker, struct drover_err *err)
{
	auto_close int fd = -1;
	struct kmod_tracker *k;
	uint64_t pages = 0;
	void *map;
	size_t size;

	fd = await_session(name, kvm_fd, ram_fd, no_vmm_writes, &pages, err);
	if (fd < 0)
		return fd;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	size = (pages + 63) / 64 * sizeof(uint64_t);
	size = (size + DROVER_PAGE_SIZE - 1) & ~(DROVER_PAGE_SIZE - 1);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return drover_err_set(err, errno, "cannot map the dirty bitmap: %s",
				      strerror(errno));
	k = calloc(1, sizeof(*k));
	if (!k) {
		munmap(map, size);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	k->base.ops = &kmod_ops;
	k->base.pages = pages;
	k->base.bitmap = map;
	k->fd = steal_fd(&fd);
	k->map_size = size;
	*ret_tracker = &k->base;
	return 0;
}

static int sample(int session, uint32_t one_in, struct drover_sample *sample, struct drover_err *err)
{
	*sample = (struct drover_sample){ .one_in = one_in, .seed = time(NULL) };
	if (ioctl(session, DROVER_IOC_SAMPLE, sample) < 0)
		return drover_err_set(err, errno, "sampling the guest's pages failed: %s",
				      strerror(errno));
	return 0;
}

int drover_kmod_sample(const char *name, int kvm_fd, int ram_fd, uint32_t interval_ms,
		       struct drover_touched *ret_touched, struct drover_err *err)
{
	const struct timespec nap = { .tv_sec = interval_ms / 1000,
				      .tv_nsec = interval_ms % 1000 * 1000000 };
	struct drover_start start = { 0 };
	struct drover_sample s;
	uint64_t pages = 0, words;
	uint32_t one_in;
	auto_close int fd = create_session(name, kvm_fd, ram_fd, true, &pages, err);
	int r;

	if (fd < 0)
		return fd;
	if (ioctl(fd, DROVER_IOC_START, &start) < 0)
		return drover_err_set(err, errno, "%.*s", DROVER_REASON_MAX,
				      start.reason[0] ? start.reason : "the session did not start");
	words = pages / 64;
	one_in = words / SAMPLE_WORDS ? words / SAMPLE_WORDS : 1;
	if (one_in > 64)
		one_in = 64;
	r = sample(fd, one_in, &s, err);
	if (r < 0)
		return r;
	nanosleep(&nap, NULL);
	r = sample(fd, one_in, &s, err);
	if (r < 0)
		return r;
	*ret_touched = (struct drover_touched){ .interval_us = interval_ms * 1000ULL };
	if (s.sampled_pages)
		ret_touched->written = pages * DROVER_PAGE_SIZE / s.sampled_pages * s.written_pages;
	if (s.looked_pages)
		ret_touched->accessed = pages * DROVER_PAGE_SIZE / s.looked_pages * s.accessed_pages;
	return 0;
}
