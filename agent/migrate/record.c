// SPDX-License-Identifier: GPL-2.0-or-later
/* Durable records of commits, decisions and placement. */
#include "migrate/record.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

#define RECORD_MAX 65536

static pthread_mutex_t decide_lock = PTHREAD_MUTEX_INITIALIZER;

int drover_record_init(const struct drover_conf *conf, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/migrations", conf->state_dir);

	if (r == 0)
		r = drover_io_mkdirs(path, 0700, err);
	if (r == 0)
		r = drover_io_path(path, err, "%s/placement", conf->state_dir);
	return r < 0 ? r : drover_io_mkdirs(path, 0700, err);
}

static int save(const char *path, json_t *object, struct drover_err *err)
{
	auto_free char *text = object ? json_dumps(object, JSON_INDENT(1)) : NULL;

	json_decref(object);
	if (!text)
		return drover_err_set(err, ENOMEM, "out of memory");
	return drover_io_write_durable(path, text, strlen(text), 0600, err);
}

static int load(const char *path, json_t **ret_object, struct drover_err *err)
{
	auto_free char *text = NULL;
	json_error_t e;
	int r = drover_io_read_file(path, RECORD_MAX, &text, NULL, err);

	if (r < 0)
		return r;
	*ret_object = json_loads(text, 0, &e);
	if (!*ret_object)
		return drover_err_set(err, EBADMSG, "%s is damaged: %s", path, e.text);
	return 0;
}

static json_t *disks_of(const struct drover_commit *commit)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < commit->disk_count; i++) {
		const struct drover_commit_disk *d = &commit->disks[i];

		json_array_append_new(list, json_pack("{ss ss ss ss ss}", "disk", d->disk, "old_path",
						      d->old_path, "old_format", d->old_format,
						      "new_path", d->new_path, "new_format",
						      d->new_format));
	}
	return list;
}

int drover_record_commit(const struct drover_conf *conf, const struct drover_commit *commit,
			 struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/migrations/commit-%" PRIu64, conf->state_dir,
			       commit->id);

	if (r < 0)
		return r;
	return save(path, json_pack("{sI ss ss sb so}", "id", (json_int_t)commit->id, "vm",
				    commit->vm, "target", commit->target, "delete_old",
				    commit->delete_old, "disks", disks_of(commit)), err);
}

int drover_record_settle(const struct drover_conf *conf, uint64_t id, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/migrations/commit-%" PRIu64, conf->state_dir, id);

	return r < 0 ? r : drover_io_remove_durable(path, err);
}

static int load_disk(json_t *o, struct drover_commit_disk *d)
{
	const char *disk, *old_path, *old_format, *new_path, *new_format;

	if (json_unpack(o, "{ss ss ss ss ss}", "disk", &disk, "old_path", &old_path, "old_format",
			&old_format, "new_path", &new_path, "new_format", &new_format) < 0)
		return -EBADMSG;
	snprintf(d->disk, sizeof(d->disk), "%s", disk);
	snprintf(d->old_path, sizeof(d->old_path), "%s", old_path);
	snprintf(d->old_format, sizeof(d->old_format), "%s", old_format);
	snprintf(d->new_path, sizeof(d->new_path), "%s", new_path);
	snprintf(d->new_format, sizeof(d->new_format), "%s", new_format);
	return 0;
}

/* A commit that an earlier release wrote has none. */
static int load_disks(json_t *object, struct drover_commit *commit)
{
	json_t *list = json_object_get(object, "disks"), *disk;
	size_t i;
	int r = 0;

	if (json_array_size(list) > DROVER_DISKS_MAX)
		return -EBADMSG;
	commit->delete_old = json_is_true(json_object_get(object, "delete_old"));
	json_array_foreach(list, i, disk) {
		r = load_disk(disk, &commit->disks[i]);
		if (r < 0)
			break;
		commit->disk_count++;
	}
	return r;
}

static int load_commit(const char *path, struct drover_commit *ret_commit, struct drover_err *err)
{
	const char *vm, *target;
	json_t *object = NULL;
	json_int_t id;
	int r = load(path, &object, err);

	if (r < 0)
		return r;
	if (json_unpack(object, "{sI ss ss}", "id", &id, "vm", &vm, "target", &target) < 0 ||
	    load_disks(object, ret_commit) < 0) {
		r = drover_err_set(err, EBADMSG, "%s is damaged", path);
	} else {
		ret_commit->id = id;
		snprintf(ret_commit->vm, sizeof(ret_commit->vm), "%s", vm);
		snprintf(ret_commit->target, sizeof(ret_commit->target), "%s", target);
	}
	json_decref(object);
	return r;
}

static int is_commit(const struct dirent *d)
{
	return !strncmp(d->d_name, "commit-", 7) && !strchr(d->d_name, '.');
}

