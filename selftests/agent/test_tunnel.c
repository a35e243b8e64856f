// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The way of disks in flight: bytes both ways at once, who may use the tunnel and when, and
 * that no end of it leaves the other side waiting.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/un.h>

#include "base/unix.h"
#include "block/pump.h"
#include "block/tunnel.h"
#include "core/clock.h"
#include "loop.h"

#define PATIENCE_MS 5000

/* --- the pump --- */

struct pumped {
	int local;
	struct drover_peer *peer;
	_Atomic uint64_t sent;
	int result;
	struct drover_err err;
	pthread_t thread;
};

static void *pump(void *data)
{
	struct pumped *p = data;

	p->result = drover_pump_run(p->local, p->peer, &p->sent, &p->err);
	close(p->local);
	return NULL;
}

/* @near: what QEMU holds, @far: what the other host holds. */
static void pump_start(struct pumped *p, int *near, int *far)
{
	int pair[2], tcp[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	loop_pair(tcp);
	memset(p, 0, sizeof(*p));
	p->local = pair[0];
	*near = pair[1];
	p->peer = loop_peer(tcp[0], "host2");
	*far = tcp[1];
	assert_int_equal(pthread_create(&p->thread, NULL, pump, p), 0);
}

static int pump_end(struct pumped *p)
{
	pthread_join(p->thread, NULL);
	drover_peer_close(p->peer);
	return p->result;
}

struct writer {
	int fd;
	uint32_t seed;
	size_t len;
	pthread_t thread;
};

static void fill(uint32_t seed, size_t at, uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(((at + i) * 2654435761U + seed) >> 13);
}

static void *write_all(void *data)
{
	struct writer *w = data;
	uint8_t buf[10000];

	for (size_t at = 0; at < w->len;) {
		size_t n = w->len - at < sizeof(buf) ? w->len - at : sizeof(buf);

		fill(w->seed, at, buf, n);
		if (drover_io_write(w->fd, buf, n) < 0)
			break;
		at += n;
	}
	return NULL;
}

static void expect_all(int fd, uint32_t seed, size_t len)
{
	uint8_t got[7000], want[7000];

	for (size_t at = 0; at < len;) {
		size_t n = len - at < sizeof(got) ? len - at : sizeof(got);

		assert_int_equal(drover_io_read(fd, got, n), 0);
		fill(seed, at, want, n);
		assert_memory_equal(got, want, n);
		at += n;
	}
}

/* More than any buffer on the way holds, both ways, one side read after the other. */
static void bytes_go_both_ways(void **state)
{
	struct writer out = { .seed = 1, .len = 20 << 20 }, in = { .seed = 2, .len = 20 << 20 };
	struct pumped p;

	pump_start(&p, &out.fd, &in.fd);
	pthread_create(&out.thread, NULL, write_all, &out);
	pthread_create(&in.thread, NULL, write_all, &in);
	expect_all(in.fd, 1, out.len);
	expect_all(out.fd, 2, in.len);
	pthread_join(out.thread, NULL);
	pthread_join(in.thread, NULL);
	assert_int_equal(atomic_load(&p.sent), out.len);
	close(out.fd);
	assert_int_equal(pump_end(&p), 0);
	close(in.fd);
}

static void what_qemu_said_last_arrives(void **state)
{
	struct pumped p;
	char word[4];
	int near, far;

	pump_start(&p, &near, &far);
	assert_int_equal(drover_io_write(near, "bye", 3), 0);
	close(near);
	assert_int_equal(pump_end(&p), 0);
	assert_int_equal(drover_io_read(far, word, 3), 0);
	assert_memory_equal(word, "bye", 3);
	assert_int_equal(drover_io_read(far, word, 1), -ENODATA);
	close(far);
}

static void the_peer_ends(void **state)
{
	struct pumped p;
	int near, far;
	char c;

	pump_start(&p, &near, &far);
	close(far);
	assert_int_equal(pump_end(&p), -ENODATA);
	assert_text(p.err, "host2");
	assert_int_equal(drover_io_read(near, &c, 1), -ENODATA);
	close(near);
}

/* Also with bytes on the way that nobody takes. */
static void an_interrupt_ends_it(void **state)
{
	struct writer out = { .seed = 1, .len = 30 << 20 };
	struct pumped p;
	int far;

	pump_start(&p, &out.fd, &far);
	pthread_create(&out.thread, NULL, write_all, &out);
	usleep(100000);
	drover_peer_interrupt(p.peer);
	assert_true(pump_end(&p) < 0);
	pthread_join(out.thread, NULL);
	close(out.fd);
	close(far);
}

/* --- the tunnel --- */

/* The target: accepts, and gives back each byte with one bit changed. */
struct target {
	struct drover_conf conf;
	int listener;
	uint16_t port;
	uint8_t token[DROVER_PEER_TOKEN_SIZE];
	int served;
	struct drover_peer *peer;
	pthread_t thread;
};

static void serve_one(struct target *t, int fd)
{
	struct drover_err err = { 0 };
	Drover__Hello *hello;
	uint8_t c;

	if (drover_peer_accept(&t->conf, fd, &t->peer, &hello, &err) < 0)
		return;
	t->served++;
	assert_int_equal(hello->role, DROVER__ROLE__ROLE_TUNNEL);
	assert_int_equal(hello->migration_id, 77);
	memcpy(t->token, hello->token.data, sizeof(t->token));
	drover__hello__free_unpacked(hello, NULL);
	while (drover_io_read(t->peer->fd, &c, 1) == 0) {
		c ^= 1;
		if (c == '!' || drover_io_write(t->peer->fd, &c, 1) < 0)
			break;
	}
	drover_peer_close(t->peer);
	t->peer = NULL;
}

static void *serve(void *data)
{
	struct target *t = data;
	int fd;

	while ((fd = accept(t->listener, NULL, NULL)) >= 0)
		serve_one(t, fd);
	return NULL;
}

static char dir[64];
static char path[96];
static struct target target;
static struct drover_conf conf;
static struct drover_peer_conf to;

static int setup(void **state)
{
	strcpy(dir, "/tmp/drover-tunnel.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/disks.sock", dir);
	memset(&target, 0, sizeof(target));
	loop_conf(&target.conf, "host2", "host1");
	loop_conf(&conf, "host1", "host2");
	target.listener = loop_listen(&target.port);
	to = conf.peers[0];
	to.port = target.port;
	return -pthread_create(&target.thread, NULL, serve, &target);
}

static int teardown(void **state)
{
	shutdown(target.listener, SHUT_RDWR);
	pthread_join(target.thread, NULL);
	close(target.listener);
	unlink(path);
	return rmdir(dir);
}

static struct drover_tunnel *tunnel_open(void)
{
	struct drover_tunnel *t = NULL;
	struct drover_err err = { 0 };

	if (drover_tunnel_open(&conf, &to, 77, path, &t, &err) < 0)
		fail_msg("%s", err.text);
	return t;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0;
}

static int dial(void)
{
	int fd = drover_unix_connect(path, NULL);

	assert_true(fd >= 0);
	return fd;
}

/* The byte that comes back for one that is sent, or -1 for an end. */
static int echo(int fd, char c)
{
	char got;

	assert_int_equal(drover_io_write(fd, &c, 1), 0);
	assert_true(readable(fd, PATIENCE_MS));
	return drover_io_read(fd, &got, 1) == 0 ? got : -1;
}

static void expect_end(int fd)
{
	char c;

	assert_true(readable(fd, PATIENCE_MS));
	assert_true(drover_io_read(fd, &c, 1) < 0);
	close(fd);
}

static void nobody_passes_before_the_word(void **state)
{
	static const uint8_t token[DROVER_PEER_TOKEN_SIZE] = { 1, 2, 3 };
	struct drover_tunnel *t = tunnel_open();
	struct drover_err why = { 0 };
	int fd = dial();

	assert_int_equal(drover_io_write(fd, "a", 1), 0);
	assert_false(readable(fd, 300));
	assert_int_equal(target.served, 0);
	drover_tunnel_allow(t, token);
	assert_int_equal(echo(fd, 'c'), 'a' ^ 1);
	assert_memory_equal(target.token, token, sizeof(token));
	assert_false(drover_tunnel_broken(t, &why));
	close(fd);
	drover_tunnel_close(t);
}

static void cut_and_allowed_again(void **state)
{
	static const uint8_t first[DROVER_PEER_TOKEN_SIZE] = { 1 }, second[] = { 2, 0 };
	uint8_t other[DROVER_PEER_TOKEN_SIZE] = { 0 };
	struct drover_tunnel *t = tunnel_open();
	struct drover_err why = { 0 };
	int fd = dial(), next;

	memcpy(other, second, sizeof(second));
	drover_tunnel_allow(t, first);
	assert_int_equal(echo(fd, 'b'), 'b' ^ 1);
	drover_tunnel_cut(t);
	expect_end(fd);
	/* That was no accident. */
	assert_false(drover_tunnel_broken(t, &why));
	next = dial();
	assert_false(readable(next, 300));
	drover_tunnel_allow(t, other);
	assert_int_equal(echo(next, 'd'), 'd' ^ 1);
	assert_memory_equal(target.token, other, sizeof(other));
	assert_int_equal(drover_tunnel_sent(t), 2);
	drover_tunnel_close(t);
	expect_end(next);
}

static void a_lost_connection_is_noticed(void **state)
{
	static const uint8_t token[DROVER_PEER_TOKEN_SIZE] = { 1 };
	struct drover_tunnel *t = tunnel_open();
	struct drover_err why = { 0 };
	int fd = dial();

	drover_tunnel_allow(t, token);
	assert_int_equal(echo(fd, 'b'), 'b' ^ 1);
	/* To this the target hangs up. */
	assert_int_equal(drover_io_write(fd, "\x20", 1), 0);
	expect_end(fd);
	assert_true(drover_tunnel_broken(t, &why));
	assert_text(why, "host2");
	drover_tunnel_allow(t, token);
	assert_false(drover_tunnel_broken(t, &why));
	drover_tunnel_close(t);
}

static void an_unreachable_target_is_noticed(void **state)
{
	static const uint8_t token[DROVER_PEER_TOKEN_SIZE] = { 1 };
	struct drover_err why = { 0 };
	struct drover_tunnel *t;
	uint16_t port;

	close(loop_listen(&port));
	to.port = port;
	t = tunnel_open();
	drover_tunnel_allow(t, token);
	expect_end(dial());
	assert_true(drover_tunnel_broken(t, &why));
	assert_text(why, "cannot be reached");
	drover_tunnel_close(t);
}

/* QEMU that goes by itself is no loss, nor one that goes while it waits. */
static void qemu_may_leave(void **state)
{
	static const uint8_t token[DROVER_PEER_TOKEN_SIZE] = { 1 };
	struct drover_tunnel *t = tunnel_open();
	struct drover_err why = { 0 };
	int fd = dial();

	close(fd);
	drover_tunnel_allow(t, token);
	fd = dial();
	assert_int_equal(echo(fd, 'b'), 'b' ^ 1);
	close(fd);
	usleep(200000);
	assert_false(drover_tunnel_broken(t, &why));
	drover_tunnel_close(t);
}

static void closing_waits_for_nobody(void **state)
{
	struct drover_tunnel *t = tunnel_open();
	uint64_t begin = drover_clock_monotonic();
	int fd = dial();

	usleep(50000);
	drover_tunnel_close(t);
	assert_true(drover_clock_monotonic() - begin < 1000000);
	expect_end(fd);
	assert_true(drover_unix_connect(path, NULL) < 0);
	drover_tunnel_close(NULL);
}

int main(void)
{
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(what_qemu_said_last_arrives),
		cmocka_unit_test(the_peer_ends),
		cmocka_unit_test(an_interrupt_ends_it),
		IN_PLACE(nobody_passes_before_the_word),
		IN_PLACE(cut_and_allowed_again),
		IN_PLACE(a_lost_connection_is_noticed),
		IN_PLACE(an_unreachable_target_is_noticed),
		IN_PLACE(qemu_may_leave),
		IN_PLACE(closing_waits_for_nobody),
	};

	/* As droverd does. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
