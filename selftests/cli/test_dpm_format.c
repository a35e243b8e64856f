// SPDX-License-Identifier: GPL-2.0-or-later
/* What drover prints about power, of answers made by hand. */
#include "page.h"

#include <time.h>

#include "drover_tool.h"
#include "report_dpm.h"

static Drover__DpmInfo seen(void)
{
	Drover__DpmInfo d = DROVER__DPM_INFO__INIT;

	setenv("TZ", "UTC", 1);
	tzset();
	d.leader = (char *)"host1";
	d.mode = DROVER__POWER_MODE__POWER_MODE_AUTOMATIC;
	d.threshold = 3;
	d.hosts_min = 1;
	d.target_percent = 63;
	d.load = 0.21;
	return d;
}

static void test_status(void **state)
{
	Drover__DpmHost on = DROVER__DPM_HOST__INIT, off = on, *hosts[] = { &on, &off };
	Drover__PowerRecord known = DROVER__POWER_RECORD__INIT;
	Drover__SleepRecord sleep = DROVER__SLEEP_RECORD__INIT;
	Drover__DpmInfo d = seen(), early = seen();
	struct page page;

	on.host = (char *)"host1";
	on.member = true;
	off.host = (char *)"host2";
	off.record = &known;
	off.sleep = &sleep;
	known.tested_us = 1700000000000000;
	known.mode = DROVER__POWER_MODE__POWER_MODE_MANUAL;
	sleep.state = DROVER__SLEEP_RECORD__STATE__FAILED;
	sleep.error = (char *)"it does not boot";
	d.hosts = hosts;
	d.n_hosts = 2;
	report_dpm(begin(&page), &d);
	expect(&page, "mode automatic, threshold 3, at least 1 on, aims at 63 %; host1 leads\n"
		      "hosts that are on are busy by 21 %, 0 recommended\n"
		      "HOST   STATE   MODE        WAKE TESTED          NOTE\n"
		      "host1  on      as cluster  never tested         -\n"
		      "host2  failed  manual      2023-11-14 22:13:20  it does not boot\n");
	known.tested_us = 0;
	known.failed_us = 1700000000000000;
	off.sleep = NULL;
	report_dpm(begin(&page), &d);
	expect(&page, "mode automatic, threshold 3, at least 1 on, aims at 63 %; host1 leads\n"
		      "hosts that are on are busy by 21 %, 0 recommended\n"
		      "HOST   STATE               MODE        WAKE TESTED   NOTE\n"
		      "host1  on                  as cluster  never tested  -\n"
		      "host2  not in the cluster  manual      failed        -\n");
	report_dpm(begin(&page), &early);
	expect(&page, "mode automatic, threshold 3, at least 1 on, aims at 63 %; host1 leads\n"
		      "it has not looked at the hosts yet\n");
}

static void test_advice(void **state)
{
	Drover__DpmAdvice sleep = DROVER__DPM_ADVICE__INIT, stays = sleep, *advice[] = { &sleep };
	Drover__DpmAdvice *rejects[] = { &stays };
	Drover__DpmInfo d = seen(), none = seen();
	struct page page;

	sleep.id = 2;
	sleep.host = (char *)"host3";
	sleep.kind = DROVER__DPM_ADVICE__KIND__SLEEP;
	sleep.priority = 3;
	sleep.automatic = true;
	sleep.reason = (char *)"It is busy by 4 %.";
	stays.host = (char *)"host2";
	stays.reason = (char *)"Its wake was never tested.";
	d.advice = advice;
	d.n_advice = 1;
	d.rejects = rejects;
	d.n_rejects = 1;
	report_dpm_advice(begin(&page), &d);
	expect(&page, "2: host3 may sleep, priority 3, by itself\n"
		      "   It is busy by 4 %.\n"
		      "host2 stays as it is\n"
		      "   Its wake was never tested.\n");
	report_dpm_advice(begin(&page), &none);
	expect(&page, "nothing is recommended\n");
}

static void test_history_and_savings(void **state)
{
	Drover__PowerEvent slept = DROVER__POWER_EVENT__INIT, failed = slept, *events[] = { &slept, &failed };
	Drover__PowerHistory h = DROVER__POWER_HISTORY__INIT;
	Drover__DpmInfo d = seen(), none = seen();
	struct page page;

	slept.time_us = 1700000000000000;
	slept.host = (char *)"host2";
	slept.kind = DROVER__POWER_EVENT__KIND__SLEEP;
	slept.took_us = 42000000;
	slept.text = (char *)"it was asked for";
	slept.asked = true;
	failed = slept;
	failed.kind = DROVER__POWER_EVENT__KIND__WAKE;
	failed.failed = true;
	failed.asked = false;
	failed.text = (char *)"it does not boot";
	h.events = events;
	h.n_events = 2;
	h.begun_us = 1700000000000000;
	h.saved_j = 7.2e6;
	h.measured_j = 3.6e6;
	d.history = &h;
	report_dpm_history(begin(&page), &d);
	expect(&page, "2023-11-14 22:13:20 host2 went to sleep in 42 s, as was asked\n"
		      "   it was asked for\n"
		      "2023-11-14 22:13:20 host2 did not wake in 42 s\n"
		      "   it does not boot\n");
	report_dpm_savings(begin(&page), &d);
	expect(&page, "2.000 kWh saved since 2023-11-14 22:13:20: 1.000 kWh by what hosts told that they "
		      "draw, 1.000 kWh by configured figures (100 W where there are none)\n");
	report_dpm_savings(begin(&page), &none);
	expect(&page, "no host has slept yet\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_history_and_savings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
