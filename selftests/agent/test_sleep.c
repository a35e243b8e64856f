// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hosts on their way to sleep and back, step by step, as the leader takes them. The cluster's state
 * and votes, and the ways to the hosts' power, are made up here; nobody answers where hosts are
 * asked.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread.h"
#include "cluster/cluster.h"
#include "core/clock.h"
#include "ctl/drs_run.h"
#include "ctl/sleeper.h"
#include "loop.h"
#include "power/credentials.h"
#include "power/fake.h"

#define SECOND_US UINT64_C(1000000)

#define EMPTYING DROVER__SLEEP_RECORD__STATE__EMPTYING
#define LEAVING	 DROVER__SLEEP_RECORD__STATE__LEAVING
#define STOPPING DROVER__SLEEP_RECORD__STATE__STOPPING
#define ASLEEP	 DROVER__SLEEP_RECORD__STATE__ASLEEP
#define WAKING	 DROVER__SLEEP_RECORD__STATE__WAKING
#define BOOTING	 DROVER__SLEEP_RECORD__STATE__BOOTING
#define FAILED	 DROVER__SLEEP_RECORD__STATE__FAILED

static struct drover_agent *agent;
static struct drover_replica replica;
static struct drover_power_fake machine;
/* What was asked of corosync, as "NODE=VOTES/EXPECTED "; @refuse_at: the first is 1, 0: none. */
static char weighed[128];
static unsigned int weighings, refuse_at;
static bool stepped_down;
/* Of the hosts' files, or 0. */
static int unreadable;
/* Hosts have Wake-on-LAN alone, and are called at this port. */
static uint16_t wol_port;

/* --- instead of corosync --- */

const struct drover_replica *drover_cluster_replica(const struct drover_cluster *cluster)
{
	return &replica;
}

bool drover_cluster_leads(const struct drover_cluster *cluster)
{
	return true;
}

int drover_cluster_weigh(struct drover_cluster *cluster, uint32_t node, uint32_t votes,
			 uint32_t expected, struct drover_err *err)
{
	size_t at = strlen(weighed);

	if (at < sizeof(weighed) - 1)
		snprintf(weighed + at, sizeof(weighed) - at, "%u=%u/%u ", node, votes, expected);
	return ++weighings == refuse_at ? drover_err_set(err, EIO, "corosync says no") : 0;
}

void drover_cluster_step_down(struct drover_cluster *cluster)
{
	stepped_down = true;
}

int drover_cluster_set(struct drover_cluster *cluster, const char *key, const void *value,
		       size_t len, uint64_t revision, drover_cluster_done done, void *data,
		       struct drover_err *err)
{
	Drover__ClusterOp op = DROVER__CLUSTER_OP__INIT;
	Drover__ClusterSet set = DROVER__CLUSTER_SET__INIT;

	op.what_case = DROVER__CLUSTER_OP__WHAT_SET;
	op.set = &set;
	set.key = (char *)key;
	set.remove = !value;
	set.value.data = (uint8_t *)value;
	set.value.len = value ? len : 0;
	return drover_store_apply(&replica.store, &op, 1, NULL, err);
}

int drover_cluster_open(sd_event *event, const char *host, uint32_t node, const char *path,
			const struct drover_cluster_events *events,
			struct drover_cluster **ret_cluster, struct drover_err *err)
{
	return -EOPNOTSUPP;
}

void drover_cluster_close(struct drover_cluster *cluster)
{
}

/* --- instead of files in /etc/drover/power --- */

int drover_power_load(const char *dir, const char *name, struct drover_power_host *ret_host,
		      struct drover_err *err)
{
	*ret_host = (struct drover_power_host){0};
	if (unreadable)
		return drover_err_set(err, unreadable, "%s.conf cannot be read", name);
	snprintf(ret_host->name, sizeof(ret_host->name), "%s", name);
	if (wol_port)
		ret_host->ways[ret_host->count++] = (struct drover_power_access){
			.ops = &drover_power_wol, .address = "127.0.0.1", .port = wol_port};
	else
		drover_power_fake_add(ret_host, &machine);
	return 0;
}

