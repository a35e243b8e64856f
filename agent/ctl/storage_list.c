// SPDX-License-Identifier: GPL-2.0-or-later
/* Which images there are, and which of them are true. To look at them takes a thread. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/thread.h"
#include "block/ask.h"
#include "block/move.h"
#include "block/pool.h"
#include "block/record.h"
#include "core/config.h"
#include "core/nbd.h"
#include "ctl/agent.h"
#include "ctl/pools.h"
#include "ctl/reply.h"

/**
 * struct survey - a request to list
 * @defs: of the VMs that are here, @count of them
 * @records: of moves, @record_count of them
 * @disks: of all VMs that are here
 */
struct survey {
	struct drover_agent *agent;
	uint64_t request;
	char only[DROVER_NAME_LEN];
	struct drover_vm_def *defs;
	size_t count;
	struct drover_disk_record *records;
	size_t record_count;
	struct drover_pools_disks disks;
	Drover__ControlReply *reply;
};

/* --- in the thread --- */

static void add_image(struct survey *s, const char *vm, const char *disk, const char *path,
		      const char *format, bool is_true, const char *note)
{
	const struct drover_conf *conf = &s->agent->conf;
	const struct drover_pool_conf *pool = drover_pool_of(conf, path);
	Drover__ImageInfo *image = malloc(sizeof(*image));
	char both[3 * DROVER_FIELD_LEN + DROVER_ERR_TEXT_MAX];
	struct drover_image look = { 0 };
	struct drover_err err = { 0 };
	int r;

	if (!image)
		return;
	drover__image_info__init(image);
	r = drover_ask_image(conf, path, format, &look, &err);
	/* Whatever else there is to say of it, nobody can say how large it is. */
	if (r == -ETIMEDOUT && *note) {
		snprintf(both, sizeof(both), "%s; %s", err.text, note);
		note = both;
	} else if (r < 0 && !*note) {
		note = err.text;
	}
	image->vm = strdup(vm);
	image->disk = strdup(disk);
	image->path = strdup(path);
	image->format = strdup(format);
	image->pool = strdup(pool ? pool->name : "");
	image->size_bytes = look.size;
	image->used_bytes = look.used;
	image->is_true = is_true;
	image->note = strdup(note);
	drover_reply_add_image(s->reply, image);
}

/* The disk has another image already, which its definition does not name yet. */
static bool is_superseded(const struct survey *s, const char *vm, const struct drover_disk_def *disk)
{
	for (size_t i = 0; i < s->record_count; i++) {
		const struct drover_disk_record *q = &s->records[i];

		if (q->step == DROVER_DISK_STEP_SWITCHING && !strcmp(q->vm, vm) &&
		    !strcmp(q->disk, disk->name) && !strcmp(q->old_path, disk->path))
			return true;
	}
	return false;
}

static void add_definition(struct survey *s, const struct drover_vm_def *def)
{
	for (uint32_t i = 0; i < def->disk_count; i++) {
		const struct drover_disk_def *disk = &def->disks[i];
		bool old = is_superseded(s, def->name, disk);

		add_image(s, def->name, disk->name, disk->path, disk->format, !old,
			  old ? "the definition names it still"
			      : disk->readonly ? "read-only" : "");
	}
}

static bool is_used(const struct survey *s, const char *path)
{
	for (size_t i = 0; i < s->count; i++)
		for (uint32_t j = 0; j < s->defs[i].disk_count; j++)
			if (!strcmp(s->defs[i].disks[j].path, path))
				return true;
	return false;
}

static void add_left(struct survey *s, const struct drover_disk_record *q)
{
	const struct drover_conf *conf = &s->agent->conf;
	const struct drover_pool_conf *pool = drover_pool_of(conf, q->old_path);
	char note[DROVER_FIELD_LEN + DROVER_ERR_TEXT_MAX + 256];
	struct drover_err why = { 0 };
	int n;

	/* Somebody has deleted it, or uses it again. */
	if (drover_ask_gone(conf, q->old_path) || is_used(s, q->old_path)) {
		drover_disk_record_forget(conf, q->id, NULL);
		return;
	}
	n = snprintf(note, sizeof(note), "left by a move, the true one is %s%s%s; ", q->new_path,
		     *q->host ? " on " : "", q->host);
	if (drover_pools_needed_by(conf, &s->disks, q->old_path, q->vm, &why) < 0)
		snprintf(note + n, sizeof(note) - n, "keep it: %s", why.text);
	else if (pool && pool->id[0])
		snprintf(note + n, sizeof(note) - n,
			 "if no VM of another host needs it, delete it with: rm '%s'", q->old_path);
	else
		snprintf(note + n, sizeof(note) - n, "delete it with: rm '%s'", q->old_path);
	add_image(s, q->vm, q->disk, q->old_path, q->old_format, false, note);
}

