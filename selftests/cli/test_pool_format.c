// SPDX-License-Identifier: GPL-2.0-or-later
/* What drover prints about pools, of answers made by hand. */
#include "page.h"

#include <time.h>

#include "drover_tool.h"
#include "report.h"
#include "report_pool.h"

static Drover__PoolInfo fast(void)
{
	static char *vms[] = { "web1", "web2" };
	Drover__PoolInfo p = DROVER__POOL_INFO__INIT;

	p.name = "fast";
	p.path = "/srv/fast";
	p.id = "san1";
	p.format = "qcow2";
	p.size_bytes = 10ULL << 30;
	p.used_bytes = 8ULL << 30;
	p.latency_us = 420;
	p.read_rate_bytes = 2ULL << 30;
	p.write_rate_bytes = 512ULL << 20;
	p.measured_time_us = 1700000000000000;
	p.vms = vms;
	p.n_vms = 2;
	return p;
}

static void test_pools(void **state)
{
	Drover__PoolInfo up = fast(), down = DROVER__POOL_INFO__INIT;
	Drover__PoolInfo *list[] = { &up, &down };
	Drover__ControlReply reply = DROVER__CONTROL_REPLY__INIT;
	struct page page;

	down.name = "old";
	down.path = "/srv/old";
	down.error = "pool old cannot be used: there is no directory /srv/old";
	down.latency_us = 12300;
	reply.pools = list;
	reply.n_pools = 2;
	report_pools(begin(&page), &reply);
	expect(&page,
	       "NAME      SIZE     USED   %  LATENCY       READ        WRITE  VMS  PATH       ERROR\n"
	       "fast  10.0 GiB  8.0 GiB  80   420 us  2.0 GiB/s  512.0 MiB/s    2  /srv/fast  -\n"
	       "old          -        -   -  12.3 ms          -            -    0  /srv/old   "
	       "pool old cannot be used: there is no directory /srv/old\n");
}

static void test_pool(void **state)
{
	Drover__ImageInfo images[2] = { DROVER__IMAGE_INFO__INIT, DROVER__IMAGE_INFO__INIT };
	Drover__ImageInfo *list[] = { &images[0], &images[1] };
	Drover__PoolInfo p = fast();
	struct page page;

	setenv("TZ", "UTC", 1);
	tzset();
	images[0].vm = "web1";
	images[0].disk = "root";
	images[0].format = "qcow2";
	images[0].size_bytes = 4ULL << 30;
	images[0].used_bytes = 1ULL << 30;
	images[0].path = "/srv/fast/web1-root.qcow2";
	images[1].path = "/srv/fast/a\033[2J.iso";
	images[1].size_bytes = images[1].used_bytes = 1 << 20;
	images[1].note = "of no VM that host1 knows";
	p.images = list;
	p.n_images = 2;
	report_pool(begin(&page), &p);
	expect(&page,
	       "name:        fast\n"
	       "path:        /srv/fast\n"
	       "id:          san1\n"
	       "format:      qcow2\n"
	       "space:       8.0 GiB of 10.0 GiB used, 80 %\n"
	       "latency:     420 us for a small write\n"
	       "throughput:  2.0 GiB/s to read, 512.0 MiB/s to write\n"
	       "measured:    2023-11-14 22:13:20\n"
	       "vms:         2\n"
	       "VM    DISK  FORMAT     SIZE     USED  PATH                       NOTE\n"
	       "web1  root  qcow2   4.0 GiB  1.0 GiB  /srv/fast/web1-root.qcow2  -\n"
	       "-     -     -       1.0 MiB  1.0 MiB  /srv/fast/a?[2J.iso        "
	       "of no VM that host1 knows\n");
	p = (Drover__PoolInfo)DROVER__POOL_INFO__INIT;
	p.name = "old";
	p.error = "nothing is mounted";
	report_pool(begin(&page), &p);
	expect(&page, "name:        old\n"
		      "path:        -\n"
		      "id:          -\n"
		      "format:      -\n"
		      "error:       nothing is mounted\n"
		      "measured:    never; drover pool show --measure does it\n"
		      "vms:         0\n");
}

