// SPDX-License-Identifier: GPL-2.0-or-later
/* Images on the target: where they come to lie, and how their bytes get in. */
#include "block/landing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "block/image.h"
#include "block/landing_record.h"
#include "block/node.h"
#include "block/pool.h"
#include "block/record.h"
#include "block/space.h"
#include "core/config.h"

#define QMP_TIMEOUT_MS 20000
/* Writes under way end first. */
#define STOP_TIMEOUT_MS 60000
#define SECTOR		512

/* --- the plan --- */

static bool is_planned(const struct drover_landing *l, const char *disk)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (!strcmp(l->images[i].disk, disk))
			return true;
	return false;
}

static int check_travel(const struct drover_landing *l, const struct drover_vm_def *def,
			const Drover__DiskTravel *d, struct drover_err *err)
{
	const struct drover_disk_def *disk = drover_vmdef_disk(def, d->disk);

	if (!disk || disk->readonly || is_planned(l, d->disk))
		return drover_err_set(err, EINVAL, "vm %s has no disk of that name to travel",
				      def->name);
	if (!d->size_bytes || d->size_bytes % SECTOR || d->size_bytes > INT64_MAX / 2 ||
	    d->used_bytes > INT64_MAX / 2)
		return drover_err_set(err, EINVAL, "disk %s of vm %s has a size that is none",
				      disk->name, def->name);
	if (*d->format && strcmp(d->format, "raw") && strcmp(d->format, "qcow2"))
		return drover_err_set(err, EINVAL, "disk %s of vm %s would get an unknown format",
				      disk->name, def->name);
	return 0;
}

static const struct drover_pool_conf *pool_of(const struct drover_conf *conf, const char *name,
					      struct drover_err *err)
{
	const struct drover_pool_conf *pool;

	if (*name && !drover_name_valid(name)) {
		drover_err_set(err, EINVAL, "the name of the pool is not valid");
		return NULL;
	}
	pool = drover_pool_find(conf, name);
	if (!pool && *name)
		drover_err_set(err, ENOENT, "%s has no pool %s", conf->host, name);
	else if (!pool)
		drover_err_set(err, ENOENT, "%s has no pool for the disks", conf->host);
	return pool;
}

static int plan_image(const struct drover_conf *conf, const struct drover_vm_def *def,
		      const Drover__DiskTravel *d, struct drover_landing *l, struct drover_err *err)
{
	struct drover_landing_image *image = &l->images[l->count];
	const struct drover_pool_conf *pool;
	int r = check_travel(l, def, d, err);

	if (r < 0)
		return r;
	pool = pool_of(conf, d->pool, err);
	if (!pool)
		return err->code;
	snprintf(image->disk, sizeof(image->disk), "%s", d->disk);
	snprintf(image->pool, sizeof(image->pool), "%s", pool->name);
	snprintf(image->format, sizeof(image->format), "%s", *d->format ? d->format : pool->format);
	image->size = d->size_bytes;
	r = drover_pool_name_image(pool, def->name, image->disk, image->format, image->path,
				   sizeof(image->path), err);
	if (r == 0)
		l->count++;
	return r;
}

