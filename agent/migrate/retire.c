// SPDX-License-Identifier: GPL-2.0-or-later
/* Old images and old definitions. */
#include "migrate/retire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "block/image.h"
#include "block/record.h"
#include "core/clock.h"
#include "migrate/record.h"

#define DEFINITION_MAX (1 << 20)

static int retire_definition(const struct drover_conf *conf, const char *vm, struct drover_err *err)
{
	char path[DROVER_PATH_MAX], moved[DROVER_PATH_MAX];
	auto_free char *text = NULL;
	int r = drover_io_path(path, err, "%s/%s.conf", conf->vm_dir, vm);

	if (r == 0)
		r = drover_io_path(moved, err, "%s.moved", path);
	if (r < 0 || (access(path, F_OK) < 0 && errno == ENOENT))
		return r;
	r = drover_io_read_file(path, DEFINITION_MAX, &text, NULL, err);
	if (r == 0)
		r = drover_io_write_durable(moved, text, strlen(text), 0644, err);
	return r < 0 ? r : drover_io_remove_durable(path, err);
}

/*
 * The same number each time, so that doing it again makes no second record, and none that a
 * move on one host would draw: those have 32 bits.
 */
static uint64_t record_number(const struct drover_commit *commit, uint32_t i)
{
	return (UINT64_C(1) << 40) + commit->id * DROVER_DISKS_MAX + i;
}

static int leave_image(const struct drover_conf *conf, const struct drover_commit *commit,
		       uint32_t i, struct drover_err *err)
{
	const struct drover_commit_disk *d = &commit->disks[i];
	struct drover_disk_record record = {
		.id = record_number(commit, i),
		.migration_id = commit->id,
		.step = DROVER_DISK_STEP_OLD_LEFT,
	};

	snprintf(record.vm, sizeof(record.vm), "%s", commit->vm);
	snprintf(record.disk, sizeof(record.disk), "%s", d->disk);
	snprintf(record.old_path, sizeof(record.old_path), "%s", d->old_path);
	snprintf(record.old_format, sizeof(record.old_format), "%s", d->old_format);
	snprintf(record.new_path, sizeof(record.new_path), "%s", d->new_path);
	snprintf(record.new_format, sizeof(record.new_format), "%s", d->new_format);
	snprintf(record.host, sizeof(record.host), "%s", commit->target);
	return drover_disk_record_write(conf, &record, err);
}

/* True: it was deleted. */
static bool delete_image(struct drover_migration *m, const struct drover_commit *commit, uint32_t i,
			 struct drover_err *why)
{
	const char *path = commit->disks[i].old_path;
	int r = m->env->needed(m->env->data, path, commit->vm, why);

	if (r == 0)
		r = drover_image_remove(path, why);
	if (r < 0)
		log_warning("mig %" PRIu64 " vm %s: the old image %s was not deleted: %s",
			    commit->id, commit->vm, path, why->text);
	return r == 0;
}

static void show(struct drover_migration *m, const struct drover_commit *commit, uint32_t i,
		 bool deleted, const struct drover_err *why)
{
	struct drover_disk_move_info *info = &m->info.disks[i];
	const struct drover_commit_disk *d = &commit->disks[i];
	scope_lock(&m->lock);

	m->info.disk_count = commit->disk_count;
	info->state = DROVER_DISK_MOVE_DONE;
	info->old_deleted = deleted;
	info->expected_us = 0;
	snprintf(info->error, sizeof(info->error), "%s%.460s",
		 *why->text ? "the old image was not deleted: " : "", why->text);
	/* After the agent's restart nothing else is known of it. */
	snprintf(info->vm, sizeof(info->vm), "%s", commit->vm);
	snprintf(info->disk, sizeof(info->disk), "%s", d->disk);
	snprintf(info->host, sizeof(info->host), "%s", commit->target);
	snprintf(info->new_host, sizeof(info->new_host), "%s", commit->target);
	snprintf(info->old_path, sizeof(info->old_path), "%s", d->old_path);
	snprintf(info->old_format, sizeof(info->old_format), "%s", d->old_format);
	snprintf(info->new_path, sizeof(info->new_path), "%s", d->new_path);
	snprintf(info->new_format, sizeof(info->new_format), "%s", d->new_format);
}

static int retire(struct drover_migration *m, const struct drover_commit *commit, bool sure,
		  struct drover_err *err)
{
	int r = drover_disk_record_init(m->env->conf, err);

	if (r == 0)
		r = retire_definition(m->env->conf, commit->vm, err);
	for (uint32_t i = 0; i < commit->disk_count && r == 0; i++) {
		struct drover_err why = { 0 };
		bool deleted = commit->delete_old && sure && delete_image(m, commit, i, &why);

		if (!deleted)
			r = leave_image(m->env->conf, commit, i, err);
		show(m, commit, i, deleted, &why);
	}
	return r;
}

int drover_retire_disks(struct drover_migration *m, bool sure, struct drover_err *err)
{
	auto_free struct drover_commit *commits = NULL;
	size_t n = 0;
	int r = drover_record_commits(m->env->conf, &commits, &n, err);

	for (size_t i = 0; i < n && r == 0; i++)
		if (commits[i].id == m->info.id && commits[i].disk_count)
			r = retire(m, &commits[i], sure, err);
	return r;
}
