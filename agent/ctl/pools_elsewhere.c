// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pools and other hosts: whose are the files in a shared pool, and does a VM that is
 * only defined here run elsewhere?
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "block/ask.h"
#include "block/chain.h"
#include "core/clock.h"
#include "core/nbd.h"
#include "ctl/pools.h"

/* For all peers together: an operator's request must be answered within 30 s. */
#define ASK_US 10000000

/* --- whose are the files? --- */

static void add_silent(struct drover_pools_others *others, const char *host)
{
	size_t n = strlen(others->silent);

	snprintf(others->silent + n, sizeof(others->silent) - n, "%s%s", n ? ", " : "", host);
}

static void add_other(struct drover_pools_others *others, const Drover__ImageInfo *image,
		      const char *host)
{
	struct drover_pools_other *more =
		realloc(others->list, (others->count + 1) * sizeof(*others->list));

	if (!more)
		return;
	others->list = more;
	more += others->count++;
	snprintf(more->path, sizeof(more->path), "%s", image->path);
	snprintf(more->vm, sizeof(more->vm), "%s", image->vm);
	snprintf(more->note, sizeof(more->note), "%.63s%sof vm %.63s, disk %.63s, which %s knows",
		 image->note, *image->note ? " " : "", image->vm, image->disk, host);
}

void drover_pools_others_ask(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			     struct drover_pools_others *ret_others)
{
	uint64_t start = drover_clock_monotonic();

	*ret_others = (struct drover_pools_others){ 0 };
	for (uint32_t i = 0; i < conf->peer_count && pool->id[0]; i++) {
		const struct drover_peer_conf *peer = &conf->peers[i];
		Drover__PoolReply *reply = NULL;

		if (drover_clock_monotonic() - start > ASK_US ||
		    drover_elsewhere_pool(conf, peer, pool->id, &reply, NULL) < 0) {
			add_silent(ret_others, peer->name);
			continue;
		}
		for (size_t k = 0; k < reply->n_images; k++)
			add_other(ret_others, reply->images[k], peer->name);
		if (*reply->unread && !ret_others->unread[0])
			snprintf(ret_others->unread, sizeof(ret_others->unread), "on %s %.400s",
				 peer->name, reply->unread);
		drover__pool_reply__free_unpacked(reply, NULL);
	}
}

void drover_pools_others_free(struct drover_pools_others *others)
{
	free(others->list);
	others->list = NULL;
}

/* --- does a VM run elsewhere? --- */

static bool is_in_question(const struct drover_pools_disk *d, const struct drover_pool_conf *pool)
{
	return d->pool && (!pool || d->pool == pool) && !d->running && !d->fixed[0];
}

static void settle_by(const struct drover_conf *conf, const struct drover_peer_conf *peer,
		      const struct drover_pool_conf *pool, uint64_t deadline,
		      struct drover_pools_disks *disks)
{
	bool silent = false;

	for (size_t i = 0; i < disks->count; i++) {
		struct drover_pools_disk *d = &disks->list[i];
		struct drover_err err = { 0 };
		int r = -ETIMEDOUT;

		if (!is_in_question(d, pool))
			continue;
		/* One that was silent once is not waited for again. */
		if (!silent && drover_clock_monotonic() < deadline)
			r = drover_elsewhere_runs(conf, peer, d->vm, &err);
		silent = r < 0 && r != -EEXIST;
		if (r == -EEXIST)
			snprintf(d->fixed, sizeof(d->fixed), "vm %s runs on %s", d->vm, peer->name);
		else if (r < 0 && d->pool->id[0])
			snprintf(d->fixed, sizeof(d->fixed),
				 "it is not known whether vm %s runs on %s", d->vm, peer->name);
	}
}

void drover_pools_settle(const struct drover_conf *conf, const struct drover_pool_conf *pool,
			 struct drover_pools_disks *disks)
{
	uint64_t deadline = drover_clock_monotonic() + ASK_US;

	for (uint32_t i = 0; i < conf->peer_count; i++)
		settle_by(conf, &conf->peers[i], pool, deadline, disks);
}

/* --- a peer asks --- */

/**
 * struct question - which files of that pool do VMs here use?
 * @images: of them and of what they are based on; the strings are the disks' and @bases'
 */
struct question {
	struct drover_agent *agent;
	const struct drover_pool_conf *pool;
	struct drover_pools_disks disks;
	const struct drover_pools_disk *of;
	Drover__ImageInfo **images;
	size_t count;
	char **bases;
	size_t base_count;
	char unread[512];
};

