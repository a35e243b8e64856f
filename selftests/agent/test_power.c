// SPDX-License-Identifier: GPL-2.0-or-later
/* Which driver is taken, what counts as done, and that no call outlives its deadline. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "core/clock.h"
#include "power/choose.h"
#include "power/fake.h"

#define MS 1000

static uint64_t in(unsigned int ms)
{
	return drover_clock_monotonic() + ms * MS;
}

/* A host with these fakes, in order of preference. */
static struct drover_power_host host_with(struct drover_power_fake *first,
					  struct drover_power_fake *second)
{
	struct drover_power_host host = { .name = "host1" };

	drover_power_fake_add(&host, first);
	if (second)
		drover_power_fake_add(&host, second);
	return host;
}

static void turned_on(void **state)
{
	struct drover_power_fake fake = { .state = DROVER_POWER_OFF };
	struct drover_power_host host = host_with(&fake, NULL);
	struct drover_power_result result;

	assert_int_equal(drover_power_on(&host, in(2000), &result, NULL), 0);
	assert_int_equal(fake.state, DROVER_POWER_ON);
	assert_int_equal(fake.asked, 1);
	assert_int_equal(result.state, DROVER_POWER_ON);
	assert_string_equal(result.driver, "fake1");
	assert_string_equal(result.before, "");
	assert_false(result.already);
	assert_int_equal(drover_power_on(&host, in(2000), &result, NULL), 0);
	assert_int_equal(fake.asked, 1);
	assert_true(result.already);
}

static void turned_off(void **state)
{
	struct drover_power_fake fake = { .state = DROVER_POWER_ON };
	struct drover_power_host host = host_with(&fake, NULL);
	struct drover_power_result result;

	assert_int_equal(drover_power_off(&host, DROVER_POWER_AT_ONCE, in(2000), &result, NULL), 0);
	assert_int_equal(fake.how, DROVER_POWER_AT_ONCE);
	assert_int_equal(result.state, DROVER_POWER_OFF);
	fake.state = DROVER_POWER_ON;
	assert_int_equal(drover_power_off(&host, DROVER_POWER_ORDERLY, in(2000), &result, NULL), 0);
	assert_int_equal(fake.how, DROVER_POWER_ORDERLY);
	assert_false(result.already);
	assert_int_equal(drover_power_off(&host, DROVER_POWER_AT_ONCE, in(2000), &result, NULL), 0);
	assert_true(result.already);
	assert_int_equal(fake.asked, 2);
}

static void takes_its_time(void **state)
{
	struct drover_power_fake fake = { .state = DROVER_POWER_ON, .settle_ms = 700 };
	struct drover_power_host host = host_with(&fake, NULL);
	struct drover_power_result result;

	assert_int_equal(drover_power_off(&host, DROVER_POWER_ORDERLY, in(10000), &result, NULL),
			 0);
	assert_int_equal(fake.asked, 1);
	assert_int_equal(result.state, DROVER_POWER_OFF);
}

static void ignored(void **state)
{
	struct drover_power_fake fake = { .state = DROVER_POWER_ON, .ignore = true };
	struct drover_power_host host = host_with(&fake, NULL);
	struct drover_power_result result = { .driver = "untouched" };
	struct drover_err err = { 0 };
	uint64_t deadline = in(800);

	assert_int_equal(drover_power_off(&host, DROVER_POWER_AT_ONCE, deadline, &result, &err),
			 -ETIMEDOUT);
	assert_non_null(strstr(err.text, "host1 was not turned off: fake1: "));
	assert_non_null(strstr(err.text, "the state is still on"));
	assert_string_equal(result.driver, "untouched");
	assert_true(drover_clock_monotonic() < deadline + 200 * MS);
	assert_true(fake.calls > 2);
}

/* The answer says no, the machine yes: the machine is right. */
static void refused_and_done(void **state)
{
	struct drover_power_fake fake = { .state = DROVER_POWER_ON, .refuse = EIO };
	struct drover_power_host host = host_with(&fake, NULL);
	struct drover_power_result result;

	assert_int_equal(drover_power_off(&host, DROVER_POWER_AT_ONCE, in(2000), &result, NULL), 0);
	assert_int_equal(result.state, DROVER_POWER_OFF);
}