static int load_commits(const char *dir, struct dirent **names, int n,
			struct drover_commit *commits, size_t *ret_count, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	size_t count = 0;

	for (int i = 0; i < n; i++) {
		struct drover_err why = { 0 };
		int r = drover_io_path(path, &why, "%s/%s", dir, names[i]->d_name);

		if (r == 0)
			r = load_commit(path, &commits[count], &why);
		if (r == 0)
			count++;
		/* Another migration may have settled since its file was listed. */
		else if (r != -ENOENT)
			return drover_err_set(err, r, "%s", why.text);
	}
	*ret_count = count;
	return 0;
}

int drover_record_commits(const struct drover_conf *conf, struct drover_commit **ret_commits,
			  size_t *ret_count, struct drover_err *err)
{
	auto_free struct drover_commit *commits = NULL;
	struct dirent **names = NULL;
	char dir[DROVER_PATH_MAX];
	size_t count = 0;
	int n, r = drover_io_path(dir, err, "%s/migrations", conf->state_dir);

	if (r < 0)
		return r;
	n = scandir(dir, &names, is_commit, alphasort);
	if (n < 0)
		return drover_err_set(err, errno, "cannot list %s: %s", dir, strerror(errno));
	commits = calloc(n + 1, sizeof(*commits));
	r = commits ? load_commits(dir, names, n, commits, &count, err)
		    : drover_err_set(err, ENOMEM, "out of memory");
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (r < 0)
		return r;
	*ret_commits = steal_ptr(commits);
	*ret_count = count;
	return 0;
}

int drover_record_check_settled(const struct drover_conf *conf, const char *vm,
				struct drover_err *err)
{
	auto_free struct drover_commit *commits = NULL;
	size_t n = 0;
	int r = drover_record_commits(conf, &commits, &n, err);

	for (size_t i = 0; i < n && r == 0; i++)
		if (!strcmp(commits[i].vm, vm))
			r = drover_err_set(err, EBUSY,
					   "migration %" PRIu64 " of vm %s is not settled here yet; restart droverd",
					   commits[i].id, vm);
	return r;
}

static int load_decision(const char *path, enum drover_decision *ret_got, struct drover_err *err)
{
	const char *word = NULL;
	json_t *object = NULL;
	int r;

	if (access(path, F_OK) < 0 && errno == ENOENT) {
		*ret_got = DROVER_DECISION_NONE;
		return 0;
	}
	r = load(path, &object, err);
	if (r < 0)
		return r;
	if (json_unpack(object, "{ss}", "decision", &word) < 0)
		word = "";
	if (!strcmp(word, "running"))
		*ret_got = DROVER_DECISION_RUNNING;
	else if (!strcmp(word, "never"))
		*ret_got = DROVER_DECISION_NEVER;
	else
		r = drover_err_set(err, EBADMSG, "%s is damaged", path);
	json_decref(object);
	return r;
}

static int decision_path(char *path, const struct drover_conf *conf, const char *source,
			 uint64_t id, struct drover_err *err)
{
	return drover_io_path(path, err, "%s/migrations/decision-%s-%" PRIu64, conf->state_dir,
			      source, id);
}

int drover_record_retract(const struct drover_conf *conf, const char *source, uint64_t id,
			  struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	scope_lock(&decide_lock);
	int r = decision_path(path, conf, source, id, err);

	return r < 0 ? r : save(path, json_pack("{ss}", "decision", "never"), err);
}

int drover_record_decide(const struct drover_conf *conf, const char *source, uint64_t id,
			 enum drover_decision want, enum drover_decision *ret_got,
			 struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	enum drover_decision got = DROVER_DECISION_NONE;
	scope_lock(&decide_lock);
	int r = decision_path(path, conf, source, id, err);

	if (r == 0)
		r = load_decision(path, &got, err);
	if (r < 0)
		return r;
	if (got == DROVER_DECISION_NONE && want != DROVER_DECISION_NONE) {
		const char *word = want == DROVER_DECISION_RUNNING ? "running" : "never";

		r = save(path, json_pack("{ss}", "decision", word), err);
		if (r < 0)
			return r;
		got = want;
	}
	*ret_got = got;
	return 0;
}

int drover_record_moved(const struct drover_conf *conf, const char *vm, const char *host,
			struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/placement/%s.json", conf->state_dir, vm);

	if (r < 0)
		return r;
	if (!host)
		return drover_io_remove_durable(path, err);
	return save(path, json_pack("{ss}", "host", host), err);
}

int drover_record_where(const struct drover_conf *conf, const char *vm,
			char ret_host[DROVER_NAME_LEN], struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	const char *host = NULL;
	json_t *object = NULL;
	int r = drover_io_path(path, err, "%s/placement/%s.json", conf->state_dir, vm);

	if (r < 0)
		return r;
	ret_host[0] = '\0';
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = load(path, &object, err);
	if (r < 0)
		return r;
	if (json_unpack(object, "{ss}", "host", &host) < 0)
		r = drover_err_set(err, EBADMSG, "%s is damaged", path);
	else
		snprintf(ret_host, DROVER_NAME_LEN, "%s", host);
	json_decref(object);
	return r;
}
