// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines of JSON over a unix socket. Nothing here blocks longer than to a deadline. */
#include "vm/qmp_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/clock.h"

#define BUFFER_MIN 4096
#define BUFFER_MAX (16U << 20)

int drover_qmp_stream_connect(struct drover_qmp_stream *s, const char *path, uint64_t deadline,
			      struct drover_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timespec nap = { .tv_nsec = 20000000 };

	if (strlen(path) >= sizeof(sa.sun_path))
		return drover_err_set(err, ENAMETOOLONG, "the socket path %s is too long", path);
	strcpy(sa.sun_path, path);
	for (;;) {
		/* One that blocks would do so where a QEMU that hangs takes no connections. */
		auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0) {
			*s = (struct drover_qmp_stream){ .fd = steal_fd(&fd) };
			return 0;
		}
		if (drover_clock_monotonic() >= deadline)
			return drover_err_set(err, errno, "QEMU's monitor %s cannot be reached: %s",
					      path, strerror(errno));
		nanosleep(&nap, NULL);
	}
}

void drover_qmp_stream_close(struct drover_qmp_stream *s)
{
	close(s->fd);
	free(s->buf);
}

static int await(struct drover_qmp_stream *s, short events, uint64_t deadline,
		 struct drover_err *err)
{
	struct pollfd p = { .fd = s->fd, .events = events };

	for (;;) {
		uint64_t now = drover_clock_monotonic();
		int r;

		if (now >= deadline)
			return drover_err_set(err, ETIMEDOUT, "QEMU's monitor did not answer in time");
		r = poll(&p, 1, (int)((deadline - now) / 1000 + 1));
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return drover_err_set(err, errno, "QEMU's monitor: %s", strerror(errno));
	}
}

/* One attempt; @fd, if there is one, goes with the first byte (unix(7), SCM_RIGHTS). */
static ssize_t send_some(struct drover_qmp_stream *s, const char *text, size_t len, int fd)
{
	struct iovec part = { .iov_base = (char *)text, .iov_len = len };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *header;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
	}
	return sendmsg(s->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int send_text(struct drover_qmp_stream *s, const char *text, size_t len, int fd,
		     uint64_t deadline, struct drover_err *err)
{
	while (len) {
		ssize_t n = send_some(s, text, len, fd);
		int r = 0;

		if (n > 0) {
			text += n;
			len -= n;
			fd = -1;
		} else if (errno == EAGAIN) {
			r = await(s, POLLOUT, deadline, err);
		} else if (errno != EINTR) {
			r = drover_err_set(err, EPIPE, "QEMU's monitor cannot be written to: %s",
					   strerror(errno));
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int drover_qmp_stream_send(struct drover_qmp_stream *s, const json_t *message, int fd,
			   uint64_t deadline, struct drover_err *err)
{
	auto_free char *text = json_dumps(message, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return drover_err_set(err, ENOMEM, "out of memory");
	text[len++] = '\n';	/* where the NUL stood */
	return send_text(s, text, len, fd, deadline, err);
}

static int grow(struct drover_qmp_stream *s, struct drover_err *err)
{
	size_t size = s->size ? s->size * 2 : BUFFER_MIN;
	char *buf = size <= BUFFER_MAX ? realloc(s->buf, size) : NULL;

	if (!buf)
		return drover_err_set(err, EMSGSIZE, "QEMU's monitor sent too long a message");
	s->buf = buf;
	s->size = size;
	return 0;
}

int drover_qmp_stream_fill(struct drover_qmp_stream *s, struct drover_err *err)
{
	ssize_t n;

	if (s->len == s->size && grow(s, err) < 0)
		return -EMSGSIZE;
	do
		n = recv(s->fd, s->buf + s->len, s->size - s->len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n <= 0)
		return drover_err_set(err, EPIPE, "QEMU has closed its monitor");
	s->len += n;
	return 0;
}

int drover_qmp_stream_next(struct drover_qmp_stream *s, json_t **ret_message,
			   struct drover_err *err)
{
	char *end = s->len ? memchr(s->buf, '\n', s->len) : NULL;
	json_t *message;
	size_t n;

	*ret_message = NULL;
	if (!end)
		return 0;
	n = end - s->buf + 1;
	message = json_loadb(s->buf, n, 0, NULL);
	memmove(s->buf, s->buf + n, s->len - n);
	s->len -= n;
	if (!message)
		return drover_err_set(err, EPROTO, "QEMU's monitor sent what is no JSON");
	*ret_message = message;
	return 0;
}

int drover_qmp_stream_receive(struct drover_qmp_stream *s, uint64_t deadline,
			      json_t **ret_message, struct drover_err *err)
{
	for (;;) {
		int r = drover_qmp_stream_next(s, ret_message, err);

		if (r < 0 || *ret_message)
			return r;
		r = await(s, POLLIN, deadline, err);
		if (r == 0)
			r = drover_qmp_stream_fill(s, err);
		if (r < 0 && r != -EAGAIN)
			return r;
	}
}