void drover_power_forget(struct drover_power_host *host)
{
}

/* --- instead of a thread: its end is not waited for elsewhere, and a test has one --- */

int drover_thread_detached(void *(*fn)(void *), void *data, struct drover_err *err)
{
	fn(data);
	return 0;
}

/* --- the cluster of the test --- */

/* Its members, the leader first: their numbers, each with a vote. */
static void members(size_t count, const uint32_t *numbers)
{
	static struct drover_store_member list[4];
	struct drover_bus_view *v = &replica.view;

	v->count = v->total = v->expected = count;
	for (size_t i = 0; i < count; i++) {
		list[i] = (struct drover_store_member){.node = numbers[i], .client = numbers[i]};
		snprintf(list[i].host, sizeof(list[i].host), "host%u", numbers[i]);
		v->members[i] = (struct drover_bus_member){.node = numbers[i], .votes = 1};
	}
	replica.store.members = list;
	replica.store.member_count = count;
}

#define MEMBERS(...)                                                                               \
	members(sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), (uint32_t[]){__VA_ARGS__})

static int setup(void **state)
{
	agent = calloc(1, sizeof(*agent));
	if (!agent || sd_event_new(&agent->event) < 0)
		return -1;
	replica = (struct drover_replica){.phase = DROVER_REPLICA_ACTIVE, .node = 1};
	machine = (struct drover_power_fake){.state = DROVER_POWER_ON};
	weighed[0] = '\0';
	weighings = refuse_at = 0;
	unreadable = wol_port = 0;
	stepped_down = false;
	agent->cluster = (struct drover_cluster *)&replica;
	agent->drs = calloc(1, sizeof(*agent->drs));
	strcpy(agent->conf.host, "host1");
	for (uint32_t i = 0; i < 2; i++) {
		struct drover_peer_conf *peer = &agent->conf.peers[agent->conf.peer_count++];

		snprintf(peer->name, sizeof(peer->name), "host%u", i + 2);
		strcpy(peer->address, "127.0.0.1");
		peer->port = 1;
	}
	MEMBERS(1, 2, 3);
	if (!agent->drs || drover_calls_create(agent->event, &agent->calls, NULL) < 0)
		return -1;
	if (drover_sleep_open(agent, NULL) < 0)
		return -1;
	/* Tests take the steps. */
	sd_event_source_set_enabled(agent->sleep->timer, SD_EVENT_OFF);
	drover_sleep_phase(agent);
	return agent->sleep->history ? 0 : -1;
}

static int teardown(void **state)
{
	struct drover_drs_said *said;

	/* As if another one led. */
	agent->alone = true;
	drover_sleep_phase(agent);
	sd_event_source_disable_unref(agent->sleep->timer);
	free(agent->sleep);
	while ((said = agent->drs->said)) {
		agent->drs->said = said->next;
		drover__host_reply__free_unpacked(said->reply, NULL);
		free(said);
	}
	free(agent->drs);
	replica.store.members = NULL;
	drover_store_clear(&replica.store);
	drover_calls_destroy(agent->calls);
	sd_event_unref(agent->event);
	free(agent);
	return 0;
}

/* --- what tests say --- */

static const Drover__SleepRecord *kept(const char *host)
{
	return drover_sleep_find(agent, host);
}

/* One step, and what it has begun to its end. */
static void step(const char *host)
{
	struct sleeper *s = sleeper_find(agent, host);

	assert_non_null(s);
	sleeper_step(s);
	while (sd_event_run(agent->event, 0) > 0)
		;
	s = sleeper_find(agent, host);
	assert_true(!s || !s->busy);
}

