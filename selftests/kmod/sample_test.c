// SPDX-License-Identifier: GPL-2.0-only
/* Samples count the guest's writes to the pages they chose, each page once, and no others. */
#include "client.h"

static int sample(int session, uint32_t one_in, uint64_t seed, struct drover_sample *s)
{
	memset(s, 0, sizeof(*s));
	s->one_in = one_in;
	s->seed = seed;
	return ioctl(session, DROVER_IOC_SAMPLE, s);
}

static int started(struct vm *vm)
{
	int session;

	vm_create(vm);
	session = session_create(vm, DROVER_SESSION_NO_VMM_WRITES);
	NEED(session >= 0, "%s", reason);
	NEED(session_start(session) == 4, "%s", reason);
	return session;
}

TEST(a_sample_of_all_counts_every_written_page_once)
{
	static const uint64_t some[] = { 0, 7, 63, 64, 159, 195, 196, 1000, 4095 };
	struct drover_sample s;
	struct vm vm;
	int session = started(&vm);
	unsigned int n;

	/* The first run makes the page of the code known to KVM, which counts as a write. */
	vm_guest_write(&vm, 5, 1);
	NEED(!sample(session, 1, 0, &s));
	CHECK(!s.sampled_pages && !s.written_pages, "the first looks back at nothing");
	for (n = 0; n < 9; n++) {
		vm_guest_write(&vm, some[n], 1);
		vm_guest_write(&vm, some[n], 2);
	}
	NEED(!sample(session, 1, 0, &s));
	CHECK(s.sampled_pages == LOW_PAGES + VM_PAGES - HIGH_PAGE);
	/* Of each 64 pages of a slot the first is looked at: here 0 and 64 of one, 195 of the other. */
	CHECK(s.looked_pages == 3 + 61, "%llu pages", (unsigned long long)s.looked_pages);
	CHECK(s.accessed_pages >= 3 && s.accessed_pages <= 4, "%llu accessed",
	      (unsigned long long)s.accessed_pages);
	CHECK(s.written_pages == 9, "%llu pages", (unsigned long long)s.written_pages);
	NEED(!sample(session, 1, 0, &s));
	CHECK(!s.written_pages && !s.accessed_pages, "nothing was written since");
}

TEST(a_part_of_the_pages_stands_for_all)
{
	struct drover_sample s;
	struct vm vm;
	int session = started(&vm);
	uint64_t page, sampled = 0, written = 0;
	unsigned int seed;

	for (seed = 0; seed < 16; seed++) {
		NEED(!sample(session, 4, seed, &s));
		/* One in eight of the upper half. */
		for (page = 2048; page < VM_PAGES; page += 8)
			vm_guest_write(&vm, page, seed);
		NEED(!sample(session, 4, seed, &s));
		sampled += s.sampled_pages;
		written += s.written_pages;
	}
	CHECK(sampled > 16 * VM_PAGES / 4 * 8 / 10 && sampled < 16 * VM_PAGES / 4 * 12 / 10,
	      "%llu pages chosen", (unsigned long long)sampled);
	CHECK(written > sampled * 4 / 100 && written < sampled * 9 / 100,
	      "%llu of %llu written", (unsigned long long)written, (unsigned long long)sampled);
}

TEST(a_harvest_after_a_sample_takes_every_page)
{
	struct drover_harvest harvest;
	struct drover_sample s;
	struct vm vm;
	int session;

	vm_create(&vm);
	session = session_settled(&vm, 0);
	vm_guest_write(&vm, 1000, 1);
	NEED(!sample(session, 1, 0, &s));
	NEED(!session_harvest(session, &harvest));
	CHECK(harvest.total_pages == VM_PAGES);
}

TEST(samples_that_make_no_sense_are_refused)
{
	struct drover_sample s;
	struct vm vm;
	int session;

	vm_create(&vm);
	session = session_create(&vm, 0);
	NEED(session >= 0, "%s", reason);
	CHECK_ERROR(sample(session, 1, 0, &s), EINVAL);
	NEED(session_start(session) == 4);
	CHECK_ERROR(sample(session, 0, 0, &s), EINVAL);
	CHECK_ERROR(sample(session, DROVER_SAMPLE_ONE_IN_MAX + 1, 0, &s), EINVAL);
	NEED(!sample(session, 1, 0, &s));
	NEED(!vm_slot(&vm, 5, 0, VM_PAGES + 64, 64, vm.ram));
	CHECK_ERROR(sample(session, 1, 0, &s), EAGAIN);
}

TEST_MAIN