/* Several disks may go to one pool: what counts is their sum. */
static int check_space(const struct drover_conf *conf, const Drover__Prepare *p,
		       const struct drover_landing *l, struct drover_err *err)
{
	for (uint32_t i = 0; i < l->count; i++) {
		const struct drover_pool_conf *pool = drover_pool_find(conf, l->images[i].pool);
		uint64_t bytes = 0;
		int r;

		for (uint32_t j = 0; j < l->count; j++)
			if (!strcmp(l->images[j].pool, l->images[i].pool) &&
			    __builtin_add_overflow(
				    bytes, drover_space_with_margin(p->disks[j]->used_bytes),
				    &bytes))
				return drover_err_set(err, EINVAL, "the disks have sizes that are none");
		r = drover_pool_check(pool, bytes, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int promise_space(const struct drover_conf *conf, const Drover__Prepare *p,
			 struct drover_landing *l, struct drover_err *err)
{
	/* As a sum first: the sentence is to speak of all that they need. */
	int r = check_space(conf, p, l, err);

	for (uint32_t i = 0; i < l->count && r == 0; i++)
		r = drover_pool_promise(drover_pool_find(conf, l->images[i].pool),
					l->images[i].path,
					drover_space_with_margin(p->disks[i]->used_bytes),
					&l->promises[i], err);
	return r;
}

static void break_promises(struct drover_landing *l)
{
	for (uint32_t i = 0; i < DROVER_DISKS_MAX; i++)
		drover_promise_drop(steal_ptr(l->promises[i]));
}

static int rewrite(struct drover_landing *l, const char *text, struct drover_err *err)
{
	l->text = strdup(text);
	if (!l->text)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < l->count; i++) {
		char *next = NULL;
		int r = drover_vmdef_set_disk(l->text, l->images[i].disk, l->images[i].path,
					      l->images[i].format, &next, err);

		if (r < 0)
			return r;
		free(l->text);
		l->text = next;
	}
	return 0;
}

int drover_landing_plan(const struct drover_conf *conf, const struct drover_vm_def *def,
			const char *text, const char *source, const Drover__Prepare *p,
			struct drover_landing *ret_landing, struct drover_err *err)
{
	struct drover_landing l = { .id = p->migration_id };
	int r;

	if (p->n_disks > DROVER_DISKS_MAX)
		return drover_err_set(err, EINVAL, "%zu disks are too many", p->n_disks);
	r = p->n_disks ? drover_vmdef_check_dir(conf->vm_dir, err) : 0;
	snprintf(l.source, sizeof(l.source), "%s", source);
	snprintf(l.vm, sizeof(l.vm), "%s", def->name);
	for (size_t i = 0; i < p->n_disks && r == 0; i++)
		r = plan_image(conf, def, p->disks[i], &l, err);
	if (r == 0)
		r = promise_space(conf, p, &l, err);
	if (r == 0)
		r = rewrite(&l, text, err);
	if (r < 0)
		drover_landing_free(&l);
	else
		*ret_landing = l;
	return r;
}

void drover_landing_free(struct drover_landing *l)
{
	break_promises(l);
	free(l->text);
	l->text = NULL;
	l->count = 0;
}

/* --- the images --- */

/* Another's file must not be deleted for ours: what could not be made leaves the record at once. */
static int drop_rest(const struct drover_conf *conf, struct drover_landing *l, uint32_t made,
		     struct drover_err *why)
{
	struct drover_err err = { 0 };

	l->count = made;
	if (drover_landing_record_write(conf, l, &err) < 0)
		return drover_err_set(why, err.code, "%s", err.text);
	return why->code;
}

int drover_landing_make(const struct drover_conf *conf, struct drover_landing *l,
			struct drover_err *err)
{
	int r = drover_landing_record_write(conf, l, err);

	if (r < 0)
		return r;
	l->recorded = true;
	for (uint32_t i = 0; i < l->count; i++) {
		const struct drover_landing_image *image = &l->images[i];

		r = drover_image_create(image->path, image->format, image->size, NULL, NULL, err);
		if (r < 0)
			return drop_rest(conf, l, i, err);
		drover_disk_record_reuse(conf, image->path);
	}
	return 0;
}

int drover_landing_remove(const struct drover_conf *conf, struct drover_landing *l,
			  struct drover_err *err)
{
	for (uint32_t i = 0; i < l->count; i++) {
		int r = drover_image_remove(l->images[i].path, err);

		if (r < 0)
			return r;
	}
	break_promises(l);
	l->recorded = false;
	return drover_landing_record_forget(conf, l, err);
}

/* --- their exports --- */

static int export(struct drover_qmp *qmp, const struct drover_landing_image *image,
		  struct drover_err *err)
{
	struct drover_node node;
	int r = drover_node_of_disk(qmp, image->disk, &node, err);

	if (r < 0)
		return r;
	return drover_qmp_call(qmp, "block-export-add",
			       json_pack("{ss ss ss ss sb}", "type", "nbd", "id", image->disk,
					 "node-name", node.name, "name", image->disk, "writable", 1),
			       QMP_TIMEOUT_MS, NULL, err);
}

int drover_landing_export(const struct drover_landing *l, struct drover_qmp *qmp, const char *path,
			  struct drover_err *err)
{
	int r = drover_qmp_call(qmp, "nbd-server-start",
				json_pack("{s{ss s{ss}}}", "addr", "type", "unix", "data", "path",
					  path),
				QMP_TIMEOUT_MS, NULL, err);

	for (uint32_t i = 0; i < l->count && r == 0; i++)
		r = export(qmp, &l->images[i], err);
	return r;
}

static int count_exports(struct drover_qmp *qmp, size_t *ret_count, struct drover_err *err)
{
	json_t *list = NULL;
	int r = drover_qmp_call(qmp, "query-block-exports", NULL, QMP_TIMEOUT_MS, &list, err);

	if (r < 0)
		return r;
	*ret_count = json_array_size(list);
	json_decref(list);
	return 0;
}

int drover_landing_close(const struct drover_landing *l, struct drover_qmp *qmp,
			 struct drover_err *err)
{
	size_t left = 0;
	int r = count_exports(qmp, &left, err);

	if (r < 0 || !left)
		return r;
	/* It waits until every client is gone and every request has ended. */
	r = drover_qmp_call(qmp, "nbd-server-stop", NULL, STOP_TIMEOUT_MS, NULL, err);
	if (r == 0)
		r = count_exports(qmp, &left, err);
	if (r == 0 && left)
		r = drover_err_set(err, EBUSY, "QEMU still serves %zu disks of vm %s", left, l->vm);
	return r;
}