/* It has been in its state for so long. */
static void pass(const char *host, uint64_t seconds)
{
	sleeper_find(agent, host)->entered_us -= seconds * SECOND_US;
}

/* A host that was put to sleep before the test. */
static struct sleeper *sleeps(const char *host, Drover__SleepRecord__State state)
{
	Drover__SleepRecord *r = malloc(sizeof(*r));
	struct sleeper *s;

	assert_non_null(r);
	drover__sleep_record__init(r);
	drover_shared_text(&r->host, host);
	r->begun_us = drover_clock_realtime();
	r->node = host[4] - '0';
	s = sleeper_add(agent, r);
	assert_non_null(s);
	sleeper_enter(s, state);
	return s;
}

static int wake(const char *host, struct drover_err *err)
{
	return drover_sleep_wake(agent, host, true, "it was asked for", err);
}

/* --- lost hosts --- */

/* It is only cut off from the others, and runs VMs. */
static void lost_host_keeps_its_power(void **state)
{
	MEMBERS(1, 3);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(wake("host2", NULL), 0);
		assert_true(kept("host2")->lost);
		step("host2");
		assert_int_equal(kept("host2")->state, BOOTING);
		pass("host2", 301);
		step("host2");
		assert_int_equal(kept("host2")->state, FAILED);
		assert_non_null(strstr(kept("host2")->error, "VMs may run there"));
	}
	assert_int_equal(machine.state, DROVER_POWER_ON);
	assert_int_equal(machine.asked, 0);
}

/* It was off, so nothing runs there: it may be turned off and on once more. */
static void lost_host_that_was_off(void **state)
{
	MEMBERS(1, 3);
	machine.state = DROVER_POWER_OFF;
	assert_int_equal(wake("host2", NULL), 0);
	step("host2");
	assert_int_equal(machine.state, DROVER_POWER_ON);
	assert_false(kept("host2")->lost);
	pass("host2", 301);
	step("host2");
	assert_int_equal(machine.state, DROVER_POWER_OFF);
	assert_int_equal(machine.how, DROVER_POWER_AT_ONCE);
	assert_int_equal(kept("host2")->state, WAKING);
}

/* Somebody has mended it, and it has power: it is turned off and on. */
static void failed_wake_again(void **state)
{
	MEMBERS(1, 3);
	sleeps("host2", FAILED)->r->cut = true;
	assert_int_equal(wake("host2", NULL), 0);
	step("host2");
	pass("host2", 301);
	step("host2");
	assert_int_equal(machine.state, DROVER_POWER_OFF);
	step("host2");
	assert_int_equal(machine.state, DROVER_POWER_ON);
	assert_int_equal(kept("host2")->state, BOOTING);
}

/* It does not say how it is doing, but it is there. */
static void member_keeps_its_power(void **state)
{
	sleeps("host2", BOOTING);
	pass("host2", 301);
	step("host2");
	assert_int_equal(kept("host2")->state, FAILED);
	assert_non_null(strstr(kept("host2")->error, "in the cluster again"));
	assert_int_equal(machine.state, DROVER_POWER_ON);
	step("host2");
	assert_null(kept("host2"));
}

/* --- votes --- */

static const char *last_words(void)
{
	const Drover__PowerHistory *h = drover_sleep_history(agent);

	return h->n_events ? h->events[h->n_events - 1]->text : "";
}

/* It leaves once its vote is taken; nobody answers there, so it stays after two tries. */
static void vote_is_taken_first(void **state)
{
	sleeps("host3", LEAVING)->looked = true;
	for (int i = 0; i < 4 && kept("host3"); i++)
		step("host3");
	assert_null(kept("host3"));
	assert_memory_equal(weighed, "3=0/2 ", 6);
}

static void vote_that_cannot_be_taken(void **state)
{
	refuse_at = 1;
	sleeps("host3", LEAVING)->looked = true;
	step("host3");
	assert_null(kept("host3"));
	assert_string_equal(last_words(),
			    "the others would have no quorum without it: corosync says no");
	assert_string_equal(weighed, "3=0/2 3=1/3 ");
}

