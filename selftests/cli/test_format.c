// SPDX-License-Identifier: GPL-2.0-or-later
/* What drover prints for people, of answers made by hand. Nothing is asked of netlink. */
#include "page.h"

#include <drover.h>
#include <time.h>

#include "drover_tool.h"
#include "output.h"
#include "progress.h"
#include "report.h"

/* --- tables --- */

static void test_vms(void **state)
{
	Drover__VmInfo vms[] = { vm_running(), vm_moved() };
	Drover__VmInfo *list[] = { &vms[0], &vms[1] };
	Drover__ControlReply reply = DROVER__CONTROL_REPLY__INIT;
	struct page page;

	reply.vms = list;
	reply.n_vms = 2;
	report_vms(begin(&page), &reply);
	expect(&page,
	       "NAME                  STATE    VCPUS     MEMORY  HOST   UPTIME  MIGRATION\n"
	       "web1                  running      2    512 MiB  host1    75 s          7\n"
	       "database-of-the-shop  moved       16  65536 MiB  host2       -          -\n");
	reply.n_vms = 0;
	report_vms(begin(&page), &reply);
	expect(&page, "NAME  STATE  VCPUS  MEMORY  HOST  UPTIME  MIGRATION\n");
}

static void test_vm(void **state)
{
	Drover__VmInfo running = vm_running(), moved = vm_moved();
	struct page page;

	report_vm(begin(&page), &running);
	expect(&page, "name:        web1\n"
		      "state:       running\n"
		      "host:        host1\n"
		      "vcpus:       2\n"
		      "memory:      512 MiB\n"
		      "machine:     q35\n"
		      "cpu:         host\n"
		      "disk:        /srv/web1.raw\n"
		      "nic:         52:54:00:01:02:03\n"
		      "definition:  /run/drover/vms/web1/vm.conf\n"
		      "console:     /run/drover/vms/web1/console.log\n"
		      "process:     4711\n"
		      "uptime:      75 s\n"
		      "migration:   7\n");
	report_vm(begin(&page), &moved);
	expect(&page, "name:        database-of-the-shop\n"
		      "state:       moved\n"
		      "host:        host2\n"
		      "vcpus:       16\n"
		      "memory:      65536 MiB\n"
		      "machine:     -\n"
		      "cpu:         -\n"
		      "definition:  -\n");
}

static void test_hosts(void **state)
{
	Drover__HostInfo up = DROVER__HOST_INFO__INIT, down = DROVER__HOST_INFO__INIT;
	Drover__HostInfo *list[] = { &up, &down };
	Drover__ControlReply reply = DROVER__CONTROL_REPLY__INIT;
	struct page page;

	up.name = "host1";
	up.address = "0.0.0.0";
	up.self = up.reachable = true;
	up.cpus = 32;
	up.memory_mib = 131072;
	up.memory_free_mib = 100000;
	up.vms = 3;
	up.load1 = 0.15;
	down.name = "host2";
	down.address = "10.0.0.2";
	down.error = "host2 does not answer";
	reply.hosts = list;
	reply.n_hosts = 2;
	report_hosts(begin(&page), &reply);
	expect(&page,
	       "NAME   ADDRESS   STATE        CPUS      MEMORY        FREE  VMS  LOAD\n"
	       "host1  0.0.0.0   this           32  131072 MiB  100000 MiB    3  0.15\n"
	       "host2  10.0.0.2  unreachable     -           -           -    -     -\n");
	report_host(begin(&page), &down);
	expect(&page, "name:        host2\n"
		      "address:     10.0.0.2\n"
		      "unreachable: host2 does not answer\n");
}

static void test_sessions(void **state)
{
	const struct session_info session = {
		.id = 3, .name = "web1", .state = DROVER_SESSION_STATE_STARTED, .pid = 4711,
		.ram_pages = 131072, .harvests = 4, .log_pages = 20, .vmm_pages = 5,
		.kept_pages = 1, .sent_pages = 99, .zero_pages = 8, .sent_bytes = 405504,
	};
	struct output_table table;
	struct page page;

	report_sessions(&table);
	report_session(&table, &session);
	output_table(begin(&page), &table);
	expect(&page, "ID  VM    STATE     PID   PAGES  HARVESTS  GUEST  VMM  KEPT  SENT  ZERO       WIRE\n"
		      " 3  web1  started  4711  131072         4     20    5     1    99     8  396.0 KiB\n");
}

static void test_events(void **state)
{
	const struct session_info session = {
		.id = 3, .name = "web1", .state = DROVER_SESSION_STATE_DEAD, .pid = 4711,
	};
	Drover__Event event = DROVER__EVENT__INIT;
	struct page page;

	event.time_us = 1700000000123456;
	event.host = "host1";
	event.text = "migration 7 is done";
	report_event(begin(&page), &event);
	expect(&page, "2023-11-14 22:13:20 host1 migration 7 is done\n");
	report_session_event(begin(&page), event.time_us, &session);
	expect(&page, "2023-11-14 22:13:20 drover.ko session 3 of vm web1, process 4711: dead\n");
}

