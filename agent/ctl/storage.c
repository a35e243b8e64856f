// SPDX-License-Identifier: GPL-2.0-or-later
/* The disk moves of this host: begun here, listed here, told to the rest. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "block/move.h"
#include "block/record.h"
#include "core/config.h"
#include "ctl/agent.h"
#include "ctl/pools.h"
#include "migrate/record.h"

#define MOVES_KEPT 200

/**
 * struct item - a move
 * @group, @bandwidth: of those that share a bandwidth; group 0: it has its own
 */
struct item {
	struct drover_disk_move *move;
	struct drover_disk_move_info info;
	uint64_t group, bandwidth;
};

/**
 * struct drover_storage - the moves
 * @items: newest first; those that have ended are kept for listing
 */
struct drover_storage {
	struct drover_disk_move_env env;
	struct item items[MOVES_KEPT];
	uint32_t count;
};

/* --- the list --- */

static bool goes_on(const struct item *item)
{
	return !drover_disk_move_ended(item->move);
}

static void forget_oldest(struct drover_storage *s)
{
	uint32_t i = s->count - 1;

	while (i > 0 && goes_on(&s->items[i]))
		i--;
	drover_disk_move_put(s->items[i].move);
	memmove(s->items + i, s->items + i + 1, (s->count - i - 1) * sizeof(*s->items));
	s->count--;
}

static void add(struct drover_storage *s, struct drover_disk_move *move)
{
	if (s->count == MOVES_KEPT)
		forget_oldest(s);
	memmove(s->items + 1, s->items, s->count * sizeof(*s->items));
	s->items[0] = (struct item){ .move = drover_disk_move_get(move) };
	drover_disk_move_info(move, &s->items[0].info);
	s->count++;
}

struct drover_disk_move *drover_storage_find(struct drover_agent *agent, uint64_t id)
{
	struct drover_storage *s = agent->storage;

	for (uint32_t i = 0; i < s->count; i++)
		if (s->items[i].info.id == id)
			return s->items[i].move;
	return NULL;
}

void drover_storage_each(struct drover_agent *agent,
			 void (*each)(void *data, struct drover_disk_move *move), void *data)
{
	for (uint32_t i = 0; i < agent->storage->count; i++)
		each(data, agent->storage->items[i].move);
}

static bool is_of(const struct item *item, const char *vm, const char *disk)
{
	return !strcmp(item->info.vm, vm) && (!disk || !strcmp(item->info.disk, disk));
}

bool drover_storage_moves(struct drover_agent *agent, const char *vm, const char *disk)
{
	struct drover_storage *s = agent->storage;

	for (uint32_t i = 0; s && i < s->count; i++)
		if (is_of(&s->items[i], vm, disk) && goes_on(&s->items[i]))
			return true;
	return false;
}

void drover_storage_cancel(struct drover_agent *agent, const char *vm)
{
	struct drover_storage *s = agent->storage;

	for (uint32_t i = 0; i < s->count; i++)
		if (is_of(&s->items[i], vm, NULL))
			drover_disk_move_cancel(s->items[i].move, NULL);
}

bool drover_storage_release(struct drover_agent *agent)
{
	struct drover_storage *s = agent->storage;
	bool any = false;

	for (uint32_t i = 0; i < s->count; i++) {
		if (!drover_disk_move_holds(s->items[i].move))
			continue;
		any = true;
		/* One that is about to switch ends by itself. */
		drover_disk_move_cancel(s->items[i].move, NULL);
	}
	return any;
}

/* --- a bandwidth for several --- */

static void split(struct drover_storage *s, uint64_t group)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->count; i++)
		n += s->items[i].group == group && goes_on(&s->items[i]);
	for (uint32_t i = 0; i < s->count; i++)
		if (s->items[i].group == group && goes_on(&s->items[i]))
			drover_disk_move_speed(s->items[i].move, s->items[i].bandwidth / n);
}

void drover_storage_share(struct drover_agent *agent, struct drover_disk_move *move, uint64_t group,
			  uint64_t bandwidth)
{
	struct drover_storage *s = agent->storage;

	for (uint32_t i = 0; i < s->count; i++) {
		if (s->items[i].move == move) {
			s->items[i].group = group;
			s->items[i].bandwidth = bandwidth;
		}
	}
	if (bandwidth)
		split(s, group);
}

/* --- beginning --- */

static int check_entry(struct drover_agent *agent, const struct drover_entry *e,
		       struct drover_err *err)
{
	if (e->state == DROVER_ENTRY_STARTING)
		return drover_err_set(err, EBUSY, "vm %s is being started or is arriving", e->name);
	if (e->state == DROVER_ENTRY_UNKNOWN)
		return drover_err_set(err, EIO,
				      "vm %s could not be adopted; the log of droverd says why",
				      e->name);
	if (e->state == DROVER_ENTRY_LEAVING)
		return drover_err_set(err, EBUSY, "vm %s is being migrated (migration %" PRIu64 ")",
				      e->name, e->migration_id);
	if (e->stop_request)
		return drover_err_set(err, EBUSY, "vm %s is being stopped", e->name);
	return 0;
}

static int read_stopped(struct drover_agent *agent, const char *vm, struct drover_vm_def *ret_def,
			struct drover_err *err)
{
	char where[DROVER_NAME_LEN] = "";
	int r;

