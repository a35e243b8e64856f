/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of what drover prints: a stream to print to, and things made by hand. */
#ifndef SELFTESTS_CLI_PAGE_H
#define SELFTESTS_CLI_PAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.pb-c.h"

struct page {
	char *text;
	size_t len;
	FILE *out;
};

static inline FILE *begin(struct page *page)
{
	*page = (struct page){ 0 };
	page->out = open_memstream(&page->text, &page->len);
	assert_non_null(page->out);
	return page->out;
}

static inline void expect(struct page *page, const char *wanted)
{
	fclose(page->out);
	assert_string_equal(page->text, wanted);
	free(page->text);
}

static inline Drover__VmInfo vm_running(void)
{
	static char *disks[] = { "/srv/web1.raw" }, *nics[] = { "52:54:00:01:02:03" };
	Drover__VmInfo vm = DROVER__VM_INFO__INIT;

	vm.name = "web1";
	vm.state = DROVER__VM_STATE__VM_STATE_RUNNING;
	vm.vcpus = 2;
	vm.memory_mib = 512;
	vm.pid = 4711;
	vm.host = "host1";
	vm.machine = "q35";
	vm.cpu = "host";
	vm.disks = disks;
	vm.n_disks = 1;
	vm.nics = nics;
	vm.n_nics = 1;
	vm.console = "/run/drover/vms/web1/console.log";
	vm.definition = "/run/drover/vms/web1/vm.conf";
	vm.uptime_s = 75;
	vm.migration_id = 7;
	return vm;
}

static inline Drover__VmInfo vm_moved(void)
{
	Drover__VmInfo vm = DROVER__VM_INFO__INIT;

	vm.name = "database-of-the-shop";
	vm.state = DROVER__VM_STATE__VM_STATE_MOVED;
	vm.vcpus = 16;
	vm.memory_mib = 65536;
	vm.host = "host2";
	return vm;
}

static inline Drover__RoundInfo round_of(uint32_t number, uint64_t scale)
{
	Drover__RoundInfo r = DROVER__ROUND_INFO__INIT;

	r.number = number;
	r.duration_us = 1000 * scale;
	r.dirty_pages = 10 * scale;
	r.log_pages = 7 * scale;
	r.vmm_pages = 3 * scale;
	r.kept_pages = number;
	r.sent_pages = 8 * scale;
	r.zero_pages = 2 * scale;
	r.wire_bytes = 8 * scale * 4096;
	r.harvest_us = 120 + number;
	return r;
}

static inline Drover__MigrationInfo migration_done(void)
{
	static Drover__RoundInfo rounds[2], *list[] = { &rounds[0], &rounds[1] };
	Drover__MigrationInfo m = DROVER__MIGRATION_INFO__INIT;

	rounds[0] = round_of(1, 13107);
	rounds[1] = round_of(2, 40);
	m.id = 7;
	m.vm = "web1";
	m.source = "host1";
	m.target = "host2";
	m.state = DROVER__MIGRATION_STATE__MIGRATION_STATE_DONE;
	m.total_us = 16400000;
	m.blackout_us = 38200;
	m.ram_bytes = 512ULL << 20;
	m.wire_bytes = 430000000;
	m.verified_pages = 131072;
	m.sent_pages = 105176;
	m.zero_pages = 26294;
	m.rounds = list;
	m.n_rounds = 2;
	return m;
}

#endif
