/* SPDX-License-Identifier: GPL-2.0-only */
/* The ioctls of drover.ko, as the tests call them. */
#ifndef DROVER_TEST_CLIENT_H
#define DROVER_TEST_CLIENT_H

#include "drover.h"
#include "vm.h"

static char reason[DROVER_REASON_MAX];

static inline int drover_open(void)
{
	int fd = open(DROVER_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		SKIP("no %s: is drover.ko loaded?", DROVER_DEVICE);
	return fd;
}

/* Returns the session, or -1 with errno and reason[]. */
static inline int session_create_full(int vm_fd, const int *ram_fds, unsigned int count,
				      unsigned int flags)
{
	struct drover_session_create create = {
		.size = sizeof(create),
		.flags = flags,
		.vm_fd = vm_fd,
		.ram_count = count,
		.ram_fds = (uintptr_t)ram_fds,
		.name = "test",
	};
	int device = drover_open(), fd, error;

	fd = ioctl(device, DROVER_IOC_SESSION_CREATE, &create);
	error = errno;
	memcpy(reason, create.reason, sizeof(reason));
	close(device);
	if (fd >= 0)
		CHECK(create.id && create.ram_pages);
	errno = error;
	return fd;
}

static inline int session_create(const struct vm *vm, unsigned int flags)
{
	return session_create_full(vm->fd, &vm->ram_fd, 1, flags);
}

static inline int session_start(int session)
{
	struct drover_start start = {};
	int ret = ioctl(session, DROVER_IOC_START, &start), error = errno;

	memcpy(reason, start.reason, sizeof(reason));
	errno = error;
	return ret ? ret : (int)start.slots;
}

static inline int session_harvest(int session, struct drover_harvest *harvest)
{
	memset(harvest, 0, sizeof(*harvest));
	return ioctl(session, DROVER_IOC_HARVEST, harvest);
}

/* The pages of a harvest, one byte each: 0 clean, 'd' data, 'z' zero. */
struct pages {
	char kind[VM_PAGES];
	unsigned int count;
};

/* Takes all that is in the bitmap. */
static inline void session_take_all(int session, struct pages *pages)
{
	uint64_t first, n;

	memset(pages, 0, sizeof(*pages));
	for (first = 0; first < VM_PAGES; first += DROVER_TAKE_PAGES_MAX) {
		struct drover_take take = { .first = first, .count = DROVER_TAKE_PAGES_MAX };

		NEED(!ioctl(session, DROVER_IOC_TAKE, &take));
		for (n = 0; n < DROVER_TAKE_PAGES_MAX; n++) {
			int data = take.data[n / 64] >> n % 64 & 1;
			int zero = take.zero[n / 64] >> n % 64 & 1;

			CHECK(!(data && zero));
			pages->kind[first + n] = data ? 'd' : zero ? 'z' : 0;
		}
		pages->count += take.data_pages + take.zero_pages;
	}
}

/* Harvests and takes until nothing is kept for its references any more. */
static inline void session_settle(int session)
{
	struct drover_harvest harvest;
	struct pages pages;
	int tries = 0;

	do {
		NEED(!session_harvest(session, &harvest));
		session_take_all(session, &pages);
		NEED(++tries < 100, "pages are kept for ever: %llu",
		     (unsigned long long)harvest.kept_pages);
		usleep(1000);
	} while (harvest.kept_pages || harvest.total_pages);
}

/* A started session of a filled VM, with nothing left to be taken. */
static inline int session_settled(struct vm *vm, unsigned int flags)
{
	int session;

	vm_fill(vm);
	session = session_create(vm, flags);
	NEED(session >= 0, "%s", reason);
	NEED(session_start(session) == 4, "%s", reason);
	session_settle(session);
	return session;
}

/* The next harvest gives exactly those of the @count pages, but for kept ones. */
static inline void expect_pages(int session, const uint64_t *expected, unsigned int count,
				struct drover_harvest *harvest)
{
	struct pages pages;
	unsigned int n, extra;

	NEED(!session_harvest(session, harvest));
	session_take_all(session, &pages);
	CHECK(pages.count == harvest->total_pages);
	extra = pages.count;
	for (n = 0; n < count; n++) {
		CHECK(pages.kind[expected[n]], "page %llu is missing",
		      (unsigned long long)expected[n]);
		extra -= !!pages.kind[expected[n]];
	}
	CHECK(extra == harvest->kept_pages, "%u pages too many, %llu kept", extra,
	      (unsigned long long)harvest->kept_pages);
}

#endif /* DROVER_TEST_CLIENT_H */
