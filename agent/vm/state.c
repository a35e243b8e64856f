// SPDX-License-Identifier: GPL-2.0-or-later
/* What is needed to adopt a VM again. */
#include "vm/state.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/config.h"
#include "vm/rundir.h"
#include "vm/tap.h"

#define BOOT_ID_LEN 64

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

/* Ticks count from boot, and run_dir may outlive it. */
static int boot_id(char *buf, struct drover_err *err)
{
	auto_free char *text = NULL;
	int r = drover_io_read_file("/proc/sys/kernel/random/boot_id", BOOT_ID_LEN, &text, NULL, err);

	if (r == 0)
		snprintf(buf, BOOT_ID_LEN, "%.*s", (int)strcspn(text, "\n"), text);
	return r;
}

/* For people who look: a tap ends with QEMU, whatever is written here. */
static json_t *tap_names(const struct drover_vm *vm)
{
	json_t *names = json_array();
	char name[DROVER_TAP_NAME_LEN];

	for (uint32_t i = 0; i < vm->def.nic_count; i++) {
		drover_tap_name(vm->def.name, vm->def.nics[i].name, name);
		json_array_append_new(names, json_string(name));
	}
	return names;
}

int drover_vm_save(const struct drover_vm *vm, struct drover_err *err)
{
	char path[DROVER_PATH_MAX], boot[BOOT_ID_LEN];
	auto_free char *text = NULL;
	uint64_t ticks;
	json_t *o;
	int r = drover_state_ticks(vm->pid, &ticks, err);

	if (r == 0)
		r = boot_id(boot, err);
	if (r == 0)
		r = drover_io_path(path, err, "%s/vm.json", vm->dir);
	if (r < 0)
		return r;
	o = json_pack("{ss si sI ss ss sb sI so}", "name", vm->def.name, "pid", (int)vm->pid,
		      "start_ticks", (json_int_t)ticks, "boot_id", boot, "ram", vm->ram_path,
		      "incoming", vm->incoming, "start_us", (json_int_t)vm->start_us, "taps",
		      tap_names(vm));
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

static int take_json(struct drover_vm *vm, json_t *o, uint64_t *ticks, struct drover_err *err)
{
	const char *name, *ram, *boot;
	json_int_t start_ticks, start_us;
	char now[BOOT_ID_LEN];
	int pid, incoming, r = boot_id(now, err);

	if (r < 0)
		return r;
	if (json_unpack(o, "{ss si sI ss ss sb sI}", "name", &name, "pid", &pid, "start_ticks",
			&start_ticks, "boot_id", &boot, "ram", &ram, "incoming", &incoming,
			"start_us", &start_us) < 0 ||
	    pid <= 0 || strcmp(name, vm->def.name) || strlen(ram) >= sizeof(vm->ram_path))
		return drover_err_set(err, EBADMSG, "%s/vm.json is damaged", vm->dir);
	strcpy(vm->ram_path, ram);
	if (strcmp(boot, now))
		return drover_err_set(err, ESRCH, "the host has booted since it ran");
	vm->pid = pid;
	vm->incoming = incoming;
	vm->start_us = start_us;
	*ticks = start_ticks;
	return 0;
}

int drover_state_load(struct drover_vm *vm, uint64_t *ret_start_ticks, struct drover_err *err)
{
	char origin[DROVER_NAME_LEN + 8];
	auto_free char *text = NULL;
	struct drover_vm_def def;
	json_t *o;
	int r = drover_rundir_read(vm, "vm.json", &text, err);

	if (r < 0)
		return r;
	o = json_loads(text, 0, NULL);
	r = take_json(vm, o, ret_start_ticks, err);
	json_decref(o);
	if (r < 0)
		return r;
	r = drover_rundir_read(vm, "vm.conf", &vm->text, err);
	/* That it is missing must not be taken for a VM that never ran. */
	if (r < 0)
		return r == -ENOENT ? drover_err_set(err, EBADMSG, "%s/vm.conf is gone", vm->dir) : r;
	snprintf(origin, sizeof(origin), "%s.conf", vm->def.name);
	r = drover_vmdef_parse(vm->text, origin, &def, err);
	if (r == 0 && strcmp(def.name, vm->def.name))
		r = drover_err_set(err, EBADMSG, "%s/vm.conf is that of vm %s", vm->dir, def.name);
	if (r == 0)
		vm->def = def;
	return r;
}
