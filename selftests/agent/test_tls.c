// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who is let in, and what is said to others. The certificates are those of drover-cert. Where the
 * kernel has no TLS a good handshake ends with that sentence; what comes after is tested in the lab.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "core/clock.h"
#include "loop.h"
#include "net/tls.h"

static char dir[] = "/tmp/drover-tls.XXXXXX";

static void shell(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command))
		fail_msg("failed: %s", command);
}

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	shell("tools/drover-cert ca %s/a && tools/drover-cert ca %s/b", dir, dir);
	shell("for n in host1 host2 host3; do tools/drover-cert host %s/a $n; done", dir);
	shell("tools/drover-cert host %s/b host2", dir);
	/* Expired, for one side only, and for two hosts. */
	shell("cd %s/a && for n in old server two; do openssl req -new -newkey ec "
	      "-pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=x -keyout $n.key -out $n.csr; done >/dev/null 2>&1 && "
	      "printf 'subjectAltName=DNS:host2\\n' >old.ext && "
	      "printf 'subjectAltName=DNS:host2\\nextendedKeyUsage=clientAuth\\n' >server.ext && "
	      "printf 'subjectAltName=DNS:host9,DNS:-no,IP:127.0.0.1,DNS:host2\\n' >two.ext && "
	      "openssl x509 -req -in old.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile old.ext "
	      "-days -1 -out old.crt 2>/dev/null && for n in server two; do openssl x509 -req -in $n.csr -CA ca.crt "
	      "-CAkey ca.key -CAcreateserial -extfile $n.ext -days 9 -out $n.crt 2>/dev/null; done", dir);
	return 0;
}

static int teardown(void **state)
{
	shell("rm -rf %s", dir);
	return 0;
}

/* @host shows the certificate @shown of the authority @ca. */
static void tls_conf(struct drover_conf *conf, const char *host, const char *ca, const char *shown)
{
	loop_conf(conf, host, strcmp(host, "host1") ? "host1" : "host2");
	conf->tls.on = true;
	snprintf(conf->tls.authority, sizeof(conf->tls.authority), "%s/%s/ca.crt", dir, ca);
	snprintf(conf->tls.certificate, sizeof(conf->tls.certificate), "%s/%s/%s.crt", dir, ca, shown);
	snprintf(conf->tls.key, sizeof(conf->tls.key), "%s/%s/%s.key", dir, ca, shown);
}

struct server {
	struct drover_conf conf;
	int fd, result;
	struct drover_tls_id id;
	struct drover_err err;
	pthread_t thread;
};

static void *serve(void *data)
{
	struct server *s = data;

	s->result = drover_tls_accept(&s->conf, s->fd, &s->id, &s->err);
	return NULL;
}

/*
 * host1 connects to who should be host2, and shows @shown of @ca. Both sides have ended.
 */
static int meet(struct server *s, const char *ca, const char *shown, int ret_fd[2],
		struct drover_err *err)
{
	struct drover_conf conf;
	int r;

	memset(err, 0, sizeof(*err));
	loop_pair(ret_fd);
	s->fd = ret_fd[1];
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	tls_conf(&conf, "host1", ca, shown);
	r = drover_tls_connect(&conf, ret_fd[0], "host2", err);
	if (r < 0)
		shutdown(ret_fd[0], SHUT_RDWR);
	pthread_join(s->thread, NULL);
	return r;
}

static void leave(const int fd[2])
{
	close(fd[0]);
	close(fd[1]);
}

/* The client does not believe the server's certificate. */
static void not_believed(const char *ca, const char *shown, const char *why)
{
	struct server s = { 0 };
	struct drover_err err;
	int fd[2];

	tls_conf(&s.conf, "host2", ca, shown);
	assert_int_equal(meet(&s, "a", "host1", fd, &err), -EACCES);
	assert_text(err, why);
	leave(fd);
}

static void the_wrong_host(void **state)
{
	not_believed("a", "host3", "who calls itself host2 has the certificate of host3");
}

static void another_authority(void **state)
{
	not_believed("b", "host2", "the certificate of host2 is not signed by who is in /tmp/");
}

