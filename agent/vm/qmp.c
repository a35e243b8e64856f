// SPDX-License-Identifier: GPL-2.0-or-later
/* A QEMU monitor connection. Messages are single lines of JSON. */
#include "vm/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/clock.h"

#define BUFFER_MAX (16U << 20)

struct drover_qmp {
	int fd;
	char *buf;
	size_t len, size;
	unsigned int serial;
	drover_qmp_event *event;
	void *data;
};

int drover_qmp_fd(const struct drover_qmp *qmp)
{
	return qmp->fd;
}

void drover_qmp_set_event(struct drover_qmp *qmp, drover_qmp_event *event, void *data)
{
	qmp->event = event;
	qmp->data = data;
}

void drover_qmp_close(struct drover_qmp *qmp)
{
	if (!qmp)
		return;
	close(qmp->fd);
	free(qmp->buf);
	free(qmp);
}

static int grow(struct drover_qmp *qmp, struct drover_err *err)
{
	size_t size = qmp->size ? qmp->size * 2 : 4096;
	char *buf = size <= BUFFER_MAX ? realloc(qmp->buf, size) : NULL;

	if (!buf)
		return drover_err_set(err, EMSGSIZE, "QEMU's monitor sent too long a message");
	qmp->buf = buf;
	qmp->size = size;
	return 0;
}

/* Reads what is there; -EAGAIN: nothing. */
static int fill(struct drover_qmp *qmp, struct drover_err *err)
{
	ssize_t n;
	int r;

	if (qmp->len == qmp->size) {
		r = grow(qmp, err);
		if (r < 0)
			return r;
	}
	do
		n = recv(qmp->fd, qmp->buf + qmp->len, qmp->size - qmp->len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n <= 0)
		return drover_err_set(err, EPIPE, "QEMU has closed its monitor");
	qmp->len += n;
	return 0;
}

/* The next whole message, or NULL if none is there yet. A line that is no JSON is an error. */
static int next_message(struct drover_qmp *qmp, json_t **ret_message, struct drover_err *err)
{
	char *end = qmp->len ? memchr(qmp->buf, '\n', qmp->len) : NULL;
	json_t *message;
	size_t n;

	*ret_message = NULL;
	if (!end)
		return 0;
	n = end - qmp->buf + 1;
	message = json_loadb(qmp->buf, n, 0, NULL);
	memmove(qmp->buf, qmp->buf + n, qmp->len - n);
	qmp->len -= n;
	if (!message)
		return drover_err_set(err, EPROTO, "QEMU's monitor sent what is no JSON");
	*ret_message = message;
	return 0;
}

static bool is_event(struct drover_qmp *qmp, json_t *message)
{
	const char *event = json_string_value(json_object_get(message, "event"));

	if (event && qmp->event)
		qmp->event(qmp->data, event, message);
	return event != NULL;
}

static int await(struct drover_qmp *qmp, uint64_t deadline, struct drover_err *err)
{
	struct pollfd p = { .fd = qmp->fd, .events = POLLIN };

	for (;;) {
		uint64_t now = drover_clock_monotonic();
		int r;

		if (now >= deadline)
			return drover_err_set(err, ETIMEDOUT, "QEMU's monitor did not answer in time");
		r = poll(&p, 1, (int)((deadline - now) / 1000 + 1));
		if (r > 0)
			break;
		if (r < 0 && errno != EINTR)
			return drover_err_set(err, errno, "QEMU's monitor: %s", strerror(errno));
	}
	return fill(qmp, err);
}

/* Waits for a message that is no event. */
static int receive(struct drover_qmp *qmp, uint64_t deadline, json_t **ret_message,
		   struct drover_err *err)
{
	for (;;) {
		json_t *message;
		int r = next_message(qmp, &message, err);

		if (r < 0)
			return r;
		if (message && !is_event(qmp, message)) {
			*ret_message = message;
			return 0;
		}
		if (message) {
			json_decref(message);
			continue;
		}
		r = await(qmp, deadline, err);
		if (r < 0 && r != -EAGAIN)
			return r;
	}
}

int drover_qmp_dispatch(struct drover_qmp *qmp, struct drover_err *err)
{
	int r = fill(qmp, err);

	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	for (;;) {
		json_t *message;

		r = next_message(qmp, &message, err);
		if (r < 0 || !message)
			return r;
		/* An answer that came after its call had timed out is of no more use. */
		is_event(qmp, message);
		json_decref(message);
	}
}

