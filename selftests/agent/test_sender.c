// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sending side of RAM streams, with a tracker made of an array, against the
 * real receiving side.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "core/clock.h"
#include "loop.h"
#include "migrate/ram.h"
#include "migrate/sender.h"

#define PAGE	DROVER_PAGE_SIZE
#define REGION	DROVER_TAKE_PAGES_MAX
#define REGIONS 64

/* A tracker of an array of pages. */
struct fake {
	struct drover_tracker base;
	uint8_t *image;
	uint64_t bitmap[REGIONS * REGION / 64];
	int socket_of[REGIONS];
	int strayed;
};

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE - 1);
}

static int fake_take(struct drover_tracker *t, struct drover_take *take, struct drover_err *err)
{
	struct fake *f = (struct fake *)t;

	for (uint32_t i = 0; i < take->count; i++) {
		uint64_t page = take->first + i, bit = 1ULL << page % 64;

		if (!(f->bitmap[page / 64] & bit))
			continue;
		f->bitmap[page / 64] &= ~bit;
		if (is_zero(f->image + page * PAGE)) {
			take->zero[i / 64] |= 1ULL << i % 64;
			take->zero_pages++;
		} else {
			take->data[i / 64] |= 1ULL << i % 64;
			take->data_pages++;
		}
	}
	return 0;
}

static int fake_send(struct drover_tracker *t, struct drover_send *send, struct drover_err *err)
{
	struct fake *f = (struct fake *)t;
	uint64_t region = send->first / REGION;

	if (f->socket_of[region] && f->socket_of[region] != send->socket_fd)
		__atomic_fetch_add(&f->strayed, 1, __ATOMIC_RELAXED);
	f->socket_of[region] = send->socket_fd;
	for (uint32_t i = 0; i < send->count; i++) {
		int r;

		if (!(send->data[i / 64] >> i % 64 & 1))
			continue;
		r = drover_io_write(send->socket_fd, f->image + (send->first + i) * PAGE, PAGE);
		if (r < 0)
			return drover_err_set(err, r, "sending guest pages failed: %s", strerror(-r));
	}
	return 0;
}

static const struct drover_tracker_ops fake_ops = { .take = fake_take, .send = fake_send };

static struct fake *fake_new(uint64_t pages)
{
	struct fake *f = calloc(1, sizeof(*f));

	assert_true(pages <= REGIONS * REGION);
	f->base.ops = &fake_ops;
	f->base.pages = pages;
	f->base.bitmap = f->bitmap;
	f->image = calloc(pages, PAGE);
	return f;
}

static void fake_free(struct fake *f)
{
	free(f->image);
	free(f);
}

static void write_page(struct fake *f, uint64_t page, int byte)
{
	uint8_t *p = f->image + page * PAGE;

	memset(p, byte, PAGE);
	if (byte)
		memcpy(p, &page, sizeof(page));
	f->bitmap[page / 64] |= 1ULL << page % 64;
}

static void all_dirty(struct fake *f)
{
	for (uint64_t p = 0; p < f->base.pages; p++)
		f->bitmap[p / 64] |= 1ULL << p % 64;
}

static bool nothing_dirty(const struct fake *f)
{
	for (size_t w = 0; w < sizeof(f->bitmap) / sizeof(f->bitmap[0]); w++)
		if (f->bitmap[w])
			return false;
	return true;
}

/* The target: a RAM file and a thread for each stream. */
struct side {
	struct drover_ram ram;
	struct drover_sender sender;
	uint32_t streams;
	struct stream {
		struct side *side;
		struct drover_peer *peer;
		uint32_t index;
		pthread_t thread;
		int result;
		struct drover_err err;
	} stream[DROVER_STREAMS_MAX];
};

static void *receive(void *data)
{
	struct stream *s = data;

	s->result = drover_ram_receive(&s->side->ram, s->peer, s->index, &s->err);
	drover_peer_close(s->peer);
	s->peer = NULL;
	return NULL;
}