/* One of each kind. */
static struct items {
	Drover__PoolAdvice item[6], *list[6];
	Drover__ControlReply reply;
} items(void)
{
	static const Drover__PoolAdvice init = DROVER__POOL_ADVICE__INIT;
	struct items s = { .item = { init, init, init, init, init, init },
			   .reply = DROVER__CONTROL_REPLY__INIT };

	for (int i = 0; i < 5; i++) {
		s.item[i].vm = "web1";
		s.item[i].disk = (char *[]){ "a", "b", "c", "d", "e" }[i];
		s.item[i].from = "old";
		s.item[i].to = "fast";
		s.item[i].bytes = 1 << 30;
		s.item[i].priority = 2;
		s.item[i].reason = "pool fast comes to 30 % with it";
	}
	s.item[0].state = DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_DONE;
	s.item[1].state = DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_FAILED;
	s.item[1].error = "no space";
	s.item[2].state = DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_COPYING;
	s.item[4].to = "";
	s.item[4].error = "it is read-only";
	s.item[5].from = "old";
	s.item[5].path = "/srv/old/x.iso";
	s.item[5].error = "of no VM that host1 knows";
	return s;
}

static struct items *ready(struct items *s)
{
	for (int i = 0; i < 6; i++)
		s->list[i] = &s->item[i];
	s->reply.advice = s->list;
	s->reply.n_advice = 6;
	return s;
}

static void test_job(void **state)
{
	struct items s = items();
	struct pool_job job;
	struct page page;

	report_job(begin(&page), &ready(&s)->reply);
	expect(&page,
	       "VM    DISK            FROM  TO       SIZE  STATE    WHY\n"
	       "web1  a               old   fast  1.0 GiB  moved    -\n"
	       "web1  b               old   fast  1.0 GiB  failed   no space\n"
	       "web1  c               old   fast  1.0 GiB  copying  -\n"
	       "web1  d               old   fast  1.0 GiB  waiting  -\n"
	       "web1  e               old   -     1.0 GiB  left     it is read-only\n"
	       "-     /srv/old/x.iso  old   -           -  left     of no VM that host1 knows\n"
	       "1 moved (1.0 GiB), 1 failed, 2 left, 1 under way, 1 waiting\n");
	pool_job_count(&s.reply, &job);
	assert_int_equal(job.all, 6);
	assert_int_equal(job.moved, 1);
	assert_int_equal(job.failed, 1);
	assert_int_equal(job.moving, 1);
	assert_int_equal(job.waiting, 1);
	assert_int_equal(job.left, 2);
	assert_int_equal(job.left_disks, 1);
	s.reply.n_advice = 0;
	report_job(begin(&page), &s.reply);
	expect(&page, "0 moved (0.0 KiB), 0 failed, 0 left\n");
}

static void test_advice(void **state)
{
	struct items s = items();
	struct page page;

	ready(&s)->list[1] = s.list[4];
	s.list[2] = s.list[5];
	s.reply.n_advice = 3;
	report_advice(begin(&page), &s.reply);
	expect(&page,
	       "PRIORITY  VM    DISK            FROM  TO       SIZE  WHY\n"
	       "       2  web1  a               old   fast  1.0 GiB  pool fast comes to 30 % with it\n"
	       "       2  web1  e               old   -     1.0 GiB  it is read-only\n"
	       "       -  -     /srv/old/x.iso  old   -           -  of no VM that host1 knows\n");
}

static void test_words(void **state)
{
	const char *targets[3] = { NULL }, *pool = NULL;
	struct tool_words to = { .words = targets, .max = 3 };
	const struct tool_option options[] = { { .name = "--to", .words = &to }, { 0 } };
	char list[] = "b,c";
	char *words[] = { "drover", "--to", "a", "old", "--to", list, NULL };

	assert_int_equal(tool_parse(5, words + 1, options, &pool, 1, ""), 0);
	assert_string_equal(pool, "old");
	assert_int_equal(to.count, 3);
	assert_string_equal(targets[0], "a");
	assert_string_equal(targets[1], "b");
	assert_string_equal(targets[2], "c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_job),
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
