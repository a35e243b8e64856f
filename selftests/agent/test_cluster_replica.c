// SPDX-License-Identifier: GPL-2.0-or-later
/* The shared state of several hosts that are cut apart, die, hang and come back. */
#include "cluster_bus.h"

static int teardown(void **state)
{
	bus_close();
	return 0;
}

static void cut(int a, int b, int c, int d, int e, unsigned int lucky)
{
	const int sides[HOSTS] = { a, b, c, d, e };

	bus_split(sides, lucky);
	bus_run();
}

static void heal(void)
{
	cut(0, 0, 0, 0, 0, 0);
}

static void assert_same(int from, int to)
{
	for (int i = from; i <= to; i++) {
		assert_true(bus_active(i));
		assert_int_equal(drover_store_digest(&bus.host[i].replica.store),
				 drover_store_digest(&bus.host[from].replica.store));
	}
}

static void one_host_is_enough(void **state)
{
	bus_open(1);
	assert_true(bus_active(0));
	assert_int_equal(bus_leader(), 0);
	assert_int_equal(bus_set(0, "k", "v"), 0);
	bus_run();
	assert_string_equal(bus_get(0, "k"), "v");
	assert_int_equal(bus.host[0].done_sequence, 1);
	assert_int_equal(bus.host[0].result, 0);
}

static void all_have_what_one_says(void **state)
{
	bus_open(3);
	assert_same(0, 2);
	assert_int_equal(bus_leader(), 0);
	assert_int_equal(bus_set(0, "k", "from 1"), 0);
	assert_int_equal(bus_set(2, "k", "from 3"), 0);
	assert_int_equal(bus_set(1, "l", "from 2"), 0);
	bus_run();
	assert_same(0, 2);
	assert_string_equal(bus_get(1, "k"), "from 3");
	assert_string_equal(bus_get(0, "l"), "from 2");
	for (int i = 0; i < 3; i++)
		assert_int_equal(bus.host[i].told, 3);
}

static void the_oldest_leads_and_the_next_follows(void **state)
{
	bus_open(3);
	assert_int_equal(bus_leader(), 0);
	bus_power_off(0);
	bus_views();
	bus_run();
	assert_int_equal(bus_leader(), 1);
	bus_agent(0);
	bus_views();
	bus_run();
	/* It is the youngest now. */
	assert_int_equal(bus_leader(), 1);
	bus_power_off(1);
	bus_views();
	bus_run();
	assert_int_equal(bus_leader(), 2);
}

static void an_agent_that_dies_alone_is_replaced_too(void **state)
{
	bus_open(3);
	bus_kill(0);
	bus_view(0);
	bus_run();
	assert_int_equal(bus_leader(), 1);
	bus_agent(0);
	bus_view(0);
	bus_run();
	assert_int_equal(bus_leader(), 1);
	assert_same(0, 2);
}

static void a_minority_does_nothing(void **state)
{
	bus_open(3);
	bus_set(0, "k", "before");
	bus_run();
	cut(1, 0, 0, 0, 0, 0);
	assert_false(bus_active(0));
	assert_int_equal(bus.host[0].replica.phase, DROVER_REPLICA_NO_QUORUM);
	assert_int_equal(bus_set(0, "k", "minority"), -EAGAIN);
	assert_int_equal(bus_lock(0, "vm/web"), -EAGAIN);
	assert_int_equal(bus_leader(), 1);
	assert_int_equal(bus_set(1, "k", "majority"), 0);
	bus_run();
	assert_string_equal(bus_get(0, "k"), "before");
	heal();
	assert_same(0, 2);
	assert_string_equal(bus_get(0, "k"), "majority");
	assert_int_equal(bus_leader(), 1);
}

static void agents_must_be_there_not_only_hosts(void **state)
{
	bus_open(3);
	bus_kill(0);
	bus_kill(1);
	bus_view(0);
	bus_run();
	/* All three hosts are in the ring, but two of them keep no state. */
	assert_int_equal(bus.host[2].replica.phase, DROVER_REPLICA_NO_QUORUM);
	bus_agent(0);
	bus_view(0);
	bus_run();
	assert_true(bus_active(2));
	assert_int_equal(bus_leader(), 2);
}

