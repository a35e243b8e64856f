// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs about migrations. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/config.h"
#include "ctl/agent.h"
#include "ctl/reply.h"
#include "migrate/source.h"

static int check(struct drover_agent *agent, const Drover__Migrate *q, struct drover_entry *e,
		 const struct drover_peer_conf *to, struct drover_err *err)
{
	if (!e)
		return drover_err_set(err, ENOENT, "vm %s does not run on %s", q->vm,
				      agent->conf.host);
	if (e->state == DROVER_ENTRY_STARTING)
		return drover_err_set(err, EBUSY, "vm %s is being started or is arriving", q->vm);
	if (e->state == DROVER_ENTRY_UNKNOWN)
		return drover_err_set(err, EIO,
				      "vm %s could not be adopted; the log of droverd says why", q->vm);
	if (e->state == DROVER_ENTRY_LEAVING)
		return drover_err_set(err, EBUSY, "vm %s is being migrated already (migration %" PRIu64
				      ")", q->vm, e->migration_id);
	if (e->stop_request)
		return drover_err_set(err, EBUSY, "vm %s is being stopped", q->vm);
	if (drover_storage_moves(agent, q->vm, NULL))
		return drover_err_set(err, EBUSY,
				      "a disk of vm %s is being moved; drover storage list shows it", q->vm);
	if (!strcmp(q->host, agent->conf.host))
		return drover_err_set(err, EINVAL, "vm %s runs on %s already", q->vm, q->host);
	if (!to)
		return drover_err_set(err, ENOENT, "%s knows no host %s: drover.conf has no [peer %s]",
				      agent->conf.host, q->host, q->host);
	return 0;
}

static void reply_migration(struct drover_agent *agent, uint64_t id, struct drover_migration *m)
{
	Drover__ControlReply *reply = drover_reply_new();
	struct drover_migration_info info;

	drover_migration_info(m, &info);
	if (reply)
		drover_reply_add_migration(reply, drover_reply_migration(&info));
	drover_verbs_reply(agent, id, reply);
}

static int take_pool(const Drover__Migrate *q, struct drover_migration_options *options,
		     struct drover_err *err)
{
	if (*q->pool && !drover_name_valid(q->pool))
		return drover_err_set(err, EINVAL, "\"%s\" is no valid name of a pool", q->pool);
	if ((*q->pool || q->delete_old) && !q->with_storage)
		return drover_err_set(err, EINVAL, "without the disks there is nothing for a pool to take, and nothing to delete");
	snprintf(options->pool, sizeof(options->pool), "%s", q->pool);
	return 0;
}

int drover_moves_begin(struct drover_agent *agent, const Drover__Migrate *q, uint64_t *ret_id,
		       struct drover_err *err)
{
	struct drover_entry *e = drover_entry_find(agent, q->vm);
	const struct drover_peer_conf *to = drover_config_find_peer(&agent->conf, q->host);
	struct drover_migration_options options = {
		.verify = q->verify,
		.no_vmm_writes = q->debug_no_vmm_writes,
		.downtime_limit_ms = q->downtime_limit_ms,
		.bandwidth_mib = q->bandwidth_mib,
		.streams = q->streams,
		.with_storage = q->with_storage,
		.delete_old = q->delete_old,
	};
	struct drover_migration *m = NULL;
	int r = check(agent, q, e, to, err);

	if (r == 0)
		r = take_pool(q, &options, err);
	if (r == 0)
		r = drover_source_start(&agent->env, e->vm, to, &options, &m, err);
	if (r < 0)
		return r;
	*ret_id = m->info.id;
	drover_entry_lend(e, m->info.id);
	drover_registry_add(agent, m);
	drover_migration_put(m);
	return 0;
}

void drover_moves_migrate(struct drover_agent *agent, uint64_t id,
			  const Drover__ControlRequest *request)
{
	struct drover_err err = { 0 };
	uint64_t number;

	if (drover_moves_begin(agent, request->migrate, &number, &err) < 0)
		drover_verbs_refuse(agent, id, &err);
	else
		reply_migration(agent, id, drover_registry_find(agent, number));
}

void drover_moves_list(struct drover_agent *agent, uint64_t id,
		       const Drover__ControlRequest *request)
{
	Drover__ControlReply *reply = drover_reply_new();

	for (uint32_t i = 0; reply && i < agent->migration_count; i++) {
		struct drover_migration_info info;

		drover_migration_info(agent->migrations[i], &info);
		drover_reply_add_migration(reply, drover_reply_migration(&info));
	}
	drover_verbs_reply(agent, id, reply);
}

static struct drover_migration *find(struct drover_agent *agent, uint64_t id, uint64_t number)
{
	struct drover_migration *m = drover_registry_find(agent, number);
	struct drover_err err = { 0 };

	if (m)
		return m;
	drover_err_set(&err, ENOENT, "%s knows no migration %" PRIu64, agent->conf.host, number);
	drover_verbs_refuse(agent, id, &err);
	return NULL;
}

void drover_moves_show(struct drover_agent *agent, uint64_t id,
		       const Drover__ControlRequest *request)
{
	struct drover_migration *m = find(agent, id, request->migration_show->id);

	if (m)
		reply_migration(agent, id, m);
}

void drover_moves_cancel(struct drover_agent *agent, uint64_t id,
			 const Drover__ControlRequest *request)
{
	struct drover_migration *m = find(agent, id, request->migration_cancel->id);
	struct drover_err err = { 0 };

	if (!m)
		return;
	if (drover_migration_cancel(m, &err) < 0)
		drover_verbs_refuse(agent, id, &err);
	else
		reply_migration(agent, id, m);
}

void drover_moves_resolve(struct drover_agent *agent, uint64_t id,
			  const Drover__ControlRequest *request)
{
	const Drover__MigrationResolve *q = request->migration_resolve;
	struct drover_migration *m = find(agent, id, q->id);
	struct drover_err err = { 0 };

	if (!m)
		return;
	if (drover_migration_resolve(m, (enum drover_verdict)q->verdict, &err) < 0)
		drover_verbs_refuse(agent, id, &err);
	else
		reply_migration(agent, id, m);
}
