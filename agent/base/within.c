// SPDX-License-Identifier: GPL-2.0-or-later
/* See within.h. Caller and thread share a call; whoever lets go of it last frees it. */
#include "base/within.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

struct call {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	int (*fn)(void *data, struct drover_err *err);
	void *data;
	void (*drop)(void *data);
	bool over, left;
	int result;
	struct drover_err err;
};

static void call_free(struct call *call)
{
	pthread_cond_destroy(&call->ended);
	pthread_mutex_destroy(&call->lock);
	free(call);
}

static void *run(void *data)
{
	struct call *call = data;
	int r = call->fn(call->data, &call->err);
	bool left;

	pthread_mutex_lock(&call->lock);
	call->result = r;
	call->over = true;
	left = call->left;
	pthread_cond_signal(&call->ended);
	pthread_mutex_unlock(&call->lock);
	if (left) {
		call->drop(call->data);
		call_free(call);
	}
	return NULL;
}

/* True if it is over; otherwise it is the thread's from now on. */
static bool await(struct call *call, uint32_t ms)
{
	struct timespec until;
	int r = 0;
	scope_lock(&call->lock);

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000 + (until.tv_nsec + ms % 1000 * 1000000L) / 1000000000;
	until.tv_nsec = (until.tv_nsec + ms % 1000 * 1000000L) % 1000000000;
	while (!call->over && r == 0)
		r = pthread_cond_clockwait(&call->ended, &call->lock, CLOCK_MONOTONIC, &until);
	call->left = !call->over;
	/* From the unlocking on, a call that was left may be gone. */
	if (call->left)
		pthread_detach(call->thread);
	return call->over;
}

int drover_within(uint32_t ms, int (*fn)(void *data, struct drover_err *err), void *data,
		  void (*drop)(void *data), bool *ret_late, struct drover_err *err)
{
	struct call *call = calloc(1, sizeof(*call));
	int r;

	*ret_late = false;
	if (!call)
		return drover_err_set(err, ENOMEM, "out of memory");
	pthread_mutex_init(&call->lock, NULL);
	pthread_cond_init(&call->ended, NULL);
	call->fn = fn;
	call->data = data;
	call->drop = drop;
	r = pthread_create(&call->thread, NULL, run, call);
	if (r) {
		call_free(call);
		return drover_err_set(err, r, "cannot start a thread: %s", strerror(r));
	}
	if (!await(call, ms)) {
		*ret_late = true;
		return -ETIMEDOUT;
	}
	/* What libraries keep for a thread is given back before we go on. */
	pthread_join(call->thread, NULL);
	r = call->result;
	if (r < 0)
		drover_err_set(err, r, "%s", call->err.text);
	call_free(call);
	return r;
}
