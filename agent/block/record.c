// SPDX-License-Identifier: GPL-2.0-or-later
/* Durable records of disk moves. */
#include "block/record.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/config.h"

#define RECORD_MAX 65536

static const char *const steps[] = {
	[DROVER_DISK_STEP_COPYING] = "copying",
	[DROVER_DISK_STEP_SWITCHING] = "switching",
	[DROVER_DISK_STEP_OLD_LEFT] = "old-left",
};

int drover_disk_record_init(const struct drover_conf *conf, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/disks", conf->state_dir);

	return r < 0 ? r : drover_io_mkdirs(path, 0700, err);
}

static int path_of(char *path, const struct drover_conf *conf, uint64_t id, struct drover_err *err)
{
	return drover_io_path(path, err, "%s/disks/move-%" PRIu64, conf->state_dir, id);
}

int drover_disk_record_write(const struct drover_conf *conf,
			     const struct drover_disk_record *record, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	auto_free char *text = NULL;
	json_t *o;
	int r = path_of(path, conf, record->id, err);

	if (r < 0)
		return r;
	o = json_pack("{sI sI ss sb sb sI sI ss ss ss ss ss ss ss}", "id", (json_int_t)record->id,
		      "migration_id", (json_int_t)record->migration_id, "step", steps[record->step],
		      "delete_old", record->delete_old, "verify", record->verify, "start_time_us",
		      (json_int_t)record->start_time_us, "space_bytes",
		      (json_int_t)record->space_bytes, "vm", record->vm, "disk", record->disk,
		      "old_path", record->old_path, "old_format", record->old_format, "new_path",
		      record->new_path, "new_format", record->new_format, "host", record->host);
	text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	json_decref(o);
	if (!text)
		return drover_err_set(err, ENOMEM, "out of memory");
	return drover_io_write_durable(path, text, strlen(text), 0600, err);
}

int drover_disk_record_forget(const struct drover_conf *conf, uint64_t id, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = path_of(path, conf, id, err);

	return r < 0 ? r : drover_io_remove_durable(path, err);
}

static int step_of(const char *word)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (!strcmp(word, steps[i]))
			return i;
	return -1;
}

static bool copy(char *buf, size_t size, const char *text)
{
	return snprintf(buf, size, "%s", text) < (int)size;
}

static int take(json_t *o, const char *path, struct drover_disk_record *ret, struct drover_err *err)
{
	const char *step, *vm, *disk, *old_path, *old_format, *new_path, *new_format,
		*host = "";
	json_int_t id, migration_id, start, space = 0;
	int delete_old, verify, which = -1;
	bool ok;

	/* An earlier agent may have written down no space and no host. */
	ok = json_unpack(o, "{sI sI ss sb sb sI s?I ss ss ss ss ss ss s?s}", "id", &id,
			 "migration_id", &migration_id, "step", &step, "delete_old", &delete_old,
			 "verify", &verify, "start_time_us", &start, "space_bytes", &space, "vm", &vm,
			 "disk", &disk, "old_path", &old_path, "old_format", &old_format, "new_path",
			 &new_path, "new_format", &new_format, "host", &host) == 0;
	if (ok)
		which = step_of(step);
	ok = ok && which >= 0 && copy(ret->vm, sizeof(ret->vm), vm) &&
	     copy(ret->disk, sizeof(ret->disk), disk) &&
	     copy(ret->old_path, sizeof(ret->old_path), old_path) &&
	     copy(ret->old_format, sizeof(ret->old_format), old_format) &&
	     copy(ret->new_path, sizeof(ret->new_path), new_path) &&
	     copy(ret->new_format, sizeof(ret->new_format), new_format) &&
	     copy(ret->host, sizeof(ret->host), host);
	if (!ok)
		return drover_err_set(err, EBADMSG, "%s is damaged", path);
	ret->id = id;
	ret->migration_id = migration_id;
	ret->step = which;
	ret->delete_old = delete_old;
	ret->verify = verify;
	ret->start_time_us = start;
	ret->space_bytes = space > 0 ? space : 0;
	return 0;
}

static int load(const char *dir, const char *name, struct drover_disk_record *ret,
		struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	auto_free char *text = NULL;
	json_t *o;
	int r = drover_io_path(path, err, "%s/%s", dir, name);

	if (r == 0)
		r = drover_io_read_file(path, RECORD_MAX, &text, NULL, err);
	if (r < 0)
		return r;
	o = json_loads(text, 0, NULL);
	r = take(o, path, ret, err);
	json_decref(o);
	return r;
}

static bool read_one(const char *dir, const char *name, struct drover_disk_record *ret)
{
	struct drover_err why = { 0 };
	int r = load(dir, name, ret, &why);

	/* A move may end while we look. */
	if (r < 0 && r != -ENOENT)
		log_error("%s", why.text);
	return r == 0;
}

/* One that was being written when the power failed has a suffix. */
static int is_record(const struct dirent *d)
{
	return !strncmp(d->d_name, "move-", 5) && !strchr(d->d_name, '.');
}

int drover_disk_record_list(const struct drover_conf *conf, struct drover_disk_record **ret_records,
			    size_t *ret_count, struct drover_err *err)
{
	auto_free struct drover_disk_record *records = NULL;
	struct dirent **names = NULL;
	char dir[DROVER_PATH_MAX];
	int n, r = drover_io_path(dir, err, "%s/disks", conf->state_dir);
	size_t count = 0;

	if (r < 0)
		return r;
	n = scandir(dir, &names, is_record, alphasort);
	if (n < 0)
		return drover_err_set(err, errno, "cannot list %s: %s", dir, strerror(errno));
	records = calloc(n + 1, sizeof(*records));
	if (!records)
		r = drover_err_set(err, ENOMEM, "out of memory");
	for (int i = 0; i < n; i++) {
		if (r == 0 && read_one(dir, names[i]->d_name, &records[count]))
			count++;
		free(names[i]);
	}
	free(names);
	if (r < 0)
		return r;
	*ret_records = steal_ptr(records);
	*ret_count = count;
	return 0;
}

void drover_disk_record_reuse(const struct drover_conf *conf, const char *path)
{
	auto_free struct drover_disk_record *records = NULL;
	struct drover_err err = { 0 };
	size_t count = 0;
	int r = drover_disk_record_list(conf, &records, &count, &err);

	for (size_t i = 0; i < count && r == 0; i++)
		if (records[i].step == DROVER_DISK_STEP_OLD_LEFT &&
		    !strcmp(records[i].old_path, path))
			r = drover_disk_record_forget(conf, records[i].id, &err);
	if (r < 0)
		log_error("%s is a new image, and may still be listed as an old one: %s", path,
			  err.text);
}

static bool names_old(const struct drover_vm_def *def, const struct drover_disk_record *record)
{
	const struct drover_disk_def *disk = drover_vmdef_disk(def, record->disk);

	return disk && !strcmp(disk->path, record->old_path);
}

int drover_disk_record_check(const struct drover_conf *conf, const struct drover_vm_def *def,
			     struct drover_err *err)
{
	auto_free struct drover_disk_record *records = NULL;
	size_t count = 0;
	int result = drover_disk_record_list(conf, &records, &count, err);

	for (size_t i = 0; i < count; i++) {
		const struct drover_disk_record *r = &records[i];

		if (r->step == DROVER_DISK_STEP_SWITCHING && !strcmp(r->vm, def->name) &&
		    names_old(def, r))
			return drover_err_set(err, ESTALE,
					      "disk %s of vm %s is now %s, and the definition still names "
					      "the old image; correct its path, then restart droverd",
					      r->disk, r->vm, r->new_path);
	}
	return result;
}
