// SPDX-License-Identifier: GPL-2.0-or-later
/* Jobs: how many disks move at a time, what follows a failure, stopping. Moves are made up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "block/move.h"
#include "ctl/pools.h"
#include "ctl/reply.h"

#define MIB   (UINT64_C(1) << 20)
#define MOVES 16

/* A move that ends as the test says. */
struct drover_disk_move {
	struct drover_disk_move_info info;
	uint64_t speed;
	int references;
	bool delete_old;
};

static struct drover_disk_move moves[MOVES];
static int begun, rested;
static char resting[128];
static int tried;
static const char *refused, *silent;

int drover_storage_begin(struct drover_agent *agent, const char *vm, const char *disk,
			 const struct drover_disk_move_options *options,
			 struct drover_disk_move **ret_move, struct drover_err *err)
{
	struct drover_disk_move *m = &moves[begun];

	tried++;
	if (silent && !strcmp(disk, silent))
		return drover_err_set(err, ETIMEDOUT, "pool %s does not answer", options->pool);
	if (refused && !strcmp(disk, refused))
		return drover_err_set(err, ENOSPC, "pool %s has no space", options->pool);
	assert_true(begun++ < MOVES);
	*m = (struct drover_disk_move){ .references = 1, .speed = options->bandwidth,
					.delete_old = options->delete_old };
	m->info.id = begun;
	m->info.state = DROVER_DISK_MOVE_COPYING;
	snprintf(m->info.vm, sizeof(m->info.vm), "%s", vm);
	snprintf(m->info.disk, sizeof(m->info.disk), "%s", disk);
	snprintf(m->info.new_pool, sizeof(m->info.new_pool), "%s", options->pool);
	*ret_move = m;
	return 0;
}

void drover_disk_move_info(struct drover_disk_move *move, struct drover_disk_move_info *ret_info)
{
	assert_int_equal(move->references, 1);
	*ret_info = move->info;
}

bool drover_disk_move_ended(struct drover_disk_move *move)
{
	return move->info.state >= DROVER_DISK_MOVE_DONE;
}

void drover_disk_move_put(struct drover_disk_move *move)
{
	move->references--;
}

void drover_disk_move_speed(struct drover_disk_move *move, uint64_t bandwidth)
{
	move->speed = bandwidth;
}

void drover_pools_rest(struct drover_agent *agent, const char *vm, const char *disk)
{
	rested++;
	snprintf(resting, sizeof(resting), "%s/%s", vm, disk);
}

static struct drover_agent agent;

static int setup(void **state)
{
	memset(&agent, 0, sizeof(agent));
	begun = rested = tried = 0;
	refused = silent = NULL;
	return sd_event_new(&agent.event);
}

static int teardown(void **state)
{
	for (struct drover_pools_job *job = agent.pool_jobs, *next; job; job = next) {
		next = job->next;
		drover_pools_job_free(job);
	}
	sd_event_unref(agent.event);
	return 0;
}

static void add(struct drover_pools_job *job, const char *vm, const char *disk)
{
	struct drover_pools_item *item = drover_pools_job_add(job);

	assert_non_null(item);
	strcpy(item->vm, vm);
	strcpy(item->disk, disk);
	strcpy(item->to, "fast");
	item->bytes = 10 * MIB;
}

static struct drover_pools_job *new_job(const char *pool, uint32_t parallel)
{
	struct drover_pools_job *job = drover_pools_job_new(pool);

	assert_non_null(job);
	job->parallel = parallel;
	return job;
}

static void start(struct drover_pools_job *job)
{
	struct drover_err err = { 0 };

	assert_int_equal(drover_pools_job_start(&agent, job, &err), 0);
}

/* One tick, or none where there is none to come. */
static int tick(void)
{
	return sd_event_run(agent.event, 2000000);
}

static void finish(int number, enum drover_disk_move_state state, const char *error)
{
	struct drover_disk_move *m = &moves[number];

	m->info.state = state;
	snprintf(m->info.error, sizeof(m->info.error), "%s", error);
}