static void an_expired_certificate(void **state)
{
	not_believed("a", "old", "the certificate of host2 has expired");
}

static void a_certificate_for_the_other_side(void **state)
{
	not_believed("a", "server", "the certificate of host2 is not meant for that side");
}

static bool has_ktls(int fd)
{
	return setsockopt(fd, IPPROTO_TCP, 31, "tls", 4) == 0;
}

/* A good handshake, with @shown of @ca for the client's certificate; false: the kernel has no TLS. */
static bool met(struct server *s, const char *ca, const char *shown, int ret_fd[2])
{
	struct drover_err err;
	int r, pair[2];
	bool can;

	loop_pair(pair);
	can = has_ktls(pair[0]);
	leave(pair);
	tls_conf(&s->conf, "host2", "a", "host2");
	r = meet(s, ca, shown, ret_fd, &err);
	if (can) {
		assert_string_equal(err.text, "");
		assert_int_equal(r, 0);
		assert_int_equal(s->result, 0);
		return true;
	}
	assert_int_equal(r, -EOPNOTSUPP);
	assert_text(err, "the kernel cannot encrypt connections: ");
	assert_int_equal(s->result, -EOPNOTSUPP);
	leave(ret_fd);
	return false;
}

static void both_sides_know_each_other(void **state)
{
	struct server s = { 0 };
	struct drover_err err = { 0 };
	char got[6] = "";
	int fd[2];

	if (!met(&s, "a", "host1", fd)) {
		fputs("# SKIPPED: data over TLS: this kernel has no module tls\n", stderr);
		skip();
	}
	assert_int_equal(drover_tls_id_check(&s.id, "host1", &err), 0);
	assert_int_equal(drover_tls_id_check(&s.id, "host2", &err), -EACCES);
	assert_int_equal(drover_io_write(fd[0], "hello", 6), 0);
	assert_int_equal(drover_io_read(fd[1], got, 6), 0);
	assert_string_equal(got, "hello");
	assert_int_equal(drover_io_write(fd[1], "world", 6), 0);
	assert_int_equal(drover_io_read(fd[0], got, 6), 0);
	assert_string_equal(got, "world");
	leave(fd);
}

static void a_client_of_another_authority(void **state)
{
	struct server s = { 0 };
	struct drover_err err = { 0 };
	struct drover_conf conf;
	int fd[2];

	/* It trusts the server, and is not trusted. */
	shell("cp %s/a/ca.crt %s/b/ca.crt", dir, dir);
	tls_conf(&conf, "host1", "b", "host2");
	if (!met(&s, "b", "host2", fd)) {
		fputs("# SKIPPED: a client's certificate: this kernel has no module tls\n", stderr);
		skip();
	}
	assert_int_equal(drover_tls_id_check(&s.id, "host2", &err), -EACCES);
	assert_text(err, "is not signed by who is in");
	leave(fd);
}

static void names_of_a_certificate(void **state)
{
	struct drover_tls_id id = { .count = 2, .names = { "host9", "host2" } };
	struct drover_err err = { 0 };

	assert_int_equal(drover_tls_id_check(&id, "host2", &err), 0);
	assert_int_equal(drover_tls_id_check(&id, "host", &err), -EACCES);
	assert_text(err, "who calls itself host has the certificate of host9");
	memset(&err, 0, sizeof(err));
	id.count = 0;
	assert_int_equal(drover_tls_id_check(&id, "host2", &err), -EACCES);
	assert_text(err, "has the certificate of nobody");
	id.count = 2;
	memset(&err, 0, sizeof(err));
	drover_err_set(&id.problem, EACCES, "is missing");
	assert_int_equal(drover_tls_id_check(&id, "host2", &err), -EACCES);
	assert_text(err, "the certificate of host2 is missing");
}

/* --- strangers --- */

static void *say_garbage(void *data)
{
	char request[64];
	int fd = *(int *)data;

	if (recv(fd, request, sizeof(request), 0) > 0)
		drover_io_write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	return NULL;
}

