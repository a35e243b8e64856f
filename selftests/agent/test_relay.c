// SPDX-License-Identifier: GPL-2.0-or-later
/* The relay of QEMU's device state: from one unix socket over TCP to another. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/unix.h"
#include "loop.h"
#include "migrate/relay.h"

static char dir[] = "/tmp/drover-relay.XXXXXX";
static char from[64], to[64];

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(from, sizeof(from), "%s/from", dir);
	snprintf(to, sizeof(to), "%s/to", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(from);
	unlink(to);
	rmdir(dir);
	return 0;
}

static uint8_t *random_bytes(size_t len)
{
	uint8_t *bytes = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		bytes[i] = random();
	return bytes;
}

/* The QEMU that sends its state: connects, writes, closes. */
struct qemu_out {
	const uint8_t *bytes;
	size_t len;
	pthread_t thread;
	int result;
};

static int connect_to(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sa.sun_path, path);
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -1 : fd;
}

static void *qemu_sends(void *data)
{
	struct qemu_out *q = data;
	int fd = connect_to(from);

	q->result = drover_io_write(fd, q->bytes, q->len);
	close(fd);
	return NULL;
}

/* The QEMU that loads it: accepts, reads to the end or to @limit. */
struct qemu_in {
	int listener;
	uint8_t *bytes;
	size_t len, limit;
	pthread_t thread;
};

static void *qemu_loads(void *data)
{
	struct qemu_in *q = data;
	int fd = accept(q->listener, NULL, NULL);

	for (;;) {
		ssize_t n = q->len < q->limit ? read(fd, q->bytes + q->len, q->limit - q->len) : 0;

		if (n <= 0)
			break;
		q->len += n;
	}
	close(fd);
	return NULL;
}

static void qemu_in_start(struct qemu_in *q, size_t limit)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	memset(q, 0, sizeof(*q));
	q->limit = limit;
	q->bytes = malloc(limit + 1);
	strcpy(sa.sun_path, to);
	unlink(to);
	q->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(q->listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(q->listener, 1), 0);
	pthread_create(&q->thread, NULL, qemu_loads, q);
}

static void qemu_in_end(struct qemu_in *q)
{
	pthread_join(q->thread, NULL);
	close(q->listener);
	free(q->bytes);
}

/* The receiving agent. */
struct receiver {
	struct drover_peer *peer;
	uint64_t bytes;
	int result;
	struct drover_err err;
	pthread_t thread;
};

static void *receive(void *data)
{
	struct receiver *r = data;

	r->result = drover_relay_receive(r->peer, to, &r->bytes, &r->err);
	/* As the agent does, also so that the sender is not left waiting. */
	drover_peer_close(r->peer);
	r->peer = NULL;
	return NULL;
}

static void relay(size_t len)
{
	struct drover_err err = { 0 };
	struct receiver r = { .bytes = 99 };
	struct drover_peer *sender;
	struct qemu_out out = { .len = len };
	struct qemu_in in;
	uint64_t bytes = 99;
	int listener = drover_unix_listen(from, &err);

	assert_true(listener >= 0);
	out.bytes = random_bytes(len);
	qemu_in_start(&in, len + 1);
	loop_peers(&sender, &r.peer);
	pthread_create(&r.thread, NULL, receive, &r);
	pthread_create(&out.thread, NULL, qemu_sends, &out);
	assert_int_equal(drover_relay_send(listener, sender, &bytes, &err), 0);
	pthread_join(out.thread, NULL);
	pthread_join(r.thread, NULL);
	pthread_join(in.thread, NULL);
	assert_int_equal(out.result, 0);
	assert_int_equal(r.result, 0);
	assert_int_equal(bytes, len);
	assert_int_equal(r.bytes, len);
	assert_int_equal(in.len, len);
	assert_memory_equal(in.bytes, out.bytes, len);
	close(in.listener);
	free(in.bytes);
	free((void *)out.bytes);
	close(listener);
	drover_peer_close(sender);
	drover_peer_close(r.peer);
}

static void any_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 210000, 9 << 20 };

	for (int i = 0; i < 7; i++)
		relay(sizes[i]);
}

