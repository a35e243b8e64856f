// SPDX-License-Identifier: GPL-2.0-or-later
/* Names in use, their processes, and the list of migrations. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "ctl/agent.h"
#include "ctl/pools.h"
#include "vm/qmp.h"

struct drover_entry *drover_entry_find(struct drover_agent *agent, const char *name)
{
	for (struct drover_entry *e = agent->entries; e; e = e->next)
		if (!strcmp(e->name, name))
			return e;
	return NULL;
}

uint32_t drover_entry_count(const struct drover_agent *agent)
{
	uint32_t n = 0;

	for (const struct drover_entry *e = agent->entries; e; e = e->next)
		n++;
	return n;
}

int drover_entry_reserve(struct drover_agent *agent, const char *name,
			 struct drover_entry **ret_entry, struct drover_err *err)
{
	struct drover_entry *e;

	if (drover_entry_find(agent, name))
		return drover_err_set(err, EEXIST, "vm %s is already running on %s", name,
				      agent->conf.host);
	if (agent->leaving)
		return drover_err_set(err, EBUSY, "%s is about to be turned off and takes no VMs",
				      agent->conf.host);
	if (drover_storage_moves(agent, name, NULL))
		return drover_err_set(err, EBUSY, "a disk of vm %s is being moved", name);
	e = calloc(1, sizeof(*e));
	if (!e)
		return drover_err_set(err, ENOMEM, "out of memory");
	e->agent = agent;
	e->state = DROVER_ENTRY_STARTING;
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->next = agent->entries;
	agent->entries = e;
	if (ret_entry)
		*ret_entry = e;
	return 0;
}

static void unwatch(struct drover_entry *e)
{
	e->exit_watch = sd_event_source_disable_unref(e->exit_watch);
	e->qmp_watch = sd_event_source_disable_unref(e->qmp_watch);
}

void drover_entry_drop(struct drover_entry *entry)
{
	struct drover_entry **p = &entry->agent->entries;

	while (*p && *p != entry)
		p = &(*p)->next;
	if (*p)
		*p = entry->next;
	unwatch(entry);
	sd_event_source_disable_unref(entry->stop_timer);
	if (entry->vm)
		drover_vm_release(entry->vm);
	free(entry);
}

static int on_exit_of_vm(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct drover_entry *e = data;

	unwatch(e);
	/* A migration that has it sees the end by itself and gives it back. */
	e->ended = true;
	if (e->state != DROVER_ENTRY_LEAVING)
		drover_vms_ended(e);
	return 0;
}

static void on_qmp_event(void *data, const char *event, json_t *message)
{
	struct drover_entry *e = data;

	if (!strcmp(event, "STOP"))
		e->paused = true;
	else if (!strcmp(event, "RESUME"))
		e->paused = false;
}

static int on_qmp(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct drover_entry *e = data;

	/* QEMU is ending: its pidfd tells the rest. */
	if (drover_qmp_dispatch(e->vm->qmp, NULL) < 0)
		e->qmp_watch = sd_event_source_disable_unref(e->qmp_watch);
	return 0;
}

void drover_entry_run(struct drover_entry *entry, struct drover_vm *vm)
{
	sd_event *event = entry->agent->event;
	char status[32] = "";
	int r;

	entry->vm = vm;
	entry->state = DROVER_ENTRY_RUNNING;
	entry->migration_id = 0;
	if (drover_qmp_status(vm->qmp, status, sizeof(status), NULL) == 0)
		entry->paused = strcmp(status, "running") != 0;
	drover_qmp_set_event(vm->qmp, on_qmp_event, entry);
	unwatch(entry);
	r = sd_event_add_io(event, &entry->exit_watch, vm->pidfd, EPOLLIN, on_exit_of_vm, entry);
	if (r >= 0)
		r = sd_event_add_io(event, &entry->qmp_watch, drover_qmp_fd(vm->qmp), EPOLLIN,
				    on_qmp, entry);
	if (r < 0)
		log_error("vm %s cannot be watched: %s", entry->name, strerror(-r));
}

void drover_entry_lend(struct drover_entry *entry, uint64_t migration_id)
{
	entry->state = DROVER_ENTRY_LEAVING;
	entry->migration_id = migration_id;
}

/* One that is under way or in doubt can still be asked for, while there is another to forget. */
static void forget_oldest(struct drover_agent *agent)
{
	uint32_t i = agent->migration_count - 1;

	while (i > 0 && !drover_migration_ended(agent->migrations[i]))
		i--;
	drover_migration_put(agent->migrations[i]);
	memmove(agent->migrations + i, agent->migrations + i + 1,
		(agent->migration_count - i - 1) * sizeof(*agent->migrations));
	agent->migration_count--;
}

