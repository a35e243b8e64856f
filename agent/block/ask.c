// SPDX-License-Identifier: GPL-2.0-or-later
/* See ask.h. A question stands in a list until its thread has ended, whoever waits for it. */
#include "block/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/within.h"
#include "block/pool.h"
#include "core/clock.h"
#include "core/nbd.h"

#define ANSWER_MS 5000
/* To start qemu-img takes a while on a host that is busy. */
#define IMAGE_MS 10000
#define LEAST_MS 200
#define WHAT_LEN (DROVER_FIELD_LEN + 64)

/* @until_us: when it becomes silent, CLOCK_MONOTONIC */
struct question {
	struct question *next;
	char what[WHAT_LEN];
	uint64_t until_us;
	int (*fn)(void *data, struct drover_err *err);
	void *data;
	void (*drop)(void *data);
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct question *questions;

/* Returns for how long it may be waited for; 0: it is known to be silent. */
static uint32_t enlist(struct question *q, uint32_t ms)
{
	uint64_t now = drover_clock_monotonic();
	uint32_t silent = 0, least = ms > ANSWER_MS ? ms / 4 : LEAST_MS;
	scope_lock(&lock);

	for (const struct question *p = questions; p; p = p->next) {
		if (p->until_us > now)
			continue;
		if (!strcmp(p->what, q->what))
			return 0;
		silent++;
	}
	ms /= 1 + silent;
	if (ms < least)
		ms = least;
	q->until_us = now + ms * UINT64_C(1000);
	q->next = questions;
	questions = q;
	return ms;
}

/* Returns whether another one to the same is open. */
static bool delist(const struct question *q)
{
	bool others = false;
	scope_lock(&lock);

	for (struct question **p = &questions; *p;) {
		if (*p == q) {
			*p = q->next;
			continue;
		}
		others |= !strcmp((*p)->what, q->what);
		p = &(*p)->next;
	}
	return others;
}

static int run(void *data, struct drover_err *err)
{
	struct question *q = data;

	return q->fn(q->data, err);
}

static void end_late(void *data)
{
	struct question *q = data;

	if (!delist(q))
		log_info("%s answers again", q->what);
	q->drop(q->data);
	free(q);
}

int drover_ask(const char *what, uint32_t ms, int (*fn)(void *data, struct drover_err *err),
	       void *data, void (*drop)(void *data), bool *ret_late, struct drover_err *err)
{
	struct question *q = calloc(1, sizeof(*q));
	int r;

	*ret_late = false;
	if (!q)
		return drover_err_set(err, ENOMEM, "out of memory");
	snprintf(q->what, sizeof(q->what), "%s", what);
	q->fn = fn;
	q->data = data;
	q->drop = drop;
	ms = enlist(q, ms);
	if (!ms) {
		*ret_late = true;
		drop(data);
		free(q);
		return drover_err_set(err, ETIMEDOUT, "%s does not answer", what);
	}
	r = drover_within(ms, run, q, end_late, ret_late, err);
	if (*ret_late) {
		log_warning("%s does not answer, and is left alone until it does", what);
		return drover_err_set(err, ETIMEDOUT, "%s does not answer", what);
	}
	delist(q);
	free(q);
	return r;
}

/* --- images --- */

/* Outside of pools nobody knows what else lies on the same store: the next file may. */
static void name_store(const struct drover_conf *conf, const char *path, char *buf, size_t size)
{
	const struct drover_pool_conf *pool = drover_pool_of(conf, path);
	const char *end = strrchr(path, '/');

	if (pool)
		snprintf(buf, size, "pool %s", pool->name);
	else
		snprintf(buf, size, "directory %.*s", end ? (int)(end - path) : 0, path);
}

struct look {
	char path[DROVER_FIELD_LEN];
	char format[16];
	struct stat st;
	struct drover_image image;
};

static int run_stat(void *data, struct drover_err *err)
{
	struct look *l = data;

	return stat(l->path, &l->st) < 0
		       ? drover_err_set(err, errno, "%s: %s", l->path, strerror(errno))
		       : 0;
}

static int run_look(void *data, struct drover_err *err)
{
	struct look *l = data;

	return drover_image_look(l->path, l->format, &l->image, err);
}

static int run_sync(void *data, struct drover_err *err)
{
	struct look *l = data;
	auto_close int fd = open(l->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fdatasync(fd) < 0)
		return drover_err_set(err, errno, "%s: %s", l->path, strerror(errno));
	return 0;
}

static int ask_about(const char *what, uint32_t ms, int (*fn)(void *data, struct drover_err *err),
		     struct look *look, struct drover_err *err)
{
	struct look *l = malloc(sizeof(*l));
	bool late;
	int r;

