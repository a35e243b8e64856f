// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine of drover-sim --drs, its clusters, and the peers that Drover is compared with. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "peer.h"

static struct sim_cluster make(enum sim_load load, uint64_t seed, double fill)
{
	struct sim_recipe recipe = { load, seed, 5, 60, 72, 300, fill };
	struct drover_err err = { 0 };
	struct sim_cluster c;

	assert_int_equal(sim_cluster_make(&recipe, &c, &err), 0);
	return c;
}

static struct sim_result run(const struct sim_cluster *c, const struct sim_policy *policy)
{
	struct drover_err err = { 0 };
	struct sim_result result;

	if (sim_run(c, policy, &result, &err) < 0)
		fail_msg("%s: %s", policy->name, err.text);
	return result;
}

static const struct sim_policy *const all[] = {
	&sim_policy_none, &sim_policy_threshold, &sim_policy_proxmox, &sim_policy_drover,
};

/* Whoever moves them about, the VMs want the same. */
static void demand_is_that_of_the_vms(void **state)
{
	for (int load = 0; load < SIM_LOADS; load++) {
		struct sim_cluster c = make(load, 1, 0.8);
		double demand = 0;

		for (size_t i = 0; i < c.vm_count; i++)
			for (size_t s = 0; s < c.steps; s++)
				demand += sim_cluster_demand(&c.vms[i], s) * c.step_s;
		for (size_t p = 0; p < 4; p++) {
			struct sim_result r = run(&c, all[p]);

			assert_true(fabs(r.demand - demand) < demand * 1e-9);
			assert_true(r.unmet >= 0 && r.unmet < demand);
			assert_true(r.undone <= r.moves);
		}
		sim_cluster_free(&c);
	}
}

static void the_same_seed_gives_the_same_figures(void **state)
{
	for (size_t p = 0; p < 4; p++) {
		struct sim_cluster a = make(SIM_FLASH, 7, 0.8), b = make(SIM_FLASH, 7, 0.8);
		struct sim_cluster other = make(SIM_FLASH, 8, 0.8);
		struct sim_result x = run(&a, all[p]), y = run(&b, all[p]), z = run(&other, all[p]);

		assert_true(x.unmet == y.unmet && x.imbalance == y.imbalance && x.moves == y.moves);
		assert_true(x.demand != z.demand);
		sim_cluster_free(&a);
		sim_cluster_free(&b);
		sim_cluster_free(&other);
	}
}

static void hosts_carry_as_much_as_asked(void **state)
{
	struct sim_cluster c = make(SIM_DAILY, 1, 0.6);
	double mhz = 0;

	for (size_t i = 0; i < c.host_count; i++)
		mhz += c.hosts[i].cpu_mhz;
	assert_true(fabs(sim_cluster_peak(&c) / mhz - 0.6) < 1e-6);
	sim_cluster_free(&c);
}

static struct sim_cluster written(const char *text)
{
	char path[] = "/tmp/drover-sim-XXXXXX";
	struct drover_err err = { 0 };
	struct sim_cluster c = { 0 };
	int fd = mkstemp(path);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	if (sim_cluster_read(path, &c, &err) < 0)
		fail_msg("%s", err.text);
	unlink(path);
	return c;
}

/* Two hosts, one of them with all the load: 3000 MHz more than it has. */
static const char lopsided[] =
	"# two hosts\n"
	"step,300\n"
	"host,a,4,10000,65536,1000\n"
	"host,b,4,10000,65536,1000\n"
	"vm,one,2,5000,4096,10,a,80,80,80\n"
	"vm,two,2,5000,4096,10,a,80,80,80\n"
	"vm,three,2,5000,4096,10,a,100,100,100\n"
	"vm,four,2,5000,4096,10,b,10,10,10\n";

static void what_is_not_met_is_counted(void **state)
{
	struct sim_cluster c = written(lopsided);
	struct sim_result r = run(&c, &sim_policy_none);

	assert_int_equal(c.step_s, 300);
	assert_int_equal(c.steps, 3);
	assert_string_equal(c.vms[2].name, "three");
	assert_true(fabs(r.unmet - 3000.0 * 900) < 1);
	assert_true(r.over_s == 900);
	/* Loads of 1.3 and 0.05. */
	assert_true(fabs(r.imbalance - 0.625) < 1e-6);
	assert_int_equal(r.moves, 0);
	sim_cluster_free(&c);
}

static void who_balances_meets_it(void **state)
{
	struct sim_cluster c = written(lopsided);

	for (size_t p = 1; p < 4; p++) {
		struct sim_result r = run(&c, all[p]);

		assert_in_range(r.moves, 1, 2);
		assert_int_equal(r.undone, 0);
		assert_true(r.unmet < 3000.0 * 900 / 2);
		assert_true(r.blackout_s > 0);
	}
	sim_cluster_free(&c);
}

static int bad_order(void *state, const struct sim_view *view, struct sim_orders *orders,
		     struct drover_err *err)
{
	sim_orders_add(orders, 0, view->host[0]);
	return 0;
}

static void an_order_that_makes_no_sense_is_an_error(void **state)
{
	const struct sim_policy policy = { .name = "bad", .period_s = 60, .run = bad_order };
	struct sim_cluster c = written(lopsided);
	struct drover_err err = { 0 };
	struct sim_result r;

	assert_int_equal(sim_run(&c, &policy, &r, &err), -EINVAL);
	sim_cluster_free(&c);
}

static void refuses(const char *text, const char *sentence)
{
	char path[] = "/tmp/drover-sim-XXXXXX";
	struct drover_err err = { 0 };
	struct sim_cluster c;
	int fd = mkstemp(path);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	assert_int_equal(sim_cluster_read(path, &c, &err), -EINVAL);
	unlink(path);
	assert_non_null(strstr(err.text, sentence));
}

static void what_is_no_cluster_is_refused(void **state)
{
	refuses("", "a step of a multiple of 10 s, hosts and VMs are wanted");
	refuses("step,300\nhost,a,4,10000,65536\n", "line 2: host,NAME,CORES,MHZ,MEMORY_MIB,LINK_MIB_S");
	refuses("step,300\nvm,one,1,1000,1024,0,a,5\n", "line 2: no host of that name");
	refuses("step,300\nhost,a,4,10000,65536,1000\nvm,one,1,1000,1024,0,a,5,101\n",
		"line 3: percentages from 0 to 100");
	refuses("step,300\nhost,a,4,10000,65536,1000\nvm,one,1,1000,1024,0,a,5,5\nvm,two,1,1000,1024,0,a,5\n",
		"line 4: all VMs need the same number");
	refuses("stop,300\n", "line 1: step,SECONDS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(demand_is_that_of_the_vms),
		cmocka_unit_test(the_same_seed_gives_the_same_figures),
		cmocka_unit_test(hosts_carry_as_much_as_asked),
		cmocka_unit_test(what_is_not_met_is_counted),
		cmocka_unit_test(who_balances_meets_it),
		cmocka_unit_test(an_order_that_makes_no_sense_is_an_error),
		cmocka_unit_test(what_is_no_cluster_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
