// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disks are copied to another host: what a link that is cut, and a store that refuses, come to.
 * Mirrors, tunnel, target and time are made up; each look takes half a second of that time.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "migrate/source_stages.h"

#define SECOND_US UINT64_C(1000000)
#define CUTS	  2

/* From when until when, in seconds. */
struct span {
	unsigned int from, to;
};

/**
 * @cuts: of the link
 * @interrupted: of the mirrors
 * @in_step: from when on they are
 */
static struct script {
	struct span cuts[CUTS], interrupted;
	unsigned int in_step;
} script;

static uint64_t now_us;
static int connected;
static struct drover_conf conf;
static const struct drover_migrate_env env = { .conf = &conf };
static struct drover_migration migration;
static struct drover_vm vm;
static struct drover_source source;
static struct drover_peer target;

/* --- the time --- */

/* Waiting until then takes no time, for it is long past. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	*t = (struct timespec){ .tv_sec = now_us / SECOND_US,
				.tv_nsec = now_us % SECOND_US * 1000 };
	return 0;
}

static bool is_in(const struct span *span)
{
	return now_us >= span->from * SECOND_US && now_us < span->to * SECOND_US;
}

static bool is_cut(void)
{
	bool cut = false;

	for (int i = 0; i < CUTS; i++)
		cut |= is_in(&script.cuts[i]);
	return cut;
}

/* --- mirrors and tunnel --- */

int drover_travel_clean(struct drover_qmp *qmp, struct drover_err *err)
{
	return 0;
}

int drover_travel_start(struct drover_travel *travel, struct drover_err *err)
{
	return 0;
}

int drover_travel_look(struct drover_travel *travel, struct drover_travel_sum *ret_sum,
		       struct drover_err *err)
{
	now_us += SECOND_US / 2;
	*ret_sum = (struct drover_travel_sum){
		.interrupted = is_in(&script.interrupted),
		.in_step = now_us >= script.in_step * SECOND_US,
		.why = "a write to the new image failed",
	};
	return 0;
}

int drover_travel_resume(struct drover_travel *travel, struct drover_err *err)
{
	return 0;
}

int drover_travel_choose(const struct drover_conf *c, const struct drover_vm_def *def,
			 struct drover_travel *travel, struct drover_err *err)
{
	return 0;
}

int drover_travel_measure(struct drover_travel *travel, struct drover_err *err)
{
	return 0;
}

int drover_travel_compare(struct drover_travel *travel, int (*stop)(void *data), void *data,
			  struct drover_err *err)
{
	return 0;
}

int drover_travel_part(struct drover_travel *travel, struct drover_err *err)
{
	return 0;
}

int drover_travel_cancel(struct drover_travel *travel, struct drover_err *err)
{
	return 0;
}

int drover_tunnel_open(const struct drover_conf *c, const struct drover_peer_conf *to, uint64_t id,
		       const char *path, struct drover_tunnel **ret_tunnel, struct drover_err *err)
{
	*ret_tunnel = (struct drover_tunnel *)&script;
	return 0;
}

void drover_tunnel_allow(struct drover_tunnel *tunnel, const uint8_t token[DROVER_PEER_TOKEN_SIZE])
{
}

void drover_tunnel_cut(struct drover_tunnel *tunnel)
{
}

bool drover_tunnel_broken(struct drover_tunnel *tunnel, struct drover_err *ret_why)
{
	if (is_cut())
		drover_err_set(ret_why, ECONNRESET, "the connection was lost");
	return is_cut();
}

uint64_t drover_tunnel_sent(struct drover_tunnel *tunnel)
{
	return 0;
}

/* --- the target --- */

int drover_source_connect(struct drover_source *s, struct drover_err *err)
{
	if (is_cut())
		return drover_err_set(err, EHOSTUNREACH, "host2 cannot be reached");
	connected++;
	s->control = &target;
	return 0;
}

int drover_source_take_reply(struct drover_source *s, struct drover_err *err)
{
	return 0;
}

int drover_peer_send(struct drover_peer *peer, enum drover_frame_type type,
		     const ProtobufCMessage *body, uint32_t payload_len, struct drover_err *err)
{
	assert_int_equal(type, DROVER_FRAME_RESUME);
	return 0;
}

