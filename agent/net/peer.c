// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames on a connection. Set-up lives in handshake.c. */
#include "net/peer.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/clock.h"

void drover_peer_close(struct drover_peer *peer)
{
	if (!peer)
		return;
	close(peer->fd);
	free(peer);
}

void drover_peer_interrupt(struct drover_peer *peer)
{
	/*
	 * What is read from a socket that was shut down opens its window no more. Closed in order it
	 * would tell a peer whose window was full that it is still full, until that peer gives up.
	 */
	struct linger reset = { .l_onoff = 1 };

	setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	shutdown(peer->fd, SHUT_RDWR);
}

void drover_peer_set_timeout(struct drover_peer *peer, int timeout_ms)
{
	struct timeval t = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };

	setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

void drover_peer_limit(struct drover_peer *peer, uint64_t until_us, uint32_t body_max)
{
	peer->until_us = until_us;
	peer->body_max = body_max;
	if (!until_us)
		drover_peer_set_timeout(peer, DROVER_PEER_TIMEOUT_MS);
}

static const char *name_of(const struct drover_peer *peer)
{
	return peer->host[0] ? peer->host : "the peer";
}

static int lost(struct drover_peer *peer, int r, struct drover_err *err)
{
	if (r == -EAGAIN)
		return drover_err_set(err, ETIMEDOUT, "%s did not answer in time", name_of(peer));
	if (r == -ENODATA)
		return drover_err_set(err, r, "%s closed the connection", name_of(peer));
	return drover_err_set(err, r, "the connection to %s was lost: %s", name_of(peer),
			      strerror(-r));
}

/* One read(2), no longer than what is left of the limit. */
static ssize_t read_some(struct drover_peer *peer, void *buf, size_t len)
{
	uint64_t now = drover_clock_monotonic();
	uint64_t left = peer->until_us > now ? peer->until_us - now : 0;
	struct timeval t = { left / 1000000, left % 1000000 };
	ssize_t n;

	/* 0 would be for ever. */
	if (!left)
		return -EAGAIN;
	setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	n = read(peer->fd, buf, len);
	return n < 0 ? -errno : n;
}

/* As drover_io_read(). */
static int receive(struct drover_peer *peer, void *buf, size_t len)
{
	size_t done = 0;

	if (!peer->until_us)
		return drover_io_read(peer->fd, buf, len);
	while (done < len) {
		ssize_t n = read_some(peer, (uint8_t *)buf + done, len - done);

		if (n < 0 && n != -EINTR)
			return n;
		if (n == 0)
			return done ? -EPIPE : -ENODATA;
		done += n > 0 ? n : 0;
	}
	return 0;
}

/* Within a frame an end of the stream is no orderly close, whatever the byte it falls on. */
static int read_rest(struct drover_peer *peer, void *buf, size_t len, struct drover_err *err)
{
	int r = receive(peer, buf, len);

	return r < 0 ? lost(peer, r == -ENODATA ? -EPIPE : r, err) : 0;
}

int drover_peer_send(struct drover_peer *peer, enum drover_frame_type type,
		     const ProtobufCMessage *body, uint32_t payload_len, struct drover_err *err)
{
	size_t len = body ? protobuf_c_message_get_packed_size(body) : 0;
	auto_free uint8_t *buf = malloc(DROVER_FRAME_HEADER_SIZE + len);
	struct drover_frame_header header = {
		.length = len,
		.type = type,
		.sequence = peer->sequence_out,
		.payload = payload_len,
	};
	int r;

	if (!buf)
		return drover_err_set(err, ENOMEM, "out of memory");
	if (len > DROVER_FRAME_BODY_MAX)
		return drover_err_set(err, EMSGSIZE, "a message of %zu bytes is too large", len);
	drover_frame_pack(&header, buf);
	if (body)
		protobuf_c_message_pack(body, buf + DROVER_FRAME_HEADER_SIZE);
	r = drover_io_write(peer->fd, buf, DROVER_FRAME_HEADER_SIZE + len);
	if (r < 0)
		return lost(peer, r, err);
	peer->sequence_out++;
	return 0;
}

int drover_peer_send_payload(struct drover_peer *peer, const void *data, uint32_t len,
			     struct drover_err *err)
{
	int r = drover_io_write(peer->fd, data, len);

	return r < 0 ? lost(peer, r, err) : 0;
}