static void what_only_the_minority_took_is_undone(void **state)
{
	uint32_t told;

	bus_open(3);
	bus_set(0, "k", "first");
	bus_run();
	/* The message reaches nobody but its sender, who is being cut off. */
	bus_set(0, "k", "lost");
	cut(1, 0, 0, 0, 0, 1U << 1);
	assert_string_equal(bus_get(0, "k"), "lost");
	assert_string_equal(bus_get(1, "k"), "first");
	bus_set(1, "k2", "second");
	bus_run();
	told = bus.host[0].told;
	heal();
	assert_same(0, 2);
	assert_string_equal(bus_get(0, "k"), "first");
	assert_string_equal(bus_get(0, "k2"), "second");
	assert_int_equal(bus.host[0].told, told + 2);
}

static void what_the_majority_took_stays(void **state)
{
	bus_open(3);
	bus_set(0, "k", "kept");
	/* The sender does not see it come back. */
	cut(1, 0, 0, 0, 0, 1U << 0);
	assert_int_equal(bus.host[0].done_sequence, 0);
	assert_string_equal(bus_get(2, "k"), "kept");
	heal();
	assert_string_equal(bus_get(0, "k"), "kept");
	/* It sends it again, as nobody told it: nothing is different. */
	bus_set(0, "k", "kept");
	bus_run();
	assert_same(0, 2);
	assert_string_equal(bus_get(1, "k"), "kept");
}

static void all_in_minorities_then_together(void **state)
{
	bus_open(5);
	bus_set(0, "k", "v");
	bus_run();
	cut(0, 0, 1, 1, 2, 0);
	for (int i = 0; i < 5; i++)
		assert_false(bus_active(i));
	assert_int_equal(bus_leader(), -1);
	cut(0, 0, 0, 1, 1, 0);
	assert_same(0, 2);
	assert_int_equal(bus_leader(), 0);
	assert_false(bus_active(3));
	heal();
	assert_same(0, 4);
}

static void a_joiner_gets_it_all(void **state)
{
	char key[16];
	uint8_t *value = malloc(50001);

	bus_open(3);
	bus_power_off(2);
	free(bus.host[2].disk);
	bus.host[2].disk = NULL;
	bus_views();
	bus_run();
	memset(value, 'v', 50000);
	value[50000] = '\0';
	/* More than fits into one message. */
	for (int i = 0; i < 30; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(bus_set(0, key, (char *)value), 0);
		bus_run();
	}
	bus_agent(2);
	bus_views();
	bus_run();
	assert_same(0, 2);
	assert_int_equal(bus.host[2].replica.store.entry_count, 30);
	assert_int_equal(bus.host[2].told, 30);
	free(value);
}

static void a_lock_has_one_holder_everywhere(void **state)
{
	bus_open(3);
	assert_int_equal(bus_lock(1, "vm/web"), 0);
	assert_int_equal(bus_lock(2, "vm/web"), 0);
	bus_run();
	assert_int_equal(bus.host[1].result, 0);
	assert_int_equal(bus.host[2].result, -EBUSY);
	for (int i = 0; i < 3; i++)
		assert_int_equal(drover_store_holder(&bus.host[i].replica.store, "vm/web"),
				 bus.host[1].replica.client);
	bus_kill(1);
	bus_view(0);
	bus_run();
	assert_int_equal(drover_store_holder(&bus.host[2].replica.store, "vm/web"), 0);
	bus_lock(2, "vm/web");
	bus_run();
	assert_int_equal(bus.host[2].result, 0);
}

