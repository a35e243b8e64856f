// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disks that travel, as the target's thread sees them. Until memory begins to come a
 * lost control connection is waited for, as the disks may have taken hours.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/config.h"
#include "migrate/record.h"
#include "migrate/target.h"
#include "migrate/target_stages.h"

/* Whatever a source asks for: a day. */
#define GRACE_MAX_S 86400

static void show_disks(struct drover_target *t, enum drover_disk_move_state state)
{
	struct drover_migration_info *info = &t->m->info;
	scope_lock(&t->m->lock);

	for (uint32_t i = 0; i < t->landing.count; i++) {
		const struct drover_landing_image *image = &t->landing.images[i];
		struct drover_disk_move_info *disk = &info->disks[i];

		disk->state = state;
		disk->start_time_us = info->start_time_us;
		disk->size_bytes = image->size;
		snprintf(disk->vm, sizeof(disk->vm), "%s", info->vm);
		snprintf(disk->disk, sizeof(disk->disk), "%s", image->disk);
		snprintf(disk->host, sizeof(disk->host), "%s", info->source);
		snprintf(disk->new_host, sizeof(disk->new_host), "%s", info->target);
		snprintf(disk->new_path, sizeof(disk->new_path), "%s", image->path);
		snprintf(disk->new_pool, sizeof(disk->new_pool), "%s", image->pool);
		snprintf(disk->new_format, sizeof(disk->new_format), "%s", image->format);
	}
	info->disk_count = t->landing.count;
}

int drover_target_disks_plan(struct drover_target *t, const Drover__Prepare *p, char **text,
			     struct drover_err *err)
{
	const struct drover_conf *conf = t->m->env->conf;
	char machine[DROVER_NAME_LEN];
	int r;

	if (!p->n_disks)
		return 0;
	t->grace_s = p->storage_grace_s < GRACE_MAX_S ? p->storage_grace_s : GRACE_MAX_S;
	r = drover_landing_plan(conf, &t->def, *text, t->peer->host, p, &t->landing, err);
	if (r < 0)
		return r;
	snprintf(machine, sizeof(machine), "%s", t->def.machine);
	r = drover_vmdef_parse(t->landing.text, p->vm, &t->def, err);
	if (r == 0)
		r = drover_landing_make(conf, &t->landing, err);
	if (r < 0)
		return r;
	snprintf(t->def.machine, sizeof(t->def.machine), "%s", machine);
	free(*text);
	*text = strdup(t->landing.text);
	if (!*text)
		return drover_err_set(err, ENOMEM, "out of memory");
	show_disks(t, DROVER_DISK_MOVE_PREPARE);
	return 0;
}

int drover_target_disks_serve(struct drover_target *t, struct drover_err *err)
{
	struct drover_arrival *a = &t->arrival;
	int r;

	if (!t->landing.count)
		return 0;
	snprintf(a->disks_path, sizeof(a->disks_path), "%.490s/disks.sock", t->vm->dir);
	r = drover_landing_export(&t->landing, t->qmp, a->disks_path, err);
	if (r < 0)
		return r;
	drover_arrival_hold(a, true);
	show_disks(t, DROVER_DISK_MOVE_COPYING);
	return 0;
}

int drover_target_answer(struct drover_target *t, struct drover_err *err)
{
	Drover__PrepareReply reply = DROVER__PREPARE_REPLY__INIT;
	Drover__DiskArrival arrival[DROVER_DISKS_MAX], *list[DROVER_DISKS_MAX];

	reply.token.data = t->arrival.token;
	reply.token.len = sizeof(t->arrival.token);
	for (uint32_t i = 0; i < t->landing.count; i++) {
		struct drover_landing_image *image = &t->landing.images[i];

		drover__disk_arrival__init(&arrival[i]);
		arrival[i].disk = arrival[i].export = image->disk;
		arrival[i].path = image->path;
		arrival[i].format = image->format;
		arrival[i].pool = image->pool;
		list[i] = &arrival[i];
	}
	reply.disks = list;
	reply.n_disks = t->landing.count;
	return drover_peer_send(t->peer, DROVER_FRAME_PREPARE_REPLY, &reply.base, 0, err);
}

/* --- a lost control connection --- */

static bool is_lost(int code)
{
	return code == -ENODATA || code == -EPIPE || code == -ECONNRESET || code == -ETIMEDOUT ||
	       code == -EHOSTUNREACH || code == -ENETUNREACH;
}

/* Nothing that came by an old connection is under way any more when QEMU has closed. */
static int go_on(struct drover_target *t, struct drover_err *err)
{
	int r = drover_landing_close(&t->landing, t->qmp, err);

	if (r == 0)
		r = drover_landing_export(&t->landing, t->qmp, t->arrival.disks_path, err);
	if (r == 0)
		r = drover_migration_check(t->m, err);
	return r < 0 ? r : drover_target_answer(t, err);
}

