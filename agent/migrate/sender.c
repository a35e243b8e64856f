// SPDX-License-Identifier: GPL-2.0-or-later
/* The sending side of the RAM streams. */
#include "migrate/sender.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "core/clock.h"

#define REGION_PAGES DROVER_TAKE_PAGES_MAX
#define REGION_WORDS (REGION_PAGES / 64)
/* A paced stream sleeps in pieces of this, to notice an interrupt. */
#define NAP_US 50000

struct stream {
	struct drover_sender *sender;
	struct drover_peer *peer;
	uint32_t index;
	uint32_t round;
	uint64_t begin_us;
	uint64_t bytes;
	int result;
	bool first;	/* to fail */
	struct drover_err err;
	pthread_t thread;
};

static bool region_dirty(const struct drover_tracker *t, uint64_t first, uint32_t count)
{
	for (uint32_t w = 0; w < (count + 63) / 64; w++)
		if (__atomic_load_n(&t->bitmap[first / 64 + w], __ATOMIC_RELAXED))
			return true;
	return false;
}

/* Keeps the stream's share of the bandwidth, by sleeping. */
static void keep_pace(struct stream *s)
{
	uint64_t share = s->sender->bandwidth / s->sender->streams;
	uint64_t due;

	if (!s->sender->bandwidth)
		return;
	due = s->begin_us + s->bytes * 1000000 / (share ? share : 1);
	for (;;) {
		uint64_t now = drover_clock_monotonic(), nap;
		struct timespec t = { 0 };

		if (now >= due || atomic_load(&s->sender->stop))
			return;
		nap = due - now < NAP_US ? due - now : NAP_US;
		t.tv_nsec = nap * 1000;
		nanosleep(&t, NULL);
	}
}

static int send_batch(struct stream *s, const struct drover_take *take)
{
	Drover__PageBatch batch = DROVER__PAGE_BATCH__INIT;
	struct drover_send send = { .socket_fd = s->peer->fd, .count = take->count,
				    .first = take->first };
	uint32_t payload = take->data_pages * DROVER_PAGE_SIZE;
	int r;

	batch.first_page = take->first;
	batch.count = take->count;
	batch.data.len = batch.zero.len = (take->count + 7) / 8;
	batch.data.data = (uint8_t *)take->data;
	batch.zero.data = (uint8_t *)take->zero;
	r = drover_peer_send(s->peer, DROVER_FRAME_PAGE_BATCH, &batch.base, payload, &s->err);
	if (r < 0 || !take->data_pages)
		goto out;
	memcpy(send.data, take->data, sizeof(send.data));
	r = s->sender->tracker->ops->send(s->sender->tracker, &send, &s->err);
out:
	s->bytes += payload;
	atomic_fetch_add(&s->sender->sent_pages, take->data_pages);
	atomic_fetch_add(&s->sender->zero_pages, take->zero_pages);
	atomic_fetch_add(&s->sender->wire_bytes, payload + DROVER_FRAME_HEADER_SIZE +
			 drover__page_batch__get_packed_size(&batch));
	return r;
}

static int send_regions(struct stream *s)
{
	struct drover_tracker *t = s->sender->tracker;
	uint64_t step = (uint64_t)s->sender->streams * REGION_PAGES;

	for (uint64_t first = (uint64_t)s->index * REGION_PAGES; first < t->pages; first += step) {
		struct drover_take take = { .first = first };
		uint64_t left = t->pages - first;
		int r;

		take.count = left < REGION_PAGES ? left : REGION_PAGES;
		if (!region_dirty(t, first, take.count))
			continue;
		if (atomic_load(&s->sender->stop))
			return drover_err_set(&s->err, ECANCELED, "the migration was cancelled");
		r = t->ops->take(t, &take, &s->err);
		if (r == 0)
			r = send_batch(s, &take);
		if (r < 0)
			return r;
		keep_pace(s);
	}
	return 0;
}

static void cork(struct stream *s, int on)
{
	setsockopt(s->peer->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static int end_round(struct stream *s)
{
	Drover__RoundEnd end = DROVER__ROUND_END__INIT;
	Drover__RoundEnd *reply = NULL;
	int r;

	end.round = s->round;
	r = drover_peer_send(s->peer, DROVER_FRAME_ROUND_END, &end.base, 0, &s->err);
	cork(s, 0);
	if (r == 0)
		r = drover_peer_expect(s->peer, DROVER_FRAME_ROUND_END,
				       &drover__round_end__descriptor,
				       (ProtobufCMessage **)&reply, &s->err);
	if (r < 0)
		return r;
	if (reply->round != s->round)
		r = drover_err_set(&s->err, EPROTO, "%s ended round %u where %u was due",
				   s->peer->host, reply->round, s->round);
	drover__round_end__free_unpacked(reply, NULL);
	return r;
}

static void *run_stream(void *data)
{
	struct stream *s = data;

	cork(s, 1);
	s->begin_us = drover_clock_monotonic();
	s->result = send_regions(s);
	if (s->result == 0)
		s->result = end_round(s);
	/* One broken stream ends the round: the others must not wait for it. */
	if (s->result < 0 && !atomic_exchange(&s->sender->stop, true)) {
		s->first = true;
		drover_sender_interrupt(s->sender);
	}
	return NULL;
}

/* Streams that failed after the first one were interrupted because of it. */
static int first_error(const struct stream *s, uint32_t n, struct drover_err *err)
{
	for (uint32_t i = 0; i < n; i++)
		if (s[i].first)
			return drover_err_set(err, s[i].result, "%s", s[i].err.text);
	for (uint32_t i = 0; i < n; i++)
		if (s[i].result < 0)
			return drover_err_set(err, ECANCELED, "the migration was cancelled");
	return 0;
}

int drover_sender_round(struct drover_sender *sender, uint32_t round, struct drover_err *err)
{
	struct stream s[DROVER_STREAMS_MAX] = { 0 };
	uint32_t started = 0;
	int r = 0;

	for (; started < sender->streams; started++) {
		struct stream *one = &s[started];

		one->sender = sender;
		one->peer = sender->peer[started];
		one->index = started;
		one->round = round;
		r = pthread_create(&one->thread, NULL, run_stream, one);
		if (r) {
			drover_sender_interrupt(sender);
			break;
		}
	}
	for (uint32_t i = 0; i < started; i++)
		pthread_join(s[i].thread, NULL);
	if (r)
		return drover_err_set(err, r, "cannot start a thread: %s", strerror(r));
	return first_error(s, started, err);
}

void drover_sender_interrupt(struct drover_sender *sender)
{
	atomic_store(&sender->stop, true);
	for (uint32_t i = 0; i < sender->streams; i++)
		drover_peer_interrupt(sender->peer[i]);
}

void drover_sender_close(struct drover_sender *sender)
{
	for (uint32_t i = 0; i < sender->streams; i++)
		drover_peer_close(sender->peer[i]);
	sender->streams = 0;
}