static void so_many_at_a_time(void **state)
{
	struct drover_pools_job *job = new_job("old", 2);

	for (int i = 0; i < 4; i++)
		add(job, (const char *[]){ "a", "b", "c", "d" }[i], "root");
	start(job);
	assert_int_equal(begun, 0);
	/* One after the other. */
	tick();
	assert_int_equal(begun, 1);
	tick();
	assert_int_equal(begun, 2);
	tick();
	assert_int_equal(begun, 2);
	finish(1, DROVER_DISK_MOVE_DONE, "");
	tick();
	assert_int_equal(begun, 3);
	assert_string_equal(moves[2].info.vm, "c");
	assert_int_equal(moves[1].references, 0);
	finish(0, DROVER_DISK_MOVE_DONE, "");
	finish(2, DROVER_DISK_MOVE_DONE, "");
	tick();
	tick();
	assert_int_equal(begun, 4);
	assert_true(drover_pools_job_active(job));
	finish(3, DROVER_DISK_MOVE_DONE, "");
	tick();
	assert_false(drover_pools_job_active(job));
	/* Nothing ticks any more. */
	assert_null(job->timer);
	for (size_t i = 0; i < job->count; i++) {
		assert_int_equal(job->items[i].state, DROVER_DISK_MOVE_DONE);
		assert_int_equal(job->items[i].move_id, i + 1);
	}
	assert_int_equal(rested, 0);
}

static void one_disk_of_a_vm_at_a_time(void **state)
{
	struct drover_pools_job *job = new_job("old", 3);

	add(job, "a", "root");
	add(job, "a", "data");
	add(job, "b", "root");
	start(job);
	for (int i = 0; i < 3; i++)
		tick();
	assert_int_equal(begun, 2);
	assert_string_equal(moves[1].info.vm, "b");
	finish(0, DROVER_DISK_MOVE_DONE, "");
	tick();
	assert_int_equal(begun, 3);
	assert_string_equal(moves[2].info.disk, "data");
}

static void goes_on_after_failures(void **state)
{
	struct drover_pools_job *job = new_job("old", 1);

	add(job, "a", "root");
	add(job, "b", "large");
	add(job, "c", "root");
	refused = "large";
	start(job);
	tick();
	assert_int_equal(begun, 1);
	finish(0, DROVER_DISK_MOVE_FAILED, "the new image cannot be written");
	tick();
	/* One that fails is one, too. */
	assert_int_equal(tried, 2);
	tick();
	assert_int_equal(begun, 2);
	assert_string_equal(moves[1].info.vm, "c");
	assert_int_equal(job->items[0].state, DROVER_DISK_MOVE_FAILED);
	assert_string_equal(job->items[0].error, "the new image cannot be written");
	assert_int_equal(job->items[1].state, DROVER_DISK_MOVE_FAILED);
	assert_string_equal(job->items[1].error, "pool fast has no space");
	finish(1, DROVER_DISK_MOVE_CANCELLED, "");
	tick();
	assert_false(drover_pools_job_active(job));
	assert_int_equal(job->items[2].state, DROVER_DISK_MOVE_CANCELLED);
}

static void a_dead_store_is_tried_once(void **state)
{
	struct drover_pools_job *job = new_job("old", 2);

	add(job, "a", "root");
	add(job, "b", "gone");
	for (int i = 0; i < 60; i++)
		add(job, "c", "root");
	strcpy(job->items[2].error, "it is read-only");
	silent = "gone";
	start(job);
	tick();
	assert_int_equal(begun, 1);
	tick();
	assert_int_equal(tried, 2);
	assert_true(drover_pools_job_active(job));
	/* What is under way comes to its end. */
	finish(0, DROVER_DISK_MOVE_DONE, "");
	tick();
	assert_int_equal(tried, 2);
	assert_false(drover_pools_job_active(job));
	assert_int_equal(job->items[0].state, DROVER_DISK_MOVE_DONE);
	assert_int_equal(job->items[1].state, DROVER_DISK_MOVE_FAILED);
	assert_string_equal(job->items[1].error, "pool fast does not answer");
	assert_string_equal(job->items[2].error, "it is read-only");
	for (int i = 3; i < 62; i++) {
		assert_int_equal(job->items[i].state, 0);
		assert_string_equal(job->items[i].error, "not begun: pool fast does not answer");
	}
}