/* What a peer calls itself must not drive the operator's terminal. */
static void test_control_characters(void **state)
{
	static const char *const headings[] = { "A", "B" };
	struct output_table table = { .columns = 2, .headings = headings };
	struct page page;

	output_row(&table, (const char *const[]){ "x\033[2Jy", NULL });
	output_table(begin(&page), &table);
	expect(&page, "A       B\n"
		      "x?[2Jy  -\n");
	output_text(begin(&page), "a\nb\tc");
	expect(&page, "a?b?c");
}

/* --- migrations --- */

static void test_rounds_and_summary(void **state)
{
	Drover__MigrationInfo m = migration_done();
	struct page page;

	progress_rounds(begin(&page), &m);
	expect(&page,
	       "ROUND     MS   DIRTY  GUEST    VMM  KEPT    SENT   ZERO    MIB  HARVEST-US\n"
	       "    1  13107  131070  91749  39321     1  104856  26214  409.6         121\n"
	       "    2     40     400    280    120     2     320     80    1.2         122\n");
	progress_summary(begin(&page), &m);
	expect(&page, "migration 7 of vm web1 from host1 to host2: done\n"
		      "16 s in all, blackout 38 ms, 410.1 MiB on the wire, "
		      "131072 pages verified, 0 differ\n");
	m.state = DROVER__MIGRATION_STATE__MIGRATION_STATE_FAILED;
	m.error = "host2 has too little memory";
	m.blackout_us = m.wire_bytes = m.verified_pages = m.n_rounds = 0;
	m.total_us = 12000;
	progress_rounds(begin(&page), &m);
	expect(&page, "");
	progress_summary(begin(&page), &m);
	expect(&page, "migration 7 of vm web1 from host1 to host2: failed: "
		      "host2 has too little memory\n"
		      "12 ms in all, 0.0 KiB on the wire\n");
}

static void line_is(const Drover__MigrationInfo *m, const char *wanted)
{
	char line[256];

	progress_line(m, line, sizeof(line));
	assert_string_equal(line, wanted);
}

static void test_line(void **state)
{
	Drover__MigrationInfo m = migration_done();

	m.state = DROVER__MIGRATION_STATE__MIGRATION_STATE_PREPARE;
	m.n_rounds = m.wire_bytes = m.sent_pages = m.zero_pages = 0;
	line_is(&m, "prepare: round 1, 0%, 0.0 KiB/s, dirty 0.0 KiB/s, ends in ?, blackout ?");

	/* In the first round droverd knows no rate yet: the average is shown. */
	m.state = DROVER__MIGRATION_STATE__MIGRATION_STATE_PRECOPY;
	m.dirty_bytes = m.round_bytes = m.ram_bytes;
	m.sent_pages = m.zero_pages = 131072 / 4;
	m.wire_bytes = 128ULL << 20;
	m.total_us = 2000000;
	line_is(&m, "precopy: round 1, 50%, 64.0 MiB/s, dirty 0.0 KiB/s, ends in ?, blackout ?");

	/* In a later one only what is left of it counts as not done. */
	m = migration_done();
	m.state = DROVER__MIGRATION_STATE__MIGRATION_STATE_PRECOPY;
	m.dirty_bytes = m.round_bytes = 256ULL << 20;
	m.sent_pages += 16384;
	m.zero_pages += 16384;
	m.rate_bytes = 112ULL << 20;
	m.dirty_rate_bytes = 3ULL << 19;
	m.expected_us = 2100000;
	m.expected_blackout_us = 45000;
	line_is(&m, "precopy: round 3, 75%, 112.0 MiB/s, dirty 1.5 MiB/s, ends in 2.1 s, "
		    "blackout 45 ms");

	/* More may be sent in a round than it began with: never beyond 100. */
	m.sent_pages += 1000000;
	m.state = DROVER__MIGRATION_STATE__MIGRATION_STATE_SWITCHOVER;
	line_is(&m, "switchover: round 3, 100%, 112.0 MiB/s, dirty 1.5 MiB/s, ends in 2.1 s, "
		    "blackout 45 ms");
}

static void disk_is(const Drover__DiskMoveInfo *d, const char *wanted)
{
	char line[256];

	progress_disk(d, line, sizeof(line));
	assert_string_equal(line, wanted);
}