static struct side *side_start(struct fake *f, uint32_t streams, void *(*serve)(void *))
{
	struct side *side = calloc(1, sizeof(*side));
	int fd = memfd_create("ram", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, f->base.pages * PAGE), 0);
	assert_int_equal(drover_ram_init(&side->ram, fd, f->base.pages, streams, NULL), 0);
	side->streams = side->sender.streams = streams;
	side->sender.tracker = &f->base;
	for (uint32_t i = 0; i < streams; i++) {
		struct stream *s = &side->stream[i];

		s->side = side;
		s->index = i;
		loop_peers(&side->sender.peer[i], &s->peer);
		assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	}
	return side;
}

static void side_end(struct side *side)
{
	drover_sender_close(&side->sender);
	assert_int_equal(side->sender.streams, 0);
	for (uint32_t i = 0; i < side->streams; i++) {
		pthread_join(side->stream[i].thread, NULL);
		drover_peer_close(side->stream[i].peer);
	}
	close(side->ram.fd);
	drover_ram_exit(&side->ram);
	free(side);
}

static void expect_same(const struct fake *f, const struct side *side)
{
	uint8_t page[PAGE];

	for (uint64_t p = 0; p < f->base.pages; p++) {
		assert_int_equal(pread(side->ram.fd, page, PAGE, p * PAGE), PAGE);
		if (memcmp(page, f->image + p * PAGE, PAGE))
			fail_msg("page %llu differs", (unsigned long long)p);
	}
}

/* Several rounds, with writes between them, over @streams. */
static void migrate(uint32_t streams)
{
	uint64_t pages = 7 * REGION + 333, written = 0;
	struct fake *f = fake_new(pages);
	struct side *side = side_start(f, streams, receive);
	struct drover_err err = { 0 };

	srandom(streams);
	/* A third of the image are holes. */
	for (uint64_t p = 0; p < pages; p++)
		if (random() % 3)
			write_page(f, p, 1 + random() % 255);
	all_dirty(f);
	for (uint32_t round = 1; round <= 6; round++) {
		assert_int_equal(drover_sender_round(&side->sender, round, &err), 0);
		assert_true(nothing_dirty(f));
		/* What the round's end says is there is there now. */
		expect_same(f, side);
		for (uint32_t n = pages >> round; n; n--, written++)
			write_page(f, random() % pages, random() % 4 ? 1 + random() % 255 : 0);
	}
	assert_int_equal(drover_sender_round(&side->sender, 7, &err), 0);
	/* A round of nothing. */
	assert_int_equal(drover_sender_round(&side->sender, 8, &err), 0);
	expect_same(f, side);
	assert_int_equal(f->strayed, 0);
	assert_true(side->sender.sent_pages + side->sender.zero_pages > pages);
	assert_true(side->sender.sent_pages + side->sender.zero_pages <= pages + written);
	assert_int_equal(side->ram.data_pages, side->sender.sent_pages);
	assert_int_equal(side->ram.zero_pages, side->sender.zero_pages);
	assert_int_equal(side->ram.wire_bytes, side->sender.wire_bytes);
	side_end(side);
	fake_free(f);
}

static void one_stream(void **state)
{
	migrate(1);
}

static void two_streams(void **state)
{
	migrate(2);
}

static void five_streams(void **state)
{
	migrate(5);
}

/* More than there are regions. */
static void sixteen_streams(void **state)
{
	migrate(DROVER_STREAMS_MAX);
}

/* Receives a little on stream 0 and closes; the others do as they should. */
static void *close_in_the_middle(void *data)
{
	struct stream *s = data;
	uint8_t *buf;

	if (s->index)
		return receive(data);
	buf = malloc(3 << 20);
	drover_io_read(s->peer->fd, buf, 3 << 20);
	free(buf);
	drover_peer_close(s->peer);
	s->peer = NULL;
	return NULL;
}

