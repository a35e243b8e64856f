// SPDX-License-Identifier: GPL-2.0-or-later
/* What drover prints about load balancing, of answers made by hand. */
#include "page.h"

#include <time.h>

#include "drover_tool.h"
#include "host.h"
#include "report_drs.h"

static Drover__DrsInfo seen(void)
{
	Drover__DrsInfo d = DROVER__DRS_INFO__INIT;

	setenv("TZ", "UTC", 1);
	tzset();
	d.leader = (char *)"host1";
	d.automation = DROVER__AUTOMATION__AUTOMATION_PARTIAL;
	d.threshold = 3;
	d.passes = 7;
	d.pass_time_us = 1700000000000000;
	d.score = 71.4;
	d.imbalance = 0.4711;
	d.unmet_mhz = 2061;
	return d;
}

static void test_status(void **state)
{
	Drover__DrsHost host = DROVER__DRS_HOST__INIT, *hosts[] = {&host};
	Drover__DrsVm vm = DROVER__DRS_VM__INIT, *vms[] = {&vm};
	Drover__DrsInfo d = seen();
	struct page page;

	host.name = (char *)"host2";
	host.state = DROVER__DRS_HOST_STATE__DRS_HOST_STATE_MAINTENANCE;
	host.cpu = 1.05;
	host.memory = 0.21;
	host.unmet_mhz = 2061;
	host.vms = 1;
	vm.name = (char *)"web";
	vm.host = (char *)"host2";
	vm.score = 50;
	vm.demand_mhz = 2400;
	vm.entitled_mhz = 1200;
	d.hosts = hosts;
	d.n_hosts = 1;
	d.vms = vms;
	d.n_vms = 1;
	report_drs(begin(&page), &d);
	expect(&page, "mode partial, threshold 3; host1 leads\n"
		      "looked at 2023-11-14 22:13:20: score 71 %, imbalance 0.471, unmet 2061 MHz, "
		      "0 recommended\n"
		      "HOST   STATE        VMS    CPU  MEMORY     UNMET\n"
		      "host2  maintenance    1  105 %    21 %  2061 MHz\n"
		      "VM   HOST   SCORE     WANTS  ENTITLED TO  MOVES TO\n"
		      "web  host2   50 %  2400 MHz     1200 MHz  -\n");
}

static void test_moves(void **state)
{
	Drover__DrsMove a = DROVER__DRS_MOVE__INIT, b = a, none = a, *moves[] = {&a, &b, &none};
	Drover__DrsInfo d = seen(), nothing = seen(), early = seen();
	struct page page;

	a.id = 4;
	a.vm = (char *)"web";
	a.from = (char *)"host1";
	a.to = (char *)"host2";
	a.priority = 2;
	a.with = 5;
	a.reason = (char *)"It wants 900 MHz more.";
	b = a;
	b.id = 5;
	b.vm = (char *)"db";
	b.automatic = true;
	b.with = 0;
	none.vm = (char *)"batch";
	none.from = (char *)"host1";
	none.priority = 1;
	none.reason = (char *)"No host has room.";
	d.moves = moves;
	d.n_moves = 3;
	report_drs_moves(begin(&page), &d);
	expect(&page, "4: web from host1 to host2, priority 2, together with 5\n"
		      "   It wants 900 MHz more.\n"
		      "5: db from host1 to host2, priority 2, by itself\n"
		      "   It wants 900 MHz more.\n"
		      "batch from host1 to nowhere, priority 1\n"
		      "   No host has room.\n");
	report_drs_moves(begin(&page), &nothing);
	expect(&page, "nothing is recommended\n");
	early.passes = 0;
	report_drs_moves(begin(&page), &early);
	expect(&page, "the leader has not looked at the hosts yet\n");
}

static void test_explain(void **state)
{
	Drover__DrsMove reject = DROVER__DRS_MOVE__INIT, *rejects[] = {&reject};
	char *notes[] = {(char *)"Figures of host3 are not believed."};
	Drover__DrsInfo d = seen();
	struct page page;

	reject.vm = (char *)"web";
	reject.from = (char *)"host1";
	reject.reason = (char *)"It moved a minute ago.";
	d.rejects = rejects;
	d.n_rejects = 1;
	d.notes = notes;
	d.n_notes = 1;
	report_drs_explain(begin(&page), &d, NULL);
	expect(&page, "not web from host1 to anywhere\n"
		      "   It moved a minute ago.\n"
		      "Figures of host3 are not believed.\n");
	report_drs_explain(begin(&page), &d, "db");
	expect(&page, "there was nothing to think about in the last pass\n");
}

