// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections between agents: the handshake, frames, and everything a stranger may send. */
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "core/clock.h"
#include "loop.h"
#include "server.h"

/* While not 0, no socket waits longer than this: the handshake's own 20 s are too long here. */
static int timeout_cap_ms;

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct timeval cap = { .tv_usec = timeout_cap_ms * 1000 };

	if (timeout_cap_ms && level == SOL_SOCKET && name == SO_RCVTIMEO)
		value = &cap;
	return syscall(SYS_setsockopt, fd, level, name, value, len);
}

static void server_free(struct server *s)
{
	if (s->hello)
		drover__hello__free_unpacked(s->hello, NULL);
	drover_peer_close(s->peer);
}

static int client_connect(const struct server *s, const char *name, Drover__Hello *hello,
			  struct drover_peer **ret_peer, struct drover_err *err)
{
	struct drover_conf conf;

	loop_conf(&conf, name, "host2");
	conf.peers[0].port = s->port;
	return drover_peer_connect(&conf, &conf.peers[0], hello, ret_peer, err);
}

/* The error frame that answers what was sent on @fd. */
static void expect_refusal(int fd, int code, const char *part)
{
	struct drover_peer *peer = loop_peer(fd, "");
	struct drover_err err = { 0 };
	enum drover_frame_type type;
	uint8_t *body = NULL;
	size_t len;

	assert_int_equal(drover_peer_recv(peer, &type, &body, &len, &err), -code);
	assert_null(body);
	assert_text(err, part);
	drover_peer_close(peer);
}

static void hello_goes_both_ways(void **state)
{
	uint8_t token[DROVER_PEER_TOKEN_SIZE] = "0123456789abcde";
	Drover__Hello hello = DROVER__HELLO__INIT;
	struct drover_err err = { 0 };
	struct drover_peer *peer;
	struct server s;

	server_start(&s, loop_conf);
	hello.role = DROVER__ROLE__ROLE_RAM;
	hello.migration_id = UINT64_MAX;
	hello.token.data = token;
	hello.token.len = sizeof(token);
	hello.stream = 5;
	assert_int_equal(client_connect(&s, "host1", &hello, &peer, &err), 0);
	assert_int_equal(server_join(&s), 0);
	assert_string_equal(peer->host, "host2");
	assert_string_equal(s.peer->host, "host1");
	assert_int_equal(s.hello->role, DROVER__ROLE__ROLE_RAM);
	assert_true(s.hello->migration_id == UINT64_MAX);
	assert_int_equal(s.hello->token.len, sizeof(token));
	assert_memory_equal(s.hello->token.data, token, sizeof(token));
	assert_int_equal(s.hello->stream, 5);
	drover_peer_close(peer);
	server_free(&s);
}

static void frames_follow(void **state)
{
	Drover__RoundEnd end = DROVER__ROUND_END__INIT, *got;
	Drover__Hello hello = DROVER__HELLO__INIT;
	char data[] = "payload", seen[sizeof(data)];
	struct drover_err err = { 0 };
	enum drover_frame_type type;
	struct drover_peer *peer;
	uint8_t *body;
	size_t len;
	struct server s;

	server_start(&s, loop_conf);
	assert_int_equal(client_connect(&s, "host1", &hello, &peer, &err), 0);
	assert_int_equal(server_join(&s), 0);
	for (uint32_t i = 1; i < 100; i++) {
		end.round = i;
		assert_int_equal(drover_peer_send(peer, DROVER_FRAME_ROUND_END, &end.base,
						  sizeof(data), &err), 0);
		assert_int_equal(drover_peer_send_payload(peer, data, sizeof(data), &err), 0);
		assert_int_equal(drover_peer_expect(s.peer, DROVER_FRAME_ROUND_END,
						    &drover__round_end__descriptor,
						    (ProtobufCMessage **)&got, &err), 0);
		assert_int_equal(got->round, i);
		drover__round_end__free_unpacked(got, NULL);
		/* In two pieces. */
		assert_int_equal(drover_peer_recv_payload(s.peer, seen, 3, &err), 0);
		assert_int_equal(drover_peer_recv_payload(s.peer, seen + 3, sizeof(seen) - 3, &err),
				 0);
		assert_string_equal(seen, data);
	}
	assert_int_equal(drover_peer_send(s.peer, DROVER_FRAME_READY, NULL, 0, &err), 0);
	assert_int_equal(drover_peer_recv(peer, &type, &body, &len, &err), 0);
	assert_int_equal(type, DROVER_FRAME_READY);
	assert_int_equal(len, 0);
	free(body);
	drover_peer_close(peer);
	assert_int_equal(drover_peer_recv(s.peer, &type, &body, &len, &err), -ENODATA);
	assert_text(err, "host1 closed the connection");
	server_free(&s);
}