/* The one that stays behind has got the vote, and then it cannot be taken: back to where it was. */
static void vote_that_was_inherited(void **state)
{
	MEMBERS(1, 2);
	refuse_at = 2;
	sleeps("host2", LEAVING)->looked = true;
	step("host2");
	assert_null(kept("host2"));
	assert_string_equal(weighed, "1=2/3 2=0/2 2=1/3 1=1/2 ");
}

static void leader_whose_vote_cannot_be_taken(void **state)
{
	refuse_at = 1;
	sleeps("host1", LEAVING);
	step("host1");
	assert_null(kept("host1"));
	assert_false(stepped_down);
}

static void leader_hands_over(void **state)
{
	sleeps("host1", LEAVING);
	step("host1");
	assert_true(stepped_down);
	assert_int_equal(kept("host1")->state, LEAVING);
	assert_string_equal(weighed, "1=0/2 ");
}

/* --- out of the cluster, and off --- */

static Drover__SleepRecord *in_store(const char *host)
{
	return drover_shared_get(agent, DROVER_SHARED_SLEEP, host,
				 &drover__sleep_record__descriptor);
}

static void lost_before_it_was_told(void **state)
{
	MEMBERS(1, 2);
	sleeps("host3", LEAVING);
	/* It may be one that led until now, and comes back as the youngest member. */
	step("host3");
	assert_int_equal(kept("host3")->state, LEAVING);
	pass("host3", 31);
	step("host3");
	assert_null(kept("host3"));
	assert_string_equal(last_words(), "it was lost before it was told to leave");
}

static void left_when_the_leader_was_lost(void **state)
{
	MEMBERS(1, 2);
	sleeps("host3", LEAVING)->r->told_us = drover_clock_realtime();
	step("host3");
	assert_int_equal(kept("host3")->state, STOPPING);
	/* Whether it heard the order nobody knows: it is not cut off unless it says that it is empty. */
	assert_int_equal(kept("host3")->told_us, 0);
}

/* All members know of the order before it is given. */
static void order_is_kept_first(void **state)
{
	struct sleeper *s = sleeps("host3", LEAVING);
	Drover__SleepRecord *r;

	s->looked = true;
	sleeper_step(s);
	assert_false(s->busy);
	r = in_store("host3");
	assert_int_equal(r->state, LEAVING);
	assert_true(r->told_us > 0);
	drover__sleep_record__free_unpacked(r, NULL);
	step("host3");
	assert_int_equal(kept("host3")->tries, 1);
}

static struct sleeper *stops(uint64_t told_s_ago)
{
	struct sleeper *s = sleeps("host3", STOPPING);

	s->r->told_us = drover_clock_realtime() - told_s_ago * SECOND_US;
	return s;
}

/* It was empty, and does not shut down. */
static void cut_after_it_was_told(void **state)
{
	MEMBERS(1, 2);
	stops(310);
	step("host3");
	assert_int_equal(kept("host3")->tries, 1);
	assert_int_equal(machine.state, DROVER_POWER_ON);
	step("host3");
	assert_int_equal(kept("host3")->state, ASLEEP);
	assert_int_equal(machine.how, DROVER_POWER_AT_ONCE);
}

/* It has lost its patience since, and is out of reach: nobody knows what runs there. */
static void not_cut_long_after(void **state)
{
	MEMBERS(1, 2);
	stops(430);
	step("host3");
	step("host3");
	assert_int_equal(kept("host3")->state, FAILED);
	assert_true(kept("host3")->lost);
	assert_int_equal(machine.asked, 0);
}

/* As the clock has it, it is to be told in an hour. */
static void not_cut_when_the_clock_was_put_back(void **state)
{
	MEMBERS(1, 2);
	stops(0)->r->told_us += 3600 * SECOND_US;
	step("host3");
	step("host3");
	assert_int_equal(kept("host3")->state, FAILED);
	assert_int_equal(machine.asked, 0);
}

