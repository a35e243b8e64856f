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
#include "block/ask.h"
#include "block/chain.h"
#include "block/record.h"
#include "core/nbd.h"
#include "ctl/pools.h"

#define STRAYS_MAX 1000
#define BLOCK	   512	/* st_blocks is in these */
/* An answer must come within 30 s, and peers are asked, too. */
#define WALK_MS	   8000

/* --- in a thread that may never end --- */

struct identity {
	dev_t dev;
	ino_t ino;
};

/**
 * struct walk - a look at all files of a pool
 * @own: images of VMs
 * @list: the others
 */
struct walk {
	struct drover_pool_conf pool;
	struct identity *own;
	size_t own_count;
	struct file {
		char *path;
		struct identity id;
		uint64_t size, used;
	} *list;
	size_t count;
};

static void walk_free(void *data)
{
	struct walk *w = data;

	for (size_t i = 0; i < w->count; i++)
		free(w->list[i].path);
	free(w->list);
	free(w->own);
	free(w);
}

/* Whose is it? By the file itself, not by its name: there may be links. */
static bool belongs(const struct walk *w, const struct stat *st)
{
	for (size_t i = 0; i < w->own_count; i++)
		if (w->own[i].dev == st->st_dev && w->own[i].ino == st->st_ino)
			return true;
	return false;
}

static void add_file(struct walk *w, const FTSENT *f)
{
	struct file *more = realloc(w->list, (w->count + 1) * sizeof(*more));
	char *path = more ? strdup(f->fts_path) : NULL;

	if (more)
		w->list = more;
	if (path)
		more[w->count++] = (struct file){ .path = path,
						  .id = { f->fts_statp->st_dev,
							  f->fts_statp->st_ino },
						  .size = f->fts_statp->st_size,
						  .used = (uint64_t)f->fts_statp->st_blocks * BLOCK };
}

static int run_walk(void *data, struct drover_err *err)
{
	struct walk *w = data;
	char *const roots[] = { w->pool.path, NULL };
	/* What is mounted inside is another store; and all threads share one working directory. */
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	FTSENT *f;

	while (tree && w->count < STRAYS_MAX && (f = fts_read(tree))) {
		if (f->fts_level > 0 && f->fts_name[0] == '.')
			fts_set(tree, f, FTS_SKIP);
		else if (f->fts_info == FTS_F && !belongs(w, f->fts_statp))
			add_file(w, f);
	}
	if (tree)
		fts_close(tree);
	return 0;
}

/* --- what is known of a file --- */

/* Files that images are based on, and whose images. @unseen: an image did not answer. */
struct bases {
	struct base {
		struct identity id;
		const struct drover_pools_disk *of;
	} *list;
	size_t count;
	bool unseen;
};

struct adding {
	const struct drover_conf *conf;
	struct bases *bases;
	const struct drover_pools_disk *of;
};

static int add_base(void *data, const char *backing)
{
	struct adding *a = data;
	struct stat st;
	struct base *more;
	int r;

	r = drover_ask_file(a->conf, backing, &st, NULL);
	if (r < 0)
		return r;
	more = realloc(a->bases->list, (a->bases->count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	a->bases->list = more;
	more[a->bases->count++] = (struct base){ { st.st_dev, st.st_ino }, a->of };
	return 0;
}

static void add_bases(const struct drover_conf *conf, struct bases *bases,
		      const struct drover_pools_disk *d)
{
	struct adding adding = { conf, bases, d };
	int r = drover_chain_each(conf, d->def.path, d->def.format, add_base, &adding, NULL);

	bases->unseen |= r == -ETIMEDOUT;
}

static bool backs(const struct identity *id, const struct bases *bases, char *note, size_t size)
{
	for (size_t i = 0; i < bases->count; i++) {
		if (bases->list[i].id.dev != id->dev || bases->list[i].id.ino != id->ino)
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
		     const struct drover_pools_others *others, bool unseen, char *note, size_t size)
{
	for (size_t i = 0; i < others->count; i++) {
		if (strcmp(others->list[i].path, path))
			continue;
		snprintf(note, size, "%s", others->list[i].note);
		return;
	}
	snprintf(note, size, "of no VM that %s knows%s%s%s", conf->host,
		 unseen ? "; images that do not answer may be based on it" : "",
		 others->silent[0] ? "; not asked: " : "", others->silent);
}

/* --- all of them --- */

static int collect_own(const struct drover_conf *conf, const struct drover_pools_disks *disks,
		       struct walk *w, struct drover_err *err)
{
	struct stat st;

	w->own = calloc(disks->count + 1, sizeof(*w->own));
	if (!w->own)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < disks->count; i++)
		if (disks->list[i].pool &&
		    drover_ask_file(conf, disks->list[i].def.path, &st, NULL) == 0)
			w->own[w->own_count++] = (struct identity){ st.st_dev, st.st_ino };
	return 0;
}

static int walk(const struct drover_conf *conf, const struct drover_pool_conf *pool,
		const struct drover_pools_disks *disks, struct walk **ret_walk,
		struct drover_err *err)
{
	struct walk *w = calloc(1, sizeof(*w));
	char what[DROVER_NAME_LEN + 32];
	bool late;
	int r;

	if (!w)
		return drover_err_set(err, ENOMEM, "out of memory");
	w->pool = *pool;
	r = collect_own(conf, disks, w, err);
	if (r < 0) {
		walk_free(w);
		return r;
	}
	snprintf(what, sizeof(what), "pool %s, asked for its files,", pool->name);
	r = drover_ask(what, WALK_MS, run_walk, w, walk_free, &late, err);
	if (late)
		return r;
	if (r < 0)
		walk_free(w);
	else
		*ret_walk = w;
	return r;
}

int drover_pools_strays(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			const struct drover_pools_disks *disks,
			void (*each)(void *data, const struct drover_pools_stray *stray),
			void *data, struct drover_err *err)
{
	auto_free struct drover_disk_record *records = NULL;
	struct drover_pools_others others;
	struct bases bases = { 0 };
	struct walk *w = NULL;
	size_t count = 0;
	char note[512];
	int r = walk(conf, pool, disks, &w, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < disks->count; i++)
		if (!drover_nbd_is(disks->list[i].def.path))
			add_bases(conf, &bases, &disks->list[i]);
	drover_disk_record_list(conf, &records, &count, NULL);
	drover_pools_others_ask(conf, pool, &others);
	for (size_t i = 0; i < w->count; i++) {
		const struct file *f = &w->list[i];

		if (!backs(&f->id, &bases, note, sizeof(note)) &&
		    !recorded(f->path, records, count, note, sizeof(note)))
			describe(conf, f->path + strlen(pool->path), &others, bases.unseen, note,
				 sizeof(note));
		each(data, &(struct drover_pools_stray){ f->path, f->size, f->used, note });
	}
	if (w->count == STRAYS_MAX)
		log_warning("pool %s has more than %d files of no VM", pool->name, STRAYS_MAX);
	walk_free(w);
	free(bases.list);
	drover_pools_others_free(&others);
	return 0;
}
