// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disks on the target: what a source may ask for, and that giving up deletes what was made
 * for it and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/log.h"
#include "block/landing.h"
#include "block/pool.h"
#include "block/record.h"
#include "core/config.h"
#include "place.h"

#define MIB (1ULL << 20)
#define TEXT                                                        \
	"[vm]\nname = web1\nmemory = 64\n"                          \
	"[disk root]\npath = /far/root.img\n"                       \
	"[disk data]\npath = /far/data.qcow2\nformat = qcow2\n"     \
	"[disk cd]\npath = /far/cd.iso\nreadonly = yes\n"

static struct drover_conf conf;
static struct drover_vm_def def;

static int setup(void **state)
{
	struct drover_err err = { 0 };

	if (place_make("landing") < 0)
		return -1;
	memset(&conf, 0, sizeof(conf));
	strcpy(conf.host, "host2");
	snprintf(conf.state_dir, sizeof(conf.state_dir), "%s/state", dir);
	snprintf(conf.vm_dir, sizeof(conf.vm_dir), "%s/vms", dir);
	conf.pool_count = 2;
	strcpy(conf.pools[0].name, "fast");
	strcpy(conf.pools[0].format, "raw");
	snprintf(conf.pools[0].path, sizeof(conf.pools[0].path), "%s/fast", dir);
	strcpy(conf.pools[1].name, "big");
	strcpy(conf.pools[1].format, "qcow2");
	snprintf(conf.pools[1].path, sizeof(conf.pools[1].path), "%s/big", dir);
	return mkdir(in("fast"), 0755) || mkdir(in("big"), 0755) ||
	       drover_vmdef_parse(TEXT, "web1.conf", &def, &err) < 0;
}

static int teardown(void **state)
{
	return place_remove();
}

static char *text_of(const char *name)
{
	char *text = NULL;

	assert_int_equal(drover_io_read_file(in(name), 65536, &text, NULL, NULL), 0);
	return text;
}

/* What a source asks for. */
struct ask {
	Drover__Prepare p;
	Drover__DiskTravel disks[3], *list[3];
};

static void ask_for(struct ask *a, size_t count)
{
	static char *const names[] = { "root", "data", "root" };

	drover__prepare__init(&a->p);
	a->p.migration_id = 42;
	a->p.vm = def.name;
	for (size_t i = 0; i < count; i++) {
		drover__disk_travel__init(&a->disks[i]);
		a->disks[i].disk = names[i];
		a->disks[i].size_bytes = (i + 1) * 4 * MIB;
		a->disks[i].used_bytes = MIB;
		a->list[i] = &a->disks[i];
	}
	a->p.disks = a->list;
	a->p.n_disks = count;
}

static int plan(const struct ask *a, struct drover_landing *l, struct drover_err *err)
{
	memset(l, 0, sizeof(*l));
	return drover_landing_plan(&conf, &def, TEXT, "host1", &a->p, l, err);
}

static struct drover_landing planned(size_t count)
{
	struct drover_landing l;
	struct drover_err err = { 0 };
	struct ask a;

	ask_for(&a, count);
	if (plan(&a, &l, &err) < 0)
		fail_msg("%s", err.text);
	return l;
}

static void refused(const struct ask *a, int code, const char *part)
{
	struct drover_landing l;
	struct drover_err err = { 0 };

	assert_int_equal(plan(a, &l, &err), code);
	if (!strstr(err.text, part))
		fail_msg("\"%s\" does not say \"%s\"", err.text, part);
	assert_false(is_there("state/landings"));
}

static void places_are_found(void **state)
{
	struct drover_landing l;
	struct drover_err err = { 0 };
	struct drover_vm_def new;
	struct ask a;

	ask_for(&a, 2);
	a.disks[1].pool = (char *)"big";
	assert_int_equal(plan(&a, &l, &err), 0);
	assert_int_equal(l.count, 2);
	assert_string_equal(l.images[0].path, in("fast/web1-root.raw"));
	assert_string_equal(l.images[0].format, "raw");
	assert_string_equal(l.images[1].path, in("big/web1-data.qcow2"));
	assert_string_equal(l.images[1].format, "qcow2");
	assert_string_equal(l.images[1].pool, "big");
	/* A plan is no more than that. */
	assert_false(is_there("fast/web1-root.raw"));
	assert_int_equal(drover_vmdef_parse(l.text, "new", &new, &err), 0);
	assert_string_equal(new.disks[0].path, l.images[0].path);
	assert_string_equal(new.disks[1].path, l.images[1].path);
	assert_string_equal(new.disks[2].path, "/far/cd.iso");
	drover_landing_free(&l);
}

