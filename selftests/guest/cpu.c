// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Keeps the processor busy for a share of each period, by the clock: a guest that gets less than it
 * wants still wants as much.
 */
#include "cpu.h"

#include <stddef.h>
#include <stdint.h>

#include "task.h"

#define PERIOD_NS 200000000ull

static unsigned long share;

/* Processor time of this thread, not time that went by: what it did not get it still wants. */
static void spin(uint64_t ns)
{
	uint64_t end = task_now(CLOCK_THREAD_CPUTIME_ID) + ns;

	while (task_now(CLOCK_THREAD_CPUTIME_ID) < end)
		for (volatile int i = 0; i < 10000; i++)
			;
}

static void *work(void *arg)
{
	for (;;) {
		unsigned long percent = __atomic_load_n(&share, __ATOMIC_RELAXED);

		if (percent < 100)
			task_wait(PERIOD_NS);
		spin(PERIOD_NS / 100 * percent);
	}
	return NULL;
}

void cpu_rate(unsigned long percent)
{
	__atomic_store_n(&share, percent < 100 ? percent : 100, __ATOMIC_RELAXED);
}

void cpu_start(unsigned long percent)
{
	cpu_rate(percent);
	task_start("cpu", TASK_LOAD, work, NULL);
}