int drover_target_disks_wait(struct drover_target *t, struct drover_err *err)
{
	struct drover_peer *peer = NULL;
	int r;

	if (!is_lost(err->code) || !drover_arrival_can_wait(&t->arrival))
		return err->code;
	log_warning("mig %" PRIu64 " vm %s: %s; waiting %u s for %s", t->m->info.id, t->def.name,
		    err->text, t->grace_s, t->m->info.source);
	drover_migration_attach(t->m, NULL, NULL);
	t->peer = t->first;
	memset(err, 0, sizeof(*err));
	r = drover_arrival_await(&t->arrival, t->m, t->grace_s, &peer, err);
	if (r < 0)
		return r;
	t->peer = peer;
	drover_migration_attach(t->m, peer, NULL);
	drover_peer_set_timeout(peer, DROVER_PEER_TIMEOUT_MS);
	r = go_on(t, err);
	drover_peer_set_timeout(peer, 0);
	if (r == 0)
		log_info("mig %" PRIu64 " vm %s: %s is back", t->m->info.id, t->def.name,
			 t->m->info.source);
	return r;
}

int drover_target_resume(struct drover_peer *peer, const Drover__Resume *resume,
			 struct drover_err *err)
{
	return drover_arrival_resume(peer, resume, err);
}

/* --- the end --- */

int drover_target_disks_close(struct drover_target *t, struct drover_err *err)
{
	Drover__DisksClosed closed = DROVER__DISKS_CLOSED__INIT;
	int r = drover_landing_close(&t->landing, t->qmp, err);

	if (r < 0)
		return r;
	t->stage = DROVER_TARGET_CLOSED;
	show_disks(t, DROVER_DISK_MOVE_SWITCHING);
	return drover_peer_send(t->peer, DROVER_FRAME_DISKS_CLOSED, &closed.base, 0, err);
}

void drover_target_disks_drop(struct drover_target *t)
{
	struct drover_err err = { 0 };

	if (!t->landing.recorded)
		return;
	if (t->remains || t->decided)
		drover_err_set(&err, EBUSY, "the images that had arrived are left");
	else
		drover_landing_remove(t->m->env->conf, &t->landing, &err);
	if (err.code)
		log_error("mig %" PRIu64 " vm %s: %s", t->m->info.id, t->m->info.vm, err.text);
	else
		show_disks(t, DROVER_DISK_MOVE_FAILED);
}

void drover_target_disks_keep(struct drover_target *t)
{
	struct drover_err err = { 0 };

	if (!t->landing.recorded)
		return;
	if (drover_landing_settle(t->m->env->conf, &t->landing, &err) < 0)
		log_error("mig %" PRIu64 " vm %s: %s", t->m->info.id, t->m->info.vm, err.text);
	show_disks(t, DROVER_DISK_MOVE_DONE);
}

/* --- after the agent's restart --- */

/* A VM of that name may have a process, and that may use one of these images. */
static bool in_use(const struct drover_conf *conf, const struct drover_landing *l)
{
	char path[DROVER_PATH_MAX];
	auto_free char *text = NULL;
	struct drover_vm_def def;

	if (drover_io_path(path, NULL, "%s/vms/%s", conf->run_dir, l->vm) < 0)
		return true;
	if (access(path, F_OK) < 0)
		return false;
	if (drover_io_path(path, NULL, "%s/vms/%s/vm.conf", conf->run_dir, l->vm) < 0 ||
	    drover_io_read_file(path, 1 << 20, &text, NULL, NULL) < 0 ||
	    drover_vmdef_parse(text, l->vm, &def, NULL) < 0)
		return true;
	for (uint32_t i = 0; i < l->count; i++)
		for (uint32_t j = 0; j < def.disk_count; j++)
			if (!strcmp(l->images[i].path, def.disks[j].path))
				return true;
	return false;
}

static int settle(const struct drover_conf *conf, struct drover_landing *l, struct drover_err *err)
{
	enum drover_decision got;
	int r = drover_record_decide(conf, l->source, l->id, DROVER_DECISION_NEVER, &got, err);

	if (r < 0)
		return r;
	if (got == DROVER_DECISION_RUNNING)
		return drover_landing_settle(conf, l, err);
	if (in_use(conf, l))
		return drover_err_set(err, EBUSY, "the images that had arrived may be in use: left");
	log_info("vm %s: images of a migration from %s that did not come to its end are deleted",
		 l->vm, l->source);
	return drover_landing_remove(conf, l, err);
}

int drover_target_recover(const struct drover_conf *conf, struct drover_err *err)
{
	struct drover_landing *landings = NULL;
	size_t n = 0;
	int r = drover_landing_list(conf, &landings, &n, err);

	for (size_t i = 0; i < n; i++) {
		struct drover_err why = { 0 };

		if (settle(conf, &landings[i], &why) < 0)
			log_error("vm %s: %s", landings[i].vm, why.text);
		drover_landing_free(&landings[i]);
	}
	free(landings);
	return r;
}
