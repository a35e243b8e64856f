// SPDX-License-Identifier: GPL-2.0-or-later
/* Turning hosts on and off for operators: one at a time, and never one with VMs on it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/power.h"
#include "power/fake.h"

#define PATIENCE_US UINT64_C(20000000)

static struct drover_agent *agent;
static struct drover_power_outcome seen;
static unsigned int ends;

static int setup(void **state)
{
	agent = calloc(1, sizeof(*agent));
	ends = 0;
	memset(&seen, 0, sizeof(seen));
	if (!agent || sd_event_new(&agent->event) < 0)
		return -1;
	strcpy(agent->conf.host, "host1");
	return drover_calls_create(agent->event, &agent->calls, NULL);
}

static int teardown(void **state)
{
	drover_calls_destroy(agent->calls);
	sd_event_unref(agent->event);
	free(agent);
	return 0;
}

static void on_done(void *data, const struct drover_power_outcome *outcome)
{
	assert_ptr_equal(data, agent);
	seen = *outcome;
	ends++;
}

static struct drover_power_host host_with(const char *name, struct drover_power_fake *fake)
{
	struct drover_power_host host = { 0 };

	strcpy(host.name, name);
	drover_power_fake_add(&host, fake);
	return host;
}

static void await(unsigned int count)
{
	while (ends < count)
		assert_true(sd_event_run(agent->event, PATIENCE_US) > 0);
}

static int begin(const struct drover_power_host *host, enum drover_power_deed deed,
		 enum drover_power_care care, struct drover_err *err)
{
	return drover_power_begin_by(agent, host, deed, care, on_done, agent, err);
}

static void on_and_looked_at(void **state)
{
	struct drover_power_fake bad = { .error = EACCES }, fake = { .state = DROVER_POWER_OFF };
	struct drover_power_host host = host_with("host2", &bad);

	drover_power_fake_add(&host, &fake);
	assert_int_equal(begin(&host, DROVER_POWER_TURN_ON, DROVER_POWER_IF_EMPTY, NULL), 0);
	assert_true(drover_power_last("host2")->busy);
	await(1);
	assert_int_equal(seen.err.code, 0);
	assert_false(seen.busy);
	assert_int_equal(seen.result.state, DROVER_POWER_ON);
	assert_string_equal(seen.result.driver, "fake2");
	assert_int_equal(seen.result.failed, 1);
	assert_string_equal(seen.result.failures[0].driver, "fake1");
	assert_false(drover_power_last("host2")->busy);
	assert_int_equal(fake.state, DROVER_POWER_ON);

	assert_int_equal(begin(&host, DROVER_POWER_LOOK, DROVER_POWER_IF_EMPTY, NULL), 0);
	await(2);
	assert_int_equal(seen.result.state, DROVER_POWER_ON);
	assert_int_equal(drover_power_last("host2")->deed, DROVER_POWER_TURN_ON);
	assert_int_equal(fake.asked, 1);
}

/* No second deed on the same host meanwhile; on another one, and looks, always. */
static void one_at_a_time(void **state)
{
	struct drover_power_fake slow = { .state = DROVER_POWER_OFF, .settle_ms = 500 };
	struct drover_power_fake other = { .state = DROVER_POWER_OFF };
	struct drover_power_host host = host_with("host3", &slow), next = host_with("host4", &other);
	struct drover_err err = { 0 };

	assert_int_equal(begin(&host, DROVER_POWER_TURN_ON, DROVER_POWER_IF_EMPTY, NULL), 0);
	assert_int_equal(begin(&host, DROVER_POWER_CUT, DROVER_POWER_ANYWAY, &err), -EBUSY);
	assert_string_equal(err.text, "host3 is being turned on already");
	assert_int_equal(begin(&host, DROVER_POWER_LOOK, DROVER_POWER_IF_EMPTY, NULL), 0);
	assert_int_equal(begin(&next, DROVER_POWER_TURN_ON, DROVER_POWER_IF_EMPTY, NULL), 0);
	await(3);
	assert_int_equal(slow.state, DROVER_POWER_ON);
	assert_int_equal(other.state, DROVER_POWER_ON);
	assert_int_equal(begin(&host, DROVER_POWER_CUT, DROVER_POWER_ANYWAY, NULL), 0);
	await(4);
	assert_int_equal(slow.how, DROVER_POWER_AT_ONCE);
	assert_int_equal(seen.result.state, DROVER_POWER_OFF);
}