void drover_peer_close(struct drover_peer *peer)
{
}

int drover_peer_recv(struct drover_peer *peer, enum drover_frame_type *ret_type, uint8_t **ret_body,
		     size_t *ret_len, struct drover_err *err)
{
	fail_msg("the target says nothing");
	return -EPIPE;
}

int drover_peer_expect(struct drover_peer *peer, enum drover_frame_type type,
		       const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage **ret_message,
		       struct drover_err *err)
{
	fail_msg("nothing is asked");
	return -EPIPE;
}

void drover_peer_set_timeout(struct drover_peer *peer, int timeout_ms)
{
}

/* --- the migration --- */

int drover_migration_check(struct drover_migration *m, struct drover_err *err)
{
	return 0;
}

void drover_migration_attach(struct drover_migration *m, struct drover_peer *control,
			     struct drover_sender *sender)
{
}

void drover_migration_state(struct drover_migration *m, enum drover_migration_state state)
{
	assert_int_equal(state, DROVER_MIGRATION_PRECOPY);
}

int drover_source_disks_mark(const struct drover_vm *v, uint64_t id, const char *to,
			     struct drover_err *err)
{
	return 0;
}

void drover_source_disks_unmark(const struct drover_vm *v)
{
}

void drover_source_stage(const struct drover_source *s, const char *stage)
{
}

static int copy(const struct script *s, struct drover_err *err)
{
	script = *s;
	/* Not 0, which stands for never. */
	now_us = SECOND_US / 2;
	connected = 0;
	memset(&migration, 0, sizeof(migration));
	pthread_mutex_init(&migration.lock, NULL);
	pthread_cond_init(&migration.wake, NULL);
	migration.env = &env;
	conf.storage_grace_s = 120;
	strcpy(vm.def.name, "web");
	target.fd = -1;
	memset(&source, 0, sizeof(source));
	source.m = &migration;
	source.vm = &vm;
	source.control = &target;
	source.travel.count = 1;
	strcpy(source.to.name, "host2");
	*err = (struct drover_err){ 0 };
	return drover_source_disks_copy(&source, err);
}

static void a_link_that_comes_back_costs_nothing(void **state)
{
	const struct script s = { .cuts = { { 2, 60 } }, .interrupted = { 2, 64 }, .in_step = 70 };
	struct drover_err err;

	if (copy(&s, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(connected, 1);
}

static void one_that_stays_cut_ends_the_migration(void **state)
{
	const struct script s = { .cuts = { { 2, 200 } }, .interrupted = { 2, 200 }, .in_step = 300 };
	struct drover_err err;

	assert_int_equal(copy(&s, &err), -ETIMEDOUT);
	assert_string_equal(err.text, "the link to host2 was cut for longer than 120 s: host2 cannot be "
				      "reached");
}

static void a_store_that_refuses_is_waited_for_10_s(void **state)
{
	const struct script shorter = { .interrupted = { 2, 11 }, .in_step = 20 };
	const struct script longer = { .interrupted = { 2, 200 }, .in_step = 300 };
	struct drover_err err;

	if (copy(&shorter, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(copy(&longer, &err), -EIO);
	assert_string_equal(err.text,
			    "host2 does not take the disks: a write to the new image failed");
	assert_true(now_us > 12 * SECOND_US && now_us < 14 * SECOND_US);
}

/* The mirrors, interrupted all the time, were about to go on when it was cut again. */
static void a_link_that_is_cut_again_is_no_store_that_refuses(void **state)
{
	const struct script s = { .cuts = { { 2, 4 }, { 6, 60 } }, .interrupted = { 2, 64 },
				  .in_step = 70 };
	struct drover_err err;

	if (copy(&s, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(connected, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_that_comes_back_costs_nothing),
		cmocka_unit_test(one_that_stays_cut_ends_the_migration),
		cmocka_unit_test(a_store_that_refuses_is_waited_for_10_s),
		cmocka_unit_test(a_link_that_is_cut_again_is_no_store_that_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