static void peer_closes_in_the_middle(void **state)
{
	static const uint32_t streams[] = { 1, 2, 5 };

	for (int i = 0; i < 3; i++) {
		struct fake *f = fake_new(REGIONS * REGION);
		struct side *side = side_start(f, streams[i], close_in_the_middle);
		struct drover_err err = { 0 };
		uint64_t begin = drover_clock_monotonic();
		int r;

		for (uint64_t p = 0; p < f->base.pages; p++)
			write_page(f, p, 1);
		r = drover_sender_round(&side->sender, 1, &err);
		assert_in_range(drover_clock_monotonic() - begin, 0, 3000000);
		assert_true(r == -EPIPE || r == -ECONNRESET);
		assert_int_equal(err.code, r);
		assert_true(strstr(err.text, "sending guest pages failed") ||
			    strstr(err.text, "the connection to host2 was lost"));
		side_end(side);
		fake_free(f);
	}
}

/* All but the last read on; the last one refuses at the end of the round. */
static void *refuse_at_the_end(void *data)
{
	struct stream *s = data;
	struct drover_err why = { 0 };
	enum drover_frame_type type;
	uint8_t *body;
	size_t len;

	if (s->index + 1 < s->side->streams) {
		/* Never answers. */
		while (drover_peer_recv(s->peer, &type, &body, &len, NULL) == 0)
			free(body);
		return NULL;
	}
	if (drover_peer_recv(s->peer, &type, &body, &len, NULL) == 0)
		free(body);
	usleep(50000);
	drover_err_set(&why, ENOSPC, "cannot write to the RAM file: No space left on device");
	drover_peer_refuse(s->peer, &why);
	return NULL;
}

/* The streams that were interrupted because of it do not hide the reason. */
static void the_reason_is_told(void **state)
{
	struct fake *f = fake_new(5 * REGION);
	struct side *side = side_start(f, 5, refuse_at_the_end);
	struct drover_err err = { 0 };
	uint64_t begin = drover_clock_monotonic();

	assert_int_equal(drover_sender_round(&side->sender, 1, &err), -ENOSPC);
	/* The others were not waited for. */
	assert_in_range(drover_clock_monotonic() - begin, 0, LOOP_TIMEOUT_MS * 500);
	assert_string_equal(err.text,
			    "host2: cannot write to the RAM file: No space left on device");
	side_end(side);
	fake_free(f);
}

static void *answer_another_round(void *data)
{
	struct stream *s = data;
	Drover__RoundEnd end = DROVER__ROUND_END__INIT;
	enum drover_frame_type type;
	uint8_t *body;
	size_t len;

	if (drover_peer_recv(s->peer, &type, &body, &len, NULL) == 0)
		free(body);
	end.round = 6;
	drover_peer_send(s->peer, DROVER_FRAME_ROUND_END, &end.base, 0, NULL);
	return NULL;
}

static void another_round_is_refused(void **state)
{
	struct fake *f = fake_new(REGION);
	struct side *side = side_start(f, 1, answer_another_round);
	struct drover_err err = { 0 };

	assert_int_equal(drover_sender_round(&side->sender, 7, &err), -EPROTO);
	assert_text(err, "host2 ended round 6 where 7 was due");
	side_end(side);
	fake_free(f);
}

struct clock {
	struct drover_sender *sender;
	uint64_t interrupted_us;
};

static void *interrupt_soon(void *data)
{
	struct clock *c = data;

	usleep(300000);
	c->interrupted_us = drover_clock_monotonic();
	drover_sender_interrupt(c->sender);
	return NULL;
}