static void never_itself(void **state)
{
	struct drover_power_fake fake = { .state = DROVER_POWER_ON };
	struct drover_power_host host = host_with("host1", &fake);
	struct drover_err err = { 0 };

	assert_int_equal(begin(&host, DROVER_POWER_TURN_OFF, DROVER_POWER_ANYWAY, &err), -EPERM);
	assert_string_equal(err.text,
			    "host1 is this very host: it is turned off from another one");
	assert_int_equal(begin(&host, DROVER_POWER_CUT, DROVER_POWER_ANYWAY, NULL), -EPERM);
	assert_int_equal(fake.calls, 0);
}

/* Nobody can say whether VMs are on it: no peer of ours. */
static void unknown_is_not_empty(void **state)
{
	struct drover_power_fake fake = { .state = DROVER_POWER_ON };
	struct drover_power_host host = host_with("host5", &fake);

	assert_int_equal(begin(&host, DROVER_POWER_TURN_OFF, DROVER_POWER_IF_EMPTY, NULL), 0);
	await(1);
	assert_int_equal(seen.err.code, -EHOSTUNREACH);
	assert_non_null(strstr(seen.err.text, "it is not known whether VMs run on host5"));
	assert_int_equal(fake.asked, 0);
	assert_int_equal(fake.state, DROVER_POWER_ON);

	assert_int_equal(begin(&host, DROVER_POWER_TURN_OFF, DROVER_POWER_ANYWAY, NULL), 0);
	await(2);
	assert_int_equal(seen.err.code, 0);
	assert_int_equal(seen.result.state, DROVER_POWER_OFF);
	assert_int_equal(fake.how, DROVER_POWER_ORDERLY);

	/* One that is off has no VMs, whoever does not answer. */
	assert_int_equal(begin(&host, DROVER_POWER_TURN_OFF, DROVER_POWER_IF_EMPTY, NULL), 0);
	await(3);
	assert_int_equal(seen.err.code, 0);
	assert_true(seen.result.already);
	assert_int_equal(fake.asked, 1);
}

/* It was empty and was told to shut down, say, so nothing answers there. */
static void cut_unless_used(void **state)
{
	struct drover_power_fake fake = { .state = DROVER_POWER_ON };
	struct drover_power_host host = host_with("host5", &fake);

	assert_int_equal(begin(&host, DROVER_POWER_CUT, DROVER_POWER_UNLESS_USED, NULL), 0);
	await(1);
	assert_int_equal(seen.err.code, 0);
	assert_int_equal(seen.result.state, DROVER_POWER_OFF);
	assert_int_equal(fake.how, DROVER_POWER_AT_ONCE);
}

static void empty(void **state)
{
	Drover__HostInfo info = DROVER__HOST_INFO__INIT;
	struct drover_err err = { 0 };

	info.reachable = true;
	assert_int_equal(drover_power_check_empty(&info, "host2", &err), 0);
	info.vms = 1;
	assert_int_equal(drover_power_check_empty(&info, "host2", &err), -EBUSY);
	assert_string_equal(err.text, "1 VM is on host2; drover host maintenance host2 on moves them away");
	info.vms = 0;
	info.reachable = false;
	info.error = "no route";
	assert_int_equal(drover_power_check_empty(&info, "host2", &err), -EHOSTUNREACH);
	assert_non_null(strstr(err.text, "(no route)"));
	assert_int_equal(drover_power_check_empty(NULL, "host2", NULL), -EHOSTUNREACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(on_and_looked_at, setup, teardown),
		cmocka_unit_test_setup_teardown(one_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(never_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_is_not_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_unless_used, setup, teardown),
		cmocka_unit_test(empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