static void a_lock_outlives_a_view_that_its_holder_is_in(void **state)
{
	bus_open(3);
	bus_lock(1, "vm/web");
	bus_run();
	bus_power_off(2);
	bus_views();
	bus_run();
	assert_int_equal(drover_store_holder(&bus.host[0].replica.store, "vm/web"),
			 bus.host[1].replica.client);
	/* Cut off, it loses the lock to the majority. */
	bus_agent(2);
	bus_views();
	bus_run();
	cut(0, 1, 0, 0, 0, 0);
	assert_int_equal(drover_store_holder(&bus.host[0].replica.store, "vm/web"), 0);
	heal();
	assert_int_equal(drover_store_holder(&bus.host[1].replica.store, "vm/web"), 0);
}

static void an_epoch_that_was_only_promised_does_not_win(void **state)
{
	bus_open(3);
	/* host1 takes a change that no other has; then all wait for a view. */
	bus_set(0, "tail", "lost");
	cut(0, 1, 2, 0, 0, 1U << 0);
	assert_string_equal(bus_get(0, "tail"), "lost");
	/* All come together. Before that view is active host1 is gone, having promised its epoch. */
	const int together[HOSTS] = { 0 };

	bus_split(together, 0);
	bus_step(&bus.host[1]);
	bus_step(&bus.host[2]);
	while (bus.host[0].replica.store.epoch < 2)
		assert_true(bus_step(&bus.host[0]));
	assert_int_equal(bus.host[1].replica.store.epoch, 1);
	cut(1, 0, 0, 0, 0, 0);
	assert_true(bus_active(1));
	bus_set(1, "k", "active");
	bus_run();
	assert_int_equal(bus.host[1].replica.store.version, bus.host[0].replica.store.version);
	heal();
	assert_same(0, 2);
	assert_string_equal(bus_get(0, "k"), "active");
}

static void active_only_once_all_have_kept_the_epoch(void **state)
{
	bus_open(3);
	bus_views();
	bus_step(&bus.host[1]);
	bus_step(&bus.host[2]);
	/* All that host1 can get while the others have not kept it: its own READY is the last. */
	while (bus_step(&bus.host[0]))
		;
	assert_int_equal(bus.host[0].replica.store.epoch, 2);
	assert_false(bus_active(0));
	while (bus_step(&bus.host[1]) || bus_step(&bus.host[0]))
		;
	assert_false(bus_active(0));
	bus_run();
	assert_same(0, 2);
}

static void a_silent_agent_is_expelled_and_comes_back(void **state)
{
	bus_open(3);
	bus.host[0].hung = true;
	bus_set(1, "k", "v");
	bus_time(DROVER_SILENCE_US + 2 * DROVER_BEAT_US);
	assert_true(bus_active(1));
	assert_true(bus_active(2));
	assert_true(drover_replica_leads(&bus.host[1].replica));
	assert_string_equal(bus_get(2, "k"), "v");
	/* It wakes up, and finds out. */
	bus.host[0].hung = false;
	bus_run();
	bus_time(2000000);
	assert_same(0, 2);
	assert_int_equal(bus_leader(), 1);
}

static void who_slept_himself_expels_nobody(void **state)
{
	bus_open(3);
	bus_time(3 * DROVER_BEAT_US);
	for (int i = 1; i < 3; i++)
		bus.host[i].hung = true;
	bus.now += 10 * DROVER_SILENCE_US;
	/* All three were stopped, for example with the machine that they are emulated on. */
	for (int i = 1; i < 3; i++)
		bus.host[i].hung = false;
	bus_time(4 * DROVER_BEAT_US);
	assert_same(0, 2);
	assert_int_equal(bus_leader(), 0);
	assert_int_equal(bus.host[0].replica.store.epoch, 1);
}

static void a_full_disk_keeps_its_host_out(void **state)
{
	bus_open(3);
	bus.host[1].disk_full = true;
	bus_power_off(2);
	bus_views();
	bus_run();
	assert_false(bus_active(1));
	assert_int_equal(bus.host[0].replica.phase, DROVER_REPLICA_NO_QUORUM);
	bus_agent(2);
	bus_views();
	bus_run();
	assert_true(bus_active(0));
	assert_true(bus_active(2));
	assert_false(bus_active(1));
	bus.host[1].disk_full = false;
	bus_run();
	assert_same(0, 2);
}

