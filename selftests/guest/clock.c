// SPDX-License-Identifier: GPL-2.0-or-later
/* Watches the guest's own clocks: how long it did not run, and steps back. */
#include "clock.h"

#include <inttypes.h>

#include "count.h"
#include "options.h"
#include "task.h"

static struct {
	clockid_t clock;
	const char *name;
	uint64_t last;
} clocks[] = {
	{CLOCK_MONOTONIC, "CLOCK_MONOTONIC"},
	{CLOCK_BOOTTIME, "CLOCK_BOOTTIME"},
	{CLOCK_REALTIME, "CLOCK_REALTIME"},
};

static void *watch(void *arg)
{
	uint64_t period_ns = *(const unsigned long *)arg * 1000000;

	for (;;) {
		task_wait(period_ns);
		for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
			uint64_t now = task_now(clocks[i].clock);
			uint64_t last = clocks[i].last;

			clocks[i].last = now;
			if (now < last)
				fail(CLOCK_ERRORS, "%s went back by %" PRIu64 " ns", clocks[i].name,
				     last - now);
			else if (!i && last && (now - last) / 1000000 > count_get(MAX_GAP_MS))
				count_set(MAX_GAP_MS, (now - last) / 1000000);
		}
	}
	return arg;
}

void clock_start(const struct options *opt)
{
	static unsigned long tick;

	tick = opt->tick;
	task_start("clock", TASK_CLOCK, watch, &tick);
}

void clock_reset_gap(void)
{
	count_set(MAX_GAP_MS, 0);
}
