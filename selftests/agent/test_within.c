// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls that take too long are left, and what they had is freed when they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "base/within.h"

struct work {
	int result;
	sem_t *wait;
	sem_t *dropped;
	int seen;
};

static int perform(void *data, struct drover_err *err)
{
	struct work *w = data;

	if (w->wait)
		sem_wait(w->wait);
	w->seen = 7;
	return w->result < 0 ? drover_err_set(err, w->result, "it failed") : w->result;
}

static void drop(void *data)
{
	struct work *w = data;
	sem_t *dropped = w->dropped;

	free(w);
	sem_post(dropped);
}

static void one_that_ends_gives_its_result(void **state)
{
	struct work w = { .result = 0 };
	struct drover_err err = { 0 };
	bool late = true;

	assert_int_equal(drover_within(5000, perform, &w, NULL, &late, &err), 0);
	assert_false(late);
	assert_int_equal(w.seen, 7);
	w.result = -ENOSPC;
	assert_int_equal(drover_within(5000, perform, &w, NULL, &late, &err), -ENOSPC);
	assert_false(late);
	assert_string_equal(err.text, "it failed");
	/* Its own -ETIMEDOUT is no lateness. */
	w.result = -ETIMEDOUT;
	assert_int_equal(drover_within(5000, perform, &w, NULL, &late, &err), -ETIMEDOUT);
	assert_false(late);
}

static void one_that_is_late_is_left(void **state)
{
	struct work *w = calloc(1, sizeof(*w));
	struct timespec begin, end;
	sem_t wait, dropped;
	bool late = false;

	assert_non_null(w);
	sem_init(&wait, 0, 0);
	sem_init(&dropped, 0, 0);
	*w = (struct work){ .wait = &wait, .dropped = &dropped };
	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_int_equal(drover_within(100, perform, w, drop, &late, NULL), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(late);
	assert_true((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 >= 99);
	assert_int_equal(sem_trywait(&dropped), -1);
	sem_post(&wait);
	/* By the thread: it hangs here if nobody frees it. */
	sem_wait(&dropped);
	sem_destroy(&wait);
	sem_destroy(&dropped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_ends_gives_its_result),
		cmocka_unit_test(one_that_is_late_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