void drover_registry_add(struct drover_agent *agent, struct drover_migration *m)
{
	if (agent->migration_count == DROVER_MIGRATIONS_KEPT)
		forget_oldest(agent);
	memmove(agent->migrations + 1, agent->migrations,
		agent->migration_count * sizeof(*agent->migrations));
	agent->migrations[0] = drover_migration_get(m);
	agent->migration_count++;
}

struct drover_migration *drover_registry_find(struct drover_agent *agent, uint64_t id)
{
	for (uint32_t i = 0; i < agent->migration_count; i++)
		if (agent->migrations[i]->info.id == id)
			return agent->migrations[i];
	return NULL;
}

/* --- calls of the engines, from their threads --- */

struct reserve {
	struct drover_agent *agent;
	const char *vm;
	struct drover_err *err;
	int result;
};

static void do_reserve(void *data)
{
	struct reserve *q = data;

	q->result = drover_entry_reserve(q->agent, q->vm, NULL, q->err);
}

static int env_reserve(void *data, const char *vm, struct drover_err *err)
{
	struct drover_agent *agent = data;
	struct reserve q = { .agent = agent, .vm = vm, .err = err };
	int r = drover_call_wait(agent->calls, do_reserve, &q);

	return r < 0 ? drover_err_set(err, r, "out of memory") : q.result;
}

static void do_unreserve(void *data)
{
	struct reserve *q = data;
	struct drover_entry *e = drover_entry_find(q->agent, q->vm);

	if (e)
		drover_entry_drop(e);
}

static void env_unreserve(void *data, const char *vm)
{
	struct drover_agent *agent = data;
	struct reserve q = { .agent = agent, .vm = vm };

	drover_call_wait(agent->calls, do_unreserve, &q);
}

struct change {
	struct drover_agent *agent;
	struct drover_migration_info info;
};

static void do_change(void *data)
{
	struct change *c = data;

	drover_news_migration(c->agent, &c->info);
	free(c);
}

static void env_changed(void *data, const struct drover_migration_info *info)
{
	struct drover_agent *agent = data;
	struct change *c = malloc(sizeof(*c));

	if (!c)
		return;
	c->agent = agent;
	c->info = *info;
	if (drover_call_post(agent->calls, do_change, c) < 0)
		free(c);
}

struct finish {
	struct drover_agent *agent;
	struct drover_migration *m;
	enum drover_outcome outcome;
	struct drover_vm *vm;
};

static void arrive(struct drover_entry *e, struct drover_vm *vm)
{
	struct drover_err err = { 0 };

	drover_entry_run(e, vm);
	if (drover_definition_follow(e->agent, vm, &err) < 0)
		log_error("vm %s: its definition here is out of date: %s", e->name, err.text);
}

/* What it leaves here goes when it ends after all, or with the next agent. */
static void keep_stuck(struct drover_entry *e)
{
	e->state = DROVER_ENTRY_UNKNOWN;
	if (e->vm && e->ended)
		drover_vms_ended(e);
}

static void do_finish(void *data)
{
	struct finish *f = data;
	struct drover_entry *e = drover_entry_find(f->agent, f->m->info.vm);

	switch (f->outcome) {
	case DROVER_OUTCOME_STAYED:
		if (e && e->vm && !e->ended) {
			drover_entry_run(e, e->vm);
		} else if (e) {
			drover_vms_ended(e);
		}
		break;
	case DROVER_OUTCOME_LEFT:
		if (e)
			drover_entry_drop(e);
		break;
	case DROVER_OUTCOME_STUCK:
		if (e)
			keep_stuck(e);
		break;
	case DROVER_OUTCOME_ARRIVED:
		if (e)
			arrive(e, f->vm);
		break;
	case DROVER_OUTCOME_NOTHING:
		break;
	}
	drover_end_check(f->agent);
}

static void env_finished(void *data, struct drover_migration *m, enum drover_outcome outcome,
			 struct drover_vm *vm)
{
	struct drover_agent *agent = data;
	struct finish f = { .agent = agent, .m = m, .outcome = outcome, .vm = vm };

	drover_call_wait(agent->calls, do_finish, &f);
}

void drover_registry_env(struct drover_agent *agent)
{
	agent->env = (struct drover_migrate_env){
		.conf = &agent->conf,
		.data = agent,
		.reserve = env_reserve,
		.unreserve = env_unreserve,
		.needed = drover_pools_needed,
		.changed = env_changed,
		.finished = env_finished,
	};
}