/* Sends a Hello of our own making and returns the socket. */
static int raw_hello(struct server *s, Drover__Hello *hello)
{
	int fd;

	server_start(s, loop_conf);
	fd = loop_dial(s->port);
	loop_message(fd, DROVER_FRAME_HELLO, 0, &hello->base, 0);
	return fd;
}

static void foreign_versions(void **state)
{
	static const uint32_t versions[][2] = { { 2, 3 }, { 0, 0 }, { 7, 1 }, { UINT32_MAX, UINT32_MAX } };

	for (int i = 0; i < 4; i++) {
		Drover__Hello hello = DROVER__HELLO__INIT;
		struct server s;
		int fd;

		hello.version_min = versions[i][0];
		hello.version_max = versions[i][1];
		hello.host = (char *)"host1";
		fd = raw_hello(&s, &hello);
		assert_int_equal(server_join(&s), -EPROTO);
		assert_text(s.err, "are not spoken here, only 1 to 1");
		expect_refusal(fd, EPROTO, "are not spoken here, only 1 to 1");
	}
}

static void wider_versions_meet(void **state)
{
	Drover__Hello hello = DROVER__HELLO__INIT;
	Drover__HelloReply *reply;
	struct drover_peer *peer;
	struct server s;
	int fd;

	hello.version_max = 9;
	hello.host = (char *)"host1";
	fd = raw_hello(&s, &hello);
	assert_int_equal(server_join(&s), 0);
	peer = loop_peer(fd, "host2");
	assert_int_equal(drover_peer_expect(peer, DROVER_FRAME_HELLO_REPLY,
					    &drover__hello_reply__descriptor,
					    (ProtobufCMessage **)&reply, NULL), 0);
	assert_int_equal(reply->version, 1);
	assert_string_equal(reply->host, "host2");
	drover__hello_reply__free_unpacked(reply, NULL);
	drover_peer_close(peer);
	server_free(&s);
}

static void stranger(void **state)
{
	Drover__Hello hello = DROVER__HELLO__INIT;
	struct drover_err err = { 0 };
	struct drover_peer *peer = NULL;
	struct server s;

	server_start(&s, loop_conf);
	assert_int_equal(client_connect(&s, "host7", &hello, &peer, &err), -EACCES);
	assert_null(peer);
	assert_text(err, "host7 is no peer of host2");
	assert_int_equal(server_join(&s), -EACCES);
	assert_text(s.err, "host7 is no peer of host2");
}

static void invalid_names(void **state)
{
	static const char *const names[] = {
		"", "../host1", "host1\n", "-host1", "a b",
		"0123456789012345678901234567890123456789012345678901234567890123",
	};

	for (int i = 0; i < 6; i++) {
		Drover__Hello hello = DROVER__HELLO__INIT;
		struct server s;
		int fd;

		hello.version_min = hello.version_max = 1;
		hello.host = (char *)names[i];
		fd = raw_hello(&s, &hello);
		assert_int_equal(server_join(&s), -EINVAL);
		expect_refusal(fd, EINVAL, "no valid host name");
	}
}

#define TEXT(s) { s, sizeof(s) - 1 }

static void garbage_on_the_port(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} texts[] = {
		TEXT("GET / HTTP/1.1\r\nHost: host2:7654\r\nUser-Agent: curl/7.88.1\r\n\r\n"),
		TEXT("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
	};

	for (int i = 0; i < 2; i++) {
		struct server s;
		int fd;

		server_start(&s, loop_conf);
		fd = loop_dial(s.port);
		assert_int_equal(drover_io_write(fd, texts[i].bytes, texts[i].len), 0);
		assert_int_equal(server_join(&s), -EPROTO);
		assert_text(s.err, "unknown type");
		expect_refusal(fd, EPROTO, "unknown type");
	}
}

