/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of connections share: TCP over loopback, and peers without a handshake. */
#ifndef SELFTESTS_LOOP_H
#define SELFTESTS_LOOP_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "net/peer.h"

/* A test that waits for longer than this has found a hang. */
#define LOOP_TIMEOUT_MS 5000

/* Listens on a free port. */
static inline int loop_listen(uint16_t *ret_port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*ret_port = ntohs(sa.sin_port);
	return fd;
}

static inline int loop_dial(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* Two ends of one TCP connection. */
static inline void loop_pair(int ret[2])
{
	uint16_t port;
	int listener = loop_listen(&port);

	ret[0] = loop_dial(port);
	ret[1] = accept(listener, NULL, NULL);
	assert_true(ret[1] >= 0);
	close(listener);
}

/* A peer as it is after the handshake, but with both counters at 0. */
static inline struct drover_peer *loop_peer(int fd, const char *host)
{
	struct drover_peer *peer = calloc(1, sizeof(*peer));

	assert_non_null(peer);
	peer->fd = fd;
	snprintf(peer->host, sizeof(peer->host), "%s", host);
	drover_peer_set_timeout(peer, LOOP_TIMEOUT_MS);
	return peer;
}

static inline void loop_peers(struct drover_peer **ret_a, struct drover_peer **ret_b)
{
	int fd[2];

	loop_pair(fd);
	*ret_a = loop_peer(fd[0], "host2");
	*ret_b = loop_peer(fd[1], "host1");
}

/* A host that knows one other. */
static inline void loop_conf(struct drover_conf *conf, const char *host, const char *peer)
{
	memset(conf, 0, sizeof(*conf));
	snprintf(conf->host, sizeof(conf->host), "%s", host);
	conf->peer_count = 1;
	snprintf(conf->peers[0].name, sizeof(conf->peers[0].name), "%s", peer);
	snprintf(conf->peers[0].address, sizeof(conf->peers[0].address), "127.0.0.1");
}

/* A frame with whatever header; @body is sent as it is. */
static inline void loop_frame(int fd, const struct drover_frame_header *header, const void *body,
			      size_t len)
{
	uint8_t raw[DROVER_FRAME_HEADER_SIZE];

	drover_frame_pack(header, raw);
	assert_int_equal(drover_io_write(fd, raw, sizeof(raw)), 0);
	if (len)
		assert_int_equal(drover_io_write(fd, body, len), 0);
}

static inline void loop_message(int fd, enum drover_frame_type type, uint32_t sequence,
				const ProtobufCMessage *message, uint32_t payload)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	struct drover_frame_header header = {
		.length = len, .type = type, .sequence = sequence, .payload = payload,
	};
	uint8_t *body = malloc(len + 1);

	protobuf_c_message_pack(message, body);
	loop_frame(fd, &header, body, len);
	free(body);
}

#define assert_text(err, part)                                                        \
	do {                                                                          \
		if (!strstr((err).text, part))                                        \
			fail_msg("\"%s\" does not say \"%s\"", (err).text, part);     \
	} while (0)

#endif
