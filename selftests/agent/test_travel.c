// SPDX-License-Identifier: GPL-2.0-or-later
/* Which disks travel with their VM. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dead_store.h"

#include "block/travel.h"
#include "core/clock.h"

static struct drover_conf conf;
static struct drover_vm_def def;
static struct drover_travel travel;

static void add_pool(const char *name, const char *path, const char *id)
{
	struct drover_pool_conf *p = &conf.pools[conf.pool_count++];

	strcpy(p->name, name);
	strcpy(p->path, path);
	strcpy(p->id, id);
}

static struct drover_disk_def *add_disk(const char *name, const char *path)
{
	struct drover_disk_def *d = &def.disks[def.disk_count++];

	strcpy(d->name, name);
	strcpy(d->path, path);
	strcpy(d->format, "raw");
	return d;
}

static int set_up(void **state)
{
	memset(&conf, 0, sizeof(conf));
	memset(&def, 0, sizeof(def));
	strcpy(conf.host, "host1");
	strcpy(def.name, "web");
	add_pool("own", "/dead/own", "");
	add_pool("shared", "/dead/shared", "nfs1");
	return 0;
}

static void those_that_hosts_do_not_share(void **state)
{
	struct drover_err err = { 0 };

	add_disk("cd", "/tmp/cd.iso")->readonly = true;
	add_disk("net", "nbd://san/web");
	add_disk("both", "/dead/shared/web.img");
	assert_int_equal(drover_travel_choose(&conf, &def, &travel, &err), -EINVAL);
	add_disk("root", "/dead/own/web.img");
	add_disk("data", "/nonexistent/data.img");
	assert_int_equal(drover_travel_choose(&conf, &def, &travel, &err), 0);
	assert_int_equal(travel.count, 2);
	assert_string_equal(travel.disks[0].info.disk, "root");
	assert_string_equal(travel.disks[0].info.old_pool, "own");
	assert_string_equal(travel.disks[1].info.disk, "data");
	assert_string_equal(travel.disks[1].info.old_pool, "");
}

static void a_dead_store_is_not_waited_for(void **state)
{
	uint64_t begin = drover_clock_monotonic();
	struct drover_err err = { 0 };

	dead_store = "/dead/";
	add_disk("root", "/dead/own/web.img");
	add_disk("data", "/dead/else/data.img");
	add_disk("more", "/dead/else/more.img");
	/* At once the second time. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(drover_travel_choose(&conf, &def, &travel, &err), -ETIMEDOUT);
		assert_string_equal(err.text,
				    "disk data of vm web: directory /dead/else does not answer");
	}
	assert_true(drover_clock_monotonic() - begin < 9500000);
	dead_store_revive();
	assert_int_equal(drover_travel_choose(&conf, &def, &travel, &err), 0);
	assert_int_equal(travel.count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(those_that_hosts_do_not_share, set_up),
		cmocka_unit_test_setup(a_dead_store_is_not_waited_for, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
