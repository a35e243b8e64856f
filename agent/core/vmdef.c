// SPDX-License-Identifier: GPL-2.0-or-later
/* VM definitions: their sections, and what must fit together. Their keys: vmkeys.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/io.h"
#include "core/config.h"
#include "core/ini.h"
#include "core/vmkeys.h"

#define DEFINITION_MAX 65536

enum section { NO_SECTION, VM, DISK, NIC, CONSOLE };

struct reader {
	struct drover_vm_def *def;
	enum section section;
	bool had_vm, had_console;
};

const char *drover_vmdef_aio(const struct drover_disk_def *disk, bool is_device)
{
	if (disk->aio[0])
		return disk->aio;
	return is_device && !strcmp(disk->cache, "none") ? "native" : "threads";
}

const struct drover_disk_def *drover_vmdef_disk(const struct drover_vm_def *def, const char *name)
{
	for (uint32_t i = 0; i < def->disk_count; i++)
		if (!strcmp(def->disks[i].name, name))
			return &def->disks[i];
	return NULL;
}

static bool has_nic(const struct drover_vm_def *def, const char *name)
{
	for (uint32_t i = 0; i < def->nic_count; i++)
		if (!strcmp(def->nics[i].name, name))
			return true;
	return false;
}

static int begin_disk(struct reader *r, const char *name, struct drover_err *err)
{
	struct drover_vm_def *def = r->def;
	struct drover_disk_def *disk;

	if (!drover_name_valid(name) || strlen(name) > 16)
		return drover_err_set(err, EINVAL,
				      "a disk needs a name of at most 16 letters, as in [disk root]");
	if (drover_vmdef_disk(def, name))
		return drover_err_set(err, EINVAL, "a second section [disk %s]", name);
	if (def->disk_count == DROVER_DISKS_MAX)
		return drover_err_set(err, EINVAL, "more than %d disks", DROVER_DISKS_MAX);
	disk = &def->disks[def->disk_count++];
	snprintf(disk->name, sizeof(disk->name), "%s", name);
	strcpy(disk->format, "raw");
	strcpy(disk->cache, "none");
	r->section = DISK;
	return 0;
}

static int begin_nic(struct reader *r, const char *name, struct drover_err *err)
{
	struct drover_vm_def *def = r->def;

	if (!drover_name_valid(name) || strlen(name) > 16)
		return drover_err_set(err, EINVAL,
				      "a NIC needs a name of at most 16 letters, as in [nic lan]");
	if (has_nic(def, name))
		return drover_err_set(err, EINVAL, "a second section [nic %s]", name);
	if (def->nic_count == DROVER_NICS_MAX)
		return drover_err_set(err, EINVAL, "more than %d NICs", DROVER_NICS_MAX);
	snprintf(def->nics[def->nic_count++].name, DROVER_NAME_LEN, "%s", name);
	r->section = NIC;
	return 0;
}

static int begin_single(struct reader *r, enum section section, bool *seen, const char *kind,
			struct drover_err *err)
{
	if (*seen)
		return drover_err_set(err, EINVAL, "a second section [%s]", kind);
	*seen = true;
	r->section = section;
	return 0;
}

static int on_section(void *data, const char *kind, const char *name, struct drover_err *err)
{
	struct reader *r = data;

	if (!strcmp(kind, "disk"))
		return begin_disk(r, name, err);
	if (!strcmp(kind, "nic"))
		return begin_nic(r, name, err);
	if (!strcmp(kind, "vm") && !*name)
		return begin_single(r, VM, &r->had_vm, kind, err);
	if (!strcmp(kind, "console") && !*name)
		return begin_single(r, CONSOLE, &r->had_console, kind, err);
	return drover_err_set(err, EINVAL, "unknown section [%s%s%s]", kind, *name ? " " : "", name);
}

static int on_key(void *data, const char *key, const char *value, struct drover_err *err)
{
	struct reader *r = data;
	struct drover_vm_def *def = r->def;

	switch (r->section) {
	case VM:
		return drover_vmkeys_vm(def, key, value, err);
	case DISK:
		return drover_vmkeys_disk(&def->disks[def->disk_count - 1], key, value, err);
	case NIC:
		return drover_vmkeys_nic(&def->nics[def->nic_count - 1], key, value, err);
	case CONSOLE:
		return drover_vmkeys_console(def, key, value, err);
	case NO_SECTION:
		break;
	}
	return drover_err_set(err, EINVAL, "a key stands before the first section");
}

/* --- what must fit together --- */

