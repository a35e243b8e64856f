// SPDX-License-Identifier: GPL-2.0-or-later
/* What drover writes with --json: names, types and words that scripts rely on. */
#include "page.h"

#include <drover.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "output.h"
#include "report.h"

/* Compact, so that one line of a test holds it; frees the value. */
static void expect_json(json_t *value, const char *wanted)
{
	auto_free char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(6));

	assert_non_null(text);
	assert_string_equal(text, wanted);
	json_decref(value);
}

static void test_json_names_and_types(void **state)
{
	Drover__HostInfo host = DROVER__HOST_INFO__INIT;
	Drover__RoundInfo r = round_of(2, 40);

	host.name = "host1";
	host.self = true;
	host.load1 = 2;
	expect_json(output_json(&host.base),
		    "{\"name\":\"host1\",\"address\":\"\",\"self\":true,\"reachable\":false,"
		    "\"error\":\"\",\"cpus\":0,\"memory_mib\":0,\"memory_free_mib\":0,"
		    "\"cpu_model\":\"\",\"kernel\":\"\",\"qemu\":\"\",\"agent\":\"\",\"vms\":0,"
		    "\"load1\":2.0,\"load\":null,\"cpu_mhz\":0.0,\"cpu_flags\":[]}");
	expect_json(output_json(&r.base),
		    "{\"number\":2,\"duration_us\":40000,\"dirty_pages\":400,\"log_pages\":280,"
		    "\"vmm_pages\":120,\"kept_pages\":2,\"sent_pages\":320,\"zero_pages\":80,"
		    "\"wire_bytes\":1310720,\"harvest_us\":122}");
}

static void state_is(int state, const char *wanted)
{
	Drover__MigrationInfo m = DROVER__MIGRATION_INFO__INIT;
	json_t *o;

	m.state = state;
	o = output_json(&m.base);
	assert_string_equal(json_string_value(json_object_get(o, "state")), wanted);
	json_decref(o);
}

static void test_json_states(void **state)
{
	state_is(DROVER__MIGRATION_STATE__MIGRATION_STATE_IN_DOUBT, "in_doubt");
	state_is(DROVER__MIGRATION_STATE__MIGRATION_STATE_DONE, "done");
	state_is(4711, "unknown");
}

static void test_json_event(void **state)
{
	Drover__MigrationInfo m = migration_done();
	Drover__Event event = DROVER__EVENT__INIT;
	json_t *o, *list;

	event.time_us = 1700000000123456;
	event.host = "host1";
	event.text = "migration 7 is done";
	event.migration = &m;
	o = output_json(&event.base);
	assert_true(json_is_null(json_object_get(o, "vm_info")));
	list = json_object_get(json_object_get(o, "migration"), "rounds");
	assert_int_equal(json_array_size(list), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "number")), 2);
	assert_int_equal(json_integer_value(json_object_get(o, "time_us")), 1700000000123456);
	json_decref(o);
}

static void test_json_reply(void **state)
{
	Drover__VmInfo vm = vm_running(), *list[] = { &vm };
	Drover__ControlReply reply = DROVER__CONTROL_REPLY__INIT;
	json_t *o;

	expect_json(report_json(&reply, "vms"), "{\"vms\":[]}");
	reply.vms = list;
	reply.n_vms = 1;
	o = report_json(&reply, "vms");
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(o, "vms"), 0), "state")),
			    "running");
	json_decref(o);
}

static void test_json_session(void **state)
{
	const struct session_info session = {
		.id = 3, .name = "web1", .state = DROVER_SESSION_STATE_STARTED, .pid = 4711,
		.ram_pages = 131072, .harvests = 4, .log_pages = 20, .vmm_pages = 5,
		.kept_pages = 1, .sent_pages = 99, .zero_pages = 8, .sent_bytes = 405504,
	};

	expect_json(report_session_json(&session),
		    "{\"id\":3,\"name\":\"web1\",\"state\":\"started\",\"pid\":4711,"
		    "\"ram_pages\":131072,\"harvests\":4,\"log_pages\":20,\"vmm_pages\":5,"
		    "\"kept_pages\":1,\"sent_pages\":99,\"zero_pages\":8,\"sent_bytes\":405504}");
}

static void test_json_odd_text(void **state)
{
	Drover__VmInfo vm = DROVER__VM_INFO__INIT;
	json_t *o;

	vm.name = "w\xff" "b";
	o = output_json(&vm.base);
	assert_string_equal(json_string_value(json_object_get(o, "name")), "w?b");
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_names_and_types),
		cmocka_unit_test(test_json_states),
		cmocka_unit_test(test_json_event),
		cmocka_unit_test(test_json_reply),
		cmocka_unit_test(test_json_session),
		cmocka_unit_test(test_json_odd_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