static void all_start_again_with_the_newest_state(void **state)
{
	bus_open(3);
	bus_set(0, "k", "old");
	bus_run();
	bus_power_off(0);
	bus_views();
	bus_run();
	bus_set(1, "k", "new");
	bus_run();
	bus_power_off(1);
	bus_power_off(2);
	/* host1 and host3 are back first, but the agent of host3 takes its time. */
	bus_agent(0);
	bus.host[2].up = true;
	bus_views();
	bus_run();
	assert_false(bus_active(0));
	bus_time(2000000);
	bus_agent(2);
	bus_view(0);
	bus_run();
	assert_true(bus_active(0));
	assert_string_equal(bus_get(0, "k"), "new");
}

static void nobody_is_waited_for_for_ever(void **state)
{
	bus_open(3);
	bus_power_off(0);
	bus_power_off(1);
	bus_power_off(2);
	bus_agent(0);
	bus_agent(1);
	bus.host[2].up = true;
	bus_views();
	bus_run();
	assert_false(bus_active(0));
	bus_time(DROVER_GRACE_US + 2000000);
	assert_same(0, 1);
}

/* --- what should never be on the wire --- */

/* --- hosts that sleep, whose votes those that are awake do not count --- */

static void only_two_are_awake(void)
{
	bus_open(5);
	for (int i = 0; i < 5; i++)
		bus.host[i].counts = i < 2 ? 2 : 5;
	for (int i = 2; i < 5; i++)
		bus_power_off(i);
	bus_views();
	bus_run();
	assert_same(0, 1);
}

/* It counts all hosts again, as its file says. */
static void comes(int i)
{
	bus.host[i].counts = 5;
	bus_agent(i);
	bus_views();
	bus_run();
}

static void one_of_two_comes_back(void **state)
{
	only_two_are_awake();
	bus_power_off(1);
	bus_views();
	bus_run();
	assert_false(bus_active(0));
	comes(1);
	bus_time(4000000);
	assert_int_equal(bus.host[0].replica.phase, DROVER_REPLICA_SYNCING);
	assert_int_equal(bus.host[1].replica.phase, DROVER_REPLICA_NO_QUORUM);
	bus_time(3000000);
	assert_same(0, 1);
}

/* Each of two that lost each other finds another one that wakes: neither has most of both. */
static void no_two_parts_wake_a_quorum(void **state)
{
	only_two_are_awake();
	cut(0, 1, 0, 1, 2, 0);
	comes(2);
	comes(3);
	bus_time(60000000);
	for (int i = 0; i < 4; i++)
		assert_false(bus_active(i));
	assert_int_equal(bus.host[0].replica.phase, DROVER_REPLICA_SYNCING);
	assert_int_equal(bus.host[1].replica.phase, DROVER_REPLICA_SYNCING);
	heal();
	bus_time(10000000);
	assert_same(0, 3);
}

/* Who was only started knows of no view that was active. */
static void started_since(void **state)
{
	only_two_are_awake();
	for (int i = 0; i < 2; i++)
		bus_kill(i);
	bus_agent(0);
	/* As drover_store_load() has it. */
	bus.host[0].replica.store.member_count = 0;
	bus_views();
	comes(1);
	bus_time(60000000);
	assert_false(bus_active(0));
}

static void inject(int to, int from, Drover__ClusterMessage *m)
{
	struct bus_event e = { .node = from + 1, .process = bus.host[from].process };

	m->version = m->version ? m->version : 1;
	m->client = bus.host[from].replica.client;
	e.len = drover__cluster_message__get_packed_size(m);
	e.data = malloc(e.len + 1);
	drover__cluster_message__pack(m, e.data);
	bus_push(&bus.host[to], &e);
	free(e.data);
	bus_run();
}