static int end_vm(const struct drover_vm_def *def, struct drover_err *err)
{
	if (!def->name[0] || !def->memory_mib)
		return drover_err_set(err, EINVAL, "[vm] needs a name and memory");
	if (def->initrd[0] && !def->kernel[0])
		return drover_err_set(err, EINVAL, "an initrd needs a kernel");
	if (def->cmdline[0] && !def->kernel[0])
		return drover_err_set(err, EINVAL, "a cmdline needs a kernel");
	return 0;
}

static int end_disk(struct drover_disk_def *disk, struct drover_err *err)
{
	if (!disk->path[0])
		return drover_err_set(err, EINVAL, "[disk %s] has no path", disk->name);
	if (!strcmp(disk->aio, "native") && strcmp(disk->cache, "none"))
		return drover_err_set(err, EINVAL, "[disk %s]: aio = native needs cache = none",
				      disk->name);
	return 0;
}

static int on_end(void *data, struct drover_err *err)
{
	struct reader *r = data;
	struct drover_vm_def *def = r->def;

	switch (r->section) {
	case VM:
		return end_vm(def, err);
	case DISK:
		return end_disk(&def->disks[def->disk_count - 1], err);
	case NIC:
		if (def->nics[def->nic_count - 1].bridge[0])
			return 0;
		return drover_err_set(err, EINVAL, "[nic %s] has no bridge",
				      def->nics[def->nic_count - 1].name);
	case NO_SECTION:
	case CONSOLE:
		break;
	}
	return 0;
}

/* The same address on every host. */
static void derive_mac(const struct drover_vm_def *def, struct drover_nic_def *nic)
{
	uint32_t h = drover_hash_pair(def->name, nic->name);

	snprintf(nic->mac, sizeof(nic->mac), "52:54:00:%02x:%02x:%02x", h >> 16 & 0xff, h >> 8 & 0xff,
		 h & 0xff);
}

static int finish(struct reader *r, const char *origin, struct drover_err *err)
{
	struct drover_vm_def *def = r->def;

	if (!r->had_vm)
		return drover_err_set(err, EINVAL, "%s: [vm] needs a name and memory", origin);
	for (uint32_t i = 0; i < def->nic_count; i++)
		if (!def->nics[i].mac[0])
			derive_mac(def, &def->nics[i]);
	return 0;
}

int drover_vmdef_parse(const char *text, const char *origin, struct drover_vm_def *ret_def,
		       struct drover_err *err)
{
	static const struct drover_ini_ops ops = {
		.section = on_section,
		.key = on_key,
		.end = on_end,
	};
	struct drover_vm_def def = { .vcpus = 1, .machine = "q35", .cpu = "host" };
	struct reader r = { .def = &def };
	int result = drover_ini_read(text, origin, &ops, &r, err);

	if (result == 0)
		result = finish(&r, origin, err);
	if (result == 0)
		*ret_def = def;
	return result;
}

int drover_vmdef_read(const char *dir, const char *name, struct drover_vm_def *ret_def,
		      char **ret_text, struct drover_err *err)
{
	char path[DROVER_PATH_MAX], origin[DROVER_NAME_LEN + 8];
	auto_free char *text = NULL;
	struct drover_vm_def def;
	int r;

	if (!drover_name_valid(name))
		return drover_err_set(err, EINVAL, "\"%s\" is no valid name of a VM", name);
	snprintf(origin, sizeof(origin), "%s.conf", name);
	r = drover_io_path(path, err, "%s/%s.conf", dir, name);
	if (r == 0)
		r = drover_ini_load(path, origin, DEFINITION_MAX, &text, err);
	if (r == 0)
		r = drover_vmdef_parse(text, origin, &def, err);
	if (r < 0)
		return r;
	if (strcmp(def.name, name))
		return drover_err_set(err, EINVAL, "%s: the name in it is %s", origin, def.name);
	*ret_def = def;
	if (ret_text)
		*ret_text = steal_ptr(text);
	return 0;
}

int drover_vmdef_check_dir(const char *dir, struct drover_err *err)
{
	int r = drover_io_mkdirs(dir, 0755, err);

	if (r < 0 || access(dir, W_OK) == 0)
		return r;
	return drover_err_set(err, errno, "definitions in %s cannot be changed: %s", dir,
			      strerror(errno));
}