/* It leaves a moment after it was told; then it is turned off. */
static void leaves_in_a_moment(void **state)
{
	stops(0);
	step("host3");
	assert_int_equal(kept("host3")->state, STOPPING);
	assert_int_equal(machine.calls, 0);
	MEMBERS(1, 2);
	step("host3");
	assert_true(machine.calls > 0);
}

static void does_not_leave(void **state)
{
	stops(0);
	pass("host3", 31);
	step("host3");
	assert_int_equal(kept("host3")->state, FAILED);
	assert_non_null(strstr(kept("host3")->error, "is there still"));
	assert_int_equal(machine.calls, 0);
}

static void comes_back_before_it_is_off(void **state)
{
	stops(0)->left = true;
	step("host3");
	assert_int_equal(kept("host3")->state, FAILED);
	assert_non_null(strstr(kept("host3")->error, "it came back"));
	assert_int_equal(machine.calls, 0);
	step("host3");
	assert_null(kept("host3"));
}

/* A leader that comes late to a host that was to boot. */
static void booted_long_ago(void **state)
{
	MEMBERS(1, 2);
	sleeps("host3", BOOTING)->r->since_us -= 3600 * SECOND_US;
	pass("host3", 301);
	step("host3");
	assert_int_equal(kept("host3")->state, FAILED);
	assert_int_equal(machine.asked, 0);
}

/* --- the last one --- */

static void last_one_is_not_asked(void **state)
{
	struct drover_err err = {0};

	MEMBERS(1);
	assert_int_equal(drover_sleep_begin(agent, "host1", false, true, "", &err), -EPERM);
	assert_string_equal(err.text, "host host1 is the last one that is on");
}

/* Who is on its way to sleep is no other one; who is there, and could not be turned off, is. */
static void sleepers_are_no_others(void **state)
{
	sleeps("host2", LEAVING);
	sleeps("host3", EMPTYING);
	assert_int_equal(drover_sleep_begin(agent, "host1", false, true, "", NULL), -EPERM);
	sleeper_find(agent, "host3")->r->state = FAILED;
	assert_int_equal(drover_sleep_begin(agent, "host1", false, true, "", NULL), 0);
	assert_int_equal(kept("host1")->state, EMPTYING);
}

/* All others were lost while it was being emptied. */
static void last_one_stays(void **state)
{
	MEMBERS(1);
	sleeps("host1", LEAVING);
	step("host1");
	assert_null(kept("host1"));
	assert_string_equal(last_words(), "it is the last one that is on");
	assert_string_equal(weighed, "");
	assert_false(stepped_down);
}

/* As many at a time as corosync takes. */
static void votes_come_back(void **state)
{
	struct sleeper *s = sleeps("host2", BOOTING);

	MEMBERS(1, 2);
	replica.view.members[0].votes = 3;
	replica.view.total = 4;
	sleeper_give_votes(s);
	assert_string_equal(weighed, "1=2/3 1=1/2 ");
	weighed[0] = '\0';
	MEMBERS(1, 2, 3);
	replica.view.members[0].votes = 3;
	replica.view.total = 5;
	sleeper_give_votes(s);
	assert_string_equal(weighed, "1=1/3 ");
}

/* Not as often as there are votes: there may be far too many. */
static void votes_that_were_doubled(void **state)
{
	MEMBERS(1, 2);
	replica.view.members[0].votes = 1 << 30;
	replica.view.total = (1 << 30) + 1;
	sleeper_give_votes(sleeps("host2", BOOTING));
	assert_true(weighings < 40);
	assert_non_null(strstr(weighed, "1=536870912/"));
}

