// SPDX-License-Identifier: GPL-2.0-or-later
/* What operators may do to a migration, and when: cancel, the point of no return, resolve. */
#include <errno.h>
#include <pthread.h>

#include "base/log.h"
#include "core/clock.h"
#include "loop.h"
#include "migrate/migration.h"
#include "migrate/sender.h"

static struct {
	int calls;
	struct drover_migration_info last;
} seen;

static void changed(void *data, const struct drover_migration_info *info)
{
	assert_ptr_equal(data, &seen);
	seen.calls++;
	seen.last = *info;
}

static const struct drover_migrate_env env = { .data = &seen, .changed = changed };

static const enum drover_migration_state under_way[] = {
	DROVER_MIGRATION_PREPARE, DROVER_MIGRATION_PRECOPY, DROVER_MIGRATION_SWITCHOVER,
	DROVER_MIGRATION_IN_DOUBT,
};

static const enum drover_migration_state ended[] = {
	DROVER_MIGRATION_DONE, DROVER_MIGRATION_CANCELLED, DROVER_MIGRATION_FAILED,
};

static struct drover_migration *migration_in(enum drover_migration_state state)
{
	struct drover_migration *m = drover_migration_create(&env, 7, "web1", "host1", "host2");

	assert_non_null(m);
	memset(&seen, 0, sizeof(seen));
	if (state != DROVER_MIGRATION_PREPARE)
		drover_migration_state(m, state);
	return m;
}

static void begins_in_prepare(void **state)
{
	struct drover_migration *m = migration_in(DROVER_MIGRATION_PREPARE);
	struct drover_migration_info info;

	drover_migration_info(m, &info);
	assert_int_equal(info.id, 7);
	assert_string_equal(info.vm, "web1");
	assert_string_equal(info.source, "host1");
	assert_string_equal(info.target, "host2");
	assert_int_equal(info.state, DROVER_MIGRATION_PREPARE);
	assert_true(info.start_time_us > 1600000000000000ULL);
	assert_int_equal(drover_migration_check(m, NULL), 0);
	drover_migration_put(m);
}

static void references_are_counted(void **state)
{
	struct drover_migration *m = migration_in(DROVER_MIGRATION_PREPARE);

	assert_ptr_equal(drover_migration_get(m), m);
	drover_migration_put(m);
	/* Still there. */
	assert_int_equal(drover_migration_check(m, NULL), 0);
	drover_migration_put(m);
	drover_migration_put(NULL);
}

static void states_are_told(void **state)
{
	struct drover_migration *m = migration_in(DROVER_MIGRATION_PRECOPY);
	uint64_t total;

	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.last.state, DROVER_MIGRATION_PRECOPY);
	usleep(2000);
	drover_migration_state(m, DROVER_MIGRATION_DONE);
	assert_int_equal(seen.last.state, DROVER_MIGRATION_DONE);
	total = seen.last.total_us;
	assert_true(total >= 2000);
	/* The clock stops with the end. */
	usleep(2000);
	drover_migration_info(m, &seen.last);
	assert_int_equal(seen.last.total_us, total);
	drover_migration_put(m);
}

static void cancel_while_under_way(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct drover_migration *m = migration_in(under_way[i]);
		struct drover_err err = { 0 };

		assert_int_equal(drover_migration_cancel(m, &err), 0);
		assert_int_equal(drover_migration_check(m, &err), -ECANCELED);
		assert_text(err, "the migration was cancelled");
		/* A second one is no error. */
		assert_int_equal(drover_migration_cancel(m, NULL), 0);
		drover_migration_put(m);
	}
}

static void no_cancel_after_the_end(void **state)
{
	for (int i = 0; i < 3; i++) {
		struct drover_migration *m = migration_in(ended[i]);
		struct drover_err err = { 0 };

		assert_int_equal(drover_migration_cancel(m, &err), -EALREADY);
		assert_string_equal(err.text, "migration 7 has ended");
		assert_int_equal(drover_migration_check(m, NULL), 0);
		drover_migration_put(m);
	}
}

