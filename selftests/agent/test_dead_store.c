// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs about images and pools while one store of two is dead: the other is told of. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dead_store.h"
#include "place.h"

#include "base/log.h"
#include "block/record.h"
#include "core/clock.h"
#include "ctl/mailbox.h"
#include "ctl/pools.h"

#define SECOND_US UINT64_C(1000000)

static char dead[128];
static struct drover_agent agent;
static Drover__ControlReply *answer;
static atomic_int told;

/* In place of the mailbox: there is no module. */
int drover_mailbox_reply(struct drover_mailbox *mailbox, uint64_t id,
			 const Drover__ControlReply *reply)
{
	size_t len = drover__control_reply__get_packed_size(reply);
	uint8_t *bytes = malloc(len + 1);

	assert_non_null(bytes);
	assert_int_equal(id, 7);
	drover__control_reply__pack(reply, bytes);
	answer = drover__control_reply__unpack(NULL, len, bytes);
	free(bytes);
	return 0;
}

int drover_mailbox_event(struct drover_mailbox *mailbox, const Drover__Event *event)
{
	return 0;
}

static void note(enum drover_log_level level, const struct drover_log_subject *subject,
		 const char *text)
{
	told += strstr(text, "is left alone until it does") != NULL;
}

static void add_pool(const char *name)
{
	struct drover_pool_conf *p = &agent.conf.pools[agent.conf.pool_count++];

	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->path, sizeof(p->path), "%s", in(name));
	strcpy(p->format, "raw");
	mkdir(p->path, 0700);
}

static void define(const char *vm, const char *disk, const char *format, const char *readonly)
{
	char file[64], text[512];

	snprintf(file, sizeof(file), "vms/%s.conf", vm);
	snprintf(text, sizeof(text),
		 "[vm]\nname = %s\nmemory = 64\n[disk root]\npath = %s\nformat = %s\nreadonly = %s\n",
		 vm, in(disk), format, readonly);
	write_file(file, text);
	write_file(disk, "an image");
}

/* Two VMs in a pool that dies, one in another, and one in no pool at all. */
static int set_up(void **state)
{
	struct drover_err err = { 0 };

	if (place_make("dead") < 0)
		return -1;
	drover_log_set_sink(note, DROVER_LOG_WARNING);
	strcpy(agent.conf.host, "host1");
	agent.conf.pool_threshold = 80;
	snprintf(agent.conf.vm_dir, sizeof(agent.conf.vm_dir), "%s", in("vms"));
	snprintf(agent.conf.state_dir, sizeof(agent.conf.state_dir), "%s", in("state"));
	mkdir(agent.conf.vm_dir, 0700);
	mkdir(agent.conf.state_dir, 0700);
	mkdir(in("dead"), 0700);
	mkdir(in("none"), 0700);
	add_pool("dead/pool");
	strcpy(agent.conf.pools[0].name, "old");
	add_pool("new");
	define("a", "dead/pool/a.img", "qcow2", "no");
	define("b", "dead/pool/b.img", "raw", "yes");
	define("c", "new/c.img", "raw", "no");
	define("d", "none/d.img", "raw", "no");
	snprintf(dead, sizeof(dead), "%s", in("dead"));
	dead_store = dead;
	if (sd_event_new(&agent.event) < 0 ||
	    drover_calls_create(agent.event, &agent.calls, &err) < 0 ||
	    drover_storage_init(&agent, &err) < 0)
		return -1;
	return drover_pools_init(&agent, &err);
}

static int tear_down(void **state)
{
	dead_store_revive();
	drover_calls_destroy(agent.calls);
	sd_event_unref(agent.event);
	free(agent.storage);
	return place_remove();
}

/* As long as a command waits. */
static void await_answer(void)
{
	uint64_t begin = drover_clock_monotonic();

	while (!answer && drover_clock_monotonic() - begin < 30 * SECOND_US)
		assert_true(sd_event_run(agent.event, SECOND_US) >= 0);
	if (!answer)
		fail_msg("no answer");
	if (answer->code)
		fail_msg("refused: %s", answer->error);
}

static void forget_answer(void)
{
	drover__control_reply__free_unpacked(answer, NULL);
	answer = NULL;
}

static const Drover__ImageInfo *image_of(const char *vm)
{
	for (size_t i = 0; i < answer->n_images; i++)
		if (!strcmp(answer->images[i]->vm, vm))
			return answer->images[i];
	fail_msg("the image of vm %s is not told", vm);
	return NULL;
}

/* One more that a move left there: nobody knows whether it has been deleted. */
static void leave_one(void)
{
	struct drover_disk_record record = {
		.id = 5,
		.step = DROVER_DISK_STEP_OLD_LEFT,
		.vm = "c",
		.disk = "root",
		.old_format = "raw",
		.new_format = "raw",
	};
	struct drover_err err = { 0 };

	strcpy(record.old_path, in("dead/pool/c.img"));
	strcpy(record.new_path, in("new/c.img"));
	assert_int_equal(drover_disk_record_write(&agent.conf, &record, &err), 0);
}