static void interrupt_ends_a_slow_round(void **state)
{
	for (uint32_t streams = 1; streams <= 5; streams += 4) {
		struct fake *f = fake_new(REGIONS * REGION);
		struct side *side = side_start(f, streams, receive);
		struct clock c = { .sender = &side->sender };
		struct drover_err err = { 0 };
		pthread_t thread;
		uint64_t end;

		for (uint64_t p = 0; p < f->base.pages; p++)
			write_page(f, p, 1);
		/* Would take a minute. */
		side->sender.bandwidth = 2 << 20;
		pthread_create(&thread, NULL, interrupt_soon, &c);
		assert_int_equal(drover_sender_round(&side->sender, 1, &err), -ECANCELED);
		end = drover_clock_monotonic();
		pthread_join(thread, NULL);
		assert_in_range(end - c.interrupted_us, 0, 200000);
		assert_text(err, "cancelled");
		/* And stays interrupted. */
		assert_int_equal(drover_sender_round(&side->sender, 2, &err), -ECANCELED);
		side_end(side);
		fake_free(f);
	}
}

static void *deaf(void *data)
{
	return NULL;
}

/* The send queue is full: the thread sits in a system call. */
static void interrupt_ends_a_blocked_round(void **state)
{
	struct fake *f = fake_new(REGIONS * REGION);
	struct side *side = side_start(f, 2, deaf);
	struct clock c = { .sender = &side->sender };
	struct drover_err err = { 0 };
	pthread_t thread;
	uint64_t end;

	for (uint64_t p = 0; p < f->base.pages; p++)
		write_page(f, p, 1);
	for (int i = 0; i < 2; i++)
		drover_peer_set_timeout(side->sender.peer[i], 0);
	pthread_create(&thread, NULL, interrupt_soon, &c);
	assert_int_equal(drover_sender_round(&side->sender, 1, &err), -ECANCELED);
	end = drover_clock_monotonic();
	pthread_join(thread, NULL);
	assert_in_range(end - c.interrupted_us, 0, 200000);
	side_end(side);
	fake_free(f);
}

static void bandwidth_is_kept(void **state)
{
	for (uint32_t streams = 1; streams <= 2; streams++) {
		struct fake *f = fake_new(8 * REGION);
		struct side *side = side_start(f, streams, receive);
		uint64_t begin, took, least;

		for (uint64_t p = 0; p < f->base.pages; p++)
			write_page(f, p, 1);
		side->sender.bandwidth = 16 << 20;
		begin = drover_clock_monotonic();
		assert_int_equal(drover_sender_round(&side->sender, 1, NULL), 0);
		took = drover_clock_monotonic() - begin;
		/* 16 MiB; the round ends once the last batch's share of time is over. */
		least = f->base.pages * PAGE * 1000000 / side->sender.bandwidth;
		assert_in_range(took, least - 10000, least + 500000);
		expect_same(f, side);
		side_end(side);
		fake_free(f);
	}
}

static int take_fails(struct drover_tracker *t, struct drover_take *take, struct drover_err *err)
{
	return drover_err_set(err, EIO, "reading guest pages failed: %s", strerror(EIO));
}

static void tracker_error_comes_through(void **state)
{
	static const struct drover_tracker_ops ops = { .take = take_fails, .send = fake_send };
	struct fake *f = fake_new(5 * REGION);
	struct side *side = side_start(f, 5, receive);
	struct drover_err err = { 0 };

	f->base.ops = &ops;
	write_page(f, 3 * REGION, 1);
	assert_int_equal(drover_sender_round(&side->sender, 1, &err), -EIO);
	assert_text(err, "reading guest pages failed");
	side_end(side);
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_stream),
		cmocka_unit_test(two_streams),
		cmocka_unit_test(five_streams),
		cmocka_unit_test(sixteen_streams),
		cmocka_unit_test(peer_closes_in_the_middle),
		cmocka_unit_test(the_reason_is_told),
		cmocka_unit_test(another_round_is_refused),
		cmocka_unit_test(interrupt_ends_a_slow_round),
		cmocka_unit_test(interrupt_ends_a_blocked_round),
		cmocka_unit_test(bandwidth_is_kept),
		cmocka_unit_test(tracker_error_comes_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