static void listen_replaces_what_is_left(void **state)
{
	struct drover_err err = { 0 };
	int first = drover_unix_listen(from, &err), second, fd;
	struct stat st;

	assert_true(first >= 0);
	close(first);
	second = drover_unix_listen(from, &err);
	assert_true(second >= 0);
	assert_int_equal(stat(from, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_true(fcntl(second, F_GETFD) & FD_CLOEXEC);
	fd = connect_to(from);
	assert_true(fd >= 0);
	close(fd);
	close(second);
}

static void paths_that_cannot_be(void **state)
{
	struct drover_err err = { 0 };
	struct drover_peer *a, *b;
	char path[200];
	uint64_t bytes = 99;

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(drover_unix_listen(path, &err), -ENAMETOOLONG);
	snprintf(path, sizeof(path), "%s/none/socket", dir);
	assert_int_equal(drover_unix_listen(path, &err), -ENOENT);
	assert_text(err, "cannot listen on");
	loop_peers(&a, &b);
	assert_int_equal(drover_relay_receive(b, path, &bytes, &err), -ENOENT);
	assert_text(err, "cannot reach QEMU at");
	assert_int_equal(bytes, 99);
	drover_peer_close(a);
	drover_peer_close(b);
}

/* Runs a receiver against what @feed sends. */
static void receive_from(void (*feed)(int fd), struct receiver *r)
{
	struct qemu_in in;
	int fd[2];

	memset(r, 0, sizeof(*r));
	r->bytes = 99;
	loop_pair(fd);
	r->peer = loop_peer(fd[1], "host1");
	qemu_in_start(&in, 1 << 20);
	pthread_create(&r->thread, NULL, receive, r);
	feed(fd[0]);
	shutdown(fd[0], SHUT_WR);
	pthread_join(r->thread, NULL);
	close(fd[0]);
	drover_peer_close(r->peer);
	qemu_in_end(&in);
	assert_int_equal(r->bytes, 99);
}

static void data_frame(int fd, uint32_t sequence, uint32_t payload, uint32_t sent)
{
	struct drover_frame_header h = { .type = DROVER_FRAME_DEVICE_STATE_DATA,
					 .sequence = sequence, .payload = payload };
	uint8_t *bytes = random_bytes(sent);

	loop_frame(fd, &h, bytes, sent);
	free(bytes);
}

static void feed_no_end(int fd)
{
	data_frame(fd, 0, 1000, 1000);
}

static void feed_half_a_frame(int fd)
{
	data_frame(fd, 0, 200000, 65536);
}

static void feed_another_frame(int fd)
{
	Drover__RoundEnd end = DROVER__ROUND_END__INIT;

	data_frame(fd, 0, 1000, 1000);
	loop_message(fd, DROVER_FRAME_ROUND_END, 1, &end.base, 0);
}

static void feed_a_wrong_sum(int fd)
{
	Drover__DeviceStateEnd end = DROVER__DEVICE_STATE_END__INIT;

	data_frame(fd, 0, 1000, 1000);
	end.bytes = 1001;
	loop_message(fd, DROVER_FRAME_DEVICE_STATE_END, 1, &end.base, 0);
}

static void feed_a_broken_end(int fd)
{
	struct drover_frame_header h = { .type = DROVER_FRAME_DEVICE_STATE_END, .length = 3 };

	loop_frame(fd, &h, "\xff\xff\xff", 3);
}

static void feed_an_error(int fd)
{
	Drover__PeerError e = DROVER__PEER_ERROR__INIT;

	data_frame(fd, 0, 1000, 1000);
	e.code = EIO;
	e.text = (char *)"QEMU has ended";
	loop_message(fd, DROVER_FRAME_ERROR, 1, &e.base, 0);
}

static void cut_off_is_an_error(void **state)
{
	struct receiver r;

	receive_from(feed_no_end, &r);
	assert_int_equal(r.result, -ENODATA);
	receive_from(feed_half_a_frame, &r);
	assert_int_equal(r.result, -EPIPE);
	receive_from(feed_an_error, &r);
	assert_int_equal(r.result, -EIO);
	assert_string_equal(r.err.text, "host1: QEMU has ended");
}

static void what_does_not_belong_is_refused(void **state)
{
	struct receiver r;

	receive_from(feed_another_frame, &r);
	assert_int_equal(r.result, -EPROTO);
	assert_text(r.err, "frame type 13 has no place in device state");
	receive_from(feed_a_wrong_sum, &r);
	assert_int_equal(r.result, -EPROTO);
	assert_text(r.err, "1000 bytes of device state came where 1001 were sent");
	receive_from(feed_a_broken_end, &r);
	assert_int_equal(r.result, -EPROTO);
	assert_text(r.err, "malformed DeviceStateEnd");
}

static void qemu_that_stops_loading(void **state)
{
	struct receiver r = { .bytes = 99 };
	struct drover_peer *sender;
	struct qemu_in in;
	struct drover_err err = { 0 };
	uint8_t *bytes = random_bytes(1 << 20);
	int result = 0;

	qemu_in_start(&in, 5000);
	loop_peers(&sender, &r.peer);
	pthread_create(&r.thread, NULL, receive, &r);
	for (int i = 0; i < 64 && result == 0; i++) {
		result = drover_peer_send(sender, DROVER_FRAME_DEVICE_STATE_DATA, NULL, 1 << 20,
					  &err);
		if (result == 0)
			result = drover_peer_send_payload(sender, bytes, 1 << 20, &err);
	}
	pthread_join(r.thread, NULL);
	assert_true(r.result == -EPIPE || r.result == -ECONNRESET);
	assert_text(r.err, "giving QEMU its device state failed");
	/* The sender finds out, too. */
	assert_true(result < 0);
	free(bytes);
	qemu_in_end(&in);
	drover_peer_close(sender);
	drover_peer_close(r.peer);
}

static void peer_that_goes_while_qemu_sends(void **state)
{
	struct drover_err err = { 0 };
	struct drover_peer *sender, *receiver;
	struct qemu_out out = { .len = 16 << 20 };
	uint64_t bytes = 99;
	int r, listener = drover_unix_listen(from, &err);

	out.bytes = random_bytes(out.len);
	loop_peers(&sender, &receiver);
	drover_peer_close(receiver);
	pthread_create(&out.thread, NULL, qemu_sends, &out);
	r = drover_relay_send(listener, sender, &bytes, &err);
	pthread_join(out.thread, NULL);
	assert_true(r == -EPIPE || r == -ECONNRESET);
	assert_text(err, "the connection to host2 was lost");
	assert_int_equal(bytes, 99);
	/* QEMU was not left hanging. */
	assert_true(out.result < 0);
	free((void *)out.bytes);
	close(listener);
	drover_peer_close(sender);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_size),
		cmocka_unit_test(listen_replaces_what_is_left),
		cmocka_unit_test(paths_that_cannot_be),
		cmocka_unit_test(cut_off_is_an_error),
		cmocka_unit_test(what_does_not_belong_is_refused),
		cmocka_unit_test(qemu_that_stops_loading),
		cmocka_unit_test(peer_that_goes_while_qemu_sends),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
