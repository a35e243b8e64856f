// SPDX-License-Identifier: GPL-2.0-or-later
/* A monitor connection against a fake QEMU, which is kind, slow, hostile, or gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "vm/qmp.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"

/**
 * struct fake - a fake QEMU
 * @greeting: what it says first, or NULL
 * @answers: NULL-terminated, one for each command after qmp_capabilities; "%d" stands for
 *	the command's id, and "|" for a pause; after the last one it closes
 * @stay: it waits for the client to close instead, and reads nothing
 * @delay_us: how long until its socket is there
 * @seen: the commands it got
 */
struct fake {
	const char *greeting;
	const char *answers[8];
	bool stay;
	useconds_t delay_us;
	char seen[8][256];
	int seen_count;
	pthread_t thread;
	char dir[64], path[96];
	int listener;
};

static void say(int fd, const char *text)
{
	for (const char *part = text; *part;) {
		size_t n = strcspn(part, "|");

		if (send(fd, part, n, MSG_NOSIGNAL) < 0)
			return;
		part += n;
		if (*part == '|') {
			usleep(20000);
			part++;
		}
	}
}

static bool hear(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && read(fd, line + n, 1) == 1)
		if (line[n++] == '\n') {
			line[n - 1] = '\0';
			return true;
		}
	return false;
}

static int id_of(const char *line)
{
	const char *id = strstr(line, "\"id\":");

	return id ? atoi(id + 5) : 0;
}

static void serve(struct fake *f, int fd)
{
	struct pollfd hangup = { .fd = fd };
	char line[256], text[512];

	if (f->greeting)
		say(fd, f->greeting);
	if (!hear(fd, line, sizeof(line)))
		return;
	snprintf(text, sizeof(text), "{\"return\": {}, \"id\": %d}\r\n", id_of(line));
	say(fd, text);
	for (int i = 0; i < 8 && f->answers[i]; i++) {
		if (!hear(fd, f->seen[i], sizeof(f->seen[i])))
			return;
		f->seen_count++;
		snprintf(text, sizeof(text), f->answers[i], id_of(f->seen[i]), id_of(f->seen[i]));
		say(fd, text);
	}
	if (f->stay)
		poll(&hangup, 1, 10000);
}

