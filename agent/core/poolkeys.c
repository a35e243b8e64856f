// SPDX-License-Identifier: GPL-2.0-or-later
/* The keys of pools, and of what is done with them. */
#include "core/poolkeys.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/config.h"
#include "core/ini.h"

static const struct {
	const char *key;
	size_t offset;
	uint32_t min, max;
} numbers[] = {
	{ "threshold", offsetof(struct drover_conf, pool_threshold), 1, 100 },
	{ "interval_s", offsetof(struct drover_conf, pool_interval_s), 1, 86400 },
	{ "grace_s", offsetof(struct drover_conf, storage_grace_s), 1, 86400 },
};

/* Order is that of enum drover_automation. */
static const char *const automations[] = { "manual", "partial", "full", NULL };
static const char *const formats[] = { "raw", "qcow2", NULL };

int drover_poolkeys_begin(struct drover_conf *conf, const char *name, struct drover_err *err)
{
	struct drover_pool_conf *pool;

	if (!drover_name_valid(name))
		return drover_err_set(err, EINVAL, "\"%s\" is no valid name of a pool", name);
	for (uint32_t i = 0; i < conf->pool_count; i++)
		if (!strcmp(conf->pools[i].name, name))
			return drover_err_set(err, EINVAL, "a second section [pool %s]", name);
	if (conf->pool_count == DROVER_POOLS_MAX)
		return drover_err_set(err, EINVAL, "more than %d pools", DROVER_POOLS_MAX);
	pool = &conf->pools[conf->pool_count++];
	snprintf(pool->name, sizeof(pool->name), "%s", name);
	strcpy(pool->format, "raw");
	return 0;
}

/* One way to write each directory, so that paths can be compared as text. */
static int set_path(const char *value, char *buf, size_t size, struct drover_err *err)
{
	int r = drover_ini_path(value, buf, size, err);
	size_t n;

	if (r < 0)
		return r;
	n = strlen(buf);
	while (n > 1 && buf[n - 1] == '/')
		buf[--n] = '\0';
	if (n == 1 || strstr(buf, "//"))
		return drover_err_set(err, EINVAL, "\"%s\" is no directory for a pool", value);
	for (const char *p = buf; p; p = strchr(p + 1, '/'))
		if (!strcmp(p, "/.") || !strcmp(p, "/..") || !strncmp(p, "/./", 3) ||
		    !strncmp(p, "/../", 4))
			return drover_err_set(err, EINVAL, "\"%s\" has \".\" or \"..\" in it", value);
	return 0;
}

int drover_poolkeys_pool(struct drover_conf *conf, const char *key, const char *value,
			 struct drover_err *err)
{
	struct drover_pool_conf *pool = &conf->pools[conf->pool_count - 1];
	int i;

	if (!strcmp(key, "path"))
		return set_path(value, pool->path, sizeof(pool->path), err);
	if (!strcmp(key, "mounted"))
		return drover_ini_yes_no(value, &pool->mounted, err);
	if (!strcmp(key, "id")) {
		if (!drover_name_valid(value))
			return drover_err_set(err, EINVAL, "\"%s\" is no valid id of a pool", value);
		return drover_ini_string(value, pool->id, sizeof(pool->id), err);
	}
	if (strcmp(key, "format"))
		return drover_err_set(err, EINVAL, "unknown key \"%s\" in [pool %s]", key, pool->name);
	i = drover_ini_word(value, formats, err);
	if (i < 0)
		return i;
	strcpy(pool->format, formats[i]);
	return 0;
}

/* Is @b the directory @a, or in it? */
static bool holds(const char *a, const char *b)
{
	size_t n = strlen(a);

	return !strncmp(a, b, n) && (!b[n] || b[n] == '/');
}

int drover_poolkeys_end(const struct drover_conf *conf, struct drover_err *err)
{
	const struct drover_pool_conf *pool = &conf->pools[conf->pool_count - 1], *other;

	if (!pool->path[0])
		return drover_err_set(err, EINVAL, "[pool %s] has no path", pool->name);
	for (other = conf->pools; other < pool; other++) {
		if (holds(other->path, pool->path) || holds(pool->path, other->path))
			return drover_err_set(err, EINVAL,
					      "[pool %s] and [pool %s] lie in the same directory",
					      other->name, pool->name);
		if (pool->id[0] && !strcmp(pool->id, other->id))
			return drover_err_set(err, EINVAL, "[pool %s] and [pool %s] have the same id",
					      other->name, pool->name);
	}
	return 0;
}

int drover_poolkeys_storage(struct drover_conf *conf, const char *key, const char *value,
			    struct drover_err *err)
{
	uint64_t n;
	int r;

	if (!strcmp(key, "delete_old"))
		return drover_ini_yes_no(value, &conf->delete_old, err);
	if (!strcmp(key, "automation")) {
		r = drover_ini_word(value, automations, err);
		if (r < 0)
			return r;
		conf->pool_automation = r;
		return 0;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (strcmp(key, numbers[i].key))
			continue;
		r = drover_ini_number(value, numbers[i].min, numbers[i].max, &n, err);
		if (r == 0)
			*(uint32_t *)((char *)conf + numbers[i].offset) = n;
		return r;
	}
	return drover_err_set(err, EINVAL, "unknown key \"%s\" in [storage]", key);
}
