// SPDX-License-Identifier: GPL-2.0-or-later
/* Before an image is deleted: does another VM use it, or is one of its images based on it? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/within.h"
#include "block/chain.h"
#include "core/nbd.h"
#include "ctl/pools.h"

/* For a look at the images of all VMs of this host. */
#define LOOK_MS 60000

/**
 * struct looking - for that file among the images of this host's VMs
 * @vm: whose it was: its own disks do not count
 * @file: what it is
 */
struct looking {
	const struct drover_conf *conf;
	char path[DROVER_FIELD_LEN], vm[DROVER_NAME_LEN];
	struct stat file;
	struct drover_pools_disks disks;
};

static void drop(void *data)
{
	struct looking *l = data;

	drover_pools_free(&l->disks);
	free(l);
}

/* By the file itself, not by its name: there may be links. */
static bool is_it(const struct looking *l, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == l->file.st_dev && st.st_ino == l->file.st_ino;
}

static int note_base(void *data, const char *backing)
{
	const struct looking *l = data;

	return is_it(l, backing) ? -EBUSY : 0;
}

static int check_disk(struct looking *l, const struct drover_pools_disk *d, struct drover_err *err)
{
	struct drover_err why = { 0 };
	int r;

	if (is_it(l, d->def.path))
		return drover_err_set(err, EBUSY, "it is also disk %s of vm %s", d->def.name, d->vm);
	r = drover_chain_each(d->def.path, d->def.format, note_base, l, &why);
	if (r == -EBUSY)
		return drover_err_set(err, EBUSY, "disk %s of vm %s is based on it", d->def.name,
				      d->vm);
	if (r < 0 && !drover_pool_gone(l->conf, d->def.path))
		return drover_err_set(err, r, "what disk %s of vm %s is based on is not known (%s)",
				      d->def.name, d->vm, why.text);
	return 0;
}

static int look(void *data, struct drover_err *err)
{
	struct looking *l = data;
	int r = 0;

	if (stat(l->path, &l->file) < 0)
		return errno == ENOENT ? 0
				       : drover_err_set(err, errno, "%s: %s", l->path,
							strerror(errno));
	for (size_t i = 0; i < l->disks.count && r == 0; i++) {
		const struct drover_pools_disk *d = &l->disks.list[i];

		if (strcmp(d->vm, l->vm) && !drover_nbd_is(d->def.path))
			r = check_disk(l, d, err);
	}
	return r;
}

struct collecting {
	struct drover_agent *agent;
	struct looking *looking;
	struct drover_err *err;
	int result;
};

static void do_collect(void *data)
{
	struct collecting *c = data;

	c->result = drover_pools_collect(c->agent, &c->looking->disks, c->err);
}

static int check_here(struct drover_agent *agent, const char *path, const char *vm,
		      struct drover_err *err)
{
	struct looking *l = calloc(1, sizeof(*l));
	struct collecting c = { agent, l, err, 0 };
	bool late = false;
	int r;

	if (!l)
		return drover_err_set(err, ENOMEM, "out of memory");
	l->conf = &agent->conf;
	snprintf(l->path, sizeof(l->path), "%s", path);
	snprintf(l->vm, sizeof(l->vm), "%s", vm);
	r = drover_call_wait(agent->calls, do_collect, &c) ?: c.result;
	if (r == 0)
		r = drover_within(LOOK_MS, look, l, drop, &late, err);
	if (late)
		return drover_err_set(err, ETIMEDOUT,
				      "a store with images of other VMs does not answer, so whether "
				      "one is based on it is not known");
	drop(l);
	return r;
}

/* In a pool that other hosts have, too. */
static int check_elsewhere(const struct drover_conf *conf, const char *path, const char *vm,
			   struct drover_err *err)
{
	const struct drover_pool_conf *pool = drover_pool_of(conf, path);
	struct drover_pools_others others;
	char inside[DROVER_PATH_MAX];
	int r = 0;

	if (!pool || !pool->id[0] || !drover_pool_inside(pool, path, inside))
		return 0;
	drover_pools_others_ask(conf, pool, &others);
	for (size_t i = 0; i < others.count && r == 0; i++)
		if (strcmp(others.list[i].vm, vm) &&
		    (!strcmp(others.list[i].path, inside) ||
		     !strcmp(others.list[i].path, path + strlen(pool->path))))
			r = drover_err_set(err, EBUSY, "it is %s", others.list[i].note);
	if (r == 0 && others.silent[0])
		r = drover_err_set(err, EHOSTUNREACH, "whether VMs of %s need it is not known",
				   others.silent);
	drover_pools_others_free(&others);
	return r;
}

int drover_pools_needed(struct drover_agent *agent, const char *path, const char *vm,
			struct drover_err *err)
{
	return check_here(agent, path, vm, err) ?: check_elsewhere(&agent->conf, path, vm, err);
}
