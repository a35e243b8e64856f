// SPDX-License-Identifier: GPL-2.0-or-later
/* The queue of calls into the control thread. */
#include "ctl/call.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"

struct call {
	struct call *next;
	drover_call_fn *fn;
	void *data;
	bool *done;
};

struct drover_calls {
	pthread_mutex_t lock;
	pthread_cond_t ran;
	struct call *first, **last;
	int fd;
	sd_event_source *source;
};

static struct call *take_all(struct drover_calls *calls)
{
	struct call *list;
	scope_lock(&calls->lock);

	list = calls->first;
	calls->first = NULL;
	calls->last = &calls->first;
	return list;
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct drover_calls *calls = data;
	uint64_t n;

	(void)!read(fd, &n, sizeof(n));
	for (struct call *c = take_all(calls), *next; c; c = next) {
		next = c->next;
		c->fn(c->data);
		if (c->done) {
			scope_lock(&calls->lock);

			*c->done = true;
			pthread_cond_broadcast(&calls->ran);
		}
		free(c);
	}
	return 0;
}

int drover_calls_create(sd_event *event, struct drover_calls **ret_calls, struct drover_err *err)
{
	struct drover_calls *calls = calloc(1, sizeof(*calls));
	int r;

	if (!calls)
		return drover_err_set(err, ENOMEM, "out of memory");
	pthread_mutex_init(&calls->lock, NULL);
	pthread_cond_init(&calls->ran, NULL);
	calls->last = &calls->first;
	calls->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = calls->fd < 0 ? -errno
			  : sd_event_add_io(event, &calls->source, calls->fd, EPOLLIN, on_ready,
					    calls);
	if (r < 0) {
		drover_calls_destroy(calls);
		return drover_err_set(err, r, "cannot set up the event loop: %s", strerror(-r));
	}
	*ret_calls = calls;
	return 0;
}

void drover_calls_destroy(struct drover_calls *calls)
{
	if (!calls)
		return;
	sd_event_source_disable_unref(calls->source);
	if (calls->fd >= 0)
		close(calls->fd);
	for (struct call *c = calls->first, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	pthread_cond_destroy(&calls->ran);
	pthread_mutex_destroy(&calls->lock);
	free(calls);
}

static int enqueue(struct drover_calls *calls, drover_call_fn *fn, void *data, bool *done)
{
	struct call *c = calloc(1, sizeof(*c));
	uint64_t one = 1;

	if (!c)
		return -ENOMEM;
	c->fn = fn;
	c->data = data;
	c->done = done;
	scope_lock(&calls->lock);
	*calls->last = c;
	calls->last = &c->next;
	(void)!write(calls->fd, &one, sizeof(one));
	return 0;
}

int drover_call_post(struct drover_calls *calls, drover_call_fn *fn, void *data)
{
	return enqueue(calls, fn, data, NULL);
}

int drover_call_wait(struct drover_calls *calls, drover_call_fn *fn, void *data)
{
	bool done = false;
	int r = enqueue(calls, fn, data, &done);

	if (r < 0)
		return r;
	scope_lock(&calls->lock);
	while (!done)
		pthread_cond_wait(&calls->ran, &calls->lock);
	return 0;
}
