// SPDX-License-Identifier: GPL-2.0-or-later
/* What was measured of a pool, kept in a small JSON file each. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "block/pool.h"

#define KEPT_MAX 4096

static int path_of(const struct drover_conf *conf, const struct drover_pool_conf *pool, char *buf,
		   struct drover_err *err)
{
	return drover_io_path(buf, err, "%s/pools/%s.json", conf->state_dir, pool->name);
}

int drover_pool_keep(const struct drover_conf *conf, const struct drover_pool_conf *pool,
		     const struct drover_pool_speed *speed, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	auto_free char *text = NULL;
	json_t *o;
	int r = drover_io_path(path, err, "%s/pools", conf->state_dir);

	if (r == 0)
		r = drover_io_mkdirs(path, 0700, err);
	if (r == 0)
		r = path_of(conf, pool, path, err);
	if (r < 0)
		return r;
	o = json_pack("{s:s, s:I, s:I, s:I, s:I}", "path", pool->path, "latency_us",
		      (json_int_t)speed->latency_us, "read_rate", (json_int_t)speed->read_rate,
		      "write_rate", (json_int_t)speed->write_rate, "time_us",
		      (json_int_t)speed->time_us);
	text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
	json_decref(o);
	if (!text)
		return drover_err_set(err, ENOMEM, "out of memory");
	return drover_io_write_durable(path, text, strlen(text), 0600, err);
}

void drover_pool_kept(const struct drover_conf *conf, const struct drover_pool_conf *pool,
		      struct drover_pool_speed *ret_speed)
{
	json_int_t latency, reading, writing, when;
	char path[DROVER_PATH_MAX];
	auto_free char *text = NULL;
	const char *of;
	json_t *o = NULL;

	*ret_speed = (struct drover_pool_speed){ 0 };
	if (path_of(conf, pool, path, NULL) == 0 &&
	    drover_io_read_file(path, KEPT_MAX, &text, NULL, NULL) == 0)
		o = json_loads(text, 0, NULL);
	/* Of another directory it says nothing. */
	if (o &&
	    json_unpack(o, "{s:s, s:I, s:I, s:I, s:I}", "path", &of, "latency_us", &latency,
			"read_rate", &reading, "write_rate", &writing, "time_us", &when) == 0 &&
	    !strcmp(of, pool->path) && latency > 0 && reading >= 0 && writing >= 0 && when > 0)
		*ret_speed = (struct drover_pool_speed){ .latency_us = latency,
							 .read_rate = reading,
							 .write_rate = writing,
							 .time_us = when };
	json_decref(o);
}