static int error_from(struct drover_peer *peer, const uint8_t *body, size_t len,
		      struct drover_err *err)
{
	Drover__PeerError *e = drover__peer_error__unpack(NULL, len, body);
	int r;

	if (!e)
		return drover_err_set(err, EPROTO, "%s sent an error that cannot be read",
				      name_of(peer));
	for (char *p = e->text; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	/* ENODATA would read as an orderly close. */
	if (e->code <= 0 || e->code >= 4096 || e->code == ENODATA)
		e->code = EREMOTEIO;
	r = drover_err_set(err, e->code, "%s: %s", name_of(peer), e->text);
	drover__peer_error__free_unpacked(e, NULL);
	return r;
}

static int recv_header(struct drover_peer *peer, struct drover_frame_header *ret_header,
		       struct drover_err *err)
{
	uint8_t raw[DROVER_FRAME_HEADER_SIZE];
	int r;

	if (peer->pending.payload)
		return drover_err_set(err, EPROTO, "%s sent data where none was expected",
				      name_of(peer));
	r = receive(peer, raw, sizeof(raw));
	if (r < 0)
		return lost(peer, r, err);
	r = drover_frame_unpack(raw, ret_header, err);
	if (r < 0)
		return r;
	if (ret_header->sequence != peer->sequence_in)
		return drover_err_set(err, EPROTO, "%s sent frame %u where %u was due",
				      name_of(peer), ret_header->sequence, peer->sequence_in);
	if (peer->until_us && ret_header->length > peer->body_max)
		return drover_err_set(err, EPROTO, "a message of %u bytes is too long here",
				      ret_header->length);
	peer->sequence_in++;
	return 0;
}

int drover_peer_recv(struct drover_peer *peer, enum drover_frame_type *ret_type,
		     uint8_t **ret_body, size_t *ret_len, struct drover_err *err)
{
	auto_free uint8_t *body = NULL;
	struct drover_frame_header header;
	int r = recv_header(peer, &header, err);

	if (r < 0)
		return r;
	body = malloc(header.length + 1);
	if (!body)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = read_rest(peer, body, header.length, err);
	if (r < 0)
		return r;
	if (header.type == DROVER_FRAME_ERROR) {
		peer->refused = true;
		return error_from(peer, body, header.length, err);
	}
	peer->pending = header;
	*ret_type = header.type;
	*ret_body = steal_ptr(body);
	*ret_len = header.length;
	return 0;
}

int drover_peer_recv_payload(struct drover_peer *peer, void *buf, uint32_t len,
			     struct drover_err *err)
{
	int r;

	if (len > peer->pending.payload)
		return drover_err_set(err, EPROTO, "%s sent %u bytes of data where %u were due",
				      name_of(peer), peer->pending.payload, len);
	r = read_rest(peer, buf, len, err);
	if (r < 0)
		return r;
	peer->pending.payload -= len;
	return 0;
}

void *drover_peer_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *body,
			 size_t len, struct drover_err *err)
{
	void *message = protobuf_c_message_unpack(descriptor, NULL, len, body);

	if (!message)
		drover_err_set(err, EPROTO, "the peer sent a malformed %s",
			       descriptor->short_name);
	return message;
}

int drover_peer_expect(struct drover_peer *peer, enum drover_frame_type type,
		       const ProtobufCMessageDescriptor *descriptor,
		       ProtobufCMessage **ret_message, struct drover_err *err)
{
	auto_free uint8_t *body = NULL;
	enum drover_frame_type got;
	ProtobufCMessage *message;
	size_t len;
	int r = drover_peer_recv(peer, &got, &body, &len, err);

	if (r < 0)
		return r;
	if (got != type)
		return drover_err_set(err, EPROTO, "%s sent frame type %d where %d was due",
				      name_of(peer), got, type);
	message = drover_peer_unpack(descriptor, body, len, err);
	if (!message)
		return -EPROTO;
	if (ret_message)
		*ret_message = message;
	else
		protobuf_c_message_free_unpacked(message, NULL);
	return 0;
}

void drover_peer_refuse(struct drover_peer *peer, const struct drover_err *why)
{
	Drover__PeerError e = DROVER__PEER_ERROR__INIT;

	e.code = -why->code;
	e.text = (char *)why->text;
	drover_peer_send(peer, DROVER_FRAME_ERROR, &e.base, 0, NULL);
}