/* What corosync refuses once is not asked for a million times. */
static void votes_that_stay(void **state)
{
	MEMBERS(1, 2);
	replica.view.members[0].votes = 3;
	replica.view.total = 4;
	refuse_at = 1;
	sleeper_give_votes(sleeps("host2", BOOTING));
	assert_int_equal(weighings, 1);
}

/* --- files that cannot be read --- */

static void unreadable_does_not_leave(void **state)
{
	unreadable = EACCES;
	sleeps("host3", LEAVING);
	step("host3");
	assert_null(kept("host3"));
	assert_string_equal(last_words(), "host3.conf cannot be read");
	assert_string_equal(weighed, "");
}

/* It is not taken for a host that turns itself off, and that silence shows to be off. */
static void unreadable_waits_for_the_end(void **state)
{
	MEMBERS(1, 2);
	unreadable = EACCES;
	stops(0);
	pass("host3", 1000);
	for (int i = 0; i < 20; i++)
		step("host3");
	assert_int_equal(kept("host3")->state, STOPPING);
	unreadable = 0;
	step("host3");
	step("host3");
	assert_int_equal(kept("host3")->state, ASLEEP);
	assert_string_equal(kept("host3")->driver, "fake1");
}

static void unreadable_waits_for_the_boot(void **state)
{
	MEMBERS(1, 2);
	unreadable = EACCES;
	sleeps("host3", BOOTING);
	pass("host3", 301);
	step("host3");
	assert_int_equal(kept("host3")->state, BOOTING);
	pass("host3", 7000);
	step("host3");
	assert_int_equal(kept("host3")->state, FAILED);
	assert_int_equal(machine.calls, 0);
}

/* --- whose votes must not be counted anew --- */

static void sleepers_keep_the_cluster_as_it_is(void **state)
{
	struct drover_err err = {0};

	assert_int_equal(drover_sleep_check_awake(agent, &err), 0);
	sleeps("host9", ASLEEP);
	assert_int_equal(drover_sleep_check_awake(agent, &err), 0);
	sleeps("host3", ASLEEP);
	/* A member that does not lead is asked, too. */
	agent->alone = true;
	drover_sleep_phase(agent);
	assert_int_equal(drover_sleep_check_awake(agent, &err), -EBUSY);
	assert_non_null(strstr(err.text, "host standby host3 off"));
}

/* --- maintenance --- */

static enum drover_drs_host_state seen_as(const char *host)
{
	enum drover_drs_host_state state = DROVER_DRS_HOST_UP;
	struct drover_drs_facts f;
	bool found = false;

	assert_int_equal(drover_drs_facts(agent, &f, NULL), 0);
	for (size_t i = 0; i < f.report_count; i++) {
		if (strcmp(f.reports[i].host, host))
			continue;
		found = true;
		state = f.reports[i].state;
	}
	drover_drs_facts_free(&f);
	assert_true(found);
	return state;
}

/* A host in maintenance is not woken by itself, wherever it was when that began. */
static void sleeper_in_maintenance(void **state)
{
	Drover__HostRecord host = DROVER__HOST_RECORD__INIT;
	Drover__MaintenanceRecord m = DROVER__MAINTENANCE_RECORD__INIT;

	MEMBERS(1, 2);
	host.name = m.host = (char *)"host3";
	drover_shared_set(agent, DROVER_SHARED_HOST, "host3", &host.base, NULL, NULL, NULL);
	sleeps("host3", ASLEEP);
	assert_int_equal(seen_as("host3"), DROVER_DRS_HOST_STANDBY);
	drover_shared_set(agent, DROVER_SHARED_MAINTENANCE, "host3", &m.base, NULL, NULL, NULL);
	assert_int_equal(seen_as("host3"), DROVER_DRS_HOST_DOWN);
	drover_shared_set(agent, DROVER_SHARED_MAINTENANCE, "host3", NULL, NULL, NULL, NULL);
	assert_int_equal(seen_as("host3"), DROVER_DRS_HOST_STANDBY);
}

/* --- without a BMC --- */

