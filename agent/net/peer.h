/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection to another agent: its set-up with TLS (net/tls.h) and Hello, frames one after the
 * other, and errors as sentences. A connection is used by one thread at a time;
 * drover_peer_interrupt() alone may be called from another.
 */
#ifndef DROVER_NET_PEER_H
#define DROVER_NET_PEER_H

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "core/model.h"
#include "net/frame.h"
#include "peer.pb-c.h"

#define DROVER_PEER_TIMEOUT_MS	     20000
#define DROVER_PEER_CONNECT_MS	     5000
#define DROVER_PEER_TOKEN_SIZE	     16

/**
 * struct drover_peer - a connection
 * @fd: the TCP socket
 * @sequence_out, @sequence_in: of the next frame each way
 * @host: name that the other side gave in its Hello or HelloReply
 * @pending: header of the frame whose payload has not been read yet
 * @refused: it sent an error frame, and so has no more to say
 * @until_us, @body_max: see drover_peer_limit()
 */
struct drover_peer {
	int fd;
	uint32_t sequence_out;
	uint32_t sequence_in;
	char host[DROVER_NAME_LEN];
	struct drover_frame_header pending;
	bool refused;
	uint64_t until_us;
	uint32_t body_max;
};

/**
 * drover_peer_connect() - connect to an agent and exchange Hello
 * @conf: this host, for its name
 * @to: where to
 * @hello: role, and for data roles the migration, token and stream; the rest is filled in
 * @ret_peer: out: for drover_peer_close()
 *
 * Errors: "host2 (10.0.0.2:7654) cannot be reached: …"; -EPROTO when it speaks no
 * common version; whatever sentence it refused with.
 */
int drover_peer_connect(const struct drover_conf *conf, const struct drover_peer_conf *to,
			Drover__Hello *hello, struct drover_peer **ret_peer,
			struct drover_err *err);

/**
 * drover_peer_accept() - the listening side of the same
 * @fd: an accepted socket; owned by the connection from now on, also on error
 * @ret_hello: out: what the other side asks for; free with drover__hello__free_unpacked()
 *
 * HelloReply has been sent when the call succeeds. Garbage and foreign versions are
 * answered with an error frame.
 */
int drover_peer_accept(const struct drover_conf *conf, int fd, struct drover_peer **ret_peer,
		       Drover__Hello **ret_hello, struct drover_err *err);

void drover_peer_close(struct drover_peer *peer);

/**
 * drover_peer_interrupt() - make every present and later call fail; safe from other threads
 *
 * Closed later, the connection is reset: the peer's calls fail at once then, too.
 */
void drover_peer_interrupt(struct drover_peer *peer);

/** drover_peer_set_timeout() - for each send and receive; 0 waits for ever */
void drover_peer_set_timeout(struct drover_peer *peer, int timeout_ms);

/**
 * drover_peer_limit() - what is received must have come by then, and be no larger
 * @until_us: CLOCK_MONOTONIC; 0: no such limit any more, but the timeout that a new connection has
 * @body_max: of a frame, in bytes
 *
 * A timeout is one for each read, and so none for a peer that sends byte by byte.
 */
void drover_peer_limit(struct drover_peer *peer, uint64_t until_us, uint32_t body_max);

/**
 * drover_peer_send() - send a frame
 * @body: the message, or NULL for an empty body
 * @payload_len: bytes that the caller writes to the socket afterwards
 */
int drover_peer_send(struct drover_peer *peer, enum drover_frame_type type,
		     const ProtobufCMessage *body, uint32_t payload_len, struct drover_err *err);

/** drover_peer_send_payload() - the bytes announced by drover_peer_send() */
int drover_peer_send_payload(struct drover_peer *peer, const void *data, uint32_t len,
			     struct drover_err *err);

/**
 * drover_peer_recv() - receive a frame, whatever it is
 * @ret_type: out: its type
 * @ret_body: out: its body, to be freed; @ret_len bytes
 *
 * An error frame becomes an error with the peer's own sentence. A payload must be read
 * with drover_peer_recv_payload() before the next frame.
 * -ENODATA: the peer closed the connection between two frames.
 */
int drover_peer_recv(struct drover_peer *peer, enum drover_frame_type *ret_type,
		     uint8_t **ret_body, size_t *ret_len, struct drover_err *err);

/** drover_peer_recv_payload() - @len bytes of the payload of the frame last received */
int drover_peer_recv_payload(struct drover_peer *peer, void *buf, uint32_t len,
			     struct drover_err *err);

/**
 * drover_peer_expect() - receive a frame of that type and unpack it
 * @descriptor: of its message
 * @ret_message: out: free with protobuf_c_message_free_unpacked(), or NULL
 */
int drover_peer_expect(struct drover_peer *peer, enum drover_frame_type type,
		       const ProtobufCMessageDescriptor *descriptor,
		       ProtobufCMessage **ret_message, struct drover_err *err);

/**
 * drover_peer_unpack() - unpack a received body
 *
 * Returns NULL with the error set when the bytes are not that message.
 */
void *drover_peer_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *body,
			 size_t len, struct drover_err *err);

/** drover_peer_refuse() - answer with an error frame; failures to do so are ignored */
void drover_peer_refuse(struct drover_peer *peer, const struct drover_err *why);

#endif
