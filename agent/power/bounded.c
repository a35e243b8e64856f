// SPDX-License-Identifier: GPL-2.0-or-later
/* Drivers' calls, each in a thread that is waited for no longer than its deadline. */
#include "power/bounded.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/within.h"
#include "core/clock.h"
#include "power/deadline.h"

/* What of the time is kept back, so that a driver's own sentence comes before ours. */
#define SLACK_PART   10
#define SLACK_MAX_US 500000

enum verb { ON, OFF, STATE, TEST };

struct call {
	struct drover_power_access access;
	enum verb verb;
	enum drover_power_how how;
	uint64_t deadline_us;
	enum drover_power_state state;
	char text[DROVER_POWER_TEXT_MAX];
};

static struct call *call_create(const struct drover_power_access *access, enum verb verb,
				uint64_t deadline_us)
{
	struct call *call = calloc(1, sizeof(*call));
	uint64_t now = drover_clock_monotonic(), left = deadline_us > now ? deadline_us - now : 0;

	if (!call)
		return NULL;
	call->access = *access;
	call->verb = verb;
	left /= SLACK_PART;
	call->deadline_us = deadline_us - (left < SLACK_MAX_US ? left : SLACK_MAX_US);
	return call;
}

/* With what is secret in it. */
static void call_free(void *data)
{
	explicit_bzero(data, sizeof(struct call));
	free(data);
}

static int perform(void *data, struct drover_err *err)
{
	struct call *call = data;
	const struct drover_power_ops *ops = call->access.ops;

	switch (call->verb) {
	case ON:
		return ops->on(&call->access, call->deadline_us, err);
	case OFF:
		return ops->off(&call->access, call->how, call->deadline_us, err);
	case STATE:
		return ops->state(&call->access, call->deadline_us, &call->state, err);
	case TEST:
		return ops->test(&call->access, call->deadline_us, call->text, err);
	}
	return drover_err_set(err, EINVAL, "no such call");
}

static int bounded(const struct drover_power_access *access, enum verb verb,
		   enum drover_power_how how, uint64_t deadline_us,
		   enum drover_power_state *ret_state, char *text, struct drover_err *err)
{
	struct call *call = call_create(access, verb, deadline_us);
	unsigned int ms = drover_deadline_left_ms(deadline_us);
	bool late;
	int r;

	if (!call)
		return drover_err_set(err, ENOMEM, "out of memory");
	call->how = how;
	r = drover_within(ms, perform, call, call_free, &late, err);
	if (late)
		return drover_err_set(err, r, "no answer within %.1f s", ms / 1e3);
	if (r == 0 && ret_state)
		*ret_state = call->state;
	if (r == 0 && text)
		memcpy(text, call->text, sizeof(call->text));
	call_free(call);
	return r;
}

int drover_bounded_on(const struct drover_power_access *access, uint64_t deadline_us,
		      struct drover_err *err)
{
	return bounded(access, ON, DROVER_POWER_ORDERLY, deadline_us, NULL, NULL, err);
}

int drover_bounded_off(const struct drover_power_access *access, enum drover_power_how how,
		       uint64_t deadline_us, struct drover_err *err)
{
	return bounded(access, OFF, how, deadline_us, NULL, NULL, err);
}

int drover_bounded_state(const struct drover_power_access *access, uint64_t deadline_us,
			 enum drover_power_state *ret_state, struct drover_err *err)
{
	return bounded(access, STATE, DROVER_POWER_ORDERLY, deadline_us, ret_state, NULL, err);
}

int drover_bounded_test(const struct drover_power_access *access, uint64_t deadline_us, char *text,
			struct drover_err *err)
{
	return bounded(access, TEST, DROVER_POWER_ORDERLY, deadline_us, NULL, text, err);
}