	if (!l)
		return drover_err_set(err, ENOMEM, "out of memory");
	*l = *look;
	r = drover_ask(what, ms, fn, l, free, &late, err);
	if (late)
		return r;
	*look = *l;
	free(l);
	return r;
}

int drover_ask_file(const struct drover_conf *conf, const char *path, struct stat *ret_st,
		    struct drover_err *err)
{
	struct look look = { 0 };
	char what[WHAT_LEN];
	int r;

	snprintf(look.path, sizeof(look.path), "%s", path);
	name_store(conf, path, what, sizeof(what));
	r = ask_about(what, ANSWER_MS, run_stat, &look, err);
	if (r == 0)
		*ret_st = look.st;
	return r;
}

int drover_ask_image(const struct drover_conf *conf, const char *path, const char *format,
		     struct drover_image *ret_image, struct drover_err *err)
{
	struct look look = { 0 };
	int r = drover_nbd_is(path) ? 0 : drover_ask_file(conf, path, &look.st, err);

	if (r < 0)
		return r;
	snprintf(look.path, sizeof(look.path), "%s", path);
	snprintf(look.format, sizeof(look.format), "%s", format);
	r = ask_about(path, IMAGE_MS, run_look, &look, err);
	if (r == 0)
		*ret_image = look.image;
	return r;
}

int drover_ask_sync(const char *path, uint32_t ms, struct drover_err *err)
{
	struct look look = { 0 };

	snprintf(look.path, sizeof(look.path), "%s", path);
	return ask_about(path, ms, run_sync, &look, err);
}

/* --- pools --- */

struct room {
	struct drover_pool_conf pool;
	bool write;
	uint64_t size, space;
};

static int run_room(void *data, struct drover_err *err)
{
	struct room *room = data;
	int r = room->write ? drover_pool_check(&room->pool, 0, err) : 0;

	return r < 0 ? r : drover_pool_space(&room->pool, &room->size, &room->space, err);
}

int drover_ask_pool(const struct drover_pool_conf *pool, bool write, uint64_t *ret_size,
		    uint64_t *ret_free, struct drover_err *err)
{
	struct room *room = calloc(1, sizeof(*room));
	char what[WHAT_LEN];
	bool late;
	int r;

	if (!room)
		return drover_err_set(err, ENOMEM, "out of memory");
	room->pool = *pool;
	room->write = write;
	snprintf(what, sizeof(what), "pool %s", pool->name);
	r = drover_ask(what, ANSWER_MS, run_room, room, free, &late, err);
	if (late)
		return r;
	if (r == 0) {
		*ret_size = room->size;
		*ret_free = room->space;
	}
	free(room);
	return r;
}

bool drover_ask_gone(const struct drover_conf *conf, const char *path)
{
	const struct drover_pool_conf *pool = drover_pool_of(conf, path);
	uint64_t size, space;
	struct stat st;

	return drover_ask_file(conf, path, &st, NULL) == -ENOENT &&
	       (!pool || drover_ask_pool(pool, false, &size, &space, NULL) == 0);
}