static void bandwidth_is_shared(void **state)
{
	struct drover_pools_job *job = new_job("old", 3);

	job->bandwidth = 90 * MIB;
	job->delete_old = true;
	add(job, "a", "root");
	add(job, "b", "root");
	add(job, "c", "root");
	start(job);
	for (int i = 0; i < 3; i++)
		tick();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(moves[i].speed, 30 * MIB);
		assert_true(moves[i].delete_old);
	}
	finish(0, DROVER_DISK_MOVE_DONE, "");
	tick();
	assert_int_equal(moves[1].speed, 45 * MIB);
	finish(1, DROVER_DISK_MOVE_DONE, "");
	tick();
	assert_int_equal(moves[2].speed, 90 * MIB);
}

static void stopping_begins_no_more(void **state)
{
	struct drover_pools_job *job = new_job("old", 1);

	add(job, "a", "root");
	add(job, "b", "root");
	start(job);
	tick();
	drover_pools_job_stop(job);
	assert_true(drover_pools_job_active(job));
	tick();
	finish(0, DROVER_DISK_MOVE_DONE, "");
	tick();
	assert_int_equal(begun, 1);
	assert_false(drover_pools_job_active(job));
	assert_int_equal(job->items[0].state, DROVER_DISK_MOVE_DONE);
	assert_int_equal(job->items[1].state, 0);
	assert_string_equal(job->items[1].error, "not begun: it was told to stop");
}

static void ending_agent_begins_no_more(void **state)
{
	struct drover_pools_job *job = new_job("old", 1);

	add(job, "a", "root");
	agent.ending = true;
	start(job);
	tick();
	assert_int_equal(begun, 0);
	assert_false(drover_pools_job_active(job));
}

static void what_is_left_is_told(void **state)
{
	struct drover_pools_job *job = new_job("old", 1);
	Drover__ControlReply *reply = drover_reply_new();

	add(job, "a", "root");
	strcpy(job->items[0].error, "it is read-only");
	start(job);
	tick();
	assert_int_equal(begun, 0);
	assert_false(drover_pools_job_active(job));
	drover_pools_job_advice(job, reply);
	assert_int_equal(reply->n_advice, 1);
	assert_string_equal(reply->advice[0]->vm, "a");
	assert_string_equal(reply->advice[0]->error, "it is read-only");
	assert_int_equal(reply->advice[0]->state, 0);
	assert_int_equal(reply->advice[0]->bytes, 10 * MIB);
	drover_reply_free(reply);
}

static void the_last_one_of_a_pool_is_kept(void **state)
{
	struct drover_pools_job *first = new_job("old", 1), *second = new_job("old", 1),
				*other = new_job("", 1);

	add(other, "a", "root");
	start(first);
	start(other);
	assert_ptr_equal(drover_pools_job_find(&agent, "old"), first);
	tick();
	tick();
	start(second);
	assert_ptr_equal(drover_pools_job_find(&agent, "old"), second);
	assert_ptr_equal(drover_pools_job_find(&agent, ""), other);
	assert_null(drover_pools_job_find(&agent, "new"));
	assert_null(second->next->next);
	/* What balancing moves is left alone for a while. */
	assert_int_equal(rested, 1);
}

/* Nothing is gained by moving more from it. */
static void a_pool_that_keeps_what_has_left_it_rests(void **state)
{
	struct drover_pools_job *job = new_job("", 1);

	job->delete_old = true;
	add(job, "a", "root");
	strcpy(job->items[0].from, "old");
	add(job, "b", "root");
	start(job);
	tick();
	assert_int_equal(rested, 1);
	assert_string_equal(resting, "a/root");
	finish(0, DROVER_DISK_MOVE_DONE, "the old image was not deleted: it is also disk root of vm c");
	tick();
	tick();
	assert_int_equal(rested, 3);
	assert_string_equal(resting, "b/root");
	moves[1].info.old_deleted = true;
	finish(1, DROVER_DISK_MOVE_DONE, "");
	tick();
	assert_int_equal(rested, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(so_many_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(one_disk_of_a_vm_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(goes_on_after_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_store_is_tried_once, setup, teardown),
		cmocka_unit_test_setup_teardown(bandwidth_is_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(stopping_begins_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(ending_agent_begins_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_left_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_one_of_a_pool_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pool_that_keeps_what_has_left_it_rests, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
