/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs functions in the control thread on behalf of other threads. */
#ifndef DROVER_CTL_CALL_H
#define DROVER_CTL_CALL_H

#include <systemd/sd-event.h>

#include "base/err.h"

struct drover_calls;

typedef void drover_call_fn(void *data);

/** drover_calls_create() - the queue, served by @event's thread */
int drover_calls_create(sd_event *event, struct drover_calls **ret_calls, struct drover_err *err);
void drover_calls_destroy(struct drover_calls *calls);

/** drover_call_post() - run @fn(@data) in the control thread some time later, in order */
int drover_call_post(struct drover_calls *calls, drover_call_fn *fn, void *data);

/** drover_call_wait() - the same, and wait until it has run; never from the control thread */
int drover_call_wait(struct drover_calls *calls, drover_call_fn *fn, void *data);

#endif
