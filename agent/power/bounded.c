// SPDX-License-Identifier: GPL-2.0-or-later
/* Drivers' calls, each in a thread that is waited for no longer than its deadline. */
#include "power/bounded.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "power/deadline.h"

/* What of the time is kept back, so that a driver's own sentence comes before ours. */
#define SLACK_PART   10
#define SLACK_MAX_US 500000

enum verb { ON, OFF, STATE, TEST };

/*
 * One call. Caller and thread share it; the last to let go frees it: the thread if the caller
 * has left, the caller otherwise.
 */
struct call {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool over, left;
	struct drover_power_access access;
	enum verb verb;
	enum drover_power_how how;
	uint64_t deadline_us;
	int result;
	enum drover_power_state state;
	char text[DROVER_POWER_TEXT_MAX];
	struct drover_err err;
};

static struct call *call_create(const struct drover_power_access *access, enum verb verb,
				uint64_t deadline_us)
{
	struct call *call = calloc(1, sizeof(*call));
	uint64_t now = drover_clock_monotonic(), left = deadline_us > now ? deadline_us - now : 0;
	pthread_condattr_t attr;

	if (!call)
		return NULL;
	pthread_mutex_init(&call->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&call->ended, &attr);
	pthread_condattr_destroy(&attr);
	call->access = *access;
	call->verb = verb;
	left /= SLACK_PART;
	call->deadline_us = deadline_us - (left < SLACK_MAX_US ? left : SLACK_MAX_US);
	return call;
}

static void call_free(struct call *call)
{
	pthread_cond_destroy(&call->ended);
	pthread_mutex_destroy(&call->lock);
	explicit_bzero(call, sizeof(*call));
	free(call);
}

static int perform(struct call *call)
{
	const struct drover_power_ops *ops = call->access.ops;

	switch (call->verb) {
	case ON:
		return ops->on(&call->access, call->deadline_us, &call->err);
	case OFF:
		return ops->off(&call->access, call->how, call->deadline_us, &call->err);
	case STATE:
		return ops->state(&call->access, call->deadline_us, &call->state, &call->err);
	case TEST:
		return ops->test(&call->access, call->deadline_us, call->text, &call->err);
	}
	return drover_err_set(&call->err, EINVAL, "no such call");
}

static void *thread_main(void *data)
{
	struct call *call = data;
	int r = perform(call);
	bool left;

	pthread_mutex_lock(&call->lock);
	call->result = r;
	call->over = true;
	left = call->left;
	pthread_cond_signal(&call->ended);
	pthread_mutex_unlock(&call->lock);
	if (left)
		call_free(call);
	return NULL;
}

/* True if the call is over; otherwise it belongs to the thread from now on. */
static bool await(struct call *call, uint64_t deadline_us)
{
	struct timespec until = {
		.tv_sec = deadline_us / 1000000,
		.tv_nsec = deadline_us % 1000000 * 1000,
	};
	bool over;
	int r = 0;

	pthread_mutex_lock(&call->lock);
	while (!call->over && r == 0)
		r = pthread_cond_timedwait(&call->ended, &call->lock, &until);
	over = call->over;
	call->left = !over;
	/* From the unlocking on, a call that was left may be gone. */
	if (!over)
		pthread_detach(call->thread);
	pthread_mutex_unlock(&call->lock);
	return over;
}

/* Ends the call, too. */
static int finish(struct call *call, enum drover_power_state *ret_state, char *text,
		  struct drover_err *err)
{
	int r = call->result;

	/* What libraries keep for a thread is given back before we go on. */
	pthread_join(call->thread, NULL);
	if (r < 0)
		drover_err_set(err, r, "%s", call->err.text);
	else if (ret_state)
		*ret_state = call->state;
	if (r == 0 && text)
		memcpy(text, call->text, sizeof(call->text));
	call_free(call);
	return r;
}

static int bounded(const struct drover_power_access *access, enum verb verb,
		   enum drover_power_how how, uint64_t deadline_us,
		   enum drover_power_state *ret_state, char *text, struct drover_err *err)
{
	struct call *call = call_create(access, verb, deadline_us);
	unsigned int ms = drover_deadline_left_ms(deadline_us);
	int r;

	if (!call)
		return drover_err_set(err, ENOMEM, "out of memory");
	call->how = how;
	r = pthread_create(&call->thread, NULL, thread_main, call);
	if (r) {
		call_free(call);
		return drover_err_set(err, r, "cannot start a thread: %s", strerror(r));
	}
	if (await(call, deadline_us))
		return finish(call, ret_state, text, err);
	return drover_err_set(err, ETIMEDOUT, "no answer within %.1f s", ms / 1e3);
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
