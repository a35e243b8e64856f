// SPDX-License-Identifier: GPL-2.0-or-later
/* What must be known of a landing after a power loss, and its good end. */
#include "block/landing_record.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

#define RECORD_MAX (1 << 20)
#define DEFINITION_MAX (1 << 20)

static int path_of(const struct drover_conf *conf, const struct drover_landing *l, char *path,
		   struct drover_err *err)
{
	return drover_io_path(path, err, "%s/landings/%s-%" PRIu64, conf->state_dir, l->source,
			      l->id);
}

/* --- writing --- */

static json_t *images_of(const struct drover_landing *l)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < l->count; i++) {
		const struct drover_landing_image *image = &l->images[i];

		json_array_append_new(list, json_pack("{ss ss ss ss sI}", "disk", image->disk,
						      "path", image->path, "format", image->format,
						      "pool", image->pool, "size",
						      (json_int_t)image->size));
	}
	return list;
}

int drover_landing_record_write(const struct drover_conf *conf, const struct drover_landing *l,
				struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	auto_free char *text = NULL;
	json_t *o;
	int r = drover_io_path(path, err, "%s/landings", conf->state_dir);

	if (r == 0)
		r = drover_io_mkdirs(path, 0700, err);
	if (r == 0)
		r = path_of(conf, l, path, err);
	if (r < 0)
		return r;
	o = json_pack("{ss sI ss ss so}", "source", l->source, "id", (json_int_t)l->id, "vm",
		      l->vm, "definition", l->text, "images", images_of(l));
	text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	json_decref(o);
	if (!text)
		return drover_err_set(err, ENOMEM, "the record of vm %s cannot be written", l->vm);
	return drover_io_write_durable(path, text, strlen(text), 0600, err);
}

int drover_landing_record_forget(const struct drover_conf *conf, const struct drover_landing *l,
				 struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = path_of(conf, l, path, err);

	return r < 0 ? r : drover_io_remove_durable(path, err);
}

/* --- reading --- */

static int load_image(json_t *o, struct drover_landing_image *image)
{
	const char *disk, *path, *format, *pool;
	json_int_t size;

	if (json_unpack(o, "{ss ss ss ss sI}", "disk", &disk, "path", &path, "format", &format,
			"pool", &pool, "size", &size) < 0 ||
	    path[0] != '/')
		return -EBADMSG;
	snprintf(image->disk, sizeof(image->disk), "%s", disk);
	snprintf(image->path, sizeof(image->path), "%s", path);
	snprintf(image->format, sizeof(image->format), "%s", format);
	snprintf(image->pool, sizeof(image->pool), "%s", pool);
	image->size = size;
	return 0;
}

static int load_object(json_t *o, struct drover_landing *l)
{
	const char *source, *vm, *text;
	json_t *images, *image;
	json_int_t id;
	size_t i;

	if (json_unpack(o, "{ss sI ss ss so}", "source", &source, "id", &id, "vm", &vm,
			"definition", &text, "images", &images) < 0 ||
	    json_array_size(images) > DROVER_DISKS_MAX)
		return -EBADMSG;
	snprintf(l->source, sizeof(l->source), "%s", source);
	snprintf(l->vm, sizeof(l->vm), "%s", vm);
	l->id = id;
	json_array_foreach(images, i, image) {
		int r = load_image(image, &l->images[l->count]);

		if (r < 0)
			return r;
		l->count++;
	}
	l->recorded = true;
	l->text = strdup(text);
	return l->text ? 0 : -ENOMEM;
}

static int load(const char *path, struct drover_landing *l, struct drover_err *err)
{
	auto_free char *text = NULL;
	json_t *o;
	int r = drover_io_read_file(path, RECORD_MAX, &text, NULL, err);

	if (r < 0)
		return r;
	o = json_loads(text, 0, NULL);
	r = o ? load_object(o, l) : -EBADMSG;
	json_decref(o);
	return r < 0 ? drover_err_set(err, r, "%s is damaged", path) : 0;
}

static int is_record(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	/* What ends so was not written to its end. */
	return d->d_name[0] != '.' && (n < 4 || strcmp(d->d_name + n - 4, ".new"));
}

int drover_landing_list(const struct drover_conf *conf, struct drover_landing **ret_landings,
			size_t *ret_count, struct drover_err *err)
{
	char dir[DROVER_PATH_MAX], path[DROVER_PATH_MAX];
	struct drover_landing *landings;
	struct dirent **names = NULL;
	size_t count = 0;
	int n, r = drover_io_path(dir, err, "%s/landings", conf->state_dir);

	if (r < 0)
		return r;
	n = scandir(dir, &names, is_record, alphasort);
	if (n < 0 && errno != ENOENT)
		return drover_err_set(err, errno, "cannot list %s: %s", dir, strerror(errno));
	landings = calloc(n > 0 ? n : 1, sizeof(*landings));
	for (int i = 0; i < n; i++) {
		struct drover_err why = { 0 };

		if (landings && drover_io_path(path, &why, "%s/%s", dir, names[i]->d_name) == 0 &&
		    load(path, &landings[count], &why) == 0)
			count++;
		else if (landings)
			log_error("%s", why.text);
		free(names[i]);
	}
	free(names);
	if (!landings)
		return drover_err_set(err, ENOMEM, "out of memory");
	*ret_landings = landings;
	*ret_count = count;
	return 0;
}

/* --- the good end --- */

/* A different definition of that name is kept beside it. */
static int keep_old(const char *path, const char *text, bool *ret_same, struct drover_err *err)
{
	char old[DROVER_PATH_MAX];
	auto_free char *there = NULL;
	int r;

	*ret_same = false;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = drover_io_read_file(path, DEFINITION_MAX, &there, NULL, err);
	if (r < 0)
		return r;
	*ret_same = !strcmp(there, text);
	if (*ret_same)
		return 0;
	r = drover_io_path(old, err, "%s.old", path);
	return r < 0 ? r : drover_io_write_durable(old, there, strlen(there), 0644, err);
}

int drover_landing_settle(const struct drover_conf *conf, struct drover_landing *l,
			  struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	bool same = false;
	int r = drover_io_mkdirs(conf->vm_dir, 0755, err);

	if (r == 0)
		r = drover_io_path(path, err, "%s/%s.conf", conf->vm_dir, l->vm);
	if (r == 0)
		r = keep_old(path, l->text, &same, err);
	if (r == 0 && !same)
		r = drover_io_write_durable(path, l->text, strlen(l->text), 0644, err);
	if (r < 0)
		return r;
	l->recorded = false;
	return drover_landing_record_forget(conf, l, err);
}
