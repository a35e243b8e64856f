// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages for operators: every field arrives, and what is made can be freed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/reply.h"

/* Packs and unpacks, as the mailbox does. */
static Drover__ControlReply *travel(Drover__ControlReply *reply)
{
	size_t len = drover__control_reply__get_packed_size(reply);
	uint8_t *bytes = malloc(len + 1);
	Drover__ControlReply *got;

	drover__control_reply__pack(reply, bytes);
	drover_reply_free(reply);
	got = drover__control_reply__unpack(NULL, len, bytes);
	free(bytes);
	assert_non_null(got);
	return got;
}

static void empty(void **state)
{
	Drover__ControlReply *reply = travel(drover_reply_new());

	assert_int_equal(reply->code, 0);
	assert_string_equal(reply->error, "");
	assert_int_equal(reply->n_vms + reply->n_migrations + reply->n_hosts, 0);
	drover_reply_free(reply);
	drover_reply_free(NULL);
}

static void error(void **state)
{
	struct drover_err err = { .code = -EBUSY, .text = "vm web1 is being migrated" };
	Drover__ControlReply *reply = travel(drover_reply_error(&err));

	assert_int_equal(reply->code, EBUSY);
	assert_string_equal(reply->error, "vm web1 is being migrated");
	drover_reply_free(reply);
}

static void vms(void **state)
{
	struct drover_vm_def def = { .name = "web1", .vcpus = 3, .memory_mib = 512,
				     .machine = "q35", .cpu = "host", .disk_count = 2,
				     .nic_count = 1 };
	Drover__ControlReply *reply = drover_reply_new();
	Drover__VmInfo *vm;

	strcpy(def.disks[0].path, "/dev/san");
	strcpy(def.disks[1].path, "/srv/web1.qcow2");
	strcpy(def.nics[0].mac, "52:54:00:12:34:56");
	for (int i = 0; i < 10; i++)
		drover_reply_add_vm(reply, drover_reply_vm(&def));
	/* Out of memory is left out. */
	drover_reply_add_vm(reply, NULL);
	reply = travel(reply);
	assert_int_equal(reply->n_vms, 10);
	vm = reply->vms[9];
	assert_string_equal(vm->name, "web1");
	assert_int_equal(vm->vcpus, 3);
	assert_int_equal(vm->memory_mib, 512);
	assert_string_equal(vm->machine, "q35");
	assert_string_equal(vm->cpu, "host");
	assert_int_equal(vm->n_disks, 2);
	assert_string_equal(vm->disks[1], "/srv/web1.qcow2");
	assert_int_equal(vm->n_nics, 1);
	assert_string_equal(vm->nics[0], "52:54:00:12:34:56");
	drover_reply_free(reply);
}

/* Every number differs, so that two fields that were swapped show. */
static struct drover_migration_info info_of(uint32_t rounds)
{
	struct drover_migration_info info = {
		.id = 1001, .vm = "web1", .source = "host1", .target = "host2", .incoming = true,
		.state = DROVER_MIGRATION_IN_DOUBT, .error = "no answer", .start_time_us = 1002,
		.total_us = 1003, .ram_bytes = 1004, .round_bytes = 1005, .dirty_bytes = 1006,
		.wire_bytes = 1007, .rate_bytes = 1008, .dirty_rate_bytes = 1009,
		.expected_us = 1010, .expected_blackout_us = 1011, .blackout_us = 1012,
		.sent_pages = 1013, .zero_pages = 1014, .vmm_pages = 1015, .verified_pages = 1016,
		.mismatched_pages = 1017, .device_state_bytes = 1018, .streams = 1019,
		.round_count = rounds,
	};

	for (uint32_t i = 0; i < rounds; i++)
		info.rounds[i] = (struct drover_round_info){
			.number = i + 1, .duration_us = 2001, .harvest_us = 2002,
			.dirty_pages = 2003, .log_pages = 2004, .vmm_pages = 2005,
			.kept_pages = 2006, .sent_pages = 2007, .zero_pages = 2008,
			.wire_bytes = 2009,
		};
	return info;
}