static void refused(void **state)
{
	struct drover_power_fake fake = { .state = DROVER_POWER_ON,
					  .refuse = EACCES,
					  .ignore = true };
	struct drover_power_host host = host_with(&fake, NULL);
	struct drover_power_result result;
	struct drover_err err = { 0 };
	uint64_t begin = drover_clock_monotonic();

	assert_int_equal(drover_power_off(&host, DROVER_POWER_AT_ONCE, in(5000), &result, &err),
			 -EACCES);
	assert_string_equal(err.text, "host1 was not turned off: fake1: the fake refuses");
	assert_true(drover_clock_monotonic() < begin + 2000 * MS);
}

static void next_driver(void **state)
{
	struct drover_power_fake first = { .error = EACCES },
				 second = { .state = DROVER_POWER_OFF };
	struct drover_power_host host = host_with(&first, &second);
	struct drover_power_result result, seen;

	assert_int_equal(drover_power_on(&host, in(2000), &result, NULL), 0);
	assert_string_equal(result.driver, "fake2");
	assert_string_equal(result.before, "fake1: the fake fails: Permission denied");
	assert_int_equal(first.asked, 0);
	assert_int_equal(result.failed, 1);
	assert_string_equal(result.failures[0].driver, "fake1");
	assert_int_equal(result.failures[0].code, -EACCES);
	assert_int_equal(drover_power_look(&host, in(2000), &seen, NULL), 0);
	assert_int_equal(seen.state, DROVER_POWER_ON);
	assert_string_equal(seen.driver, "fake2");
	assert_int_equal(seen.failed, 1);
	assert_string_equal(seen.failures[0].text, "the fake fails: Permission denied");
}

static void all_fail(void **state)
{
	struct drover_power_fake first = { .error = EACCES }, second = { .error = EIO };
	struct drover_power_host host = host_with(&first, &second);
	struct drover_power_result result, seen;
	struct drover_err err = { 0 };

	assert_int_equal(drover_power_on(&host, in(2000), &result, &err), -EACCES);
	assert_string_equal(err.text, "host1 was not turned on: "
				      "fake1: the fake fails: Permission denied; "
				      "fake2: the fake fails: Input/output error");
	assert_int_equal(result.failed, 2);
	assert_string_equal(result.failures[1].text, "the fake fails: Input/output error");
	assert_int_equal(drover_power_look(&host, in(2000), &seen, &err), -EACCES);
	assert_int_equal(seen.failed, 2);
}

/* A driver that hangs costs its share of the time, and can do nothing once that is over. */
static void hangs(void **state)
{
	struct drover_power_fake first = { .state = DROVER_POWER_ON, .hang_ms = 2000 };
	struct drover_power_fake second = { .state = DROVER_POWER_ON };
	struct drover_power_host host = host_with(&first, &second);
	struct drover_power_result result;
	uint64_t begin = drover_clock_monotonic();

	assert_int_equal(drover_power_off(&host, DROVER_POWER_AT_ONCE, in(1000), &result, NULL), 0);
	assert_true(drover_clock_monotonic() - begin >= 480 * MS);
	assert_true(drover_clock_monotonic() - begin < 1900 * MS);
	assert_string_equal(result.driver, "fake2");
	assert_non_null(strstr(result.before, "fake1: no answer within 0.5 s"));
	usleep(1700 * MS);
	assert_int_equal(first.calls, 1);
	assert_int_equal(first.asked, 0);
	assert_int_equal(first.state, DROVER_POWER_ON);
}

/* Late, but not so late that the request would not be sent: it must not be. */
static void no_effect_after_the_deadline(void **state)
{
	struct drover_power_fake fake = { .state = DROVER_POWER_ON,
					  .no_state = true,
					  .hang_ms = 400 };
	struct drover_power_host host = host_with(&fake, NULL);
	struct drover_power_result result;
	struct drover_err err = { 0 };

	assert_int_equal(drover_power_off(&host, DROVER_POWER_AT_ONCE, in(200), &result, &err),
			 -ETIMEDOUT);
	usleep(600 * MS);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(fake.asked, 0);
	assert_int_equal(fake.state, DROVER_POWER_ON);
}

static void deadline_in_the_past(void **state)
{
	struct drover_power_fake fake = { .state = DROVER_POWER_ON };
	struct drover_power_host host = host_with(&fake, NULL);
	struct drover_power_result result;

	assert_int_equal(drover_power_off(&host, DROVER_POWER_AT_ONCE, 1, &result, NULL),
			 -ETIMEDOUT);
	usleep(100 * MS);
	assert_int_equal(fake.asked, 0);
}

