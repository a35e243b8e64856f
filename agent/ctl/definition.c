// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Definitions that change because a disk has another image. The host on which that happened
 * has the true definition from then on.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/config.h"
#include "ctl/agent.h"
#include "vm/state.h"

#define DEFINITION_MODE 0644

/* Where the text is, should the file be a link; who may read it stays as it was. */
static int save(const char *path, const char *text, struct drover_err *err)
{
	char target[PATH_MAX];
	struct stat st = { .st_mode = DEFINITION_MODE };

	if (!realpath(path, target))
		snprintf(target, sizeof(target), "%s", path);
	else
		stat(target, &st);
	return drover_io_write_durable(target, text, strlen(text), st.st_mode & 0777, err);
}

static int change(char **text, const char *disk, const char *path, const char *format,
		  struct drover_err *err)
{
	char *changed;
	int r = drover_vmdef_set_disk(*text, disk, path, format, &changed, err);

	if (r < 0)
		return r;
	free(*text);
	*text = changed;
	return 0;
}

static bool is_image(const struct drover_disk_def *disk, const char *path, const char *format)
{
	return !strcmp(disk->path, path) && !strcmp(disk->format, format);
}

/* For the VM's next start here. */
static int change_file(struct drover_agent *agent, const char *vm, const char *running,
		       const char *disk, const char *path, const char *format,
		       struct drover_err *err)
{
	char file[DROVER_PATH_MAX];
	const struct drover_disk_def *now;
	auto_free char *text = NULL;
	struct drover_vm_def def = { 0 };
	int r = drover_io_path(file, err, "%s/%s.conf", agent->conf.vm_dir, vm);

	if (r < 0)
		return r;
	if (access(file, F_OK) < 0 && errno == ENOENT && running)
		text = strdup(running);
	else
		r = drover_vmdef_read(agent->conf.vm_dir, vm, &def, &text, err);
	if (r == 0 && !text)
		r = drover_err_set(err, ENOMEM, "out of memory");
	/* Somebody has corrected what cannot be written from here. */
	now = drover_vmdef_disk(&def, disk);
	if (r == 0 && now && is_image(now, path, format))
		return 0;
	if (r == 0)
		r = change(&text, disk, path, format, err);
	return r < 0 ? r : save(file, text, err);
}

/* For the next agent, and for a target that the VM migrates to. */
static int change_running(struct drover_vm *vm, const char *disk, const char *path,
			  const char *format, struct drover_err *err)
{
	struct drover_vm_def def;
	int r = change(&vm->text, disk, path, format, err);

	if (r == 0)
		r = drover_vmdef_parse(vm->text, vm->def.name, &def, err);
	if (r < 0)
		return r;
	vm->def = def;
	return drover_state_text(vm, err);
}

int drover_definition_set_disk(struct drover_agent *agent, const char *vm, const char *disk,
			       const char *path, const char *format, struct drover_err *err)
{
	struct drover_entry *e = drover_entry_find(agent, vm);
	struct drover_vm *running = e ? e->vm : NULL;
	struct drover_err why = { 0 };
	int r = 0, file;

	/* What runs goes first: a target is told of these images, whatever the file says. */
	if (running)
		r = change_running(running, disk, path, format, err);
	file = change_file(agent, vm, running ? running->text : NULL, disk, path, format, &why);
	return r < 0 || file >= 0 ? r : drover_err_set(err, file, "%s", why.text);
}

int drover_definition_follow(struct drover_agent *agent, const struct drover_vm *vm,
			     struct drover_err *err)
{
	struct drover_vm_def def;
	int r = 0;

	if (drover_vmdef_read(agent->conf.vm_dir, vm->def.name, &def, NULL, NULL) < 0)
		return 0;
	for (uint32_t i = 0; i < vm->def.disk_count && r == 0; i++) {
		const struct drover_disk_def *disk = &vm->def.disks[i];
		const struct drover_disk_def *now = drover_vmdef_disk(&def, disk->name);

		/* One that is missing there was removed by hand. */
		if (now && !is_image(now, disk->path, disk->format))
			r = change_file(agent, vm->def.name, NULL, disk->name, disk->path,
					disk->format, err);
	}
	return r;
}