/* The agent of host3, as far as it is needed: it says once that it is there. */
static void *run_agent(void *data)
{
	int *listener = data;
	struct drover_conf conf;
	struct drover_peer *peer = NULL;
	Drover__Hello *hello = NULL;
	Drover__HostReply reply = DROVER__HOST_REPLY__INIT;
	Drover__HostInfo info = DROVER__HOST_INFO__INIT;
	enum drover_frame_type type;
	uint8_t *body = NULL;
	size_t len;

	loop_conf(&conf, "host3", "host1");
	reply.host = &info;
	if (drover_peer_accept(&conf, accept(*listener, NULL, NULL), &peer, &hello, NULL) < 0)
		return NULL;
	drover__hello__free_unpacked(hello, NULL);
	if (drover_peer_recv(peer, &type, &body, &len, NULL) == 0)
		drover_peer_send(peer, DROVER_FRAME_HOST_REPLY, &reply.base, 0, NULL);
	free(body);
	drover_peer_close(peer);
	return NULL;
}

static void step_and_answer(const char *host)
{
	struct drover_peer_conf *peer = &agent->conf.peers[1];
	pthread_t thread;
	int listener = loop_listen(&peer->port);

	assert_int_equal(pthread_create(&thread, NULL, run_agent, &listener), 0);
	step(host);
	pthread_join(thread, NULL);
	close(listener);
	peer->port = 1;
}

static void off_by_silence(void **state)
{
	MEMBERS(1, 2);
	wol_port = 9;
	stops(0);
	for (int i = 0; i < 40; i++)
		step("host3");
	assert_int_equal(kept("host3")->state, STOPPING);
	assert_true(sleeper_find(agent, "host3")->silent_us > 0);
	sleeper_find(agent, "host3")->silent_us -= 59 * SECOND_US;
	step("host3");
	assert_int_equal(kept("host3")->state, STOPPING);
	sleeper_find(agent, "host3")->silent_us -= SECOND_US;
	step("host3");
	assert_int_equal(kept("host3")->state, ASLEEP);
	assert_string_equal(kept("host3")->driver, "wol");
}

/* Out of the cluster, and not off. */
static void not_off_while_it_answers(void **state)
{
	MEMBERS(1, 2);
	wol_port = 9;
	stops(0);
	step("host3");
	sleeper_find(agent, "host3")->silent_us -= 59 * SECOND_US;
	step_and_answer("host3");
	assert_int_equal(sleeper_find(agent, "host3")->silent_us, 0);
	pass("host3", 181);
	step("host3");
	assert_int_equal(kept("host3")->state, FAILED);
	assert_non_null(strstr(kept("host3")->error, "is there still"));
}

/* Silent since a moment ago: the rest of the silence is waited for. */
static void silent_late(void **state)
{
	MEMBERS(1, 2);
	wol_port = 9;
	stops(0);
	step("host3");
	pass("host3", 181);
	step("host3");
	assert_int_equal(kept("host3")->state, STOPPING);
}

