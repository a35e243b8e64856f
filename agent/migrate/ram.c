// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The receiving side of the RAM streams. Pages go through a small buffer and
 * pwrite(2), not into a mapping: a full tmpfs is then an error, not a SIGBUS.
 */
#include "migrate/ram.h"

#include <drover.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define REGION_PAGES DROVER_TAKE_PAGES_MAX
#define BUFFER_PAGES 64U

static bool test(const uint8_t *map, uint32_t n)
{
	return map[n / 8] >> (n % 8) & 1;
}

/* Regions belong to streams, and 64 divides a region: no two threads share a word. */
static void mark(struct drover_ram *ram, uint64_t first, uint64_t n)
{
	for (uint64_t p = first; p < first + n; p++)
		ram->written[p / 64] |= 1ULL << (p % 64);
}

static int mark_present(struct drover_ram *ram, struct drover_err *err)
{
	off_t at = 0, end, size = ram->pages << DROVER_PAGE_SHIFT;

	while (at < size) {
		at = lseek(ram->fd, at, SEEK_DATA);
		if ((at < 0 && errno == ENXIO) || at >= size)
			return 0;
		end = at < 0 ? -1 : lseek(ram->fd, at, SEEK_HOLE);
		if (end < 0)
			return drover_err_set(err, errno, "cannot look for data in the RAM file: %s",
					      strerror(errno));
		end = end > size ? size : end;
		mark(ram, at >> DROVER_PAGE_SHIFT,
		     (end - at + DROVER_PAGE_SIZE - 1) >> DROVER_PAGE_SHIFT);
		at = end;
	}
	return 0;
}

int drover_ram_init(struct drover_ram *ram, int fd, uint64_t pages, uint32_t streams,
		    struct drover_err *err)
{
	int r;

	memset(ram, 0, sizeof(*ram));
	ram->fd = fd;
	ram->pages = pages;
	ram->streams = streams;
	ram->written = calloc((pages + 63) / 64, sizeof(uint64_t));
	if (!ram->written)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = mark_present(ram, err);
	if (r < 0)
		drover_ram_exit(ram);
	return r;
}

void drover_ram_exit(struct drover_ram *ram)
{
	free(ram->written);
	ram->written = NULL;
}

static int bad_batch(const char *what, struct drover_err *err)
{
	return drover_err_set(err, EPROTO, "the peer sent a page batch %s", what);
}

static int check_batch(const struct drover_ram *ram, const Drover__PageBatch *b, uint32_t stream,
		       uint32_t payload, struct drover_err *err)
{
	uint32_t data = 0;

	if (b->first_page % 64 || !b->count || b->count > REGION_PAGES ||
	    b->first_page >= ram->pages || b->count > ram->pages - b->first_page)
		return bad_batch("outside of the VM's memory", err);
	if (b->first_page / REGION_PAGES != (b->first_page + b->count - 1) / REGION_PAGES ||
	    b->first_page / REGION_PAGES % ram->streams != stream)
		return bad_batch("on a stream that its region does not belong to", err);
	if (b->data.len != (b->count + 7) / 8 || b->zero.len != b->data.len)
		return bad_batch("whose bitmaps have the wrong size", err);
	for (uint32_t i = 0; i < b->data.len * 8; i++) {
		bool d = test(b->data.data, i), z = test(b->zero.data, i);

		if ((d && z) || ((d || z) && i >= b->count))
			return bad_batch("whose bitmaps contradict each other", err);
		data += d;
	}
	if (payload != data * DROVER_PAGE_SIZE)
		return bad_batch("whose data has the wrong size", err);
	return 0;
}

static int write_pages(struct drover_ram *ram, uint64_t first, const uint8_t *buf, uint32_t n,
		       struct drover_err *err)
{
	size_t len = (size_t)n << DROVER_PAGE_SHIFT, done = 0;

