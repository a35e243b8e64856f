// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whose state an agent takes up when it starts and when it looks again: that of its cluster, or its
 * own; and when it forgets that of a cluster. corosync does not run here. In a mount namespace, as
 * the place of corosync.conf is fixed.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "cluster/cluster.h"
#include "cluster/conf.h"
#include "ctl/agent.h"
#include "ctl/reply.h"

static struct drover_agent *agent;
static char state[DROVER_FIELD_LEN];
static unsigned int replies, refusals;

/* --- instead of the mailbox --- */

void drover_verbs_reply(struct drover_agent *a, uint64_t id, Drover__ControlReply *reply)
{
	replies++;
	drover_reply_free(reply);
}

void drover_verbs_refuse(struct drover_agent *a, uint64_t id, const struct drover_err *err)
{
	refusals++;
}

void drover_verbs_request(void *data, uint64_t id, const Drover__ControlRequest *request)
{
}

/* --- the host --- */

static bool hide_corosync(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "/etc/corosync", "tmpfs", 0, NULL) == 0;
}

static void write_conf(void)
{
	char *text = NULL;

	assert_int_equal(drover_cluster_conf(&agent->conf, &text, NULL), 0);
	assert_int_equal(
		drover_io_write_durable(DROVER_COROSYNC_CONF, text, strlen(text), 0644, NULL), 0);
	free(text);
}

/* As the cluster left it here. */
static void write_state(void)
{
	struct drover_store store = {.epoch = 7, .active = 7, .version = 1};

	assert_int_equal(drover_store_save(&store, state, NULL), 0);
}

static int setup(void **data)
{
	char dir[] = "/tmp/drover-members.XXXXXX";

	agent = calloc(1, sizeof(*agent));
	if (!agent || sd_event_new(&agent->event) < 0 || !mkdtemp(dir))
		return -1;
	replies = refusals = 0;
	strcpy(agent->conf.host, "host1");
	strcpy(agent->conf.address, "127.0.0.1");
	strcpy(agent->conf.state_dir, dir);
	strcpy(agent->conf.peers[0].name, "host2");
	strcpy(agent->conf.peers[0].address, "127.0.0.2");
	agent->conf.peer_count = 1;
	snprintf(state, sizeof(state), "%s/cluster.state", dir);
	write_conf();
	write_state();
	return drover_members_open(agent, NULL);
}

static int teardown(void **data)
{
	char path[DROVER_PATH_MAX];

	drover_cluster_close(agent->cluster);
	unlink(DROVER_COROSYNC_CONF);
	unlink(state);
	drover_io_path(path, NULL, "%s/alone.state", agent->conf.state_dir);
	unlink(path);
	rmdir(agent->conf.state_dir);
	sd_event_unref(agent->event);
	free(agent);
	return 0;
}

static void restart(void)
{
	drover_cluster_close(agent->cluster);
	agent->cluster = NULL;
	assert_int_equal(drover_members_open(agent, NULL), 0);
}

static void reload(void)
{
	drover_members_reload(agent, 1, NULL);
}

static uint64_t known_epoch(void)
{
	return drover_cluster_replica(agent->cluster)->store.epoch;
}

/* --- tests --- */

static void corosync_is_down(void **data)
{
	assert_false(agent->alone);
	assert_int_equal(known_epoch(), 7);
	restart();
	reload();
	assert_int_equal(replies, 1);
	assert_false(agent->alone);
	assert_int_equal(known_epoch(), 7);
}

/* Its corosync.conf is missing, and nobody has said that it left. */
static void started_without_a_file(void **data)
{
	assert_int_equal(unlink(DROVER_COROSYNC_CONF), 0);
	restart();
	assert_true(agent->alone);
	assert_int_equal(access(state, F_OK), 0);
	write_conf();
	restart();
	assert_int_equal(known_epoch(), 7);
}

static void left(void **data)
{
	assert_int_equal(unlink(DROVER_COROSYNC_CONF), 0);
	reload();
	assert_int_equal(replies, 1);
	assert_true(agent->alone);
	assert_int_equal(access(state, F_OK), -1);
	/* It joins another cluster, and knows nothing. */
	write_conf();
	reload();
	assert_false(agent->alone);
	assert_int_equal(known_epoch(), 0);
}

/* Somebody else's file: that is for an operator to look at. */
static void another_file(void **data)
{
	assert_int_equal(
		drover_io_write_durable(DROVER_COROSYNC_CONF, "totem {\n}\n", 10, 0644, NULL), 0);
	reload();
	assert_true(agent->alone);
	assert_int_equal(access(state, F_OK), 0);
}

/* It is not said to be gone when it cannot be removed. */
static void cannot_be_forgotten(void **data)
{
	char inside[DROVER_FIELD_LEN + 2];

	assert_int_equal(unlink(state), 0);
	assert_int_equal(unlink(DROVER_COROSYNC_CONF), 0);
	snprintf(inside, sizeof(inside), "%s/x", state);
	assert_int_equal(drover_io_mkdirs(inside, 0700, NULL), 0);
	reload();
	assert_int_equal(refusals, 1);
	assert_true(agent->alone);
	rmdir(inside);
	rmdir(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(corosync_is_down, setup, teardown),
		cmocka_unit_test_setup_teardown(started_without_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(left, setup, teardown),
		cmocka_unit_test_setup_teardown(another_file, setup, teardown),
		cmocka_unit_test_setup_teardown(cannot_be_forgotten, setup, teardown),
	};

	if (!hide_corosync()) {
		printf("1..0 # SKIP nothing can be mounted over /etc/corosync here: %s\n",
		       strerror(errno));
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
