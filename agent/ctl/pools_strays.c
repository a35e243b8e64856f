// SPDX-License-Identifier: GPL-2.0-or-later
/* Files in a pool that no VM of this host uses, and what is known of them. */
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "block/chain.h"
#include "block/record.h"
#include "core/nbd.h"
#include "ctl/pools.h"

#define STRAYS_MAX 1000

/* Whose is it? By the file itself, not by its name: there may be links. */
static bool belongs(const struct stat *st, const struct drover_pools_disks *disks)
{
	struct stat other;

	for (size_t i = 0; i < disks->count; i++)
		if (disks->list[i].pool && stat(disks->list[i].def.path, &other) == 0 &&
		    other.st_dev == st->st_dev && other.st_ino == st->st_ino)
			return true;
	return false;
}

/* Files that images are based on, and whose images. */
struct bases {
	struct base {
		dev_t dev;
		ino_t ino;
		const struct drover_pools_disk *of;
	} *list;
	size_t count;
};

struct adding {
	struct bases *bases;
	const struct drover_pools_disk *of;
};

static int add_base(void *data, const char *backing)
{
	struct adding *a = data;
	struct stat st;
	struct base *more;

	if (stat(backing, &st) < 0)
		return 0;
	more = realloc(a->bases->list, (a->bases->count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	a->bases->list = more;
	more[a->bases->count++] = (struct base){ st.st_dev, st.st_ino, a->of };
	return 0;
}

static void add_bases(struct bases *bases, const struct drover_pools_disk *d)
{
	struct adding adding = { bases, d };

	drover_chain_each(d->def.path, d->def.format, add_base, &adding, NULL);
}

static bool backs(const struct stat *st, const struct bases *bases, char *note, size_t size)
{
	for (size_t i = 0; i < bases->count; i++) {
		if (bases->list[i].dev != st->st_dev || bases->list[i].ino != st->st_ino)
			continue;
		snprintf(note, size, "backing file of vm %s, disk %s", bases->list[i].of->vm,
			 bases->list[i].of->def.name);
		return true;
	}
	return false;
}

static bool recorded(const char *path, const struct drover_disk_record *records, size_t count,
		     char *note, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		const struct drover_disk_record *r = &records[i];
		bool left = r->step == DROVER_DISK_STEP_OLD_LEFT;

		if (strcmp(path, left ? r->old_path : r->new_path))
			continue;
		snprintf(note, size, left ? "old image of vm %s, disk %s, left when it was moved"
					  : "new image of vm %s, disk %s, which is being moved",
			 r->vm, r->disk);
		return true;
	}
	return false;
}

static void describe(const struct drover_conf *conf, const char *path,
		     const struct drover_pools_others *others, char *note, size_t size)
{
	for (size_t i = 0; i < others->count; i++) {
		if (strcmp(others->list[i].path, path))
			continue;
		snprintf(note, size, "%s", others->list[i].note);
		return;
	}
	snprintf(note, size, "of no VM that %s knows%s%s", conf->host,
		 others->silent[0] ? "; not asked: " : "", others->silent);
}

void drover_pools_strays(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			 const struct drover_pools_disks *disks,
			 void (*each)(void *data, const char *path, const char *note), void *data)
{
	char *const roots[] = { (char *)pool->path, NULL };
	/* What is mounted inside is another store. */
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_XDEV, NULL);
	auto_free struct drover_disk_record *records = NULL;
	struct bases bases = { 0 };
	struct drover_pools_others others;
	size_t count = 0, found = 0;
	char note[512];
	FTSENT *f;

	for (size_t i = 0; i < disks->count; i++)
		if (!drover_nbd_is(disks->list[i].def.path))
			add_bases(&bases, &disks->list[i]);
	drover_disk_record_list(conf, &records, &count, NULL);
	drover_pools_others_ask(conf, pool, &others);
	while (tree && found < STRAYS_MAX && (f = fts_read(tree))) {
		if (f->fts_level > 0 && f->fts_name[0] == '.')
			fts_set(tree, f, FTS_SKIP);
		else if (f->fts_info == FTS_F && !belongs(f->fts_statp, disks)) {
			if (!backs(f->fts_statp, &bases, note, sizeof(note)) &&
			    !recorded(f->fts_path, records, count, note, sizeof(note)))
				describe(conf, f->fts_path + strlen(pool->path), &others, note,
					 sizeof(note));
			each(data, f->fts_path, note);
			found++;
		}
	}
	if (found == STRAYS_MAX)
		log_warning("pool %s has more than %d files of no VM", pool->name, STRAYS_MAX);
	if (tree)
		fts_close(tree);
	free(bases.list);
	drover_pools_others_free(&others);
}