static void migrations(void **state)
{
	struct drover_migration_info info = info_of(2);
	Drover__ControlReply *reply = drover_reply_new();
	Drover__MigrationInfo *m;
	Drover__RoundInfo *r;

	drover_reply_add_migration(reply, drover_reply_migration(&info));
	drover_reply_add_migration(reply, NULL);
	reply = travel(reply);
	assert_int_equal(reply->n_migrations, 1);
	m = reply->migrations[0];
	assert_int_equal(m->id, 1001);
	assert_string_equal(m->vm, "web1");
	assert_string_equal(m->source, "host1");
	assert_string_equal(m->target, "host2");
	assert_true(m->incoming);
	assert_string_equal(m->error, "no answer");
	assert_int_equal(m->start_time_us, 1002);
	assert_int_equal(m->total_us, 1003);
	assert_int_equal(m->ram_bytes, 1004);
	assert_int_equal(m->round_bytes, 1005);
	assert_int_equal(m->dirty_bytes, 1006);
	assert_int_equal(m->wire_bytes, 1007);
	assert_int_equal(m->rate_bytes, 1008);
	assert_int_equal(m->dirty_rate_bytes, 1009);
	assert_int_equal(m->expected_us, 1010);
	assert_int_equal(m->expected_blackout_us, 1011);
	assert_int_equal(m->blackout_us, 1012);
	assert_int_equal(m->sent_pages, 1013);
	assert_int_equal(m->zero_pages, 1014);
	assert_int_equal(m->vmm_pages, 1015);
	assert_int_equal(m->verified_pages, 1016);
	assert_int_equal(m->mismatched_pages, 1017);
	assert_int_equal(m->device_state_bytes, 1018);
	assert_int_equal(m->streams, 1019);
	assert_int_equal(m->n_rounds, 2);
	r = m->rounds[1];
	assert_int_equal(r->number, 2);
	assert_int_equal(r->duration_us, 2001);
	assert_int_equal(r->harvest_us, 2002);
	assert_int_equal(r->dirty_pages, 2003);
	assert_int_equal(r->log_pages, 2004);
	assert_int_equal(r->vmm_pages, 2005);
	assert_int_equal(r->kept_pages, 2006);
	assert_int_equal(r->sent_pages, 2007);
	assert_int_equal(r->zero_pages, 2008);
	assert_int_equal(r->wire_bytes, 2009);
	drover_reply_free(reply);
}

static void states_have_the_same_numbers(void **state)
{
	static const struct {
		enum drover_migration_state ours;
		Drover__MigrationState theirs;
	} pairs[] = {
		{ DROVER_MIGRATION_PREPARE, DROVER__MIGRATION_STATE__MIGRATION_STATE_PREPARE },
		{ DROVER_MIGRATION_PRECOPY, DROVER__MIGRATION_STATE__MIGRATION_STATE_PRECOPY },
		{ DROVER_MIGRATION_SWITCHOVER, DROVER__MIGRATION_STATE__MIGRATION_STATE_SWITCHOVER },
		{ DROVER_MIGRATION_IN_DOUBT, DROVER__MIGRATION_STATE__MIGRATION_STATE_IN_DOUBT },
		{ DROVER_MIGRATION_DONE, DROVER__MIGRATION_STATE__MIGRATION_STATE_DONE },
		{ DROVER_MIGRATION_CANCELLED, DROVER__MIGRATION_STATE__MIGRATION_STATE_CANCELLED },
		{ DROVER_MIGRATION_FAILED, DROVER__MIGRATION_STATE__MIGRATION_STATE_FAILED },
	};

	for (int i = 0; i < 7; i++) {
		struct drover_migration_info info = { .state = pairs[i].ours };
		Drover__MigrationInfo *m = drover_reply_migration(&info);

		assert_int_equal(m->state, pairs[i].theirs);
		drover__migration_info__free_unpacked(m, NULL);
	}
}

static void all_rounds_fit(void **state)
{
	struct drover_migration_info info = info_of(DROVER_ROUNDS_MAX);
	Drover__ControlReply *reply = drover_reply_new();

	drover_reply_add_migration(reply, drover_reply_migration(&info));
	/* One mailbox message: see DROVER_CTL_PAYLOAD_MAX. */
	assert_true(drover__control_reply__get_packed_size(reply) < 32768);
	reply = travel(reply);
	assert_int_equal(reply->migrations[0]->n_rounds, DROVER_ROUNDS_MAX);
	drover_reply_free(reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(error),
		cmocka_unit_test(vms),
		cmocka_unit_test(migrations),
		cmocka_unit_test(states_have_the_same_numbers),
		cmocka_unit_test(all_rounds_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
