// SPDX-License-Identifier: GPL-2.0-or-later
/* Stores that do not answer are waited for once, and asked again when they have answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "block/ask.h"
#include "core/clock.h"

static sem_t answer;
static atomic_int dropped;
static atomic_int warned, back;

static void note(enum drover_log_level level, const struct drover_log_subject *subject,
		 const char *text)
{
	warned += level == DROVER_LOG_WARNING;
	back += level == DROVER_LOG_INFO && strstr(text, "answers again") != NULL;
}

static int hang(void *data, struct drover_err *err)
{
	sem_wait(&answer);
	return 0;
}

static int refuse(void *data, struct drover_err *err)
{
	return drover_err_set(err, EIO, "it failed");
}

static void drop(void *data)
{
	free(data);
	dropped++;
}

static int set_up(void **state)
{
	drover_log_set_sink(note, DROVER_LOG_INFO);
	dropped = warned = back = 0;
	return sem_init(&answer, 0, 0);
}

/* Milliseconds that it took. */
static uint64_t ask(const char *what, uint32_t ms, int (*fn)(void *data, struct drover_err *err),
		    int result, const char *sentence)
{
	uint64_t begin = drover_clock_monotonic();
	struct drover_err err = { 0 };
	void *data = malloc(1);
	bool late;

	assert_int_equal(drover_ask(what, ms, fn, data, drop, &late, &err), result);
	assert_int_equal(late, result == -ETIMEDOUT);
	assert_string_equal(err.text, sentence);
	if (!late)
		free(data);
	return (drover_clock_monotonic() - begin) / 1000;
}

static void await(atomic_int *count, int wanted)
{
	for (int i = 0; *count != wanted && i < 500; i++)
		usleep(10000);
	assert_int_equal(*count, wanted);
}

static void what_is_answered(void **state)
{
	sem_post(&answer);
	ask("pool a", 5000, hang, 0, "");
	ask("pool a", 5000, refuse, -EIO, "it failed");
	assert_int_equal(dropped, 0);
	assert_int_equal(warned, 0);
}

static void silence_is_waited_for_once(void **state)
{
	assert_true(ask("pool a", 600, hang, -ETIMEDOUT, "pool a does not answer") >= 599);
	assert_int_equal(dropped, 0);
	/* It is said once, and the second time takes no thread. */
	assert_true(ask("pool a", 60000, hang, -ETIMEDOUT, "pool a does not answer") < 5000);
	assert_int_equal(dropped, 1);
	assert_int_equal(warned, 1);
	/* Others are asked. */
	ask("pool b", 60000, refuse, -EIO, "it failed");
	/* Of them, too, one that is silent; but they are not waited for that long. */
	assert_true(ask("pool c", 20000, hang, -ETIMEDOUT, "pool c does not answer") < 15000);
	assert_int_equal(warned, 2);
	sem_post(&answer);
	sem_post(&answer);
	await(&dropped, 3);
	assert_int_equal(back, 2);
	ask("pool a", 60000, refuse, -EIO, "it failed");
}

static void paths_have_stores(void **state)
{
	struct drover_conf *conf = calloc(1, sizeof(*conf));
	struct drover_err err = { 0 };
	struct drover_image image;
	uint64_t size, space;
	struct stat st;

	assert_non_null(conf);
	conf->pool_count = 1;
	strcpy(conf->pools[0].name, "a");
	strcpy(conf->pools[0].path, "/nonexistent");
	assert_int_equal(drover_ask_file(conf, "/nonexistent/x", &st, &err), -ENOENT);
	assert_string_equal(err.text, "/nonexistent/x: No such file or directory");
	assert_int_equal(drover_ask_file(conf, "/", &st, &err), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(drover_ask_sync("/nonexistent/x", 5000, &err), -ENOENT);
	assert_string_equal(err.text, "/nonexistent/x: No such file or directory");
	assert_int_equal(drover_ask_sync("/tmp", 60000, &err), 0);
	assert_int_equal(drover_ask_image(conf, "/nonexistent/x", "raw", &image, &err), -ENOENT);
	assert_int_equal(drover_ask_pool(&conf->pools[0], false, &size, &space, &err), -ENOTDIR);
	strcpy(conf->pools[0].path, "/tmp");
	assert_int_equal(drover_ask_pool(&conf->pools[0], true, &size, &space, &err), 0);
	assert_true(size >= space);
	free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_answered, set_up),
		cmocka_unit_test_setup(silence_is_waited_for_once, set_up),
		cmocka_unit_test_setup(paths_have_stores, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