static void a_peer_without_tls(void **state)
{
	struct drover_err err = { 0 };
	struct drover_conf conf;
	pthread_t thread;
	int fd[2];

	loop_pair(fd);
	tls_conf(&conf, "host1", "a", "host1");
	pthread_create(&thread, NULL, say_garbage, &fd[1]);
	assert_int_equal(drover_tls_connect(&conf, fd[0], "host2", &err), -EPROTO);
	assert_text(err, "host2 does not set up encryption: has its drover.conf a section [tls]?");
	pthread_join(thread, NULL);
	leave(fd);
}

static void a_silent_peer(void **state)
{
	uint64_t begin = drover_clock_monotonic();
	struct drover_tls_id id;
	struct drover_err err = { 0 };
	struct drover_conf conf;
	int fd[2];

	loop_pair(fd);
	tls_conf(&conf, "host1", "a", "host1");
	assert_int_equal(drover_tls_accept(&conf, fd[0], &id, &err), -ETIMEDOUT);
	assert_text(err, "a peer did not set up encryption in time");
	assert_in_range(drover_clock_monotonic() - begin, 4000000, 9000000);
	leave(fd);
}

static void first_bytes(void **state)
{
	assert_true(drover_tls_is_client((uint8_t[]){ 22, 3, 1 }));
	assert_true(drover_tls_is_client((uint8_t[]){ 22, 3, 3 }));
	assert_false(drover_tls_is_client((uint8_t[]){ 22, 0, 0 }));
	assert_false(drover_tls_is_client((uint8_t[]){ 21, 3, 3 }));
	assert_false(drover_tls_is_client((uint8_t[]){ 0, 0, 0 }));
}

/* --- this host's own files --- */

static void own(const char *ca, const char *shown, int code, const char *why)
{
	struct drover_err err = { 0 };
	struct drover_conf conf;
	uint32_t days = 4711;

	tls_conf(&conf, "host2", ca, shown);
	assert_int_equal(drover_tls_check(&conf, &days, &err), code);
	assert_text(err, why);
	assert_int_equal(days, 4711);
}

static void own_files(void **state)
{
	struct drover_err err = { 0 };
	struct drover_conf conf;
	uint32_t days = 0;

	tls_conf(&conf, "host2", "a", "two");
	assert_int_equal(drover_tls_check(&conf, &days, &err), 0);
	assert_in_range(days, 8, 9);
	tls_conf(&conf, "host2", "a", "host2");
	assert_int_equal(drover_tls_check(&conf, &days, &err), 0);
	assert_in_range(days, 1823, 1825);

	own("a", "host1", -EACCES, "who calls itself host2 has the certificate of host1");
	own("a", "old", -EACCES, "the certificate of host2 has expired");
	own("a", "nope", -ENOENT, "cannot look at /tmp/");
	shell("echo no key >%s/a/bad.key; chmod 600 %s/a/bad.key; cp %s/a/host2.crt %s/a/bad.crt", dir, dir,
	      dir, dir);
	own("a", "bad", -EINVAL, "cannot be used with the key /tmp/");
	shell("cp %s/a/host1.key %s/a/bad.key", dir, dir);
	own("a", "bad", -EINVAL, "cannot be used with the key /tmp/");
	shell("cp %s/a/host2.key %s/a/bad.key; chmod 640 %s/a/bad.key", dir, dir, dir);
	own("a", "bad", -EACCES, "its mode 640 lets others than root at the key");
	shell("chmod 600 %s/a/bad.key; cp %s/a/ca.crt %s/a/ca.crt.good; : >%s/a/ca.crt", dir, dir, dir, dir);
	own("a", "bad", -EINVAL, "no certificate can be read from /tmp/");
	shell("mv %s/a/ca.crt.good %s/a/ca.crt", dir, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_a_certificate),
		cmocka_unit_test(first_bytes),
		cmocka_unit_test(own_files),
		cmocka_unit_test(both_sides_know_each_other),
		cmocka_unit_test(the_wrong_host),
		cmocka_unit_test(another_authority),
		cmocka_unit_test(an_expired_certificate),
		cmocka_unit_test(a_certificate_for_the_other_side),
		cmocka_unit_test(a_peer_without_tls),
		cmocka_unit_test(a_silent_peer),
		cmocka_unit_test(a_client_of_another_authority),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