static void images_are_listed(void **state)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__StorageList list = DROVER__STORAGE_LIST__INIT;
	struct drover_disk_record *records = NULL;
	size_t count = 0;

	request.storage_list = &list;
	leave_one();
	drover_storage_list(&agent, 7, &request);
	await_answer();
	assert_int_equal(answer->n_images, 5);
	assert_string_equal(image_of("a")->note, "pool old does not answer");
	assert_int_equal(image_of("a")->size_bytes, 0);
	assert_string_equal(image_of("b")->note, "pool old does not answer; read-only");
	assert_string_equal(image_of("c")->note, "");
	assert_int_equal(image_of("c")->size_bytes, 512);
	assert_int_equal(image_of("d")->size_bytes, 512);
	assert_memory_equal(answer->images[4]->note, "pool old does not answer; left by a move", 40);
	assert_int_equal(drover_disk_record_list(&agent.conf, &records, &count, NULL), 0);
	assert_int_equal(count, 1);
	free(records);
	forget_answer();
}

static void pools_are_listed(void **state)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__PoolList list = DROVER__POOL_LIST__INIT;

	request.pool_list = &list;
	list.measure = true;
	drover_pools_list(&agent, 7, &request);
	await_answer();
	assert_int_equal(answer->n_pools, 2);
	assert_string_equal(answer->pools[0]->error, "pool old does not answer");
	assert_int_equal(answer->pools[0]->n_vms, 2);
	assert_int_equal(answer->pools[0]->size_bytes, 0);
	assert_string_equal(answer->pools[1]->error, "");
	assert_true(answer->pools[1]->size_bytes > 0);
	assert_true(answer->pools[1]->measured_time_us > 0);
	forget_answer();
}

static void each_is_shown(void **state)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__PoolShow show = DROVER__POOL_SHOW__INIT;

	request.pool_show = &show;
	show.name = (char *)"old";
	drover_pools_show(&agent, 7, &request);
	await_answer();
	assert_string_equal(answer->pools[0]->error, "pool old does not answer");
	assert_int_equal(answer->pools[0]->n_images, 2);
	assert_string_equal(answer->pools[0]->images[0]->note, "pool old does not answer");
	forget_answer();
	write_file("new/lost.img", "whose is it");
	show.name = (char *)"new";
	drover_pools_show(&agent, 7, &request);
	await_answer();
	assert_string_equal(answer->pools[0]->error, "");
	assert_int_equal(answer->pools[0]->n_images, 2);
	assert_string_equal(answer->pools[0]->images[0]->note, "");
	assert_string_equal(answer->pools[0]->images[1]->note,
			    "of no VM that host1 knows; images that do not answer may be based on it");
	forget_answer();
}

static void balancing_goes_on(void **state)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__PoolBalance balance = DROVER__POOL_BALANCE__INIT;

	request.pool_balance = &balance;
	/* The second one is not refused because the first is at it still. */
	for (int i = 0; i < 2; i++) {
		drover_pools_rebalance(&agent, 7, &request);
		await_answer();
		assert_int_equal(answer->n_advice, 0);
		forget_answer();
	}
	/* Whoever asks. */
	assert_int_equal(told, 1);
}

static void it_knows_what_is_silent_until_it_answers(void **state)
{
	struct drover_pools_figures figures;
	struct drover_pools_disks disks;
	struct drover_err err = { 0 };
	uint64_t begin;

	assert_int_equal(drover_pools_collect(&agent, &disks, &err), 0);
	drover_pools_look(&agent.conf, &disks);
	begin = drover_clock_monotonic();
	assert_int_equal(disks.count, 4);
	assert_true(disks.list[0].silent);
	assert_string_equal(disks.list[0].fixed, "pool old does not answer");
	assert_true(disks.list[1].silent);
	assert_string_equal(disks.list[1].fixed, "it is read-only");
	assert_false(disks.list[2].silent);
	assert_string_equal(disks.list[2].fixed, "");
	assert_true(disks.list[2].used > 0);
	assert_int_equal(drover_pools_view(&agent.conf, &disks, &figures, &err), 0);
	assert_int_equal(figures.pools[0].size, 0);
	assert_true(figures.pools[1].size > 0);
	assert_true(figures.disks[0].fixed);
	assert_false(figures.disks[2].fixed);
	drover_pools_view_free(&figures);
	assert_int_equal(drover_pools_usable(&agent.conf, &agent.conf.pools[0], &disks, &err),
			 -ETIMEDOUT);
	assert_int_equal(drover_pools_measure(&agent.conf, &agent.conf.pools[0], &err), -ETIMEDOUT);
	/* All that without waiting again. */
	assert_true(drover_clock_monotonic() - begin < 4 * SECOND_US);
	dead_store_revive();
	memset(&err, 0, sizeof(err));
	assert_int_equal(drover_pools_usable(&agent.conf, &agent.conf.pools[0], &disks, &err), 0);
	drover_pools_look(&agent.conf, &disks);
	assert_false(disks.list[0].silent);
	drover_pools_free(&disks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_are_listed),
		cmocka_unit_test(pools_are_listed),
		cmocka_unit_test(each_is_shown),
		cmocka_unit_test(balancing_goes_on),
		cmocka_unit_test(it_knows_what_is_silent_until_it_answers),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