	while (done < len) {
		ssize_t w = pwrite(ram->fd, buf + done, len - done,
				   (first << DROVER_PAGE_SHIFT) + done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return drover_err_set(err, w ? errno : EIO,
					      "cannot write to the RAM file: %s",
					      strerror(w ? errno : EIO));
		done += w;
	}
	mark(ram, first, n);
	return 0;
}

/* Receives and writes the pages of @map's next runs, up to a buffer at a time. */
static int receive_data(struct drover_ram *ram, struct drover_peer *peer,
			const Drover__PageBatch *b, uint8_t *buf, struct drover_err *err)
{
	for (uint32_t i = 0; i < b->count;) {
		uint32_t n = 0;
		int r;

		if (!test(b->data.data, i)) {
			i++;
			continue;
		}
		while (i + n < b->count && n < BUFFER_PAGES && test(b->data.data, i + n))
			n++;
		r = drover_peer_recv_payload(peer, buf, n * DROVER_PAGE_SIZE, err);
		if (r == 0)
			r = write_pages(ram, b->first_page + i, buf, n, err);
		if (r < 0)
			return r;
		atomic_fetch_add(&ram->data_pages, n);
		i += n;
	}
	return 0;
}

/* A page that was never written is a hole already. */
static int clear_zero(struct drover_ram *ram, const Drover__PageBatch *b, struct drover_err *err)
{
	for (uint32_t i = 0; i < b->count; i++) {
		uint64_t page = b->first_page + i;

		if (!test(b->zero.data, i))
			continue;
		atomic_fetch_add(&ram->zero_pages, 1);
		if (!(ram->written[page / 64] >> (page % 64) & 1))
			continue;
		if (fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      page << DROVER_PAGE_SHIFT, DROVER_PAGE_SIZE) < 0)
			return drover_err_set(err, errno, "cannot clear a page of the RAM file: %s",
					      strerror(errno));
		ram->written[page / 64] &= ~(1ULL << (page % 64));
	}
	return 0;
}

static int take_batch(struct drover_ram *ram, struct drover_peer *peer, uint32_t stream,
		      const uint8_t *body, size_t len, uint8_t *buf, struct drover_err *err)
{
	Drover__PageBatch *b = drover_peer_unpack(&drover__page_batch__descriptor, body, len, err);
	int r;

	if (!b)
		return -EPROTO;
	r = check_batch(ram, b, stream, peer->pending.payload, err);
	if (r == 0) {
		atomic_fetch_add(&ram->wire_bytes,
				 DROVER_FRAME_HEADER_SIZE + len + peer->pending.payload);
		r = receive_data(ram, peer, b, buf, err);
	}
	if (r == 0)
		r = clear_zero(ram, b, err);
	drover__page_batch__free_unpacked(b, NULL);
	return r;
}

static int take_frame(struct drover_ram *ram, struct drover_peer *peer, uint32_t stream,
		      uint8_t *buf, struct drover_err *err)
{
	auto_free uint8_t *body = NULL;
	enum drover_frame_type type;
	Drover__RoundEnd *end;
	size_t len;
	int r = drover_peer_recv(peer, &type, &body, &len, err);

	if (r < 0)
		return r;
	if (type == DROVER_FRAME_PAGE_BATCH)
		return take_batch(ram, peer, stream, body, len, buf, err);
	if (type != DROVER_FRAME_ROUND_END)
		return drover_err_set(err, EPROTO, "frame type %d has no place on a RAM stream",
				      type);
	end = drover_peer_unpack(&drover__round_end__descriptor, body, len, err);
	if (!end)
		return -EPROTO;
	r = drover_peer_send(peer, DROVER_FRAME_ROUND_END, &end->base, 0, err);
	drover__round_end__free_unpacked(end, NULL);
	return r;
}

int drover_ram_receive(struct drover_ram *ram, struct drover_peer *peer, uint32_t stream,
		       struct drover_err *err)
{
	auto_free uint8_t *buf = malloc(BUFFER_PAGES * DROVER_PAGE_SIZE);
	struct drover_err why = { 0 };
	int r;

	if (!buf)
		return drover_err_set(err, ENOMEM, "out of memory");
	do
		r = take_frame(ram, peer, stream, buf, &why);
	while (r == 0);
	return r == -ENODATA ? 0 : drover_err_set(err, r, "%s", why.text);
}
