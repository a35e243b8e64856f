// SPDX-License-Identifier: GPL-2.0-or-later
/* What is needed to adopt a VM again. */
#include "vm/state.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/config.h"

#define FILE_MAX 65536

int drover_state_ticks(pid_t pid, uint64_t *ret_ticks, struct drover_err *err)
{
	char path[64];
	auto_free char *text = NULL;
	char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (drover_io_read_file(path, 4096, &text, NULL, NULL) < 0)
		return drover_err_set(err, ESRCH, "process %d has ended", pid);
	/* Field 2 is the name in brackets, and may hold anything. */
	p = strrchr(text, ')');
	if (p && (p[1] != ' ' || p[2] == 'Z' || p[2] == 'X'))
		return drover_err_set(err, ESRCH, "process %d has ended", pid);
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return drover_err_set(err, EBADMSG, "%s cannot be read", path);
	*ret_ticks = strtoull(p, NULL, 10);
	return 0;
}

int drover_vm_save(const struct drover_vm *vm, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	auto_free char *text = NULL;
	uint64_t ticks;
	json_t *o;
	int r = drover_state_ticks(vm->pid, &ticks, err);

	if (r == 0)
		r = drover_io_path(path, err, "%s/vm.json", vm->dir);
	if (r < 0)
		return r;
	o = json_pack("{si sI ss sb sI}", "pid", (int)vm->pid, "start_ticks", (json_int_t)ticks,
		      "ram", vm->ram_path, "incoming", vm->incoming, "start_us",
		      (json_int_t)vm->start_us);
	text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	json_decref(o);
	if (!text)
		return drover_err_set(err, ENOMEM, "out of memory");
	return drover_io_write_durable(path, text, strlen(text), 0600, err);
}

int drover_state_text(const struct drover_vm *vm, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/vm.conf", vm->dir);

	return r < 0 ? r : drover_io_write_durable(path, vm->text, strlen(vm->text), 0600, err);
}

static int load_json(struct drover_vm *vm, uint64_t *ticks, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	auto_free char *text = NULL;
	const char *ram;
	json_int_t start_ticks, start_us;
	int pid, incoming, r = drover_io_path(path, err, "%s/vm.json", vm->dir);
	json_t *o;

	if (r == 0)
		r = drover_io_read_file(path, FILE_MAX, &text, NULL, err);
	if (r < 0)
		return r;
	o = json_loads(text, 0, NULL);
	if (json_unpack(o, "{si sI ss sb sI}", "pid", &pid, "start_ticks", &start_ticks, "ram", &ram,
			"incoming", &incoming, "start_us", &start_us) < 0) {
		r = drover_err_set(err, EBADMSG, "%s is damaged", path);
	} else {
		vm->pid = pid;
		vm->incoming = incoming;
		vm->start_us = start_us;
		*ticks = start_ticks;
		snprintf(vm->ram_path, sizeof(vm->ram_path), "%s", ram);
	}
	json_decref(o);
	return r;
}

int drover_state_load(struct drover_vm *vm, const char *name, uint64_t *ret_start_ticks,
		      struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = load_json(vm, ret_start_ticks, err);

	if (r == 0)
		r = drover_io_path(path, err, "%s/vm.conf", vm->dir);
	if (r == 0)
		r = drover_io_read_file(path, FILE_MAX, &vm->text, NULL, err);
	return r < 0 ? r : drover_vmdef_parse(vm->text, name, &vm->def, err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void drover_state_retire(const struct drover_vm *vm)
{
	char ended[DROVER_PATH_MAX], parent[DROVER_PATH_MAX];
	const char *slash = strstr(vm->dir, "/vms/");
	int base = slash ? (int)(slash - vm->dir) : 0;

	if (!base || drover_io_path(parent, NULL, "%.*s/ended", base, vm->dir) < 0 ||
	    drover_io_path(ended, NULL, "%s/%s", parent, vm->def.name) < 0)
		return;
	drover_io_mkdirs(parent, 0755, NULL);
	nftw(ended, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	rename(vm->dir, ended);
}
