/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of JSON over a unix socket, whatever they mean. For qmp.c alone. */
#ifndef DROVER_VM_QMP_STREAM_H
#define DROVER_VM_QMP_STREAM_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/**
 * struct drover_qmp_stream - a connection
 * @buf: the @len bytes that were read and not yet taken; there is room for @size
 */
struct drover_qmp_stream {
	int fd;
	char *buf;
	size_t len, size;
};

/*
 * A @deadline is a time of drover_clock_monotonic(). Errors of all: -ETIMEDOUT, -EPIPE
 * where the other side is gone, -EPROTO for a line that is no JSON, -EMSGSIZE for one
 * that does not end.
 */

/** drover_qmp_stream_connect() - connect(2), again and again until the socket is there */
int drover_qmp_stream_connect(struct drover_qmp_stream *s, const char *path, uint64_t deadline,
			      struct drover_err *err);
void drover_qmp_stream_close(struct drover_qmp_stream *s);

/**
 * drover_qmp_stream_send() - send a message; the reference stays the caller's
 * @fd: a descriptor that goes with it, or -1; it stays the caller's too
 */
int drover_qmp_stream_send(struct drover_qmp_stream *s, const json_t *message, int fd,
			   uint64_t deadline, struct drover_err *err);

/** drover_qmp_stream_fill() - read what is there, once; -EAGAIN, without a text: nothing */
int drover_qmp_stream_fill(struct drover_qmp_stream *s, struct drover_err *err);

/**
 * drover_qmp_stream_next() - take a whole message out of what was read
 * @ret_message: out: new reference, or NULL if there is no whole one
 */
int drover_qmp_stream_next(struct drover_qmp_stream *s, json_t **ret_message,
			   struct drover_err *err);

/** drover_qmp_stream_receive() - take a whole message, and wait for it if need be */
int drover_qmp_stream_receive(struct drover_qmp_stream *s, uint64_t deadline,
			      json_t **ret_message, struct drover_err *err);

#endif
