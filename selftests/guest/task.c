// SPDX-License-Identifier: GPL-2.0-or-later
/* Threads of the guest and how they keep time. */
#include "task.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "count.h"

static const int priorities[] = {
	[TASK_LOAD] = 0,
	[TASK_SERVICE] = 1,
	[TASK_BEAT] = 2,
	[TASK_CLOCK] = 3,
};

bool task_start(const char *name, enum task_class class, void *(*run)(void *), void *arg)
{
	struct sched_param param = {.sched_priority = priorities[class]};
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, param.sched_priority ? SCHED_FIFO : SCHED_OTHER);
	pthread_attr_setschedparam(&attr, &param);
	err = pthread_create(&thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	if (err)
		fail(SETUP_ERRORS, "thread %s: %s", name, strerror(err));
	return !err;
}

uint64_t task_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void task_sleep(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / 1000000000),
		.tv_nsec = (long)(ns % 1000000000),
	};

	nanosleep(&ts, NULL);
}

void task_wait(uint64_t period_ns)
{
	uint64_t period = period_ns ? period_ns : 1;
	uint64_t next = (task_now(CLOCK_MONOTONIC) / period + 1) * period;
	struct timespec ts = {
		.tv_sec = (time_t)(next / 1000000000),
		.tv_nsec = (long)(next % 1000000000),
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}