static void nothing_travels(void **state)
{
	struct drover_landing l = planned(0);

	assert_int_equal(l.count, 0);
	assert_false(l.recorded);
	drover_landing_free(&l);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct ask a;

	ask_for(&a, 1);
	a.disks[0].disk = (char *)"nope";
	refused(&a, -EINVAL, "no disk of that name");
	a.disks[0].disk = (char *)"cd";
	refused(&a, -EINVAL, "no disk of that name");
	ask_for(&a, 3);
	refused(&a, -EINVAL, "no disk of that name");
	ask_for(&a, 1);
	a.disks[0].size_bytes = 0;
	refused(&a, -EINVAL, "size");
	a.disks[0].size_bytes = 1000;
	refused(&a, -EINVAL, "size");
	a.disks[0].size_bytes = 1ULL << 63;
	refused(&a, -EINVAL, "size");
	ask_for(&a, 1);
	a.disks[0].format = (char *)"vmdk";
	refused(&a, -EINVAL, "format");
	ask_for(&a, 1);
	a.disks[0].pool = (char *)"../../etc";
	refused(&a, -EINVAL, "not valid");
	a.disks[0].pool = (char *)"slow";
	refused(&a, -ENOENT, "host2 has no pool slow");
	conf.pool_count = 0;
	a.disks[0].pool = (char *)"";
	refused(&a, -ENOENT, "host2 has no pool");
}

/* Each of them fits, together they do not. */
static void the_sum_must_fit(void **state)
{
	struct ask a;

	ask_for(&a, 2);
	a.disks[0].used_bytes = a.disks[1].used_bytes = INT64_MAX / 2;
	refused(&a, -ENOSPC, "fast");
}

/* Two arrivals at the same time, from two hosts: each of them fits. */
static void what_is_promised_to_one_is_not_for_another(void **state)
{
	struct drover_landing first, second;
	struct drover_err err = { 0 };
	uint64_t size, space;
	struct ask a;

	assert_int_equal(drover_pool_space(&conf.pools[0], &size, &space, &err), 0);
	ask_for(&a, 2);
	a.disks[0].used_bytes = space / 10 * 3;
	a.disks[1].used_bytes = space / 10 * 3;
	assert_int_equal(plan(&a, &first, &err), 0);
	refused(&a, -ENOSPC, " MiB are promised to moves under way, ");
	/* Also in the other pool, which is on the same file system. */
	a.disks[0].pool = a.disks[1].pool = (char *)"big";
	refused(&a, -ENOSPC, "pool big has no space: ");
	assert_int_equal(drover_landing_make(&conf, &first, &err), 0);
	assert_int_equal(plan(&a, &second, &err), -ENOSPC);
	assert_int_equal(drover_landing_remove(&conf, &first, &err), 0);
	assert_int_equal(plan(&a, &second, &err), 0);
	drover_landing_free(&first);
	drover_landing_free(&second);
	/* A plan that was never carried out holds nothing back. */
	assert_int_equal(plan(&a, &second, &err), 0);
	drover_landing_free(&second);
}

