// SPDX-License-Identifier: GPL-2.0-or-later
/* A QEMU monitor connection: greeting, commands and their answers, events. */
#include "vm/qmp.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/clock.h"
#include "vm/qmp_stream.h"

/* A monitor that is there greets soon; under load that may still take seconds. */
#define GREETING_MS	  5000
#define STATUS_TIMEOUT_MS 10000

/* @lock: held for a whole call, so that its answer is not another one's. */
struct drover_qmp {
	pthread_mutex_t lock;
	struct drover_qmp_stream stream;
	json_int_t serial;
	drover_qmp_event *event;
	void *data;
};

int drover_qmp_fd(const struct drover_qmp *qmp)
{
	return qmp->stream.fd;
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
	drover_qmp_stream_close(&qmp->stream);
	pthread_mutex_destroy(&qmp->lock);
	free(qmp);
}

static bool is_event(struct drover_qmp *qmp, json_t *message)
{
	const char *event = json_string_value(json_object_get(message, "event"));

	if (event && qmp->event)
		qmp->event(qmp->data, event, message);
	return event != NULL;
}

/* Waits for a message that is no event. */
static int receive(struct drover_qmp *qmp, uint64_t deadline, json_t **ret_message,
		   struct drover_err *err)
{
	for (;;) {
		json_t *message;
		int r = drover_qmp_stream_receive(&qmp->stream, deadline, &message, err);

		if (r < 0)
			return r;
		if (!is_event(qmp, message)) {
			*ret_message = message;
			return 0;
		}
		json_decref(message);
	}
}

/* Hands on the events among the whole messages that were read already. */
static int drain(struct drover_qmp *qmp, struct drover_err *err)
{
	for (;;) {
		json_t *message;
		int r = drover_qmp_stream_next(&qmp->stream, &message, err);

		if (r < 0 || !message)
			return r;
		/* An answer that came after its call had timed out is of no more use. */
		is_event(qmp, message);
		json_decref(message);
	}
}

int drover_qmp_dispatch(struct drover_qmp *qmp, struct drover_err *err)
{
	int r = drover_qmp_stream_fill(&qmp->stream, err);

	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	return drain(qmp, err);
}

static int take_answer(const char *command, json_t *message, json_t **ret_result,
		       struct drover_err *err)
{
	json_t *error = json_object_get(message, "error"), *result;
	const char *text;

	if (error) {
		text = json_string_value(json_object_get(error, "desc"));
		return drover_err_set(err, EREMOTEIO, "QEMU refused %s: %s", command,
				      text ? text : "without saying why");
	}
	result = json_object_get(message, "return");
	if (!result)
		return drover_err_set(err, EPROTO, "QEMU's answer to %s holds nothing", command);
	if (ret_result)
		*ret_result = json_incref(result);
	return 0;
}

static int await_answer(struct drover_qmp *qmp, const char *command, uint64_t deadline,
			json_t **ret_result, struct drover_err *err)
{
	json_t *message;
	bool ours;
	int r;

	do {
		r = receive(qmp, deadline, &message, err);
		if (r < 0)
			return r;
		ours = json_integer_value(json_object_get(message, "id")) == qmp->serial;
		if (ours)
			r = take_answer(command, message, ret_result, err);
		json_decref(message);
	} while (!ours);
	/* Events behind the answer: poll(2) will not tell of them again. */
	drain(qmp, NULL);
	return r;
}

int drover_qmp_call_fd(struct drover_qmp *qmp, const char *command, json_t *arguments, int fd,
		       int timeout_ms, json_t **ret_result, struct drover_err *err)
{
	scope_lock(&qmp->lock);
	uint64_t deadline = drover_clock_monotonic() + timeout_ms * 1000ULL;
	json_t *message = json_pack("{ss sI}", "execute", command, "id", ++qmp->serial);
	int r = message ? 0 : drover_err_set(err, ENOMEM, "out of memory");

	if (message && arguments)
		json_object_set(message, "arguments", arguments);
	json_decref(arguments);
	if (r == 0)
		r = drover_qmp_stream_send(&qmp->stream, message, fd, deadline, err);
	json_decref(message);
	return r < 0 ? r : await_answer(qmp, command, deadline, ret_result, err);
}

int drover_qmp_call(struct drover_qmp *qmp, const char *command, json_t *arguments, int timeout_ms,
		    json_t **ret_result, struct drover_err *err)
{
	return drover_qmp_call_fd(qmp, command, arguments, -1, timeout_ms, ret_result, err);
}

int drover_qmp_status(struct drover_qmp *qmp, char *buf, size_t size, struct drover_err *err)
{
	json_t *result = NULL;
	const char *status;
	int r = drover_qmp_call(qmp, "query-status", NULL, STATUS_TIMEOUT_MS, &result, err);

	if (r < 0)
		return r;
	status = json_string_value(json_object_get(result, "status"));
	snprintf(buf, size, "%s", status ? status : "unknown");
	json_decref(result);
	return 0;
}

static int negotiate(struct drover_qmp *qmp, const char *path, uint64_t deadline,
		     struct drover_err *err)
{
	json_t *greeting = NULL;
	int r = receive(qmp, deadline, &greeting, err);

	if (r == 0 && !json_object_get(greeting, "QMP"))
		r = drover_err_set(err, EPROTO, "%s is no QEMU monitor", path);
	json_decref(greeting);
	if (r < 0)
		return r;
	return drover_qmp_call(qmp, "qmp_capabilities", NULL, GREETING_MS, NULL, err);
}

int drover_qmp_connect(const char *path, int timeout_ms, struct drover_qmp **ret_qmp,
		       struct drover_err *err)
{
	uint64_t deadline = drover_clock_monotonic() + timeout_ms * 1000ULL;
	struct drover_qmp *qmp = calloc(1, sizeof(*qmp));
	int r;

	if (!qmp)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = drover_qmp_stream_connect(&qmp->stream, path, deadline, err);
	if (r < 0) {
		free(qmp);
		return r;
	}
	pthread_mutex_init(&qmp->lock, NULL);
	r = negotiate(qmp, path, deadline + GREETING_MS * 1000ULL, err);
	if (r < 0) {
		drover_qmp_close(qmp);
		return r;
	}
	*ret_qmp = qmp;
	return 0;
}
