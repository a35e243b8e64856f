/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QEMU monitor connection (QMP). Calls block, at most for the timeout given; several
 * threads may make them, one after the other. The rest is for one thread at a time.
 */
#ifndef DROVER_VM_QMP_H
#define DROVER_VM_QMP_H

#include <jansson.h>

#include "base/err.h"

struct drover_qmp;

/* Called for each event that arrives; the object is borrowed. */
typedef void drover_qmp_event(void *data, const char *event, json_t *message);

/**
 * drover_qmp_connect() - connect to a monitor's unix socket and negotiate
 * @path: the socket
 * @timeout_ms: how long the socket may take to appear and greet
 */
int drover_qmp_connect(const char *path, int timeout_ms, struct drover_qmp **ret_qmp,
		       struct drover_err *err);
void drover_qmp_close(struct drover_qmp *qmp);
int drover_qmp_fd(const struct drover_qmp *qmp);
void drover_qmp_set_event(struct drover_qmp *qmp, drover_qmp_event *event, void *data);

/**
 * drover_qmp_call() - run one command
 * @command: e.g. "query-status"
 * @arguments: stolen reference, or NULL
 * @timeout_ms: for the whole call
 * @ret_result: out: new reference to "return", or NULL where the caller wants none
 *
 * Events that arrive meanwhile go to the event function. Errors: -EREMOTEIO with QEMU's
 * own "desc", -ETIMEDOUT, -EPIPE when QEMU is gone.
 */
int drover_qmp_call(struct drover_qmp *qmp, const char *command, json_t *arguments, int timeout_ms,
		    json_t **ret_result, struct drover_err *err);

/**
 * drover_qmp_call_fd() - the same, with a descriptor for QEMU ("add-fd")
 * @fd: stays the caller's; QEMU gets a copy
 */
int drover_qmp_call_fd(struct drover_qmp *qmp, const char *command, json_t *arguments, int fd,
		       int timeout_ms, json_t **ret_result, struct drover_err *err);

/** drover_qmp_dispatch() - read what is there and hand on the events; -EPIPE when QEMU is gone */
int drover_qmp_dispatch(struct drover_qmp *qmp, struct drover_err *err);

/** drover_qmp_status() - "status" of query-status into @buf ("running", "paused", …) */
int drover_qmp_status(struct drover_qmp *qmp, char *buf, size_t size, struct drover_err *err);

#endif