static void made_and_deleted(void **state)
{
	struct drover_landing l = planned(2), *list = NULL;
	struct drover_err err = { 0 };
	struct stat st;
	size_t n = 0;

	assert_int_equal(drover_landing_make(&conf, &l, &err), 0);
	assert_int_equal(stat(in("fast/web1-root.raw"), &st), 0);
	assert_int_equal(st.st_size, 4 * MIB);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(is_there("fast/web1-data.raw"));
	/* All that the next agent has is the record. */
	assert_int_equal(drover_landing_list(&conf, &list, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(list[0].source, "host1");
	assert_string_equal(list[0].vm, "web1");
	assert_int_equal(list[0].id, 42);
	assert_string_equal(list[0].text, l.text);
	assert_memory_equal(list[0].images, l.images, sizeof(l.images));
	assert_int_equal(drover_landing_remove(&conf, &list[0], &err), 0);
	assert_false(is_there("fast/web1-root.raw"));
	assert_false(is_there("fast/web1-data.raw"));
	drover_landing_free(&list[0]);
	free(list);
	assert_int_equal(drover_landing_list(&conf, &list, &n, &err), 0);
	assert_int_equal(n, 0);
	free(list);
	drover_landing_free(&l);
}

/* Somebody made a file of that name meanwhile: it is his. */
static void anothers_file_stays(void **state)
{
	struct drover_landing l = planned(2);
	struct drover_err err = { 0 };

	close(open(in("fast/web1-data.raw"), O_CREAT | O_WRONLY, 0600));
	assert_int_equal(drover_landing_make(&conf, &l, &err), -EEXIST);
	assert_true(l.recorded);
	assert_int_equal(drover_landing_remove(&conf, &l, &err), 0);
	assert_true(is_there("fast/web1-data.raw"));
	assert_false(is_there("fast/web1-root.raw"));
	drover_landing_free(&l);
	/* The next one goes around it. */
	l = planned(2);
	assert_string_not_equal(l.images[1].path, in("fast/web1-data.raw"));
	drover_landing_free(&l);
}

/* A move left an image there, which was removed by hand: this is not that one. */
static void what_was_left_there_is_forgotten(void **state)
{
	struct drover_disk_record record = { .id = 9, .step = DROVER_DISK_STEP_OLD_LEFT };
	struct drover_disk_record *records = NULL;
	struct drover_landing l = planned(2);
	struct drover_err err = { 0 };
	size_t n = 0;

	assert_int_equal(drover_disk_record_init(&conf, &err), 0);
	strcpy(record.old_path, in("fast/web1-data.raw"));
	assert_int_equal(drover_disk_record_write(&conf, &record, &err), 0);
	record.id++;
	strcpy(record.old_path, in("fast/another.raw"));
	assert_int_equal(drover_disk_record_write(&conf, &record, &err), 0);
	assert_int_equal(drover_landing_make(&conf, &l, &err), 0);
	assert_int_equal(drover_disk_record_list(&conf, &records, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(records[0].id, record.id);
	free(records);
	drover_landing_free(&l);
}

static void settled(void **state)
{
	struct drover_landing l = planned(1), *list = NULL;
	struct drover_err err = { 0 };
	char *text;
	size_t n;

	assert_int_equal(drover_landing_make(&conf, &l, &err), 0);
	assert_int_equal(drover_landing_settle(&conf, &l, &err), 0);
	text = text_of("vms/web1.conf");
	assert_string_equal(text, l.text);
	free(text);
	assert_false(is_there("vms/web1.conf.old"));
	assert_true(is_there("fast/web1-root.raw"));
	assert_int_equal(drover_landing_list(&conf, &list, &n, &err), 0);
	assert_int_equal(n, 0);
	free(list);
	drover_landing_free(&l);
}

static void a_definition_that_was_there_is_kept(void **state)
{
	struct drover_landing l = planned(1);
	struct drover_err err = { 0 };
	char *text;

	assert_int_equal(drover_io_mkdirs(conf.vm_dir, 0755, &err), 0);
	assert_int_equal(drover_io_write_durable(in("vms/web1.conf"), "mine", 4, 0644, &err), 0);
	assert_int_equal(drover_landing_make(&conf, &l, &err), 0);
	assert_int_equal(drover_landing_settle(&conf, &l, &err), 0);
	text = text_of("vms/web1.conf.old");
	assert_string_equal(text, "mine");
	free(text);
	text = text_of("vms/web1.conf");
	assert_string_equal(text, l.text);
	free(text);
	/* Once more, as after a crash just before the end: what was kept stays. */
	assert_int_equal(drover_landing_settle(&conf, &l, &err), 0);
	text = text_of("vms/web1.conf.old");
	assert_string_equal(text, "mine");
	free(text);
	drover_landing_free(&l);
}

static void damage_is_left_alone(void **state)
{
	struct drover_landing l = planned(1), *list = NULL;
	struct drover_err err = { 0 };
	size_t n;

	assert_int_equal(drover_landing_make(&conf, &l, &err), 0);
	assert_int_equal(drover_io_write_durable(in("state/landings/host1-7"), "{ \"source\": 1", 13,
						 0600, &err), 0);
	assert_int_equal(drover_landing_list(&conf, &list, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].id, 42);
	assert_true(is_there("state/landings/host1-7"));
	drover_landing_free(&list[0]);
	free(list);
	drover_landing_free(&l);
}

static void quiet(enum drover_log_level level, const struct drover_log_subject *subject,
		  const char *text)
{
}

int main(void)
{
#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		IN_A_PLACE(places_are_found),
		IN_A_PLACE(nothing_travels),
		IN_A_PLACE(what_makes_no_sense_is_refused),
		IN_A_PLACE(the_sum_must_fit),
		IN_A_PLACE(what_is_promised_to_one_is_not_for_another),
		IN_A_PLACE(made_and_deleted),
		IN_A_PLACE(anothers_file_stays),
		IN_A_PLACE(what_was_left_there_is_forgotten),
		IN_A_PLACE(settled),
		IN_A_PLACE(a_definition_that_was_there_is_kept),
		IN_A_PLACE(damage_is_left_alone),
	};

	drover_log_set_sink(quiet, DROVER_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
