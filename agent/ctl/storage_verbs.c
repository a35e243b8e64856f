// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs about disks and their images. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block/move.h"
#include "ctl/agent.h"
#include "ctl/reply.h"

/* --- migrate --- */

/**
 * struct plan - the disks that a request is about
 * @bytes: that must be free for their new images
 */
struct plan {
	const char *disks[DROVER_DISKS_MAX];
	uint32_t count;
	uint64_t bytes;
};

static void read_options(const Drover__StorageMigrate *q, struct drover_disk_move_options *options)
{
	*options = (struct drover_disk_move_options){
		.keep_backing = q->keep_backing,
		.delete_old = q->delete_old,
		.verify = q->verify,
	};
	snprintf(options->pool, sizeof(options->pool), "%s", q->pool);
	snprintf(options->format, sizeof(options->format), "%s", q->format);
}

static int plan_disk(struct drover_agent *agent, const struct drover_vm_def *def, const char *disk,
		     const struct drover_disk_move_options *options, struct plan *plan,
		     struct drover_err *err)
{
	uint64_t bytes;
	int r = 0;

	if (drover_storage_moves(agent, def->name, disk))
		r = drover_err_set(err, EBUSY, "disk %s of vm %s is being moved already", disk,
				   def->name);
	if (r == 0)
		r = drover_disk_move_check(&agent->conf, def, disk, options, &bytes, err);
	if (r < 0)
		return r;
	plan->disks[plan->count++] = disk;
	plan->bytes += bytes;
	return 0;
}

/* All of them: but for those that are there already or cannot be moved at all. */
static int plan_all(struct drover_agent *agent, const struct drover_vm_def *def,
		    const struct drover_disk_move_options *options, struct plan *plan,
		    struct drover_err *err)
{
	int r;

	for (uint32_t i = 0; i < def->disk_count; i++) {
		/* By its definition: also a pool can be read-only. */
		if (def->disks[i].readonly)
			continue;
		r = plan_disk(agent, def, def->disks[i].name, options, plan, err);
		if (r < 0 && r != -EALREADY)
			return r;
	}
	if (plan->count)
		return drover_disk_move_check_sum(&agent->conf, options->pool, plan->bytes, err);
	if (!def->disk_count)
		return drover_err_set(err, ENOENT, "vm %s has no disks", def->name);
	return err->code ? err->code
			 : drover_err_set(err, EROFS,
					  "all disks of vm %s are read-only and stay where they are",
					  def->name);
}

static void add_info(Drover__ControlReply *reply, struct drover_disk_move *move)
{
	struct drover_disk_move_info info;

	drover_disk_move_info(move, &info);
	if (reply)
		drover_reply_add_disk_move(reply, drover_reply_disk_move(&info));
}

/* All of them, or none: what began before one failed is cancelled. */
static int begin(struct drover_agent *agent, const Drover__StorageMigrate *q,
		 struct drover_disk_move_options *options, const struct plan *plan,
		 Drover__ControlReply *reply, struct drover_err *err)
{
	uint64_t bandwidth = (uint64_t)q->bandwidth_mib << 20, group = 0;
	struct drover_disk_move *moves[DROVER_DISKS_MAX];
	struct drover_disk_move_info info;
	uint32_t n = 0;
	int r = 0;

	options->bandwidth = bandwidth / plan->count;
	for (; n < plan->count && r == 0; n++)
		r = drover_storage_begin(agent, q->vm, plan->disks[n], options, &moves[n], err);
	if (r < 0)
		n--;
	for (uint32_t i = 0; i < n; i++) {
		drover_disk_move_info(moves[i], &info);
		group = group ? group : info.id;
		drover_storage_share(agent, moves[i], group, bandwidth);
		if (r < 0)
			drover_disk_move_cancel(moves[i], NULL);
		add_info(reply, moves[i]);
		drover_disk_move_put(moves[i]);
	}
	return r;
}

static int check_request(const Drover__StorageMigrate *q, struct drover_err *err)
{
	if (strlen(q->pool) >= DROVER_NAME_LEN || strlen(q->format) >= 16)
		return drover_err_set(err, EINVAL, "a pool or a format has no such name");
	return q->pool[0] ? 0 : drover_err_set(err, EINVAL, "which pool is not told");
}

void drover_storage_migrate(struct drover_agent *agent, uint64_t id,
			    const Drover__ControlRequest *request)
{
	const Drover__StorageMigrate *q = request->storage_migrate;
	Drover__ControlReply *reply = drover_reply_new();
	struct drover_disk_move_options options;
	struct plan plan = { .count = 0 };
	struct drover_err err = { 0 };
	struct drover_vm_def def;
	const char *vm_dir;
	int r = check_request(q, &err);

	if (r == 0)
		r = drover_storage_definition(agent, q->vm, &def, &vm_dir, &err);
	if (r == 0) {
		read_options(q, &options);
		r = q->disk[0] ? plan_disk(agent, &def, q->disk, &options, &plan, &err)
			       : plan_all(agent, &def, &options, &plan, &err);
	}
	if (r == 0)
		r = begin(agent, q, &options, &plan, reply, &err);
	if (r == 0) {
		drover_verbs_reply(agent, id, reply);
		return;
	}
	drover_reply_free(reply);
	drover_verbs_refuse(agent, id, &err);
}

/* --- show and cancel --- */

static struct drover_disk_move *find(struct drover_agent *agent, uint64_t id, uint64_t number)
{
	struct drover_disk_move *move = drover_storage_find(agent, number);
	struct drover_err err = { 0 };

	if (move)
		return move;
	drover_err_set(&err, ENOENT, "%s knows no disk move %" PRIu64, agent->conf.host, number);
	drover_verbs_refuse(agent, id, &err);
	return NULL;
}

static void reply_move(struct drover_agent *agent, uint64_t id, struct drover_disk_move *move)
{
	Drover__ControlReply *reply = drover_reply_new();

	add_info(reply, move);
	drover_verbs_reply(agent, id, reply);
}

void drover_storage_show(struct drover_agent *agent, uint64_t id,
			 const Drover__ControlRequest *request)
{
	struct drover_disk_move *move = find(agent, id, request->storage_show->id);

	if (move)
		reply_move(agent, id, move);
}

void drover_storage_cancel_move(struct drover_agent *agent, uint64_t id,
				const Drover__ControlRequest *request)
{
	struct drover_disk_move *move = find(agent, id, request->storage_cancel->id);
	struct drover_err err = { 0 };

	if (!move)
		return;
	if (drover_disk_move_cancel(move, &err) < 0)
		drover_verbs_refuse(agent, id, &err);
	else
		reply_move(agent, id, move);
}