static void test_history(void **state)
{
	Drover__DrsRecord done = DROVER__DRS_RECORD__INIT, failed = done,
			  *list[] = {&done, &failed};
	Drover__DrsInfo d = seen();
	struct page page;

	done.time_us = 1700000000000000;
	done.vm = (char *)"web";
	done.from = (char *)"host1";
	done.to = (char *)"host2";
	done.state = DROVER__DRS_RECORD__STATE__DONE;
	done.total_us = 3400000;
	done.blackout_us = 87000;
	done.reason = (char *)"It wants more.";
	done.asked = true;
	failed = done;
	failed.asked = false;
	failed.state = DROVER__DRS_RECORD__STATE__FAILED;
	failed.error = (char *)"host2 is gone";
	d.history = list;
	d.n_history = 2;
	report_drs_history(begin(&page), &d);
	expect(&page, "2023-11-14 22:13:20 web from host1 to host2: done in 3.4 s, blackout 87 ms, "
		      "as was asked\n"
		      "   It wants more.\n"
		      "2023-11-14 22:13:20 web from host1 to host2: failed\n"
		      "   host2 is gone\n");
}

static void test_rules_and_shares(void **state)
{
	Drover__RuleRecord rule = DROVER__RULE_RECORD__INIT, *rules[] = {&rule};
	Drover__ResourceRecord pool = DROVER__RESOURCE_RECORD__INIT, vm = pool;
	Drover__ResourceRecord *pools[] = {&pool}, *shares[] = {&vm};
	char *vms[] = {(char *)"web1", (char *)"web2"};
	Drover__ControlReply reply = DROVER__CONTROL_REPLY__INIT;
	struct page page;

	rule.name = (char *)"pair";
	rule.kind = DROVER__RULE_KIND__RULE_KIND_APART;
	rule.must = true;
	rule.vms = vms;
	rule.n_vms = 2;
	pool.name = (char *)"gold";
	pool.cpu_shares = 4000;
	vm.name = (char *)"web1";
	vm.parent = (char *)"gold";
	vm.memory_limit_mib = 512;
	vm.automation = DROVER__AUTOMATION__AUTOMATION_FIXED;
	reply.rules = rules;
	reply.n_rules = 1;
	reply.respools = pools;
	reply.n_respools = 1;
	reply.shares = shares;
	reply.n_shares = 1;
	report_rules(begin(&page), &reply);
	expect(&page, "RULE  KIND   STRENGTH  VMS        HOSTS\n"
		      "pair  apart  must      web1 web2  -\n");
	report_shares(begin(&page), &reply);
	expect(&page, "WHAT  NAME  IN    CPU SHARES  RESERVED  LIMIT  MEMORY SHARES  RESERVED    "
		      "LIMIT  MODE\n"
		      "pool  gold  -           4000         -      -              -         -      "
		      "  -  -\n"
		      "vm    web1  gold           -         -      -              -         -  512 "
		      "MiB  fixed\n");
}

/* Whoever waits for a host to be empty: by its state in a pass after that was asked for. */
static void test_left(void **state)
{
	const uint64_t asked = 1700000000000000, later = asked + 20000000;
	Drover__DrsHost host = DROVER__DRS_HOST__INIT, *hosts[] = {&host};
	Drover__DrsInfo d = seen();

	host.name = (char *)"host2";
	host.vms = 2;
	d.hosts = hosts;
	d.n_hosts = 1;
	d.pass_time_us = asked;
	host.state = DROVER__DRS_HOST_STATE__DRS_HOST_STATE_MAINTENANCE;
	assert_int_equal(host_left_on(&d, "host2", asked), HOST_LEFT_UNKNOWN);
	d.pass_time_us = asked + 1;
	assert_int_equal(host_left_on(&d, "host2", asked), 2);
	host.vms = 0;
	assert_int_equal(host_left_on(&d, "host2", asked), 0);
	/* One pass may not have heard it; it is off when the next one has not either. */
	host.state = DROVER__DRS_HOST_STATE__DRS_HOST_STATE_DOWN;
	assert_int_equal(host_left_on(&d, "host2", asked), HOST_LEFT_UNKNOWN);
	d.pass_time_us = later;
	assert_int_equal(host_left_on(&d, "host2", asked), HOST_LEFT_GONE);
	host.state = DROVER__DRS_HOST_STATE__DRS_HOST_STATE_STANDBY;
	assert_int_equal(host_left_on(&d, "host2", asked), 0);
	assert_int_equal(host_left_on(&d, "host3", asked), HOST_LEFT_GONE);
	host.state = DROVER__DRS_HOST_STATE__DRS_HOST_STATE_UP;
	assert_int_equal(host_left_on(&d, "host2", asked), HOST_LEFT_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),		 cmocka_unit_test(test_moves),
		cmocka_unit_test(test_explain),		 cmocka_unit_test(test_history),
		cmocka_unit_test(test_rules_and_shares),
		cmocka_unit_test(test_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