static int send_command(struct drover_qmp *qmp, const char *command, json_t *arguments,
			struct drover_err *err)
{
	json_t *message = json_pack("{ss si}", "execute", command, "id", (int)++qmp->serial);
	auto_free char *text = NULL, *line = NULL;
	int n, r;

	if (message && arguments)
		json_object_set(message, "arguments", arguments);
	text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	json_decref(message);
	n = text ? asprintf(&line, "%s\n", text) : -1;
	if (n < 0)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = drover_io_write(qmp->fd, line, n);
	return r < 0 ? drover_err_set(err, EPIPE, "QEMU's monitor cannot be written to: %s",
				      strerror(-r)) : 0;
}

static int take_answer(const char *command, json_t *message, json_t **ret_result,
		       struct drover_err *err)
{
	json_t *error = json_object_get(message, "error");
	const char *text;

	if (error) {
		text = json_string_value(json_object_get(error, "desc"));
		return drover_err_set(err, EREMOTEIO, "QEMU refused %s: %s", command,
				      text ? text : "without saying why");
	}
	if (ret_result)
		*ret_result = json_incref(json_object_get(message, "return"));
	return 0;
}

int drover_qmp_call(struct drover_qmp *qmp, const char *command, json_t *arguments, int timeout_ms,
		    json_t **ret_result, struct drover_err *err)
{
	uint64_t deadline = drover_clock_monotonic() + timeout_ms * 1000ULL;
	json_t *message = NULL;
	int r = send_command(qmp, command, arguments, err);

	json_decref(arguments);
	while (r == 0) {
		r = receive(qmp, deadline, &message, err);
		if (r < 0)
			break;
		if (json_integer_value(json_object_get(message, "id")) == qmp->serial) {
			r = take_answer(command, message, ret_result, err);
			json_decref(message);
			break;
		}
		json_decref(message);
	}
	return r;
}

int drover_qmp_status(struct drover_qmp *qmp, char *buf, size_t size, struct drover_err *err)
{
	json_t *result = NULL;
	const char *status = NULL;
	int r = drover_qmp_call(qmp, "query-status", NULL, 10000, &result, err);

	if (r < 0)
		return r;
	json_unpack(result, "{s?s}", "status", &status);
	snprintf(buf, size, "%s", status ? status : "unknown");
	json_decref(result);
	return 0;
}

/* connect(2), again and again until the socket is there. */
static int connect_within(const char *path, uint64_t deadline, struct drover_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timespec nap = { .tv_nsec = 20000000 };

	if (strlen(path) >= sizeof(sa.sun_path))
		return drover_err_set(err, ENAMETOOLONG, "the socket path %s is too long", path);
	strcpy(sa.sun_path, path);
	for (;;) {
		auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
			return steal_fd(&fd);
		if (drover_clock_monotonic() >= deadline)
			return drover_err_set(err, errno, "QEMU's monitor %s cannot be reached: %s",
					      path, strerror(errno));
		nanosleep(&nap, NULL);
	}
}

int drover_qmp_connect(const char *path, int timeout_ms, struct drover_qmp **ret_qmp,
		       struct drover_err *err)
{
	uint64_t deadline = drover_clock_monotonic() + timeout_ms * 1000ULL;
	struct drover_qmp *qmp = calloc(1, sizeof(*qmp));
	json_t *greeting = NULL;
	int r;

	if (!qmp)
		return drover_err_set(err, ENOMEM, "out of memory");
	qmp->fd = connect_within(path, deadline, err);
	if (qmp->fd < 0) {
		r = qmp->fd;
		free(qmp);
		return r;
	}
	/* A monitor that is there greets soon; under load that may still take seconds. */
	deadline += 5000000;
	r = receive(qmp, deadline, &greeting, err);
	if (r == 0 && !json_object_get(greeting, "QMP"))
		r = drover_err_set(err, EPROTO, "%s is no QEMU monitor", path);
	json_decref(greeting);
	if (r == 0)
		r = drover_qmp_call(qmp, "qmp_capabilities", NULL, timeout_ms + 5000, NULL, err);
	if (r < 0) {
		drover_qmp_close(qmp);
		return r;
	}
	*ret_qmp = qmp;
	return 0;
}
