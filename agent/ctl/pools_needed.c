// SPDX-License-Identifier: GPL-2.0-or-later
/* Before an image is deleted: does another VM use it, or is one of its images based on it? */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "block/ask.h"
#include "block/chain.h"
#include "core/nbd.h"
#include "ctl/pools.h"

/* A file that is looked for. By itself, not by its name: there may be links. */
struct looking {
	const struct drover_conf *conf;
	struct stat file;
};

/* Errors: -EBUSY if that is it; those of drover_ask_file(). */
static int compare(void *data, const char *path)
{
	const struct looking *l = data;
	struct stat st;
	int r;

	if (drover_nbd_is(path))
		return 0;
	r = drover_ask_file(l->conf, path, &st, NULL);
	if (r == -ENOENT)
		return 0;
	return r == 0 && st.st_dev == l->file.st_dev && st.st_ino == l->file.st_ino ? -EBUSY : r;
}

static int check_disk(struct looking *l, const struct drover_pools_disk *d, struct drover_err *err)
{
	struct drover_err why = { 0 };
	int r;

	if (compare(l, d->def.path) == -EBUSY)
		return drover_err_set(err, EBUSY, "it is also disk %s of vm %s", d->def.name, d->vm);
	r = drover_chain_each(l->conf, d->def.path, d->def.format, compare, l, &why);
	if (r == -EBUSY)
		return drover_err_set(err, EBUSY, "disk %s of vm %s is based on it", d->def.name,
				      d->vm);
	if (r < 0 && !drover_ask_gone(l->conf, d->def.path))
		return drover_err_set(err, r, "what disk %s of vm %s is based on is not known (%s)",
				      d->def.name, d->vm,
				      why.text[0] ? why.text : "a backing file cannot be looked at");
	return 0;
}

int drover_pools_needed_by(const struct drover_conf *conf, const struct drover_pools_disks *disks,
			   const char *path, const char *vm, struct drover_err *err)
{
	struct looking l = { .conf = conf };
	struct drover_err why = { 0 };
	int r = drover_ask_file(conf, path, &l.file, &why);

	/* What is gone is needed by nobody. */
	if (r < 0)
		return r == -ENOENT ? 0 : drover_err_set(err, r, "%s", why.text);
	for (size_t i = 0; i < disks->count && r == 0; i++) {
		const struct drover_pools_disk *d = &disks->list[i];

		if (strcmp(d->vm, vm) && !drover_nbd_is(d->def.path))
			r = check_disk(&l, d, err);
	}
	return r;
}

struct collecting {
	struct drover_agent *agent;
	struct drover_pools_disks disks;
	struct drover_err *err;
	int result;
};

static void do_collect(void *data)
{
	struct collecting *c = data;

	c->result = drover_pools_collect(c->agent, &c->disks, c->err);
}

static int check_here(struct drover_agent *agent, const char *path, const char *vm,
		      struct drover_err *err)
{
	struct collecting c = { .agent = agent, .err = err };
	int r = drover_call_wait(agent->calls, do_collect, &c) ?: c.result;

	if (r == 0)
		r = drover_pools_needed_by(&agent->conf, &c.disks, path, vm, err);
	drover_pools_free(&c.disks);
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
	if (r == 0 && others.unread[0])
		r = drover_err_set(err, EHOSTUNREACH, "%s", others.unread);
	drover_pools_others_free(&others);
	return r;
}

int drover_pools_needed(void *agent, const char *path, const char *vm, struct drover_err *err)
{
	const struct drover_agent *a = agent;

	return check_here(agent, path, vm, err) ?: check_elsewhere(&a->conf, path, vm, err);
}