static void test_disk_line(void **state)
{
	Drover__DiskMoveInfo d = DROVER__DISK_MOVE_INFO__INIT;
	char line[64];

	d.disk = "root";
	d.state = DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_COPYING;
	disk_is(&d, "disk root: copying, 0%, 0.0 KiB/s, in step in ?");
	/* What is to copy is told in all, not what is left of it. */
	d.todo_bytes = 1000ULL << 20;
	d.done_bytes = 755ULL << 20;
	d.rate_bytes = 12ULL << 20;
	d.expected_us = 41000000;
	disk_is(&d, "disk root: copying, 75%, 12.0 MiB/s, in step in 41 s");
	d.write_now_us = 3100;
	d.write_before_us = 900;
	disk_is(&d, "disk root: copying, 75%, 12.0 MiB/s, guest writes take 3.1 ms (before: 0.9 ms), "
		    "in step in 41 s");
	/* Too long for where it goes: cut off, no more. */
	progress_disk(&d, line, sizeof(line));
	assert_string_equal(line, "disk root: copying, 75%, 12.0 MiB/s, guest writes take 3.1 ms (");
	d.done_bytes = d.todo_bytes;
	disk_is(&d, "disk root: copying, 100%, 12.0 MiB/s, guest writes take 3.1 ms (before: 0.9 ms), "
		    "in step in 41 s");
	d.state = DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_IN_STEP;
	disk_is(&d, "disk root: in step, guest writes take 3.1 ms (before: 0.9 ms)");
	d.write_before_us = 0;
	disk_is(&d, "disk root: in step, guest writes take 3.1 ms");
	d.state = DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_INTERRUPTED;
	d.error = "a write to the new image failed";
	disk_is(&d, "disk root: interrupted: a write to the new image failed");
}

/* All that are not in step yet, on one line, in place of the memory's. */
static void test_disks_in_the_line(void **state)
{
	Drover__DiskMoveInfo root = DROVER__DISK_MOVE_INFO__INIT, data = root;
	Drover__DiskMoveInfo *disks[] = { &root, &data };
	Drover__MigrationInfo m = migration_done();

	m.state = DROVER__MIGRATION_STATE__MIGRATION_STATE_PRECOPY;
	m.n_rounds = 0;
	m.disks = disks;
	m.n_disks = 2;
	root.disk = "root";
	root.state = DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_IN_STEP;
	data.disk = "data";
	data.state = DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_COPYING;
	data.done_bytes = 3ULL << 20;
	data.todo_bytes = 4ULL << 20;
	data.write_now_us = 250000;
	line_is(&m, "disk root: in step; disk data: copying, 75%, 0.0 KiB/s, "
		    "guest writes take 250 ms, in step in ?");
}

static void test_round_line(void **state)
{
	Drover__RoundInfo r = round_of(2, 40);
	char line[128];

	progress_round(&r, line, sizeof(line));
	assert_string_equal(line, "round 2: 400 dirty, 320 sent, 80 zero, 1.2 MiB in 40 ms");
}

static void test_exit_codes(void **state)
{
	static const struct {
		Drover__MigrationState state;
		bool ended;
		int code;
	} cases[] = {
		{ DROVER__MIGRATION_STATE__MIGRATION_STATE_PREPARE, false },
		{ DROVER__MIGRATION_STATE__MIGRATION_STATE_PRECOPY, false },
		{ DROVER__MIGRATION_STATE__MIGRATION_STATE_SWITCHOVER, false },
		{ DROVER__MIGRATION_STATE__MIGRATION_STATE_DONE, true, 0 },
		{ DROVER__MIGRATION_STATE__MIGRATION_STATE_FAILED, true, 1 },
		{ DROVER__MIGRATION_STATE__MIGRATION_STATE_CANCELLED, true, 4 },
		{ DROVER__MIGRATION_STATE__MIGRATION_STATE_IN_DOUBT, true, 5 },
	};
	Drover__MigrationInfo m = DROVER__MIGRATION_INFO__INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		m.state = cases[i].state;
		assert_int_equal(progress_ended(&m), cases[i].ended);
		if (cases[i].ended)
			assert_int_equal(progress_exit(&m), cases[i].code);
	}
}

/* --- units and numbers --- */

static void test_units(void **state)
{
	char buf[32];

	assert_string_equal(output_bytes(0, buf), "0.0 KiB");
	assert_string_equal(output_bytes(1536, buf), "1.5 KiB");
	assert_string_equal(output_bytes(1 << 20, buf), "1.0 MiB");
	assert_string_equal(output_bytes(3ULL << 29, buf), "1.5 GiB");
	assert_string_equal(output_time(800, buf), "1 ms");
	assert_string_equal(output_time(999000, buf), "999 ms");
	assert_string_equal(output_time(1500000, buf), "1.5 s");
	assert_string_equal(output_time(90000000, buf), "90 s");
}

static void test_numbers(void **state)
{
	uint64_t n = 5;

	assert_true(tool_number("16", 1, 16, &n));
	assert_int_equal(n, 16);
	assert_true(tool_number("18446744073709551615", 0, UINT64_MAX, &n));
	assert_false(tool_number("17", 1, 16, &n));
	assert_false(tool_number("0", 1, 16, &n));
	assert_false(tool_number("-1", 0, UINT64_MAX, &n));
	assert_false(tool_number(" 1", 1, 16, &n));
	assert_false(tool_number("1x", 1, 16, &n));
	assert_false(tool_number("", 0, 16, &n));
	assert_false(tool_number("18446744073709551616", 0, UINT64_MAX, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vms),
		cmocka_unit_test(test_vm),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_rounds_and_summary),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_disk_line),
		cmocka_unit_test(test_disks_in_the_line),
		cmocka_unit_test(test_round_line),
		cmocka_unit_test(test_exit_codes),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_numbers),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
