// SPDX-License-Identifier: GPL-2.0-or-later
/* See old_images.h. */
#include "ctl/old_images.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "block/pool.h"
#include "block/record.h"
#include "core/config.h"
#include "migrate/record.h"

/* --- the host that knows --- */

/* One that the definition names again is old only as long as that could not be changed. */
static bool is_old(const struct drover_disk_record *q, const struct drover_disk_def *now)
{
	if (q->step == DROVER_DISK_STEP_SWITCHING)
		return true;
	return q->step == DROVER_DISK_STEP_OLD_LEFT && !(now && !strcmp(now->path, q->old_path));
}

static void add(struct drover_old_images *images, const struct drover_pool_conf *pool,
		const struct drover_disk_record *q, const struct drover_disk_def *now,
		Drover__VmReply *reply)
{
	Drover__OldImage *image = &images->images[reply->n_old];
	/* It may have moved on since. */
	bool moved_on = now && strcmp(now->path, q->old_path);

	drover__old_image__init(image);
	image->pool_id = (char *)pool->id;
	image->path = (char *)q->old_path + strlen(pool->path);
	image->new_path = (char *)(moved_on ? now->path : q->new_path);
	images->list[reply->n_old++] = image;
}

static bool went_to(const struct drover_conf *conf, const char *vm, const char *asker)
{
	char where[DROVER_NAME_LEN] = "";

	return drover_record_where(conf, vm, where, NULL) == 0 && !strcmp(where, asker);
}

void drover_old_images_tell(const struct drover_conf *conf, const char *vm, const char *asker,
			    struct drover_old_images *images, Drover__VmReply *reply)
{
	struct drover_err err = { 0 };
	size_t count = 0;

	*images = (struct drover_old_images){ 0 };
	if (!drover_name_valid(vm) || went_to(conf, vm, asker))
		return;
	if (drover_disk_record_list(conf, &images->records, &count, &err) < 0)
		log_error("vm %s: which of its images are old cannot be told: %s", vm, err.text);
	if (drover_vmdef_read(conf->vm_dir, vm, &images->defined, NULL, NULL) < 0)
		images->defined.disk_count = 0;
	images->images = calloc(count + 1, sizeof(*images->images));
	images->list = calloc(count + 1, sizeof(*images->list));
	reply->old = images->list;
	for (size_t i = 0; i < count && images->images && images->list; i++) {
		const struct drover_disk_record *q = &images->records[i];
		const struct drover_pool_conf *pool = drover_pool_of(conf, q->old_path);
		const struct drover_disk_def *now = drover_vmdef_disk(&images->defined, q->disk);

		if (!strcmp(q->vm, vm) && pool && pool->id[0] && is_old(q, now))
			add(images, pool, q, now, reply);
	}
}

void drover_old_images_free(struct drover_old_images *images)
{
	free(images->records);
	free(images->images);
	free(images->list);
}

/* --- the host that asks --- */

static bool is_same(const struct drover_pool_conf *pool, const struct drover_disk_def *disk,
		    const Drover__OldImage *image)
{
	return pool && pool->id[0] && !strcmp(pool->id, image->pool_id) &&
	       !strcmp(disk->path + strlen(pool->path), image->path);
}

int drover_old_images_check(const struct drover_conf *conf, const struct drover_vm_def *def,
			    const Drover__VmReply *reply, const char *host, struct drover_err *err)
{
	for (uint32_t i = 0; i < def->disk_count; i++) {
		const struct drover_disk_def *disk = &def->disks[i];
		const struct drover_pool_conf *pool = drover_pool_of(conf, disk->path);

		for (size_t k = 0; k < reply->n_old; k++)
			if (is_same(pool, disk, reply->old[k]))
				return drover_err_set(
					err, ESTALE,
					"disk %s of vm %s was moved on %s, where it is now %.256s, and the "
					"definition here names the old image; start it where it ran last, "
					"or here by --force",
					disk->name, def->name, host, reply->old[k]->new_path);
	}
	return 0;
}