static void messages_of_other_views_are_ignored(void **state)
{
	Drover__ClusterMessage m = DROVER__CLUSTER_MESSAGE__INIT;
	Drover__ClusterPart part = DROVER__CLUSTER_PART__INIT;
	Drover__ClusterReady ready = DROVER__CLUSTER_READY__INIT;
	Drover__ClusterOp op = DROVER__CLUSTER_OP__INIT;
	Drover__ClusterExpel expel = DROVER__CLUSTER_EXPEL__INIT;
	uint32_t nodes[] = { 1, 2, 3 };
	uint64_t before;

	bus_open(3);
	before = drover_store_digest(&bus.host[0].replica.store);
	part.view = bus.host[0].replica.key - 2;
	part.last = true;
	m.what_case = DROVER__CLUSTER_MESSAGE__WHAT_PART;
	m.part = &part;
	inject(0, 1, &m);
	part.view = bus.host[0].replica.key;
	inject(0, 1, &m);
	ready.view = 5;
	m.what_case = DROVER__CLUSTER_MESSAGE__WHAT_READY;
	m.ready = &ready;
	inject(0, 1, &m);
	op.view = bus.host[0].replica.key ^ 4;
	op.what_case = DROVER__CLUSTER_OP__WHAT_LOCK;
	op.lock = (char *)"x";
	m.what_case = DROVER__CLUSTER_MESSAGE__WHAT_OP;
	m.op = &op;
	inject(0, 1, &m);
	expel.view = 1;
	expel.n_nodes = 3;
	expel.nodes = nodes;
	m.what_case = DROVER__CLUSTER_MESSAGE__WHAT_EXPEL;
	m.expel = &expel;
	inject(0, 1, &m);
	assert_true(bus_active(0));
	assert_int_equal(drover_store_digest(&bus.host[0].replica.store), before);
}

static void a_state_that_is_not_the_announced_one_is_refused(void **state)
{
	Drover__ClusterMessage m = DROVER__CLUSTER_MESSAGE__INIT;
	Drover__ClusterPart part = DROVER__CLUSTER_PART__INIT;
	struct drover_store wrong = { .version = 99 };
	struct bus_host *h;
	size_t len;

	bus_open(3);
	bus_set(0, "k", "v");
	bus_run();
	cut(0, 0, 1, 0, 0, 0);
	bus_set(0, "k", "w");
	bus_run();
	h = &bus.host[2];
	const int together[HOSTS] = { 0 };

	bus_split(together, 0);
	for (int i = 0; i < 10000 && !h->replica.source; i++)
		for (int j = 0; j < 3 && !h->replica.source; j++)
			bus_step(&bus.host[j]);
	assert_non_null(h->replica.source);
	bus_drop(h);
	part.view = h->replica.key;
	part.last = true;
	part.data.data = drover_store_pack(&wrong, &len);
	part.data.len = len;
	m.what_case = DROVER__CLUSTER_MESSAGE__WHAT_PART;
	m.part = &part;
	inject(2, h->replica.source->bus.node - 1, &m);
	free(part.data.data);
	/* It left, came back, and has the right one. */
	assert_same(0, 2);
	assert_string_equal(bus_get(2, "k"), "w");
}

static void garbage_is_ignored(void **state)
{
	Drover__ClusterMessage m = DROVER__CLUSTER_MESSAGE__INIT;
	struct bus_event e = { .node = 2, .process = 1, .len = 5, .data = (uint8_t *)"\xff\xff\xff\xff\xff" };

	bus_open(3);
	bus_push(&bus.host[0], &e);
	e.node = 77;
	bus_push(&bus.host[0], &e);
	m.version = 2;
	inject(0, 1, &m);
	m.version = 0;
	inject(0, 1, &m);
	assert_same(0, 2);
}

/* --- at random --- */

static uint32_t seed;

static uint32_t pick(uint32_t n)
{
	seed = seed * 1664525U + 1013904223U;
	return (seed >> 8) % n;
}

/* A change that all members of an active view have is never lost. */
static bool is_settled(const char *key)
{
	int have = 0;

	for (int i = 0; i < bus.hosts; i++) {
		if (!bus_active(i))
			continue;
		if (!drover_store_find(&bus.host[i].replica.store, key))
			return false;
		have++;
	}
	return have > bus.hosts / 2;
}