static void no_cancel_past_the_point(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct drover_migration *m = migration_in(under_way[i]);
		struct drover_err err = { 0 };

		assert_int_equal(drover_migration_point(m, &err), 0);
		assert_int_equal(drover_migration_cancel(m, &err), -EBUSY);
		assert_text(err, "can no longer be cancelled");
		assert_int_equal(drover_migration_check(m, NULL), 0);
		drover_migration_put(m);
	}
}

static void no_point_after_a_cancel(void **state)
{
	struct drover_migration *m = migration_in(DROVER_MIGRATION_SWITCHOVER);
	struct drover_err err = { 0 };

	assert_int_equal(drover_migration_cancel(m, NULL), 0);
	assert_int_equal(drover_migration_point(m, &err), -ECANCELED);
	/* It has not passed either. */
	assert_int_equal(drover_migration_cancel(m, NULL), 0);
	drover_migration_put(m);
}

struct racer {
	struct drover_migration *m;
	int result;
	pthread_barrier_t *start;
};

static void *cancel_racing(void *data)
{
	struct racer *r = data;

	pthread_barrier_wait(r->start);
	r->result = drover_migration_cancel(r->m, NULL);
	return NULL;
}

/* Exactly one of the two wins, always. */
static void cancel_against_the_point(void **state)
{
	for (int i = 0; i < 300; i++) {
		struct racer r = { .m = migration_in(DROVER_MIGRATION_SWITCHOVER) };
		pthread_barrier_t start;
		pthread_t thread;
		int passed;

		pthread_barrier_init(&start, NULL, 2);
		r.start = &start;
		pthread_create(&thread, NULL, cancel_racing, &r);
		pthread_barrier_wait(&start);
		passed = drover_migration_point(r.m, NULL);
		pthread_join(thread, NULL);
		assert_true((passed == 0 && r.result == -EBUSY) ||
			    (passed == -ECANCELED && r.result == 0));
		pthread_barrier_destroy(&start);
		drover_migration_put(r.m);
	}
}

static void failure_is_told(void **state)
{
	struct drover_migration *m = migration_in(DROVER_MIGRATION_PRECOPY);
	struct drover_err why = { .code = -ENOMEM, .text = "host2: there is no room for web1" };

	drover_migration_fail(m, &why);
	assert_int_equal(seen.last.state, DROVER_MIGRATION_FAILED);
	assert_string_equal(seen.last.error, why.text);
	drover_migration_put(m);
}

/* Whatever broke because of it. */
static void failure_after_a_cancel_is_a_cancel(void **state)
{
	struct drover_migration *m = migration_in(DROVER_MIGRATION_PRECOPY);
	struct drover_err why = { .code = -EPIPE, .text = "the connection to host2 was lost" };

	assert_int_equal(drover_migration_cancel(m, NULL), 0);
	drover_migration_fail(m, &why);
	assert_int_equal(seen.last.state, DROVER_MIGRATION_CANCELLED);
	assert_string_equal(seen.last.error, "the migration was cancelled");
	drover_migration_put(m);
}

static void resolve_only_in_doubt(void **state)
{
	static const enum drover_verdict verdicts[] = { DROVER_VERDICT_ASK, DROVER_VERDICT_SOURCE,
							DROVER_VERDICT_TARGET };
	struct drover_err err = { 0 };

	for (int i = 0; i < 7; i++) {
		enum drover_migration_state s = i < 4 ? under_way[i] : ended[i - 4];
		struct drover_migration *m = migration_in(s);
		bool doubt = s == DROVER_MIGRATION_IN_DOUBT;

		for (int v = 0; v < 3; v++) {
			assert_int_equal(drover_migration_resolve(m, verdicts[v], &err),
					 doubt ? 0 : -EINVAL);
			assert_int_equal(m->settle, doubt);
			if (doubt)
				assert_int_equal(m->verdict, verdicts[v]);
			else
				assert_string_equal(err.text, "migration 7 is not in doubt on this host");
		}
		drover_migration_put(m);
	}
}

static void target_is_never_in_doubt(void **state)
{
	struct drover_migration *m = migration_in(DROVER_MIGRATION_IN_DOUBT);

	m->info.incoming = true;
	assert_int_equal(drover_migration_resolve(m, DROVER_VERDICT_TARGET, NULL), -EINVAL);
	drover_migration_put(m);
}