static void *run(void *data)
{
	struct fake *f = data;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd;

	usleep(f->delay_us);
	strcpy(sa.sun_path, f->path);
	if (bind(f->listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(f->listener, 1) < 0)
		return NULL;
	fd = accept(f->listener, NULL, NULL);
	if (fd < 0)
		return NULL;
	serve(f, fd);
	close(fd);
	return NULL;
}

static void start(struct fake *f)
{
	strcpy(f->dir, "/tmp/drover-qmp.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
	f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

static void end(struct fake *f)
{
	shutdown(f->listener, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->listener);
	unlink(f->path);
	assert_int_equal(rmdir(f->dir), 0);
}

static struct drover_qmp *connect_to(struct fake *f)
{
	struct drover_qmp *qmp;
	struct drover_err err = { 0 };

	start(f);
	assert_int_equal(drover_qmp_connect(f->path, 2000, &qmp, &err), 0);
	assert_string_equal(err.text, "");
	return qmp;
}

static char events[256];

static void on_event(void *data, const char *event, json_t *message)
{
	assert_ptr_equal(data, events);
	assert_true(json_is_object(message));
	strcat(events, event);
	strcat(events, " ");
}

static int watch_nothing(void **state)
{
	events[0] = '\0';
	return 0;
}

/* --- connecting --- */

static void the_socket_may_come_late(void **state)
{
	struct fake f = { .greeting = GREETING, .delay_us = 200000 };
	struct drover_qmp *qmp = connect_to(&f);

	assert_true(drover_qmp_fd(qmp) >= 0);
	drover_qmp_close(qmp);
	end(&f);
}

static void nobody_there(void **state)
{
	struct drover_qmp *qmp;
	struct drover_err err = { 0 };
	char path[200];

	assert_int_equal(drover_qmp_connect("/nonexistent/q", 50, &qmp, &err), -ENOENT);
	assert_string_equal(err.text, "QEMU's monitor /nonexistent/q cannot be reached: "
			    "No such file or directory");
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(drover_qmp_connect(path, 50, &qmp, &err), -ENAMETOOLONG);
	drover_qmp_close(NULL);
}

static void not_a_monitor(void **state)
{
	static const struct {
		const char *greeting;
		int code;
	} cases[] = {
		{ "SSH-2.0-OpenSSH\r\n", -EPROTO },
		{ "{\"hello\": 1}\r\n", -EPROTO },
		{ "[1, 2]\n", -EPROTO },
		{ "{\"QMP\": \n", -EPROTO },
		{ "\n", -EPROTO },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fake f = { .greeting = cases[i].greeting };
		struct drover_qmp *qmp;
		struct drover_err err = { 0 };

		start(&f);
		assert_int_equal(drover_qmp_connect(f.path, 1000, &qmp, &err), cases[i].code);
		assert_int_equal(err.code, cases[i].code);
		end(&f);
	}
}

/* --- calls --- */

static void a_call_is_answered(void **state)
{
	struct fake f = {
		.greeting = GREETING,
		.answers = { "{\"return\": {\"a\": 7}, \"id\": %d}\r\n", "{\"return\": {}, \"id\": %d}\n" },
	};
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };
	json_t *result = NULL;

	assert_int_equal(drover_qmp_call(qmp, "migrate", json_pack("{ss}", "uri", "unix:/x"), 2000,
					 &result, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "a")), 7);
	json_decref(result);
	assert_int_equal(drover_qmp_call(qmp, "stop", NULL, 2000, NULL, &err), 0);
	drover_qmp_close(qmp);
	end(&f);
	assert_string_equal(f.seen[0],
			    "{\"execute\":\"migrate\",\"id\":2,\"arguments\":{\"uri\":\"unix:/x\"}}");
	assert_string_equal(f.seen[1], "{\"execute\":\"stop\",\"id\":3}");
}

static void a_refusal_keeps_its_words(void **state)
{
	struct fake f = {
		.greeting = GREETING,
		.answers = { "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no, never\"}, \"id\": %d}\n",
			     "{\"error\": {}, \"id\": %d}\n", "{\"id\": %d}\n" },
	};
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };
	json_t *result = (json_t *)&f;

	assert_int_equal(drover_qmp_call(qmp, "cont", NULL, 2000, &result, &err), -EREMOTEIO);
	assert_string_equal(err.text, "QEMU refused cont: no, never");
	assert_int_equal(drover_qmp_call(qmp, "cont", NULL, 2000, &result, &err), -EREMOTEIO);
	assert_string_equal(err.text, "QEMU refused cont: without saying why");
	assert_int_equal(drover_qmp_call(qmp, "cont", NULL, 2000, &result, &err), -EPROTO);
	assert_ptr_equal(result, &f);
	drover_qmp_close(qmp);
	end(&f);
}

static void messages_come_in_pieces(void **state)
{
	struct fake f = {
		.greeting = "{\"QM|P\": {}|}\r|\n",
		.answers = { "{\"retu|rn\": {\"status\": \"ru|nning\"}, \"id\": %d}|\r|\n" },
	};
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };
	char status[16];

	assert_int_equal(drover_qmp_status(qmp, status, sizeof(status), &err), 0);
	assert_string_equal(status, "running");
	drover_qmp_close(qmp);
	end(&f);
}

static void a_long_message_is_taken(void **state)
{
	struct drover_qmp *qmp;
	struct drover_err err = { 0 };
	size_t size = 1U << 20;
	char *greeting = malloc(size + 64);
	struct fake f = { 0 };

	/* Many times what is read at once. */
	strcpy(greeting, "{\"QMP\": \"");
	memset(greeting + 9, 'x', size);
	strcpy(greeting + 9 + size, "\"}\n");
	f.greeting = greeting;
	start(&f);
	assert_int_equal(drover_qmp_connect(f.path, 5000, &qmp, &err), 0);
	drover_qmp_close(qmp);
	end(&f);
	free(greeting);
}