static void add_record(struct survey *s, const struct drover_disk_record *q)
{
	char note[64];
	bool new_used = is_used(s, q->new_path);

	if (s->only[0] && strcmp(q->vm, s->only))
		return;
	snprintf(note, sizeof(note), "disk move %" PRIu64 " writes it", q->id);
	switch (q->step) {
	case DROVER_DISK_STEP_COPYING:
		if (!new_used)
			add_image(s, q->vm, q->disk, q->new_path, q->new_format, false, note);
		return;
	case DROVER_DISK_STEP_SWITCHING:
		if (!new_used)
			add_image(s, q->vm, q->disk, q->new_path, q->new_format, true,
				  "the definition does not name it yet");
		return;
	case DROVER_DISK_STEP_OLD_LEFT:
		add_left(s, q);
		return;
	}
}

static void free_survey(struct survey *s)
{
	free(s->defs);
	free(s->records);
	drover_pools_free(&s->disks);
	free(s);
}

static void do_answer(void *data)
{
	struct survey *s = data;

	drover_verbs_reply(s->agent, s->request, s->reply);
	free_survey(s);
}

static void *run(void *data)
{
	struct survey *s = data;
	struct drover_err err = { 0 };

	if (drover_disk_record_list(&s->agent->conf, &s->records, &s->record_count, &err) < 0)
		log_error("%s", err.text);
	for (size_t i = 0; i < s->count; i++)
		if (!s->only[0] || !strcmp(s->defs[i].name, s->only))
			add_definition(s, &s->defs[i]);
	for (size_t i = 0; i < s->record_count; i++)
		add_record(s, &s->records[i]);
	if (drover_call_post(s->agent->calls, do_answer, s) < 0)
		log_error("out of memory");
	return NULL;
}

/* --- in the control thread --- */

static void add_def(struct survey *s, const struct drover_vm_def *def)
{
	struct drover_vm_def *more = realloc(s->defs, (s->count + 1) * sizeof(*more));

	if (!more)
		return;
	s->defs = more;
	s->defs[s->count++] = *def;
}

static int is_conf(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && !strcmp(d->d_name + n - 5, ".conf");
}

/* What runs here, then what could be started here and did not go elsewhere. */
static void collect(struct survey *s)
{
	struct drover_agent *agent = s->agent;
	struct drover_vm_def def;
	struct dirent **names = NULL;
	const char *vm_dir;
	int n;

	for (struct drover_entry *e = agent->entries; e; e = e->next)
		if (e->vm)
			add_def(s, &e->vm->def);
	n = scandir(agent->conf.vm_dir, &names, is_conf, alphasort);
	for (int i = 0; i < n; i++) {
		names[i]->d_name[strlen(names[i]->d_name) - 5] = '\0';
		if (!drover_entry_find(agent, names[i]->d_name) &&
		    drover_storage_definition(agent, names[i]->d_name, &def, &vm_dir, NULL) == 0)
			add_def(s, &def);
		free(names[i]);
	}
	free(names);
	drover_pools_collect(agent, &s->disks, NULL);
}

static void add_move(void *data, struct drover_disk_move *move)
{
	struct survey *s = data;
	struct drover_disk_move_info info;

	drover_disk_move_info(move, &info);
	if (!s->only[0] || !strcmp(s->only, info.vm))
		drover_reply_add_disk_move(s->reply, drover_reply_disk_move(&info));
}

static int check(struct drover_agent *agent, const char *vm, struct drover_err *err)
{
	Drover__VmInfo *info;

	if (!*vm)
		return 0;
	info = drover_vms_info(agent, vm);
	if (!info)
		return drover_err_set(err, ENOENT, "%s knows no vm %s", agent->conf.host, vm);
	drover__vm_info__free_unpacked(info, NULL);
	return 0;
}

void drover_storage_list(struct drover_agent *agent, uint64_t id,
			 const Drover__ControlRequest *request)
{
	struct survey *s = calloc(1, sizeof(*s));
	struct drover_err err = { 0 };
	int r = check(agent, request->storage_list->vm, &err);

	if (r == 0 && (!s || !(s->reply = drover_reply_new())))
		r = drover_err_set(&err, ENOMEM, "out of memory");
	if (r == 0) {
		s->agent = agent;
		s->request = id;
		snprintf(s->only, sizeof(s->only), "%s", request->storage_list->vm);
		collect(s);
		drover_storage_each(agent, add_move, s);
		r = drover_thread_detached(run, s, &err);
	}
	if (r < 0) {
		drover_verbs_refuse(agent, id, &err);
		if (s) {
			drover_reply_free(s->reply);
			free_survey(s);
		}
	}
}
