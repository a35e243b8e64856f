// SPDX-License-Identifier: GPL-2.0-or-later
/* Events for operators: one sentence each, and the thing it is about. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/clock.h"
#include "ctl/agent.h"
#include "ctl/reply.h"

static void publish(struct drover_agent *agent, Drover__Event *event)
{
	if (!agent->mailbox)
		return;
	event->time_us = drover_clock_realtime();
	event->host = agent->conf.host;
	drover_mailbox_event(agent->mailbox, event);
}

void drover_news_vm(struct drover_agent *agent, const char *vm, const char *fmt, ...)
{
	Drover__Event event = DROVER__EVENT__INIT;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	drover_log_set_subject(vm, 0);
	log_info("%s", text);
	drover_log_set_subject(NULL, 0);
	event.text = text;
	event.vm = (char *)vm;
	publish(agent, &event);
}

static const char *state_words(enum drover_migration_state state)
{
	switch (state) {
	case DROVER_MIGRATION_PREPARE:
		return "is being prepared";
	case DROVER_MIGRATION_PRECOPY:
		return "copies memory while the VM runs";
	case DROVER_MIGRATION_SWITCHOVER:
		return "switches over";
	case DROVER_MIGRATION_IN_DOUBT:
		return "is in doubt";
	case DROVER_MIGRATION_DONE:
		return "is done";
	case DROVER_MIGRATION_CANCELLED:
		return "was cancelled";
	case DROVER_MIGRATION_FAILED:
		return "failed";
	}
	return "is in an unknown state";
}

void drover_news_migration(struct drover_agent *agent, const struct drover_migration_info *info)
{
	Drover__Event event = DROVER__EVENT__INIT;
	char text[1024];
	int n;

	n = snprintf(text, sizeof(text), "migration %" PRIu64 " of vm %s from %s to %s %s", info->id,
		     info->vm, info->source, info->target, state_words(info->state));
	if (info->error[0] && n < (int)sizeof(text))
		snprintf(text + n, sizeof(text) - n, ": %s", info->error);
	event.text = text;
	event.vm = (char *)info->vm;
	event.migration = drover_reply_migration(info);
	publish(agent, &event);
	if (event.migration)
		drover__migration_info__free_unpacked(event.migration, NULL);
}

static const char *disk_state_words(enum drover_disk_move_state state)
{
	switch (state) {
	case DROVER_DISK_MOVE_PREPARE:
		return "is being prepared";
	case DROVER_DISK_MOVE_COPYING:
		return "copies";
	case DROVER_DISK_MOVE_INTERRUPTED:
		return "is interrupted";
	case DROVER_DISK_MOVE_IN_STEP:
		return "holds both images in step";
	case DROVER_DISK_MOVE_SWITCHING:
		return "switches to the new image";
	case DROVER_DISK_MOVE_DONE:
		return "is done";
	case DROVER_DISK_MOVE_CANCELLED:
		return "was cancelled";
	case DROVER_DISK_MOVE_FAILED:
		return "failed";
	}
	return "is in an unknown state";
}

void drover_news_disk_move(struct drover_agent *agent, const struct drover_disk_move_info *info)
{
	Drover__Event event = DROVER__EVENT__INIT;
	char text[1536];
	int n;

	n = snprintf(text, sizeof(text), "disk move %" PRIu64 " of vm %s, disk %s, to %s %s", info->id,
		     info->vm, info->disk, info->new_path, disk_state_words(info->state));
	if (info->error[0] && n < (int)sizeof(text))
		snprintf(text + n, sizeof(text) - n, ": %s", info->error);
	drover_log_set_subject(info->vm, 0);
	log_info("%s", text);
	drover_log_set_subject(NULL, 0);
	event.text = text;
	event.vm = (char *)info->vm;
	event.disk_move = drover_reply_disk_move(info);
	publish(agent, &event);
	if (event.disk_move)
		drover__disk_move_info__free_unpacked(event.disk_move, NULL);
}
