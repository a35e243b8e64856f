// SPDX-License-Identifier: GPL-2.0-or-later
/* VM definitions. */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/config.h"
#include "core/ini.h"
#include "core/nbd.h"

#define DEFINITION_MAX 65536

static const char *const formats[] = { "raw", "qcow2", NULL };
static const char *const caches[] = { "none", "writeback", "writethrough", NULL };
static const char *const aios[] = { "native", "threads", "io_uring", NULL };
static const char *const consoles[] = { "log", "socket", NULL };
static const char *const booleans[] = { "no", "yes", NULL };

enum section { NO_SECTION, VM, DISK, NIC, CONSOLE };

struct reader {
	struct drover_vm_def *def;
	enum section section;
	bool had_vm, had_console;
};

static int set_word(const char *value, const char *const *words, char *buf, size_t size,
		    struct drover_err *err)
{
	int i = drover_ini_word(value, words, err);

	if (i < 0)
		return i;
	snprintf(buf, size, "%s", words[i]);
	return 0;
}

/* --- sections --- */

static bool has_disk(const struct drover_vm_def *def, const char *name)
{
	for (uint32_t i = 0; i < def->disk_count; i++)
		if (!strcmp(def->disks[i].name, name))
			return true;
	return false;
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
	if (has_disk(def, name))
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

/* --- keys --- */

static int vm_number(struct drover_vm_def *def, const char *key, const char *value,
		     struct drover_err *err)
{
	uint64_t n;
	int r;

	if (!strcmp(key, "vcpus")) {
		r = drover_ini_number(value, 1, 255, &n, err);
		if (r == 0)
			def->vcpus = n;
		return r;
	}
	r = drover_ini_number(value, 16, 1U << 24, &n, err);
	if (r == 0 && n % 2)
		r = drover_err_set(err, EINVAL, "memory is counted in MiB and must be even");
	if (r == 0)
		def->memory_mib = n;
	return r;
}

static int vm_key(struct drover_vm_def *def, const char *key, const char *value,
		  struct drover_err *err)
{
	if (!strcmp(key, "vcpus") || !strcmp(key, "memory"))
		return vm_number(def, key, value, err);
	if (!strcmp(key, "name") || !strcmp(key, "machine")) {
		if (!drover_name_valid(value))
			return drover_err_set(err, EINVAL, "\"%s\" is no valid name", value);
		return drover_ini_string(value, *key == 'n' ? def->name : def->machine,
					 DROVER_NAME_LEN, err);
	}
	if (!strcmp(key, "cpu"))
		return drover_ini_string(value, def->cpu, sizeof(def->cpu), err);
	if (!strcmp(key, "kernel"))
		return drover_ini_string(value, def->kernel, sizeof(def->kernel), err);
	if (!strcmp(key, "initrd"))
		return drover_ini_string(value, def->initrd, sizeof(def->initrd), err);
	if (!strcmp(key, "cmdline"))
		return drover_ini_string(value, def->cmdline, sizeof(def->cmdline), err);
	if (!strcmp(key, "firmware"))
		return drover_ini_string(value, def->firmware, sizeof(def->firmware), err);
	return drover_err_set(err, EINVAL, "unknown key \"%s\" in [vm]", key);
}

static int disk_path(struct drover_disk_def *disk, const char *value, struct drover_err *err)
{
	struct drover_nbd nbd;

	if (drover_nbd_is(value) && drover_nbd_parse(value, &nbd) < 0)
		return drover_err_set(err, EINVAL, "\"%s\" is not nbd://HOST[:PORT]/EXPORT", value);
	return drover_ini_string(value, disk->path, sizeof(disk->path), err);
}

static int disk_key(struct drover_disk_def *disk, const char *key, const char *value,
		    struct drover_err *err)
{
	int i;

	if (!strcmp(key, "path"))
		return disk_path(disk, value, err);
	if (!strcmp(key, "format"))
		return set_word(value, formats, disk->format, sizeof(disk->format), err);
	if (!strcmp(key, "cache"))
		return set_word(value, caches, disk->cache, sizeof(disk->cache), err);
	if (!strcmp(key, "aio"))
		return set_word(value, aios, disk->aio, sizeof(disk->aio), err);
	if (strcmp(key, "readonly"))
		return drover_err_set(err, EINVAL, "unknown key \"%s\" in [disk %s]", key, disk->name);
	i = drover_ini_word(value, booleans, err);
	if (i < 0)
		return i;
	disk->readonly = i;
	return 0;
}

static bool is_mac(const char *s)
{
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char)s[i]))
			return false;
	return !s[17];
}

