// SPDX-License-Identifier: GPL-2.0-or-later
/* Starting threads. */
#include "base/thread.h"

#include <pthread.h>
#include <string.h>

int drover_thread_detached(void *(*fn)(void *), void *data, struct drover_err *err)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, fn, data);
	pthread_attr_destroy(&attr);
	return r ? drover_err_set(err, r, "cannot start a thread: %s", strerror(r)) : 0;
}