static void a_message_without_end_is_refused(void **state)
{
	struct drover_qmp *qmp;
	struct drover_err err = { 0 };
	size_t size = 17U << 20;
	char *greeting = malloc(size + 1);
	struct fake f = { .greeting = greeting };

	memset(greeting, ' ', size);
	greeting[size] = '\0';
	start(&f);
	assert_int_equal(drover_qmp_connect(f.path, 20000, &qmp, &err), -EMSGSIZE);
	assert_string_equal(err.text, "QEMU's monitor sent too long a message");
	end(&f);
	free(greeting);
}

static void garbage_is_refused(void **state)
{
	struct fake f = { .greeting = GREETING, .answers = { "no %d JSON\n" } };
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };

	assert_int_equal(drover_qmp_call(qmp, "stop", NULL, 2000, NULL, &err), -EPROTO);
	assert_string_equal(err.text, "QEMU's monitor sent what is no JSON");
	drover_qmp_close(qmp);
	end(&f);
}

static void silence_ends_at_the_deadline(void **state)
{
	struct fake f = { .greeting = GREETING, .stay = true };
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };
	uint64_t begin = drover_clock_monotonic(), us;

	assert_int_equal(drover_qmp_call(qmp, "stop", NULL, 100, NULL, &err), -ETIMEDOUT);
	us = drover_clock_monotonic() - begin;
	assert_true(us >= 100000 && us < 2000000);
	drover_qmp_close(qmp);
	end(&f);
}

/* Events that never cease do not keep a call alive. */
static void noise_ends_at_the_deadline(void **state)
{
#define NOISE "{\"event\": \"N\"}\n||||{\"event\": \"N\"}\n||||"
	struct fake f = {
		.greeting = GREETING,
		.answers = { NOISE NOISE NOISE NOISE NOISE NOISE NOISE NOISE NOISE NOISE },
		.stay = true,
	};
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };
	uint64_t begin = drover_clock_monotonic();

	drover_qmp_set_event(qmp, on_event, events);
	assert_int_equal(drover_qmp_call(qmp, "stop", NULL, 200, NULL, &err), -ETIMEDOUT);
	/* The noise lasts for 1.6 s. */
	assert_true(drover_clock_monotonic() - begin < 1200000);
	assert_memory_equal(events, "N N ", 4);
	drover_qmp_close(qmp);
	end(&f);
}

static void half_an_answer(void **state)
{
	struct fake f = { .greeting = GREETING, .answers = { "{\"return\": {}, \"id\": %d" } };
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };

	assert_int_equal(drover_qmp_call(qmp, "stop", NULL, 2000, NULL, &err), -EPIPE);
	assert_string_equal(err.text, "QEMU has closed its monitor");
	drover_qmp_close(qmp);
	end(&f);
}

/* A QEMU that is stopped reads nothing: the socket fills up, and still nobody waits for ever. */
static void a_full_socket_ends_at_the_deadline(void **state)
{
	struct fake f = { .greeting = GREETING, .stay = true };
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };
	size_t size = 4U << 20;
	char *text = malloc(size + 1);
	int r;

	memset(text, 'x', size);
	text[size] = '\0';
	r = drover_qmp_call(qmp, "x", json_pack("{ss}", "x", text), 100, NULL, &err);
	free(text);
	assert_int_equal(r, -ETIMEDOUT);
	drover_qmp_close(qmp);
	end(&f);
}

static void a_late_answer_is_not_taken_for_the_next(void **state)
{
	struct fake f = {
		.greeting = GREETING,
		.answers = { "||||||||||{\"return\": {\"a\": 1}, \"id\": %d}\n",
			     "{\"return\": {\"a\": 2}, \"id\": %d}\n" },
	};
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };
	json_t *result = NULL;

	assert_int_equal(drover_qmp_call(qmp, "one", NULL, 50, NULL, &err), -ETIMEDOUT);
	assert_int_equal(drover_qmp_call(qmp, "two", NULL, 5000, &result, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "a")), 2);
	json_decref(result);
	drover_qmp_close(qmp);
	end(&f);
}

