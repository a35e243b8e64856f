// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The agent's own end. A VM that a migration or a disk's move has paused must not stay so: what can
 * still be cancelled is, and its end is waited for. What is committed settles with
 * the next agent.
 */
#include "base/log.h"
#include "ctl/agent.h"

#define PATIENCE_US 15000000

static bool may_hold_a_vm(struct drover_migration *m)
{
	struct drover_migration_info info;

	drover_migration_info(m, &info);
	return !info.incoming &&
	       (info.state == DROVER_MIGRATION_PREPARE || info.state == DROVER_MIGRATION_PRECOPY ||
		info.state == DROVER_MIGRATION_SWITCHOVER);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data)
{
	struct drover_agent *agent = data;

	log_warning("droverd ends with migrations or disk moves under way");
	return sd_event_exit(agent->event, 0);
}

void drover_end_check(struct drover_agent *agent)
{
	if (!agent->ending)
		return;
	for (uint32_t i = 0; i < agent->migration_count; i++)
		if (may_hold_a_vm(agent->migrations[i]))
			return;
	/* The next agent goes on with disks that copy, but a guest must not wait for it. */
	if (drover_storage_release(agent))
		return;
	sd_event_exit(agent->event, 0);
}

void drover_end_begin(struct drover_agent *agent)
{
	agent->ending = true;
	for (uint32_t i = 0; i < agent->migration_count; i++)
		if (may_hold_a_vm(agent->migrations[i]))
			drover_migration_cancel(agent->migrations[i], NULL);
	sd_event_add_time_relative(agent->event, NULL, CLOCK_MONOTONIC, PATIENCE_US, 0, on_timeout,
				   agent);
	drover_end_check(agent);
}