	if (!drover_name_valid(vm))
		return drover_err_set(err, EINVAL, "\"%s\" is no valid name of a VM", vm);
	r = drover_record_where(&agent->conf, vm, where, err);
	if (r == 0 && where[0])
		r = drover_err_set(err, EBUSY, "vm %s was moved to %s", vm, where);
	if (r == 0)
		r = drover_vmdef_read(agent->conf.vm_dir, vm, ret_def, NULL, err);
	return r == -ENOENT ? drover_err_set(err, r, "%s knows no vm %s", agent->conf.host, vm) : r;
}

int drover_storage_definition(struct drover_agent *agent, const char *vm,
			      struct drover_vm_def *ret_def, const char **ret_vm_dir,
			      struct drover_err *err)
{
	struct drover_entry *e = drover_entry_find(agent, vm);
	int r;

	*ret_vm_dir = NULL;
	if (!e)
		return read_stopped(agent, vm, ret_def, err);
	r = check_entry(agent, e, err);
	if (r < 0)
		return r;
	*ret_def = e->vm->def;
	*ret_vm_dir = e->vm->dir;
	return 0;
}

int drover_storage_begin(struct drover_agent *agent, const char *vm, const char *disk,
			 const struct drover_disk_move_options *options,
			 struct drover_disk_move **ret_move, struct drover_err *err)
{
	struct drover_vm_def def;
	const char *vm_dir;
	int r = drover_storage_definition(agent, vm, &def, &vm_dir, err);

	if (r == 0 && agent->ending)
		r = drover_err_set(err, ESHUTDOWN, "droverd is ending");
	if (r == 0 && drover_storage_moves(agent, vm, disk))
		r = drover_err_set(err, EBUSY, "disk %s of vm %s is being moved already", disk, vm);
	if (r == 0)
		r = drover_disk_move_start(&agent->storage->env, vm_dir, &def, disk, options,
					   ret_move, err);
	if (r == 0)
		add(agent->storage, *ret_move);
	return r;
}

/* --- calls of the moves, from their threads --- */

static int env_allowed(void *data, const char *vm, struct drover_err *err)
{
	struct drover_agent *agent = data;
	struct drover_vm_def def;
	int r = drover_vmdef_read(agent->conf.vm_dir, vm, &def, NULL, err);

	/* A copy of an old image would be as old, and nobody could tell any more. */
	return r < 0 ? r : drover_elsewhere_check(agent, vm, &def, "", false, err);
}

struct change {
	struct drover_agent *agent;
	struct drover_disk_move_info info;
	struct drover_err *err;
	int result;
};

static void do_change(void *data)
{
	struct change *c = data;

	drover_news_disk_move(c->agent, &c->info);
	free(c);
}

static void env_changed(void *data, const struct drover_disk_move_info *info)
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

static void do_switch(void *data)
{
	struct change *c = data;

	c->result = drover_definition_set_disk(c->agent, c->info.vm, c->info.disk, c->info.new_path,
					       c->info.new_format, c->err);
}

static int env_switched(void *data, const struct drover_disk_move_info *info,
			struct drover_err *err)
{
	struct drover_agent *agent = data;
	struct change c = { .agent = agent, .info = *info, .err = err };
	int r = drover_call_wait(agent->calls, do_switch, &c);

	return r < 0 ? drover_err_set(err, r, "out of memory") : c.result;
}

struct finish {
	struct drover_agent *agent;
	struct drover_disk_move *move;
};

static void do_finish(void *data)
{
	struct finish *f = data;
	struct drover_storage *s = f->agent->storage;

	for (uint32_t i = 0; i < s->count; i++)
		if (s->items[i].move == f->move && s->items[i].bandwidth)
			split(s, s->items[i].group);
	drover_end_check(f->agent);
}

static void env_finished(void *data, struct drover_disk_move *move)
{
	struct finish f = { .agent = data, .move = move };

	drover_call_wait(f.agent->calls, do_finish, &f);
}

/* --- the agent's beginning --- */

int drover_storage_init(struct drover_agent *agent, struct drover_err *err)
{
	struct drover_storage *s = calloc(1, sizeof(*s));

	if (!s)
		return drover_err_set(err, ENOMEM, "out of memory");
	s->env = (struct drover_disk_move_env){
		.conf = &agent->conf,
		.data = agent,
		.allowed = env_allowed,
		.needed = drover_pools_needed,
		.changed = env_changed,
		.switched = env_switched,
		.finished = env_finished,
	};
	agent->storage = s;
	return drover_disk_record_init(&agent->conf, err);
}

/* A VM that could not be adopted may have a process as well. */
static const char *run_dir_of(struct drover_agent *agent, const char *vm, char *buf, size_t size)
{
	if (!drover_entry_find(agent, vm))
		return NULL;
	snprintf(buf, size, "%.400s/vms/%s", agent->conf.run_dir, vm);
	return buf;
}

int drover_storage_adopt(struct drover_agent *agent, struct drover_err *err)
{
	auto_free struct drover_disk_record *records = NULL;
	struct drover_disk_move *move;
	char buf[512];
	size_t n = 0;
	int r = drover_disk_record_list(&agent->conf, &records, &n, err);

	for (size_t i = 0; i < n && r == 0; i++) {
		if (records[i].migration_id || records[i].step == DROVER_DISK_STEP_OLD_LEFT)
			continue;
		r = drover_disk_move_recover(&agent->storage->env, &records[i],
					     run_dir_of(agent, records[i].vm, buf, sizeof(buf)),
					     &move, err);
		if (r < 0)
			break;
		add(agent->storage, move);
		drover_disk_move_put(move);
	}
	return r;
}