/* One side encrypts, the other does not: both say so. */
static void encrypted_and_not(void **state)
{
	static const char client[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and the rest of it";
	Drover__Hello hello = DROVER__HELLO__INIT;
	struct drover_err err = { 0 };
	struct drover_peer *peer = NULL;
	struct server s;
	int fd;

	server_start(&s, loop_conf);
	fd = loop_dial(s.port);
	assert_int_equal(drover_io_write(fd, client, sizeof(client)), 0);
	assert_int_equal(server_join(&s), -EACCES);
	expect_refusal(fd, EACCES, "connections to host2 cannot be encrypted: its drover.conf has no section [tls]");

	server_start(&s, loop_conf);
	s.conf.tls.on = true;
	assert_int_equal(client_connect(&s, "host1", &hello, &peer, &err), -EACCES);
	assert_int_equal(server_join(&s), -EACCES);
	assert_null(peer);
	assert_text(err, "host2: connections to host2 must be encrypted");
}

/* A byte each half second would hold the connection for ever, were only each read limited. */
static void slow_hello(void **state)
{
	struct drover_frame_header h = { .type = DROVER_FRAME_HELLO, .length = 100 };
	const struct timespec nap = { .tv_nsec = 500000000 };
	uint8_t header[DROVER_FRAME_HEADER_SIZE];
	struct server s;
	time_t begin = time(NULL);
	int fd;

	server_start(&s, loop_conf);
	fd = loop_dial(s.port);
	drover_frame_pack(&h, header);
	for (size_t i = 0; i < 9; i++) {
		assert_int_equal(drover_io_write(fd, header + i, 1), 0);
		nanosleep(&nap, NULL);
	}
	assert_int_equal(server_join(&s), -ETIMEDOUT);
	assert_text(s.err, "no whole Hello");
	assert_true(time(NULL) - begin < 12);
	close(fd);
}

static void huge_hello(void **state)
{
	struct drover_frame_header h = { .type = DROVER_FRAME_HELLO, .length = 100000 };
	uint8_t header[DROVER_FRAME_HEADER_SIZE];
	struct server s;
	int fd;

	server_start(&s, loop_conf);
	fd = loop_dial(s.port);
	drover_frame_pack(&h, header);
	assert_int_equal(drover_io_write(fd, header, sizeof(header)), 0);
	assert_int_equal(server_join(&s), -EPROTO);
	expect_refusal(fd, EPROTO, "is too long");
}

static void malformed_hello(void **state)
{
	static const uint8_t body[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
	struct drover_frame_header h = { .type = DROVER_FRAME_HELLO, .length = sizeof(body) };
	struct server s;
	int fd;

	server_start(&s, loop_conf);
	fd = loop_dial(s.port);
	loop_frame(fd, &h, body, sizeof(body));
	assert_int_equal(server_join(&s), -EPROTO);
	expect_refusal(fd, EPROTO, "malformed Hello");
}

static void another_first_frame(void **state)
{
	Drover__Commit commit = DROVER__COMMIT__INIT;
	struct server s;
	int fd;

	server_start(&s, loop_conf);
	fd = loop_dial(s.port);
	loop_message(fd, DROVER_FRAME_COMMIT, 0, &commit.base, 0);
	assert_int_equal(server_join(&s), -EPROTO);
	expect_refusal(fd, EPROTO, "frame type 22 where 1 was due");
}

static void silence(void **state)
{
	struct server s;
	int fd;

	timeout_cap_ms = 150;
	server_start(&s, loop_conf);
	fd = loop_dial(s.port);
	assert_int_equal(server_join(&s), -ETIMEDOUT);
	timeout_cap_ms = 0;
	assert_text(s.err, "no whole Hello");
	assert_in_range(s.took_us, 100000, 2000000);
	expect_refusal(fd, ETIMEDOUT, "no whole Hello");
}

static void silence_within_a_frame(void **state)
{
	struct drover_frame_header h = { .type = DROVER_FRAME_HELLO, .length = 100 };
	struct server s;
	int fd;

	timeout_cap_ms = 150;
	server_start(&s, loop_conf);
	fd = loop_dial(s.port);
	loop_frame(fd, &h, "short", 5);
	assert_int_equal(server_join(&s), -ETIMEDOUT);
	timeout_cap_ms = 0;
	close(fd);
}

static void nobody_listens(void **state)
{
	Drover__Hello hello = DROVER__HELLO__INIT;
	struct drover_err err = { 0 };
	struct drover_peer *peer = NULL;
	struct server s = { 0 };

	close(loop_listen(&s.port));
	assert_int_equal(client_connect(&s, "host1", &hello, &peer, &err), -ECONNREFUSED);
	assert_null(peer);
	assert_text(err, "host2 (127.0.0.1:");
	assert_text(err, "cannot be reached: Connection refused");
}

/* A listening side that answers with what the test gives it. */
struct fake {
	int listener;
	const void *bytes;
	size_t len;
	pthread_t thread;
};

static void *fake_serve(void *data)
{
	struct fake *f = data;
	int fd = accept(f->listener, NULL, NULL);
	char drain[256];

	(void)!read(fd, drain, sizeof(drain));
	drover_io_write(fd, f->bytes, f->len);
	shutdown(fd, SHUT_WR);
	while (read(fd, drain, sizeof(drain)) > 0)
		;
	close(fd);
	return NULL;
}

static int connect_to_fake(const void *bytes, size_t len, struct drover_err *err)
{
	Drover__Hello hello = DROVER__HELLO__INIT;
	struct fake f = { .bytes = bytes, .len = len };
	struct drover_peer *peer = NULL;
	struct server s = { 0 };
	int r;

	f.listener = loop_listen(&s.port);
	assert_int_equal(pthread_create(&f.thread, NULL, fake_serve, &f), 0);
	r = client_connect(&s, "host1", &hello, &peer, err);
	if (r == 0)
		drover_peer_close(peer);
	else
		assert_null(peer);
	pthread_join(f.thread, NULL);
	close(f.listener);
	return r;
}

static int connect_to_reply(uint32_t version, const char *host, struct drover_err *err)
{
	Drover__HelloReply reply = DROVER__HELLO_REPLY__INIT;
	struct drover_frame_header h = { .type = DROVER_FRAME_HELLO_REPLY };
	uint8_t raw[256];

	reply.version = version;
	reply.host = (char *)host;
	h.length = drover__hello_reply__pack(&reply, raw + DROVER_FRAME_HEADER_SIZE);
	drover_frame_pack(&h, raw);
	return connect_to_fake(raw, DROVER_FRAME_HEADER_SIZE + h.length, err);
}

static void reply_is_checked(void **state)
{
	struct drover_err err = { 0 };

	assert_int_equal(connect_to_reply(1, "host2", &err), 0);
	assert_int_equal(connect_to_reply(2, "host2", &err), -EPROTO);
	assert_text(err, "version 2, which was not offered");
	assert_int_equal(connect_to_reply(0, "host2", &err), -EPROTO);
	/* To ask the wrong host what became of a VM would be answered "never". */
	assert_int_equal(connect_to_reply(1, "host3", &err), -EPROTO);
	assert_text(err, "host3");
	assert_int_equal(connect_to_reply(1, "", &err), -EPROTO);
}

static void another_service_answers(void **state)
{
	static const char ssh[] = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n";
	struct drover_err err = { 0 };

	assert_int_equal(connect_to_fake(ssh, sizeof(ssh) - 1, &err), -EPROTO);
	assert_text(err, "unknown type");
	assert_int_equal(connect_to_fake(NULL, 0, &err), -ENODATA);
	assert_text(err, "host2 closed the connection");
	assert_int_equal(connect_to_fake(ssh, 7, &err), -EPIPE);
}

/* Receives one frame of @h with @len bytes of body, after which the sender closes. */
static int receive_one(const struct drover_frame_header *h, const void *body, size_t len,
		       struct drover_err *err)
{
	enum drover_frame_type type;
	struct drover_peer *peer;
	uint8_t *got = NULL;
	size_t n;
	int fd[2], r;

	loop_pair(fd);
	loop_frame(fd[0], h, body, len);
	close(fd[0]);
	peer = loop_peer(fd[1], "host1");
	r = drover_peer_recv(peer, &type, &got, &n, err);
	free(got);
	drover_peer_close(peer);
	return r;
}

static void limits_and_sequence(void **state)
{
	struct drover_frame_header body = { .type = 1, .length = DROVER_FRAME_BODY_MAX + 1 };
	struct drover_frame_header payload = { .type = 1, .payload = DROVER_FRAME_PAYLOAD_MAX + 1 };
	struct drover_frame_header sequence = { .type = 1, .sequence = 1 };
	struct drover_frame_header flags = { .type = 1, .flags = 1 };
	struct drover_err err = { 0 };

	assert_int_equal(receive_one(&body, NULL, 0, &err), -EPROTO);
	assert_text(err, "larger than the protocol allows");
	assert_int_equal(receive_one(&payload, NULL, 0, &err), -EPROTO);
	assert_int_equal(receive_one(&sequence, NULL, 0, &err), -EPROTO);
	assert_text(err, "host1 sent frame 1 where 0 was due");
	assert_int_equal(receive_one(&flags, NULL, 0, &err), -EPROTO);
}

static void cut_off_is_no_orderly_close(void **state)
{
	struct drover_frame_header h = { .type = DROVER_FRAME_READY, .length = 10 };
	struct drover_err err = { 0 };

	/* After the header, and within the body: neither is "between two frames". */
	assert_int_equal(receive_one(&h, NULL, 0, &err), -EPIPE);
	assert_int_equal(receive_one(&h, "12345", 5, &err), -EPIPE);
	assert_text(err, "the connection to host1 was lost");
}

static void cut_off_payload_is_no_orderly_close(void **state)
{
	struct drover_frame_header h = { .type = DROVER_FRAME_DEVICE_STATE_DATA, .payload = 8 };
	struct drover_err err = { 0 };
	enum drover_frame_type type;
	struct drover_peer *peer;
	uint8_t *body, buf[8];
	size_t len;
	int fd[2];

	loop_pair(fd);
	loop_frame(fd[0], &h, "1234", 4);
	close(fd[0]);
	peer = loop_peer(fd[1], "host1");
	assert_int_equal(drover_peer_recv(peer, &type, &body, &len, &err), 0);
	free(body);
	assert_int_equal(drover_peer_recv_payload(peer, buf, 4, &err), 0);
	assert_int_equal(drover_peer_recv_payload(peer, buf, 4, &err), -EPIPE);
	drover_peer_close(peer);
}

static void payload_must_be_read_first(void **state)
{
	Drover__RoundEnd end = DROVER__ROUND_END__INIT;
	struct drover_err err = { 0 };
	enum drover_frame_type type;
	struct drover_peer *a, *b;
	uint8_t *body, buf[16];
	size_t len;

	loop_peers(&a, &b);
	assert_int_equal(drover_peer_send(a, DROVER_FRAME_ROUND_END, &end.base, 8, &err), 0);
	assert_int_equal(drover_peer_send_payload(a, "12345678", 8, &err), 0);
	assert_int_equal(drover_peer_recv(b, &type, &body, &len, &err), 0);
	free(body);
	assert_int_equal(drover_peer_recv_payload(b, buf, 9, &err), -EPROTO);
	assert_text(err, "host1 sent 8 bytes of data where 9 were due");
	assert_int_equal(drover_peer_recv(b, &type, &body, &len, &err), -EPROTO);
	assert_text(err, "sent data where none was expected");
	drover_peer_close(a);
	drover_peer_close(b);
}

static int receive_error(int32_t code, const char *text, struct drover_err *err)
{
	Drover__PeerError e = DROVER__PEER_ERROR__INIT;
	struct drover_frame_header h = { .type = DROVER_FRAME_ERROR };
	uint8_t body[1024];

	e.code = code;
	e.text = (char *)text;
	h.length = drover__peer_error__pack(&e, body);
	return receive_one(&h, body, h.length, err);
}

static void errors_come_through(void **state)
{
	struct drover_err err = { 0 };
	char text[900];

	assert_int_equal(receive_error(ENOMEM, "there is no room for web1", &err), -ENOMEM);
	assert_string_equal(err.text, "host1: there is no room for web1");
	/* Codes that are none. */
	assert_int_equal(receive_error(0, "zero", &err), -EREMOTEIO);
	assert_int_equal(receive_error(-5, "negative", &err), -EREMOTEIO);
	assert_int_equal(receive_error(INT32_MIN, "least", &err), -EREMOTEIO);
	assert_int_equal(receive_error(4096, "large", &err), -EREMOTEIO);
	/* Would read as an orderly close. */
	assert_int_equal(receive_error(ENODATA, "no data", &err), -EREMOTEIO);
	assert_string_equal(err.text, "host1: no data");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(receive_error(EIO, text, &err), -EIO);
	assert_true(strlen(err.text) < sizeof(err.text));
	/* Nobody may forge lines of the journal. */
	assert_int_equal(receive_error(EIO, "one\nmig 7: two\x1b[2J", &err), -EIO);
	assert_string_equal(err.text, "host1: one?mig 7: two?[2J");
	assert_int_equal(receive_error(EIO, "without a holder", NULL), -EIO);
}

/* Both have the same code, and only the one was said. */
static void a_refusal_is_no_lost_link(void **state)
{
	struct drover_err why = { .code = -ETIMEDOUT, .text = "host1 did not come back within 60 s" };
	struct drover_err err = { 0 };
	enum drover_frame_type type;
	struct drover_peer *a, *b;
	uint8_t *body;
	size_t len;

	loop_peers(&a, &b);
	drover_peer_set_timeout(a, 50);
	assert_int_equal(drover_peer_recv(a, &type, &body, &len, &err), -ETIMEDOUT);
	assert_false(a->refused);
	drover_peer_refuse(b, &why);
	assert_int_equal(drover_peer_recv(a, &type, &body, &len, &err), -ETIMEDOUT);
	assert_true(a->refused);
	assert_string_equal(err.text, "host2: host1 did not come back within 60 s");
	drover_peer_close(a);
	drover_peer_close(b);
}

static void malformed_error(void **state)
{
	struct drover_frame_header h = { .type = DROVER_FRAME_ERROR, .length = 3 };
	struct drover_err err = { 0 };

	assert_int_equal(receive_one(&h, "\xff\xff\xff", 3, &err), -EPROTO);
	assert_text(err, "host1 sent an error that cannot be read");
}

static void refuse_carries_the_sentence(void **state)
{
	struct drover_err why = { 0 }, err = { 0 };
	struct drover_peer *a, *b;

	loop_peers(&a, &b);
	drover_err_set(&why, EBUSY, "vm web1 is being migrated");
	drover_peer_refuse(a, &why);
	assert_int_equal(drover_peer_expect(b, DROVER_FRAME_READY, &drover__ready__descriptor, NULL,
					    &err), -EBUSY);
	assert_string_equal(err.text, "host1: vm web1 is being migrated");
	drover_peer_close(a);
	/* To a peer that has gone: no error, no signal. */
	drover_peer_refuse(b, &why);
	drover_peer_refuse(b, &why);
	drover_peer_close(b);
}

static void another_type(void **state)
{
	Drover__Ready ready = DROVER__READY__INIT;
	struct drover_err err = { 0 };
	struct drover_peer *a, *b;

	loop_peers(&a, &b);
	assert_int_equal(drover_peer_send(a, DROVER_FRAME_READY, &ready.base, 0, &err), 0);
	assert_int_equal(drover_peer_expect(b, DROVER_FRAME_RUNNING, &drover__running__descriptor,
					    NULL, &err), -EPROTO);
	assert_text(err, "host1 sent frame type 21 where 23 was due");
	drover_peer_close(a);
	drover_peer_close(b);
}

static void large_message_is_not_sent(void **state)
{
	Drover__VerifyHashes hashes = DROVER__VERIFY_HASHES__INIT;
	struct drover_err err = { 0 };
	struct drover_peer *a, *b;

	loop_peers(&a, &b);
	hashes.hashes.len = DROVER_FRAME_BODY_MAX + 1;
	hashes.hashes.data = calloc(1, hashes.hashes.len);
	assert_int_equal(drover_peer_send(a, DROVER_FRAME_VERIFY_HASHES, &hashes.base, 0, &err),
			 -EMSGSIZE);
	assert_int_equal(a->sequence_out, 0);
	free(hashes.hashes.data);
	drover_peer_close(a);
	drover_peer_close(b);
}

static void timeout_is_kept(void **state)
{
	struct drover_err err = { 0 };
	enum drover_frame_type type;
	struct drover_peer *a, *b;
	uint64_t begin, took;
	uint8_t *body;
	size_t len;

	loop_peers(&a, &b);
	drover_peer_set_timeout(b, 1100);
	begin = drover_clock_monotonic();
	assert_int_equal(drover_peer_recv(b, &type, &body, &len, &err), -ETIMEDOUT);
	took = drover_clock_monotonic() - begin;
	assert_in_range(took, 1000000, 2000000);
	drover_peer_close(a);
	drover_peer_close(b);
}

static void *interrupt_soon(void *data)
{
	usleep(100000);
	drover_peer_interrupt(data);
	return NULL;
}

static void interrupt_ends_waiting(void **state)
{
	struct drover_err err = { 0 };
	enum drover_frame_type type;
	struct drover_peer *a, *b;
	uint64_t begin;
	pthread_t thread;
	uint8_t *body;
	size_t len;

	loop_peers(&a, &b);
	drover_peer_set_timeout(b, 0);
	begin = drover_clock_monotonic();
	pthread_create(&thread, NULL, interrupt_soon, b);
	assert_true(drover_peer_recv(b, &type, &body, &len, &err) < 0);
	assert_in_range(drover_clock_monotonic() - begin, 50000, 1000000);
	pthread_join(thread, NULL);
	/* Later calls fail, too, and raise no signal. */
	assert_true(drover_peer_recv(b, &type, &body, &len, &err) < 0);
	assert_true(drover_peer_send(b, DROVER_FRAME_READY, NULL, 0, &err) < 0);
	drover_peer_close(a);
	drover_peer_close(b);
}

/* The peer's window is full when the connection is interrupted, and it is read empty after that. */
static void interrupt_ends_the_peers_waiting(void **state)
{
	const uint8_t data[65536] = { 0 };
	struct drover_err err = { 0 };
	struct drover_peer *a, *b;
	uint8_t buf[65536];
	uint64_t begin;

	loop_peers(&a, &b);
	drover_peer_set_timeout(b, 200);
	while (drover_peer_send_payload(b, data, sizeof(data), &err) == 0)
		;
	assert_int_equal(err.code, -ETIMEDOUT);
	drover_peer_interrupt(a);
	while (recv(a->fd, buf, sizeof(buf), 0) > 0)
		;
	drover_peer_close(a);
	drover_peer_set_timeout(b, 5000);
	begin = drover_clock_monotonic();
	while (drover_peer_send_payload(b, data, sizeof(data), &err) == 0)
		;
	assert_int_not_equal(err.code, -ETIMEDOUT);
	assert_in_range(drover_clock_monotonic() - begin, 0, 1000000);
	drover_peer_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_goes_both_ways),
		cmocka_unit_test(frames_follow),
		cmocka_unit_test(foreign_versions),
		cmocka_unit_test(wider_versions_meet),
		cmocka_unit_test(stranger),
		cmocka_unit_test(invalid_names),
		cmocka_unit_test(garbage_on_the_port),
		cmocka_unit_test(encrypted_and_not),
		cmocka_unit_test(slow_hello),
		cmocka_unit_test(huge_hello),
		cmocka_unit_test(malformed_hello),
		cmocka_unit_test(another_first_frame),
		cmocka_unit_test(silence),
		cmocka_unit_test(silence_within_a_frame),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(reply_is_checked),
		cmocka_unit_test(another_service_answers),
		cmocka_unit_test(limits_and_sequence),
		cmocka_unit_test(cut_off_is_no_orderly_close),
		cmocka_unit_test(cut_off_payload_is_no_orderly_close),
		cmocka_unit_test(payload_must_be_read_first),
		cmocka_unit_test(errors_come_through),
		cmocka_unit_test(a_refusal_is_no_lost_link),
		cmocka_unit_test(malformed_error),
		cmocka_unit_test(refuse_carries_the_sentence),
		cmocka_unit_test(another_type),
		cmocka_unit_test(large_message_is_not_sent),
		cmocka_unit_test(timeout_is_kept),
		cmocka_unit_test(interrupt_ends_waiting),
		cmocka_unit_test(interrupt_ends_the_peers_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
