// SPDX-License-Identifier: GPL-2.0-or-later
/* The keys of a VM definition. */
#include "core/vmkeys.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/config.h"
#include "core/ini.h"
#include "core/nbd.h"

#define MEMORY_MIN_MIB 16
#define MEMORY_MAX_MIB (16U << 20)

static const char *const formats[] = { "raw", "qcow2", NULL };
static const char *const caches[] = { "none", "writeback", "writethrough", NULL };
static const char *const aios[] = { "native", "threads", "io_uring", NULL };
static const char *const consoles[] = { "log", "socket", NULL };

static int set_word(const char *value, const char *const *words, char *buf, size_t size,
		    struct drover_err *err)
{
	int i = drover_ini_word(value, words, err);

	if (i < 0)
		return i;
	snprintf(buf, size, "%s", words[i]);
	return 0;
}

static int set_vcpus(struct drover_vm_def *def, const char *value, struct drover_err *err)
{
	uint64_t n;
	int r = drover_ini_number(value, 1, 255, &n, err);

	if (r == 0)
		def->vcpus = n;
	return r;
}

static int set_memory(struct drover_vm_def *def, const char *value, struct drover_err *err)
{
	uint64_t n;
	int r = drover_ini_number(value, MEMORY_MIN_MIB, MEMORY_MAX_MIB, &n, err);

	if (r == 0 && n % 2)
		r = drover_err_set(err, EINVAL, "memory is counted in MiB and must be even");
	if (r == 0)
		def->memory_mib = n;
	return r;
}

static int set_name(const char *value, char *buf, struct drover_err *err)
{
	if (!drover_name_valid(value))
		return drover_err_set(err, EINVAL, "\"%s\" is no valid name", value);
	return drover_ini_string(value, buf, DROVER_NAME_LEN, err);
}

int drover_vmkeys_vm(struct drover_vm_def *def, const char *key, const char *value,
		     struct drover_err *err)
{
	if (!strcmp(key, "vcpus"))
		return set_vcpus(def, value, err);
	if (!strcmp(key, "memory"))
		return set_memory(def, value, err);
	if (!strcmp(key, "name"))
		return set_name(value, def->name, err);
	if (!strcmp(key, "machine"))
		return set_name(value, def->machine, err);
	if (!strcmp(key, "cpu"))
		return drover_ini_string(value, def->cpu, sizeof(def->cpu), err);
	if (!strcmp(key, "cmdline"))
		return drover_ini_string(value, def->cmdline, sizeof(def->cmdline), err);
	if (!strcmp(key, "kernel"))
		return drover_ini_path(value, def->kernel, sizeof(def->kernel), err);
	if (!strcmp(key, "initrd"))
		return drover_ini_path(value, def->initrd, sizeof(def->initrd), err);
	if (!strcmp(key, "firmware"))
		return drover_ini_path(value, def->firmware, sizeof(def->firmware), err);
	return drover_err_set(err, EINVAL, "unknown key \"%s\" in [vm]", key);
}

static int set_disk_path(struct drover_disk_def *disk, const char *value, struct drover_err *err)
{
	struct drover_nbd nbd;

	if (!drover_nbd_is(value))
		return drover_ini_path(value, disk->path, sizeof(disk->path), err);
	if (drover_nbd_parse(value, &nbd) < 0)
		return drover_err_set(err, EINVAL, "\"%s\" is not nbd://HOST[:PORT]/EXPORT", value);
	return drover_ini_string(value, disk->path, sizeof(disk->path), err);
}

int drover_vmkeys_disk(struct drover_disk_def *disk, const char *key, const char *value,
		       struct drover_err *err)
{
	if (!strcmp(key, "path"))
		return set_disk_path(disk, value, err);
	if (!strcmp(key, "format"))
		return set_word(value, formats, disk->format, sizeof(disk->format), err);
	if (!strcmp(key, "cache"))
		return set_word(value, caches, disk->cache, sizeof(disk->cache), err);
	if (!strcmp(key, "aio"))
		return set_word(value, aios, disk->aio, sizeof(disk->aio), err);
	if (!strcmp(key, "readonly"))
		return drover_ini_yes_no(value, &disk->readonly, err);
	return drover_err_set(err, EINVAL, "unknown key \"%s\" in [disk %s]", key, disk->name);
}

/* Six pairs of hex digits, not all zero, and no group address (the lowest bit of the first byte). */
static bool is_mac(const char *s)
{
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char)s[i]))
			return false;
	return !s[17] && !strchr("13579bdfBDF", s[1]) && strspn(s, "0:") < 17;
}

int drover_vmkeys_nic(struct drover_nic_def *nic, const char *key, const char *value,
		      struct drover_err *err)
{
	if (!strcmp(key, "bridge")) {
		if (strpbrk(value, "/ \t"))
			return drover_err_set(err, EINVAL, "\"%s\" is no name of a bridge", value);
		return drover_ini_string(value, nic->bridge, sizeof(nic->bridge), err);
	}
	if (strcmp(key, "mac"))
		return drover_err_set(err, EINVAL, "unknown key \"%s\" in [nic %s]", key, nic->name);
	if (!is_mac(value))
		return drover_err_set(err, EINVAL, "\"%s\" is no MAC address of one machine", value);
	return drover_ini_string(value, nic->mac, sizeof(nic->mac), err);
}

int drover_vmkeys_console(struct drover_vm_def *def, const char *key, const char *value,
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