static unsigned int packets(int fd)
{
	char packet[128];
	unsigned int n = 0;

	while (recv(fd, packet, sizeof(packet), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

static void called_again(void **state)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	wol_port = ntohs(sa.sin_port);
	MEMBERS(1, 2);
	sleeps("host3", WAKING);
	step("host3");
	assert_int_equal(kept("host3")->state, BOOTING);
	assert_int_equal(packets(fd), 3);
	step("host3");
	assert_int_equal(packets(fd), 0);
	sleeper_find(agent, "host3")->called_us -= 20 * SECOND_US;
	step("host3");
	assert_int_equal(packets(fd), 3);
	step("host3");
	assert_int_equal(packets(fd), 0);
	/* It is there, and has not said how it is doing yet. */
	MEMBERS(1, 2, 3);
	sleeper_find(agent, "host3")->called_us -= 20 * SECOND_US;
	step("host3");
	assert_int_equal(packets(fd), 0);
	close(fd);
}

/* --- clocks --- */

/* Says how it is doing: it is awake. */
static void speak(const char *host)
{
	struct drover_drs_said *said = drover_drs_said(agent->drs, host);

	if (!said) {
		Drover__HostReply *reply = malloc(sizeof(*reply));
		Drover__HostInfo *info = malloc(sizeof(*info));

		assert_true(reply && info);
		drover__host_reply__init(reply);
		drover__host_info__init(info);
		reply->host = info;
		drover_drs_hear(agent->drs, host, reply);
		said = drover_drs_said(agent->drs, host);
	}
	said->when_us = drover_clock_monotonic() + SECOND_US;
}

static uint32_t learned_wake_s(const char *host)
{
	Drover__PowerRecord *r = drover_shared_get(agent, DROVER_SHARED_POWER, host,
						   &drover__power_record__descriptor);
	uint32_t wake_s = r->wake_s;

	drover__power_record__free_unpacked(r, NULL);
	return wake_s;
}

static void wakes(uint64_t seconds_ago)
{
	sleeps("host3", BOOTING)->r->begun_us -= seconds_ago * SECOND_US;
	speak("host3");
	step("host3");
	assert_null(kept("host3"));
}

static void time_to_wake(void **state)
{
	const Drover__PowerHistory *h = drover_sleep_history(agent);

	wakes(90);
	assert_in_range(learned_wake_s("host3"), 90, 95);
	/* The clock was put back, and forward. */
	wakes(-UINT64_C(600));
	assert_int_equal(learned_wake_s("host3"), 0);
	assert_int_equal(h->events[h->n_events - 1]->took_us, 0);
	wakes(UINT64_C(1) << 30);
	assert_int_equal(learned_wake_s("host3"), 3600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lost_host_keeps_its_power, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_host_that_was_off, setup, teardown),
		cmocka_unit_test_setup_teardown(failed_wake_again, setup, teardown),
		cmocka_unit_test_setup_teardown(member_keeps_its_power, setup, teardown),
		cmocka_unit_test_setup_teardown(vote_is_taken_first, setup, teardown),
		cmocka_unit_test_setup_teardown(vote_that_cannot_be_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(vote_that_was_inherited, setup, teardown),
		cmocka_unit_test_setup_teardown(leader_whose_vote_cannot_be_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(leader_hands_over, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_before_it_was_told, setup, teardown),
		cmocka_unit_test_setup_teardown(left_when_the_leader_was_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(order_is_kept_first, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_after_it_was_told, setup, teardown),
		cmocka_unit_test_setup_teardown(not_cut_long_after, setup, teardown),
		cmocka_unit_test_setup_teardown(not_cut_when_the_clock_was_put_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(leaves_in_a_moment, setup, teardown),
		cmocka_unit_test_setup_teardown(does_not_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(comes_back_before_it_is_off, setup, teardown),
		cmocka_unit_test_setup_teardown(booted_long_ago, setup, teardown),
		cmocka_unit_test_setup_teardown(last_one_is_not_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(sleepers_are_no_others, setup, teardown),
		cmocka_unit_test_setup_teardown(last_one_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(votes_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(votes_that_were_doubled, setup, teardown),
		cmocka_unit_test_setup_teardown(votes_that_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(sleeper_in_maintenance, setup, teardown),
		cmocka_unit_test_setup_teardown(unreadable_does_not_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(unreadable_waits_for_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(unreadable_waits_for_the_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(time_to_wake, setup, teardown),
		cmocka_unit_test_setup_teardown(off_by_silence, setup, teardown),
		cmocka_unit_test_setup_teardown(not_off_while_it_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(silent_late, setup, teardown),
		cmocka_unit_test_setup_teardown(called_again, setup, teardown),
		cmocka_unit_test_setup_teardown(sleepers_keep_the_cluster_as_it_is, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
