// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pools and other hosts: whose are the files in a shared pool, and does a VM that is
 * only defined here run elsewhere?
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
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
	snprintf(more->note, sizeof(more->note), "of vm %.63s, disk %.63s, which %s knows",
		 image->vm, image->disk, host);
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

struct question {
	struct drover_agent *agent;
	struct drover_pools_disks disks;
};

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

/* The messages borrow their strings from the disks. */
static void fill(Drover__PoolReply *reply, const struct drover_pool_conf *pool,
		 const struct drover_pools_disks *disks, Drover__ImageInfo *images,
		 Drover__ImageInfo **list)
{
	reply->present = true;
	reply->images = list;
	for (size_t i = 0; i < disks->count; i++) {
		const struct drover_pools_disk *d = &disks->list[i];
		Drover__ImageInfo *image = &images[reply->n_images];

		if (d->pool != pool)
			continue;
		drover__image_info__init(image);
		image->vm = (char *)d->vm;
		image->disk = (char *)d->def.name;
		image->path = (char *)d->def.path + strlen(pool->path);
		image->format = (char *)d->def.format;
		image->is_true = d->running && !d->unused;
		list[reply->n_images++] = image;
	}
}

int drover_pools_answer(struct drover_agent *agent, struct drover_peer *peer, const char *id,
			struct drover_err *err)
{
	const struct drover_pool_conf *pool = pool_of_id(&agent->conf, id);
	Drover__PoolReply reply = DROVER__POOL_REPLY__INIT;
	struct question q = { .agent = agent };
	Drover__ImageInfo *images, **list;
	int r;

	if (pool)
		drover_call_wait(agent->calls, do_collect, &q);
	images = calloc(q.disks.count + 1, sizeof(*images));
	list = calloc(q.disks.count + 1, sizeof(*list));
	if (pool && images && list)
		fill(&reply, pool, &q.disks, images, list);
	r = images && list ? drover_peer_send(peer, DROVER_FRAME_POOL_REPLY, &reply.base, 0, err)
			   : drover_err_set(err, ENOMEM, "out of memory");
	free(list);
	free(images);
	drover_pools_free(&q.disks);
	return r;
}