static void check_invariants(char settled[][16], int count)
{
	int first = -1;

	bus_leader();
	for (int i = 0; i < bus.hosts; i++) {
		if (!bus_active(i))
			continue;
		first = first < 0 ? i : first;
		assert_int_equal(drover_store_digest(&bus.host[i].replica.store),
				 drover_store_digest(&bus.host[first].replica.store));
	}
	for (int i = 0; first >= 0 && i < count; i++)
		assert_non_null(drover_store_find(&bus.host[first].replica.store, settled[i]));
}

static void shake(void)
{
	int sides[HOSTS];

	switch (pick(6)) {
	case 0:
		for (int i = 0; i < HOSTS; i++)
			sides[i] = pick(2);
		bus_split(sides, pick(4));
		break;
	case 1:
		for (int i = 0; i < HOSTS; i++)
			sides[i] = 0;
		bus_split(sides, 0);
		break;
	case 2: {
		int i = pick(bus.hosts);

		if (bus.host[i].agent)
			bus_kill(i);
		else
			bus_agent(i);
		bus_view(bus.host[i].side);
		break;
	}
	case 3:
		/* Some hosts come farther than others. */
		for (int n = pick(20); n; n--)
			bus_step(&bus.host[pick(bus.hosts)]);
		break;
	default:
		bus_run();
		bus_time(DROVER_GRACE_US + 1000000);
	}
}

static void at_random(uint32_t from, int *ret_settled)
{
	static char keys[400][16], settled[400][16];
	int count = 0;

	seed = from;
	bus_open(5);
	for (int n = 0; n < 400; n++) {
		int i = pick(5);

		snprintf(keys[n], sizeof(keys[n]), "key%d", n);
		if (bus_active(i))
			assert_int_equal(bus_set(i, keys[n], "v"), 0);
		shake();
		bool still = true;

		for (int h = 0; h < 5; h++)
			still = still && bus.host[h].first == bus.host[h].last;
		if (!still)
			continue;
		check_invariants(settled, count);
		if (is_settled(keys[n]))
			snprintf(settled[count++], sizeof(*settled), "%s", keys[n]);
	}
	for (int i = 0; i < 5; i++)
		if (!bus.host[i].agent)
			bus_agent(i);
	heal();
	bus_time(DROVER_GRACE_US + 1000000);
	assert_same(0, 4);
	check_invariants(settled, count);
	bus_close();
	*ret_settled += count;
}

static void nothing_is_lost_at_random(void **state)
{
	int settled = 0;

	for (uint32_t i = 1; i <= 40; i++)
		at_random(i, &settled);
	bus.hosts = 0;
	/* Else the test would have tested nothing. */
	assert_true(settled > 400);
}

int main(void)
{
#define test(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		test(one_host_is_enough),
		test(all_have_what_one_says),
		test(the_oldest_leads_and_the_next_follows),
		test(an_agent_that_dies_alone_is_replaced_too),
		test(a_minority_does_nothing),
		test(agents_must_be_there_not_only_hosts),
		test(what_only_the_minority_took_is_undone),
		test(what_the_majority_took_stays),
		test(all_in_minorities_then_together),
		test(a_joiner_gets_it_all),
		test(a_lock_has_one_holder_everywhere),
		test(a_lock_outlives_a_view_that_its_holder_is_in),
		test(an_epoch_that_was_only_promised_does_not_win),
		test(active_only_once_all_have_kept_the_epoch),
		test(a_silent_agent_is_expelled_and_comes_back),
		test(who_slept_himself_expels_nobody),
		test(a_full_disk_keeps_its_host_out),
		test(all_start_again_with_the_newest_state),
		test(nobody_is_waited_for_for_ever),
		test(one_of_two_comes_back),
		test(no_two_parts_wake_a_quorum),
		test(started_since),
		test(messages_of_other_views_are_ignored),
		test(a_state_that_is_not_the_announced_one_is_refused),
		test(garbage_is_ignored),
		test(nothing_is_lost_at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
