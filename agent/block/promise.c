// SPDX-License-Identifier: GPL-2.0-or-later
/* See promise.h. Images are looked at without the lock: one dead store must not stop the others. */
#include "block/promise.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "core/model.h"

/**
 * struct drover_promise - one image's
 * @turn: those with a lower one came first
 */
struct drover_promise {
	struct drover_promise *next;
	char dir[DROVER_FIELD_LEN];
	char path[DROVER_FIELD_LEN];
	dev_t dev;
	uint64_t bytes;
	uint64_t turn;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct drover_promise *promises;
static uint64_t turns;

int drover_promise_make(const char *dir, dev_t dev, const char *path, uint64_t bytes,
			struct drover_promise **ret_promise, struct drover_err *err)
{
	struct drover_promise *p = calloc(1, sizeof(*p));
	scope_lock(&lock);

	if (!p)
		return drover_err_set(err, ENOMEM, "out of memory");
	snprintf(p->dir, sizeof(p->dir), "%s", dir);
	snprintf(p->path, sizeof(p->path), "%s", path);
	p->dev = dev;
	p->bytes = bytes;
	p->turn = ++turns;
	p->next = promises;
	promises = p;
	*ret_promise = p;
	return 0;
}

static bool counts(const struct drover_promise *p, const char *dir, dev_t dev,
		   const struct drover_promise *before, const struct drover_promise *instead)
{
	if (p == instead || (before && p->turn >= before->turn))
		return false;
	return !strcmp(p->dir, dir) || (dev && p->dev == dev);
}

static int copy(const char *dir, dev_t dev, const struct drover_promise *before,
		const struct drover_promise *instead, struct drover_promise **ret_list,
		size_t *ret_count, struct drover_err *err)
{
	struct drover_promise *p, *list;
	size_t n = 0;
	scope_lock(&lock);

	for (p = promises; p; p = p->next)
		n += counts(p, dir, dev, before, instead);
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		return drover_err_set(err, ENOMEM, "out of memory");
	*ret_list = list;
	*ret_count = n;
	for (p = promises; p; p = p->next)
		if (counts(p, dir, dev, before, instead))
			*list++ = *p;
	return 0;
}

/* An image that is not there yet takes nothing. */
static uint64_t left(const struct drover_promise *p)
{
	struct stat st;
	uint64_t taken = lstat(p->path, &st) < 0 ? 0 : st.st_blocks * UINT64_C(512);

	return p->bytes > taken ? p->bytes - taken : 0;
}

int drover_promise_sum(const char *dir, dev_t dev, const struct drover_promise *before,
		       const struct drover_promise *instead, uint64_t *ret_bytes,
		       struct drover_err *err)
{
	auto_free struct drover_promise *list = NULL;
	uint64_t sum = 0;
	size_t n = 0;
	int r = copy(dir, dev, before, instead, &list, &n, err);

	if (r < 0)
		return r;
	/* What a peer said that it needs may be any number. */
	for (size_t i = 0; i < n; i++)
		if (__builtin_add_overflow(sum, left(&list[i]), &sum))
			sum = UINT64_MAX;
	*ret_bytes = sum;
	return 0;
}

void drover_promise_drop(struct drover_promise *promise)
{
	struct drover_promise **p = &promises;
	scope_lock(&lock);

	if (!promise)
		return;
	while (*p != promise)
		p = &(*p)->next;
	*p = promise->next;
	free(promise);
}