static int nic_key(struct drover_nic_def *nic, const char *key, const char *value,
		   struct drover_err *err)
{
	if (!strcmp(key, "bridge")) {
		if (strpbrk(value, "/ "))
			return drover_err_set(err, EINVAL, "\"%s\" is no name of a bridge", value);
		return drover_ini_string(value, nic->bridge, sizeof(nic->bridge), err);
	}
	if (strcmp(key, "mac"))
		return drover_err_set(err, EINVAL, "unknown key \"%s\" in [nic %s]", key, nic->name);
	if (!is_mac(value) || strchr("13579bdfBDF", value[1]))
		return drover_err_set(err, EINVAL, "\"%s\" is no MAC address of one machine", value);
	return drover_ini_string(value, nic->mac, sizeof(nic->mac), err);
}

static int console_key(struct drover_vm_def *def, const char *key, const char *value,
		       struct drover_err *err)
{
	int i;

	if (strcmp(key, "type"))
		return drover_err_set(err, EINVAL, "unknown key \"%s\" in [console]", key);
	i = drover_ini_word(value, consoles, err);
	if (i < 0)
		return i;
	def->console = i;
	return 0;
}

static int on_key(void *data, const char *key, const char *value, struct drover_err *err)
{
	struct reader *r = data;
	struct drover_vm_def *def = r->def;

	switch (r->section) {
	case VM:
		return vm_key(def, key, value, err);
	case DISK:
		return disk_key(&def->disks[def->disk_count - 1], key, value, err);
	case NIC:
		return nic_key(&def->nics[def->nic_count - 1], key, value, err);
	case CONSOLE:
		return console_key(def, key, value, err);
	case NO_SECTION:
		break;
	}
	return drover_err_set(err, EINVAL, "a key stands before the first section");
}

/* --- the whole --- */

/* FNV-1a (Fowler, Noll, Vo), 32 bits: the same address on every host. */
static void derive_mac(const struct drover_vm_def *def, struct drover_nic_def *nic)
{
	char text[2 * DROVER_NAME_LEN + 1];
	uint32_t h = 2166136261U;

	snprintf(text, sizeof(text), "%s/%s", def->name, nic->name);
	for (const char *p = text; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619U;
	snprintf(nic->mac, sizeof(nic->mac), "52:54:00:%02x:%02x:%02x", h >> 16 & 0xff, h >> 8 & 0xff,
		 h & 0xff);
}

static int finish_disk(struct drover_disk_def *disk, const char *origin, struct drover_err *err)
{
	bool direct = !strcmp(disk->cache, "none");

	if (!disk->path[0])
		return drover_err_set(err, EINVAL, "%s: [disk %s] has no path", origin, disk->name);
	if (!disk->aio[0])
		strcpy(disk->aio, direct ? "native" : "threads");
	if (!strcmp(disk->aio, "native") && !direct)
		return drover_err_set(err, EINVAL, "%s: [disk %s]: aio = native needs cache = none",
				      origin, disk->name);
	return 0;
}

static int finish(struct drover_vm_def *def, const char *origin, struct drover_err *err)
{
	if (!def->name[0] || !def->memory_mib)
		return drover_err_set(err, EINVAL, "%s: [vm] needs a name and memory", origin);
	if (def->initrd[0] && !def->kernel[0])
		return drover_err_set(err, EINVAL, "%s: an initrd needs a kernel", origin);
	if (def->cmdline[0] && !def->kernel[0])
		return drover_err_set(err, EINVAL, "%s: a cmdline needs a kernel", origin);
	for (uint32_t i = 0; i < def->disk_count; i++)
		if (finish_disk(&def->disks[i], origin, err) < 0)
			return -EINVAL;
	for (uint32_t i = 0; i < def->nic_count; i++) {
		if (!def->nics[i].bridge[0])
			return drover_err_set(err, EINVAL, "%s: [nic %s] has no bridge", origin,
					      def->nics[i].name);
		if (!def->nics[i].mac[0])
			derive_mac(def, &def->nics[i]);
	}
	return 0;
}

int drover_vmdef_parse(const char *text, const char *origin, struct drover_vm_def *ret_def,
		       struct drover_err *err)
{
	static const struct drover_ini_ops ops = { .section = on_section, .key = on_key };
	struct drover_vm_def def = { .vcpus = 1, .machine = "q35", .cpu = "host" };
	struct reader r = { .def = &def };
	int result = drover_ini_read(text, origin, &ops, &r, err);

	if (result == 0)
		result = finish(&def, origin, err);
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
