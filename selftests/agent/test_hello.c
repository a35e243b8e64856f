// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a host with a good certificate may do before it has said who it is. The kernel's part of TLS is
 * left out, as few build machines have it: after the handshake bytes go as they are.
 */
#include <errno.h>
#include <pthread.h>

#include "core/clock.h"
#include "loop.h"
#include "server.h"
#include "net/ktls.h"
#include "net/tls.h"

static char dir[] = "/tmp/drover-hello.XXXXXX";

int drover_ktls_start(gnutls_session_t session, int fd, struct drover_err *err)
{
	return 0;
}

static int setup(void **state)
{
	char command[512];

	if (!mkdtemp(dir))
		return -1;
	snprintf(command, sizeof(command), "tools/drover-cert ca %s && tools/drover-cert host %s host1 && "
		 "tools/drover-cert host %s host2", dir, dir, dir);
	return system(command);
}

static int teardown(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

static void tls_conf(struct drover_conf *conf, const char *host, const char *peer)
{
	loop_conf(conf, host, peer);
	conf->tls.on = true;
	snprintf(conf->tls.authority, sizeof(conf->tls.authority), "%s/ca.crt", dir);
	snprintf(conf->tls.certificate, sizeof(conf->tls.certificate), "%s/%s.crt", dir, host);
	snprintf(conf->tls.key, sizeof(conf->tls.key), "%s/%s.key", dir, host);
}

/* host1 after a good handshake: the socket. */
static int shake(const struct server *s)
{
	struct drover_err err = { 0 };
	struct drover_conf conf;
	int fd = loop_dial(s->port);

	tls_conf(&conf, "host1", "host2");
	if (drover_tls_connect(&conf, fd, "host2", &err) < 0)
		fail_msg("%s", err.text);
	return fd;
}

static void one_who_says_hello_is_let_in(void **state)
{
	Drover__Hello hello = DROVER__HELLO__INIT;
	struct drover_err err = { 0 };
	struct drover_peer *peer;
	struct drover_conf conf;
	struct timeval limit;
	socklen_t len = sizeof(limit);
	struct server s;

	server_start(&s, tls_conf);
	tls_conf(&conf, "host1", "host2");
	conf.peers[0].port = s.port;
	if (drover_peer_connect(&conf, &conf.peers[0], &hello, &peer, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(server_join(&s), 0);
	assert_string_equal(s.peer->host, "host1");
	/* The limits end with the Hello. */
	assert_true(s.peer->until_us == 0);
	assert_int_equal(getsockopt(s.peer->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &len), 0);
	assert_int_equal(limit.tv_sec, DROVER_PEER_TIMEOUT_MS / 1000);
	drover__hello__free_unpacked(s.hello, NULL);
	drover_peer_close(s.peer);
	drover_peer_close(peer);
}

static void a_long_hello(void **state)
{
	struct drover_frame_header h = { .type = DROVER_FRAME_HELLO, .length = 1 << 20 };
	struct drover_err err = { 0 };
	enum drover_frame_type type;
	struct drover_peer *peer;
	struct server s;
	uint8_t *body;
	size_t len;

	server_start(&s, tls_conf);
	peer = loop_peer(shake(&s), "host2");
	loop_frame(peer->fd, &h, NULL, 0);
	assert_int_equal(server_join(&s), -EPROTO);
	assert_text(s.err, "a message of 1048576 bytes is too long here");
	assert_in_range(s.took_us, 0, 4000000);
	assert_int_equal(drover_peer_recv(peer, &type, &body, &len, &err), -EPROTO);
	assert_text(err, "is too long here");
	drover_peer_close(peer);
}

static void comes_too_late(struct server *s)
{
	assert_int_equal(server_join(s), -ETIMEDOUT);
	assert_text(s->err, "no whole Hello came in 5 s");
	assert_in_range(s->took_us, 4900000, 8000000);
}

static void half_a_hello(void **state)
{
	struct drover_frame_header h = { .type = DROVER_FRAME_HELLO, .length = 100 };
	struct server s;
	int fd;

	server_start(&s, tls_conf);
	fd = shake(&s);
	loop_frame(fd, &h, "half", 4);
	comes_too_late(&s);
	close(fd);
}

/* Each read gets something, and yet it has an end. */
static void a_hello_byte_by_byte(void **state)
{
	struct drover_frame_header h = { .type = DROVER_FRAME_HELLO, .length = 100 };
	struct server s;
	int fd;

	server_start(&s, tls_conf);
	fd = shake(&s);
	loop_frame(fd, &h, NULL, 0);
	for (int i = 0; i < 90 && drover_io_write(fd, "x", 1) == 0; i++)
		usleep(100000);
	comes_too_late(&s);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_who_says_hello_is_let_in),
		cmocka_unit_test(a_long_hello),
		cmocka_unit_test(half_a_hello),
		cmocka_unit_test(a_hello_byte_by_byte),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
