// SPDX-License-Identifier: GPL-2.0-only
/* See lru.h. */
#include <linux/cpu.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "lru.h"

static DEFINE_PER_CPU(struct work_struct, drains);

static void drain(struct work_struct *work)
{
	drover_lru_drain_this_cpu();
}

/* Makes every processor let go of its pages, soon: this does not wait. */
void drover_lru_drain(void)
{
	unsigned int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu)
		schedule_work_on(cpu, per_cpu_ptr(&drains, cpu));
	cpus_read_unlock();
}

int drover_lru_init(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		INIT_WORK(per_cpu_ptr(&drains, cpu), drain);
	return 0;
}

void drover_lru_exit(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		cancel_work_sync(per_cpu_ptr(&drains, cpu));
}