/* As Wake-on-LAN: it wakes, and knows no more. */
static void blind(void **state)
{
	struct drover_power_fake fake = { .state = DROVER_POWER_OFF,
					  .no_state = true,
					  .no_off = true };
	struct drover_power_host host = host_with(&fake, NULL);
	struct drover_power_result result, seen;
	struct drover_err err = { 0 };

	assert_int_equal(drover_power_on(&host, in(2000), &result, NULL), 0);
	assert_int_equal(result.state, DROVER_POWER_UNKNOWN);
	assert_int_equal(fake.asked, 1);
	assert_int_equal(drover_power_off(&host, DROVER_POWER_ORDERLY, in(2000), &result, &err),
			 -EOPNOTSUPP);
	assert_int_equal(drover_power_look(&host, in(2000), &seen, &err), -EOPNOTSUPP);
	assert_string_equal(err.text,
			    "whether host1 is on cannot be seen: fake1: the fake cannot see");
}

/* What one cannot see another may, even one whose own request was ignored. */
static void seen_by_another(void **state)
{
	struct drover_power_fake first = { .state = DROVER_POWER_OFF, .ignore = true };
	struct drover_power_fake second = { .state = DROVER_POWER_OFF, .no_state = true };
	struct drover_power_host host = host_with(&first, &second);
	struct drover_power_result result;
	struct drover_err err = { 0 };

	assert_int_equal(drover_power_on(&host, in(1000), &result, &err), -ETIMEDOUT);
	assert_int_equal(first.asked, 1);
	assert_int_equal(second.asked, 1);
	assert_non_null(strstr(err.text, "fake2: asked to turn it on it did not refuse"));
}

static void blind_after_a_dead_one(void **state)
{
	struct drover_power_fake first = { .error = EIO };
	struct drover_power_fake second = { .state = DROVER_POWER_OFF, .no_state = true };
	struct drover_power_host host = host_with(&first, &second);
	struct drover_power_result result;

	assert_int_equal(drover_power_on(&host, in(1000), &result, NULL), 0);
	assert_int_equal(result.state, DROVER_POWER_UNKNOWN);
	assert_string_equal(result.driver, "fake2");
	assert_int_equal(first.calls, 1);
}

static void tested(void **state)
{
	struct drover_power_fake first = { .error = EACCES },
				 second = { .state = DROVER_POWER_OFF };
	struct drover_power_report reports[DROVER_POWER_DRIVERS_MAX];
	struct drover_power_host host = host_with(&first, &second);
	struct drover_err err = { 0 };

	assert_int_equal(drover_power_test(&host, in(2000), reports, &err), -EACCES);
	assert_string_equal(err.text, "host1: fake1: the fake fails: Permission denied");
	assert_int_equal(reports[0].code, -EACCES);
	assert_string_equal(reports[0].text, "the fake fails: Permission denied");
	assert_int_equal(reports[1].code, 0);
	assert_string_equal(reports[1].driver, "fake2");
	assert_string_equal(reports[1].text, "the fake is there");
	assert_int_equal(first.asked + second.asked, 0);
	first.error = 0;
	assert_int_equal(drover_power_test(&host, in(2000), reports, &err), 0);
}

static void no_way(void **state)
{
	struct drover_power_report reports[DROVER_POWER_DRIVERS_MAX];
	struct drover_power_host host = { .name = "host1" };
	struct drover_power_result result, seen;
	struct drover_err err = { 0 };

	assert_int_equal(drover_power_on(&host, in(1000), &result, &err), -ENOENT);
	assert_string_equal(err.text, "no way to power host1 is configured");
	assert_int_equal(drover_power_look(&host, in(1000), &seen, &err), -ENOENT);
	assert_int_equal(drover_power_test(&host, in(1000), reports, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turned_on),
		cmocka_unit_test(turned_off),
		cmocka_unit_test(takes_its_time),
		cmocka_unit_test(ignored),
		cmocka_unit_test(refused_and_done),
		cmocka_unit_test(refused),
		cmocka_unit_test(next_driver),
		cmocka_unit_test(all_fail),
		cmocka_unit_test(hangs),
		cmocka_unit_test(no_effect_after_the_deadline),
		cmocka_unit_test(deadline_in_the_past),
		cmocka_unit_test(blind),
		cmocka_unit_test(seen_by_another),
		cmocka_unit_test(blind_after_a_dead_one),
		cmocka_unit_test(tested),
		cmocka_unit_test(no_way),
	};

	drover_log_set_sink(NULL, DROVER_LOG_ERROR);
	return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