static void forget(struct question *q)
{
	for (size_t i = 0; i < q->count; i++)
		free(q->images[i]);
	for (size_t i = 0; i < q->base_count; i++)
		free(q->bases[i]);
	free(q->images);
	free(q->bases);
	drover_pools_free(&q->disks);
}

static void do_collect(void *data)
{
	struct question *q = data;

	drover_pools_collect(q->agent, &q->disks, NULL);
}

static const struct drover_pool_conf *pool_of_id(const struct drover_conf *conf, const char *id)
{
	for (uint32_t i = 0; *id && i < conf->pool_count; i++)
		if (!strcmp(conf->pools[i].id, id))
			return &conf->pools[i];
	return NULL;
}

static int add_image(struct question *q, const char *path, const char *format, const char *note)
{
	Drover__ImageInfo **more = realloc(q->images, (q->count + 1) * sizeof(*more)), *image;

	if (!more)
		return -ENOMEM;
	q->images = more;
	image = malloc(sizeof(*image));
	if (!image)
		return -ENOMEM;
	drover__image_info__init(image);
	image->vm = (char *)q->of->vm;
	image->disk = (char *)q->of->def.name;
	image->path = (char *)path;
	image->format = (char *)format;
	image->note = (char *)note;
	image->is_true = !*note && q->of->running && !q->of->unused;
	q->images[q->count++] = image;
	return 0;
}

/* @path: from the pool's directory */
static int add_copy(struct question *q, const char *path, const char *note)
{
	char **more = realloc(q->bases, (q->base_count + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	q->bases = more;
	more[q->base_count] = strdup(path);
	if (!more[q->base_count])
		return -ENOMEM;
	return add_image(q, more[q->base_count++], "", note);
}

static int add_base(void *data, const char *backing)
{
	struct question *q = data;
	char inside[DROVER_PATH_MAX];

	return drover_pool_inside(q->pool, backing, inside)
		       ? add_copy(q, inside, "the backing file")
		       : 0;
}

/* By its name, and by where it is if that is a link. */
static int add_disk(struct question *q, const struct drover_pools_disk *d)
{
	const char *name = d->pool == q->pool ? d->def.path + strlen(q->pool->path) : "";
	char inside[DROVER_PATH_MAX];
	int r = *name ? add_image(q, name, d->def.format, "") : 0;

	if (r == 0 && drover_pool_inside(q->pool, d->def.path, inside) && strcmp(inside, name))
		r = add_copy(q, inside, "");
	return r;
}

static int look(struct question *q, struct drover_err *err)
{
	const struct drover_conf *conf = &q->agent->conf;
	int r = 0;

	for (size_t i = 0; i < q->disks.count && r != -ENOMEM; i++) {
		const struct drover_pools_disk *d = q->of = &q->disks.list[i];
		struct drover_err why = { 0 };
		struct stat st;

		if (drover_nbd_is(d->def.path))
			continue;
		r = drover_ask_file(conf, d->def.path, &st, &why);
		if (r == 0)
			r = add_disk(q, d);
		else if (d->pool == q->pool)
			add_image(q, d->def.path + strlen(q->pool->path), d->def.format, "");
		if (r == 0)
			r = drover_chain_each(conf, d->def.path, d->def.format, add_base, q, &why);
		/* Of one that is out of reach it is not known; one that is deleted needs nothing. */
		if (r < 0 && !q->unread[0] && !drover_ask_gone(conf, d->def.path))
			snprintf(q->unread, sizeof(q->unread),
				 "it is not known what disk %s of vm %s is based on: %.256s",
				 d->def.name, d->vm, why.text);
	}
	return r == -ENOMEM ? drover_err_set(err, ENOMEM, "out of memory") : 0;
}

int drover_pools_answer(struct drover_agent *agent, struct drover_peer *peer, const char *id,
			struct drover_err *err)
{
	Drover__PoolReply reply = DROVER__POOL_REPLY__INIT;
	struct question q = { .agent = agent, .pool = pool_of_id(&agent->conf, id) };
	int r = 0;

	if (q.pool) {
		drover_call_wait(agent->calls, do_collect, &q);
		r = look(&q, err);
	}
	reply.present = q.pool != NULL;
	reply.images = q.images;
	reply.n_images = q.count;
	reply.unread = q.unread;
	if (r == 0)
		r = drover_peer_send(peer, DROVER_FRAME_POOL_REPLY, &reply.base, 0, err);
	forget(&q);
	return r;
}