static void *wait_for_word(void *data)
{
	struct drover_migration *m = data;

	pthread_mutex_lock(&m->lock);
	while (!m->settle && !m->cancelled)
		pthread_cond_wait(&m->wake, &m->lock);
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

static void words_wake_the_thread(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct drover_migration *m = migration_in(DROVER_MIGRATION_IN_DOUBT);
		pthread_t thread;

		pthread_create(&thread, NULL, wait_for_word, m);
		usleep(20000);
		if (i)
			assert_int_equal(drover_migration_cancel(m, NULL), 0);
		else
			assert_int_equal(drover_migration_resolve(m, DROVER_VERDICT_ASK, NULL), 0);
		pthread_join(thread, NULL);
		drover_migration_put(m);
	}
}

static void *recv_on(void *data)
{
	enum drover_frame_type type;
	uint8_t *body;
	size_t len;

	if (drover_peer_recv(data, &type, &body, &len, NULL) == 0)
		free(body);
	return NULL;
}

static void cancel_interrupts_what_is_attached(void **state)
{
	struct drover_migration *m = migration_in(DROVER_MIGRATION_PRECOPY);
	struct drover_sender sender = { .streams = 1 };
	struct drover_peer *control, *a, *b;
	pthread_t threads[2];
	uint64_t begin;

	loop_peers(&control, &a);
	loop_peers(&sender.peer[0], &b);
	sender.sent_pages = 5;
	drover_migration_attach(m, control, &sender);
	drover_migration_info(m, &seen.last);
	assert_int_equal(seen.last.sent_pages, 5);
	pthread_create(&threads[0], NULL, recv_on, control);
	pthread_create(&threads[1], NULL, recv_on, sender.peer[0]);
	usleep(20000);
	begin = drover_clock_monotonic();
	assert_int_equal(drover_migration_cancel(m, NULL), 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_in_range(drover_clock_monotonic() - begin, 0, 500000);
	assert_true(sender.stop);
	drover_migration_attach(m, NULL, NULL);
	drover_sender_close(&sender);
	/* What was detached and closed is left alone. */
	assert_int_equal(drover_migration_cancel(m, NULL), 0);
	drover_peer_close(control);
	drover_peer_close(a);
	drover_peer_close(b);
	drover_migration_put(m);
}

static void figures_outlive_the_streams(void **state)
{
	struct drover_migration *m = migration_in(DROVER_MIGRATION_PRECOPY);
	struct drover_sender sender = { .sent_pages = 3, .zero_pages = 4, .wire_bytes = 12345 };
	struct drover_migration_info info;

	drover_migration_attach(m, NULL, &sender);
	sender.sent_pages = 6;
	drover_migration_attach(m, NULL, NULL);
	drover_migration_info(m, &info);
	assert_int_equal(info.sent_pages, 6);
	assert_int_equal(info.zero_pages, 4);
	assert_int_equal(info.wire_bytes, 12345);
	drover_migration_put(m);
}

static void quiet(enum drover_log_level level, const struct drover_log_subject *subject,
		  const char *text)
{
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_in_prepare),
		cmocka_unit_test(references_are_counted),
		cmocka_unit_test(states_are_told),
		cmocka_unit_test(cancel_while_under_way),
		cmocka_unit_test(no_cancel_after_the_end),
		cmocka_unit_test(no_cancel_past_the_point),
		cmocka_unit_test(no_point_after_a_cancel),
		cmocka_unit_test(cancel_against_the_point),
		cmocka_unit_test(failure_is_told),
		cmocka_unit_test(failure_after_a_cancel_is_a_cancel),
		cmocka_unit_test(resolve_only_in_doubt),
		cmocka_unit_test(target_is_never_in_doubt),
		cmocka_unit_test(words_wake_the_thread),
		cmocka_unit_test(cancel_interrupts_what_is_attached),
		cmocka_unit_test(figures_outlive_the_streams),
	};

	drover_log_set_sink(quiet, DROVER_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