static void the_end_of_qemu_is_told(void **state)
{
	struct fake f = { .greeting = GREETING, .answers = { "{\"return\": {}, \"id\": %d}\n" } };
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };

	assert_int_equal(drover_qmp_call(qmp, "quit", NULL, 2000, NULL, &err), 0);
	pthread_join(f.thread, NULL);
	assert_int_equal(drover_qmp_dispatch(qmp, &err), -EPIPE);
	assert_int_equal(drover_qmp_call(qmp, "stop", NULL, 2000, NULL, &err), -EPIPE);
	assert_int_equal(pthread_create(&f.thread, NULL, run, &f), 0);
	drover_qmp_close(qmp);
	end(&f);
}

/* --- events --- */

static void events_come_between(void **state)
{
	struct fake f = {
		.greeting = "{\"QMP\": {}}\n{\"event\": \"A\"}\n",
		.answers = { "{\"event\": \"B\"}\n{\"event\": \"C\", \"data\": {}}\n"
			     "{\"return\": {}, \"id\": %d}\n" },
	};
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };

	/* One that came before anybody listened is lost, and does no harm. */
	drover_qmp_set_event(qmp, on_event, events);
	assert_int_equal(drover_qmp_call(qmp, "stop", NULL, 2000, NULL, &err), 0);
	assert_string_equal(events, "B C ");
	drover_qmp_close(qmp);
	end(&f);
}

/* They are in our buffer, where no poll(2) sees them. */
static void events_behind_an_answer_are_not_left(void **state)
{
	struct fake f = {
		.greeting = GREETING,
		.answers = { "{\"return\": {}, \"id\": %d}\n{\"event\": \"STOP\"}\n{\"event\": \"B\"}\n" },
		.stay = true,
	};
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };

	drover_qmp_set_event(qmp, on_event, events);
	assert_int_equal(drover_qmp_call(qmp, "stop", NULL, 2000, NULL, &err), 0);
	assert_string_equal(events, "STOP B ");
	drover_qmp_close(qmp);
	end(&f);
}

static void dispatch_hands_on_what_is_there(void **state)
{
	struct fake f = {
		.greeting = GREETING,
		.answers = { "{\"return\": {}, \"id\": %d}\n|{\"event\": \"A\"}\n{\"ev|||ent\": \"B\"}\n" },
		.stay = true,
	};
	struct drover_qmp *qmp = connect_to(&f);
	struct drover_err err = { 0 };

	drover_qmp_set_event(qmp, on_event, events);
	assert_int_equal(drover_qmp_call(qmp, "x", NULL, 2000, NULL, &err), 0);
	for (int i = 0; i < 200 && !strchr(events, 'B'); i++) {
		assert_int_equal(drover_qmp_dispatch(qmp, &err), 0);
		usleep(10000);
	}
	assert_string_equal(events, "A B ");
	drover_qmp_close(qmp);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_socket_may_come_late),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(not_a_monitor),
		cmocka_unit_test(a_call_is_answered),
		cmocka_unit_test(a_refusal_keeps_its_words),
		cmocka_unit_test(messages_come_in_pieces),
		cmocka_unit_test(a_long_message_is_taken),
		cmocka_unit_test(a_message_without_end_is_refused),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(silence_ends_at_the_deadline),
		cmocka_unit_test_setup(noise_ends_at_the_deadline, watch_nothing),
		cmocka_unit_test(half_an_answer),
		cmocka_unit_test(a_full_socket_ends_at_the_deadline),
		cmocka_unit_test(a_late_answer_is_not_taken_for_the_next),
		cmocka_unit_test(the_end_of_qemu_is_told),
		cmocka_unit_test_setup(events_come_between, watch_nothing),
		cmocka_unit_test_setup(events_behind_an_answer_are_not_left, watch_nothing),
		cmocka_unit_test_setup(dispatch_hands_on_what_is_there, watch_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
