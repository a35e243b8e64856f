// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/conf.h"

static struct drover_conf conf_of(const char *self, const char *a, const char *b)
{
	struct drover_conf conf = { .peer_count = 2 };

	snprintf(conf.host, sizeof(conf.host), "%s", self);
	snprintf(conf.address, sizeof(conf.address), "10.0.0.1");
	snprintf(conf.peers[0].name, sizeof(conf.peers[0].name), "%s", a);
	snprintf(conf.peers[0].address, sizeof(conf.peers[0].address), "10.0.0.2");
	snprintf(conf.peers[1].name, sizeof(conf.peers[1].name), "%s", b);
	snprintf(conf.peers[1].address, sizeof(conf.peers[1].address), "host3.example");
	return conf;
}

static char *make(const struct drover_conf *conf)
{
	struct drover_err err = { 0 };
	char *text = NULL;

	assert_int_equal(drover_cluster_conf(conf, &text, &err), 0);
	return text;
}

static void it_names_all_hosts(void **state)
{
	struct drover_conf conf = conf_of("host1", "host2", "host3");
	char name[16], line[64], *text = make(&conf);

	for (int i = 1; i <= 3; i++) {
		snprintf(name, sizeof(name), "host%d", i);
		snprintf(line, sizeof(line), "name: %s\n        nodeid: %u\n", name,
			 drover_cluster_conf_node(text, name));
		assert_non_null(strstr(text, line));
	}
	assert_non_null(strstr(text, "ring0_addr: 10.0.0.1\n"));
	assert_non_null(strstr(text, "ring0_addr: host3.example\n"));
	assert_non_null(strstr(text, "crypto_cipher: aes256\n"));
	assert_null(strstr(text, "two_node"));
	assert_int_equal(drover_cluster_conf_node(text, "host"), 0);
	assert_int_equal(drover_cluster_conf_node(text, "host4"), 0);
	free(text);
}

/* Whichever host makes it, and in whatever order drover.conf names its peers. */
static void it_is_the_same_everywhere(void **state)
{
	struct drover_conf first = conf_of("host1", "host2", "host3"), second = first;
	char *a = make(&first), *b;

	snprintf(second.host, sizeof(second.host), "host3");
	snprintf(second.address, sizeof(second.address), "host3.example");
	snprintf(second.peers[1].name, sizeof(second.peers[1].name), "host1");
	snprintf(second.peers[1].address, sizeof(second.peers[1].address), "10.0.0.1");
	b = make(&second);
	assert_string_equal(a, b);
	free(a);
	free(b);
}

static void refuses(const struct drover_conf *conf, const char *sentence)
{
	struct drover_err err = { 0 };
	char *text = NULL;

	assert_int_equal(drover_cluster_conf(conf, &text, &err), -EINVAL);
	assert_string_equal(err.text, sentence);
	assert_null(text);
}

static void addresses_must_be_known(void **state)
{
	struct drover_conf conf = conf_of("host1", "host2", "host3");

	strcpy(conf.address, "0.0.0.0");
	refuses(&conf, "[host] needs the address at which the other hosts reach this one");
	strcpy(conf.address, "::");
	refuses(&conf, "[host] needs the address at which the other hosts reach this one");
	strcpy(conf.address, "10.0.0.1");
	conf.peers[1].address[0] = '\0';
	refuses(&conf, "[peer host3] has no address");
}

static void a_file_of_others_is_not_taken_for_ours(void **state)
{
	assert_int_equal(drover_cluster_conf_node("", "host1"), 0);
	assert_int_equal(drover_cluster_conf_node("nodelist {\n    node {\n        name: host1\n"
						  "        nodeid: 1\n", "host1"), 0);
}

static int by_number(const void *a, const void *b)
{
	return (int)*(const uint32_t *)a - (int)*(const uint32_t *)b;
}

/* Corosync wants them below 65536. With this many hosts, some names have the same hash. */
static void numbers_are_small_and_differ(void **state)
{
	static struct drover_conf conf;
	uint32_t numbers[DROVER_PEERS_MAX];
	char *text;

	for (int round = 0; round < 200; round++) {
		conf = conf_of("host", "a", "b");
		conf.peer_count = DROVER_PEERS_MAX;
		for (int i = 0; i < DROVER_PEERS_MAX; i++) {
			snprintf(conf.peers[i].name, DROVER_NAME_LEN, "h%d-%d", round, i);
			strcpy(conf.peers[i].address, "10.0.0.2");
		}
		text = make(&conf);
		for (int i = 0; i < DROVER_PEERS_MAX; i++) {
			numbers[i] = drover_cluster_conf_node(text, conf.peers[i].name);
			assert_in_range(numbers[i], 1, 65535);
		}
		qsort(numbers, DROVER_PEERS_MAX, sizeof(*numbers), by_number);
		for (int i = 1; i < DROVER_PEERS_MAX; i++)
			assert_int_not_equal(numbers[i - 1], numbers[i]);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_names_all_hosts),
		cmocka_unit_test(it_is_the_same_everywhere),
		cmocka_unit_test(addresses_must_be_known),
		cmocka_unit_test(a_file_of_others_is_not_taken_for_ours),
		cmocka_unit_test(numbers_are_small_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
