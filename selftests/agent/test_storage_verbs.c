// SPDX-License-Identifier: GPL-2.0-or-later
/* All disks of a VM are to move: which do, and what is answered where none can. Moves are made up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "block/move.h"
#include "core/config.h"
#include "ctl/agent.h"
#include "ctl/reply.h"

/* Only so that there is something to point to. */
struct drover_disk_move {
	struct drover_disk_move_info info;
};

static struct drover_disk_move moves[DROVER_DISKS_MAX];
static struct drover_vm_def def;
static struct drover_agent agent;
static char begun[128];
static uint32_t count;
/* What a check says of every disk that is not read-only, and of the one named @there. */
static struct drover_err wrong;
static const char *there;
static struct drover_err answer;

int drover_storage_definition(struct drover_agent *a, const char *vm, struct drover_vm_def *ret_def,
			      const char **ret_vm_dir, struct drover_err *err)
{
	*ret_def = def;
	*ret_vm_dir = NULL;
	return 0;
}

bool drover_storage_moves(struct drover_agent *a, const char *vm, const char *disk)
{
	return false;
}

int drover_disk_move_check(const struct drover_conf *conf, const struct drover_vm_def *vm,
			   const char *disk, const struct drover_disk_move_options *options,
			   uint64_t *ret_bytes, struct drover_err *err)
{
	*ret_bytes = 0;
	if (drover_vmdef_disk(vm, disk)->readonly)
		return drover_err_set(err, EROFS, "disk %s is read-only", disk);
	if (there && !strcmp(disk, there))
		return drover_err_set(err, EALREADY, "disk %s is there already", disk);
	return wrong.code ? drover_err_set(err, wrong.code, "%s", wrong.text) : 0;
}

int drover_disk_move_check_sum(const struct drover_conf *conf, const char *pool, uint64_t bytes,
			       struct drover_err *err)
{
	return 0;
}

int drover_storage_begin(struct drover_agent *a, const char *vm, const char *disk,
			 const struct drover_disk_move_options *options,
			 struct drover_disk_move **ret_move, struct drover_err *err)
{
	struct drover_disk_move *m = &moves[count++];

	m->info.id = count;
	m->info.state = DROVER_DISK_MOVE_PREPARE;
	strcat(strcat(begun, disk), " ");
	*ret_move = m;
	return 0;
}

void drover_storage_share(struct drover_agent *a, struct drover_disk_move *move, uint64_t group,
			  uint64_t bandwidth)
{
}

struct drover_disk_move *drover_storage_find(struct drover_agent *a, uint64_t id)
{
	return NULL;
}

void drover_disk_move_info(struct drover_disk_move *move, struct drover_disk_move_info *ret_info)
{
	*ret_info = move->info;
}

int drover_disk_move_cancel(struct drover_disk_move *move, struct drover_err *err)
{
	fail_msg("nothing is to be cancelled");
	return 0;
}

void drover_disk_move_put(struct drover_disk_move *move)
{
}

void drover_verbs_reply(struct drover_agent *a, uint64_t id, Drover__ControlReply *reply)
{
	assert_int_equal(reply->n_disk_moves, count);
	drover_reply_free(reply);
}

void drover_verbs_refuse(struct drover_agent *a, uint64_t id, const struct drover_err *err)
{
	answer = *err;
}

static void add_disk(const char *name, bool readonly)
{
	struct drover_disk_def *d = &def.disks[def.disk_count++];

	strcpy(d->name, name);
	d->readonly = readonly;
}

static int setup(void **state)
{
	memset(&def, 0, sizeof(def));
	strcpy(def.name, "web");
	strcpy(agent.conf.pools[0].name, "fast");
	strcpy(agent.conf.pools[0].path, "/tmp");
	agent.conf.pool_count = 1;
	wrong = (struct drover_err){ 0 };
	there = NULL;
	return 0;
}

/* Which disks were begun to move, or why none was. */
static const char *move_all(void)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__StorageMigrate verb = DROVER__STORAGE_MIGRATE__INIT;

	verb.vm = "web";
	verb.pool = "fast";
	request.storage_migrate = &verb;
	answer = (struct drover_err){ 0 };
	begun[0] = '\0';
	count = 0;
	drover_storage_migrate(&agent, 1, &request);
	assert_true(!answer.code == (count > 0));
	return answer.code ? answer.text : begun;
}

static void read_only_disks_stay(void **state)
{
	add_disk("root", false);
	add_disk("cd", true);
	add_disk("data", false);
	assert_string_equal(move_all(), "root data ");
	there = "root";
	assert_string_equal(move_all(), "data ");
}

static void where_all_are_read_only_that_is_said(void **state)
{
	assert_string_equal(move_all(), "vm web has no disks");
	add_disk("cd", true);
	add_disk("tools", true);
	assert_string_equal(move_all(),
			    "all disks of vm web are read-only and stay where they are");
	assert_int_equal(answer.code, -EROFS);
}

static void one_that_is_there_is_the_reason_and_not_one_that_stays(void **state)
{
	add_disk("root", false);
	add_disk("cd", true);
	there = "root";
	assert_string_equal(move_all(), "disk root is there already");
	assert_int_equal(answer.code, -EALREADY);
}

/* It has the same errno as a disk that is. */
static void a_pool_that_is_read_only_is_the_reason(void **state)
{
	add_disk("root", false);
	add_disk("cd", true);
	drover_err_set(&wrong, EROFS, "pool fast is mounted read-only");
	assert_string_equal(move_all(), "pool fast is mounted read-only");
	/* Also where another disk could have stayed for a good reason. */
	there = "root";
	add_disk("data", false);
	assert_string_equal(move_all(), "pool fast is mounted read-only");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		TEST(read_only_disks_stay),
		TEST(where_all_are_read_only_that_is_said),
		TEST(one_that_is_there_is_the_reason_and_not_one_that_stays),
		TEST(a_pool_that_is_read_only_is_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
