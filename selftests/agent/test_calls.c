// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls into the control thread. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ctl/call.h"

#define THREADS 4
#define CALLS	500

static sd_event *event;
static struct drover_calls *calls;
static pthread_t control;
static uint32_t next_of[THREADS], out_of_order, elsewhere, ran;

static int setup(void **state)
{
	control = pthread_self();
	ran = out_of_order = elsewhere = 0;
	if (sd_event_new(&event) < 0)
		return -1;
	return drover_calls_create(event, &calls, NULL);
}

static int teardown(void **state)
{
	drover_calls_destroy(calls);
	sd_event_unref(event);
	return 0;
}

static void count(void *data)
{
	ran++;
	if (!pthread_equal(pthread_self(), control))
		elsewhere++;
}

struct order {
	uint32_t thread, number;
};

static void in_order(void *data)
{
	struct order *o = data;

	count(NULL);
	if (next_of[o->thread]++ != o->number)
		out_of_order++;
	free(o);
}

static void *post_many(void *data)
{
	for (uint32_t i = 0; i < CALLS; i++) {
		struct order *o = malloc(sizeof(*o));

		*o = (struct order){ (uintptr_t)data, i };
		drover_call_post(calls, in_order, o);
	}
	return NULL;
}

static void posts_run_in_order_in_one_thread(void **state)
{
	pthread_t threads[THREADS];

	for (uintptr_t t = 0; t < THREADS; t++) {
		next_of[t] = 0;
		pthread_create(&threads[t], NULL, post_many, (void *)t);
	}
	for (int i = 0; i < 100000 && ran < THREADS * CALLS; i++)
		assert_true(sd_event_run(event, 1000000) >= 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	assert_int_equal(ran, THREADS * CALLS);
	assert_int_equal(out_of_order, 0);
	assert_int_equal(elsewhere, 0);
}

static void set(void *data)
{
	count(NULL);
	*(int *)data = 1;
}

static uint32_t early, waited;

static void *wait_many(void *data)
{
	for (int i = 0; i < CALLS; i++) {
		int done = 0;

		drover_call_wait(calls, set, &done);
		if (!done)
			__atomic_fetch_add(&early, 1, __ATOMIC_RELAXED);
	}
	__atomic_fetch_add(&waited, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void waiters_see_the_result(void **state)
{
	pthread_t threads[THREADS];

	for (int t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, wait_many, NULL);
	while (__atomic_load_n(&waited, __ATOMIC_ACQUIRE) < THREADS)
		assert_true(sd_event_run(event, 100000) >= 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	assert_int_equal(ran, THREADS * CALLS);
	assert_int_equal(early, 0);
	assert_int_equal(elsewhere, 0);
}

static void post_again(void *data)
{
	count(NULL);
	if (ran < 10)
		drover_call_post(calls, post_again, NULL);
}

static void a_call_may_post(void **state)
{
	assert_int_equal(drover_call_post(calls, post_again, NULL), 0);
	for (int i = 0; i < 20; i++)
		assert_true(sd_event_run(event, 10000) >= 0);
	assert_int_equal(ran, 10);
}

static void nothing_runs_before_the_loop(void **state)
{
	assert_int_equal(drover_call_post(calls, count, NULL), 0);
	assert_int_equal(ran, 0);
	/* Left over at the end: freed, not run. */
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(posts_run_in_order_in_one_thread),
		test(waiters_see_the_result),
		test(a_call_may_post),
		test(nothing_runs_before_the_loop),
	};

	drover_calls_destroy(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
