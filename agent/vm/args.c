// SPDX-License-Identifier: GPL-2.0-or-later
/* QEMU's command line. Values that people write travel as JSON, so that commas are safe. */
#include "vm/args.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/config.h"
#include "core/nbd.h"

/* PCI slots: fixed, because a migration needs the same on both sides. */
#define SLOT_RNG   3
#define SLOT_DISKS 4
#define SLOT_NICS  (SLOT_DISKS + DROVER_DISKS_MAX)

struct builder {
	struct drover_args args;
	bool failed;
};

static void push(struct builder *b, char *word)
{
	char **argv = word ? realloc(b->args.argv, (b->args.count + 2) * sizeof(char *)) : NULL;

	if (!argv) {
		free(word);
		b->failed = true;
		return;
	}
	argv[b->args.count++] = word;
	argv[b->args.count] = NULL;
	b->args.argv = argv;
}

static void add(struct builder *b, const char *fmt, ...)
{
	char *word = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&word, fmt, ap) < 0)
		word = NULL;
	va_end(ap);
	push(b, word);
}

static void add_json(struct builder *b, const char *option, json_t *value)
{
	add(b, "%s", option);
	push(b, value ? json_dumps(value, JSON_COMPACT) : NULL);
	json_decref(value);
}

/* In QEMU's own option syntax a comma is written twice. */
static char *escape(const char *value)
{
	char *text = malloc(2 * strlen(value) + 1), *p = text;

	if (!text)
		return NULL;
	for (; *value; value++) {
		if (*value == ',')
			*p++ = ',';
		*p++ = *value;
	}
	*p = '\0';
	return text;
}

static void add_escaped(struct builder *b, const char *option, const char *prefix,
			const char *value, const char *suffix)
{
	auto_free char *text = escape(value);

	add(b, "%s", option);
	if (text)
		add(b, "%s%s%s", prefix, text, suffix);
	else
		b->failed = true;
}

static const char *bus_of(const struct drover_vm_def *def)
{
	return strstr(def->machine, "q35") ? "pcie.0" : "pci.0";
}

static json_t *device(const struct drover_vm_def *def, const char *driver, const char *prefix,
		      const char *name, int slot)
{
	char id[DROVER_NAME_LEN + 16], addr[8];

	snprintf(id, sizeof(id), "%s%s", prefix, name);
	snprintf(addr, sizeof(addr), "0x%x", slot);
	return json_pack("{ss ss ss ss}", "driver", driver, "id", id, "bus", bus_of(def), "addr",
			 addr);
}

static void add_machine(struct builder *b, const struct drover_vm_def *def,
			const struct drover_args_env *env)
{
	add_escaped(b, "-name", "guest=", def->name, ",debug-threads=on");
	add_escaped(b, "-machine", "", def->machine,
		    ",accel=kvm,memory-backend=ram0,dump-guest-core=off");
	/* A named model must be there in full, or the guest would lose features in a move. */
	add(b, "-cpu");
	add(b, "%s,%s", def->cpu, strcmp(def->cpu, "host") ? "enforce" : "migratable=on");
	add(b, "-smp");
	add(b, "%u", def->vcpus);
	add(b, "-m");
	add(b, "%lluM", (unsigned long long)def->memory_mib);
	add_json(b, "-object", json_pack("{ss ss ss sb sI}", "qom-type", "memory-backend-file", "id",
					 "ram0", "mem-path", env->ram_path, "share", 1, "size",
					 (json_int_t)(def->memory_mib << 20)));
}

static void add_boot(struct builder *b, const struct drover_vm_def *def)
{
	const struct {
		const char *option, *value;
	} options[] = {
		{ "-kernel", def->kernel },
		{ "-initrd", def->initrd },
		{ "-append", def->cmdline },
		{ "-bios", def->firmware },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		if (!options[i].value[0])
			continue;
		add(b, "%s", options[i].option);
		add(b, "%s", options[i].value);
	}
}

static void add_basics(struct builder *b, const struct drover_args_env *env)
{
	static const char *const words[] = {
		"-nodefaults", "-no-user-config", "-display", "none", "-vga", "none",
		"-rtc", "base=utc", "-msg", "timestamp=on", "-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		add(b, "%s", words[i]);
	if (!env->incoming)
		return;
	add(b, "-S");
	add(b, "-incoming");
	add(b, "defer");
}

static void add_monitor(struct builder *b, const char *dir, const char *name)
{
	add(b, "-chardev");
	add(b, "socket,id=%s,path=%s/%s.sock,server=on,wait=off", name, dir, name);
	add(b, "-mon");
	add(b, "chardev=%s,mode=control", name);
}

static void add_sockets(struct builder *b, const struct drover_vm_def *def,
			const struct drover_args_env *env)
{
	auto_free char *dir = escape(env->dir);

	if (!dir) {
		b->failed = true;
		return;
	}
	add_monitor(b, dir, "qmp");
	add_monitor(b, dir, "migrate");
	add(b, "-chardev");
	switch (def->console) {
	case DROVER_CONSOLE_LOG:
		add(b, "file,id=console,append=on,path=%s/console.log", dir);
		break;
	case DROVER_CONSOLE_SOCKET:
		/* What the guest says while nobody is connected is in the log. */
		add(b, "socket,id=console,path=%s/console.sock,server=on,wait=off,"
		    "logfile=%s/console.log,logappend=on", dir, dir);
		break;
	}
	add(b, "-serial");
	add(b, "chardev:console");
}

static json_t *nbd_node(const struct drover_disk_def *disk)
{
	struct drover_nbd nbd;

	if (drover_nbd_parse(disk->path, &nbd) < 0)
		return NULL;
	return json_pack("{ss s{ss ss ss} ss}", "driver", "nbd", "server", "type", "inet", "host",
			 nbd.host, "port", nbd.port, "export", nbd.export);
}

static json_t *file_node(const struct drover_disk_def *disk, uint32_t i, bool is_device)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/fdset/%u", DROVER_ARGS_FDSET(i));
	return json_pack("{ss ss ss}", "driver", is_device ? "host_device" : "file", "filename",
			 path, "aio", drover_vmdef_aio(disk, is_device));
}

static void add_node(struct builder *b, json_t *node, const char *name,
		     const struct drover_disk_def *disk)
{
	if (node) {
		json_object_set_new(node, "node-name", json_string(name));
		json_object_set_new(node, "read-only", json_boolean(disk->readonly));
		/* What the guest gives up, and zeroes of a disk that arrives, take no space. */
		json_object_set_new(node, "discard", json_string("unmap"));
		json_object_set_new(node, "cache",
				    json_pack("{sb sb}", "direct", !strcmp(disk->cache, "none"),
					      "no-flush", 0));
	}
	add_json(b, "-blockdev", node);
}

/* QEMU keeps the path with it: who looks for an image later finds it (block/node.c). */
static void add_descriptor(struct builder *b, const char *path, int fd, uint32_t i)
{
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "fd=%d,set=%u,opaque=", fd, DROVER_ARGS_FDSET(i));
	add_escaped(b, "-add-fd", prefix, path, "");
}

static void add_disk(struct builder *b, const struct drover_vm_def *def,
		     const struct drover_args_env *env, uint32_t i)
{
	const struct drover_disk_def *disk = &def->disks[i];
	char file[32], format[32];
	json_t *dev;

	snprintf(file, sizeof(file), "file-%.16s", disk->name);
	snprintf(format, sizeof(format), "disk-%.16s", disk->name);
	if (env->disk_fd[i] >= 0) {
		add_descriptor(b, disk->path, env->disk_fd[i], i);
		add_node(b, file_node(disk, i, env->disk_is_device[i]), file, disk);
	} else {
		add_node(b, nbd_node(disk), file, disk);
	}
	add_node(b, json_pack("{ss ss}", "driver", disk->format, "file", file), format, disk);
	dev = device(def, "virtio-blk-pci", "virtio-", disk->name, SLOT_DISKS + i);
	json_object_set_new(dev, "drive", json_string(format));
	json_object_set_new(dev, "write-cache",
			    json_string(strcmp(disk->cache, "writethrough") ? "on" : "off"));
	add_json(b, "-device", dev);
}

static void add_nic(struct builder *b, const struct drover_vm_def *def,
		    const struct drover_args_env *env, uint32_t i)
{
	const struct drover_nic_def *nic = &def->nics[i];
	char id[32];
	json_t *dev;

	snprintf(id, sizeof(id), "net-%.16s", nic->name);
	add(b, "-netdev");
	add(b, "tap,id=%s,fd=%d,vhost=off", id, env->nic_fd[i]);
	dev = device(def, "virtio-net-pci", "nic-", nic->name, SLOT_NICS + i);
	json_object_set_new(dev, "netdev", json_string(id));
	json_object_set_new(dev, "mac", json_string(nic->mac));
	/* No option ROM: its file may differ in size between the hosts. */
	json_object_set_new(dev, "romfile", json_string(""));
	add_json(b, "-device", dev);
}

int drover_args_build(const struct drover_vm_def *def, const struct drover_args_env *env,
		      struct drover_args *ret_args, struct drover_err *err)
{
	struct builder b = { 0 };

	add(&b, "%s", env->qemu);
	add_machine(&b, def, env);
	add_basics(&b, env);
	add_boot(&b, def);
	add_sockets(&b, def, env);
	add_json(&b, "-device", device(def, "virtio-rng-pci", "rng", "0", SLOT_RNG));
	for (uint32_t i = 0; i < def->disk_count; i++)
		add_disk(&b, def, env, i);
	for (uint32_t i = 0; i < def->nic_count; i++)
		add_nic(&b, def, env, i);
	if (b.failed) {
		drover_args_free(&b.args);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	*ret_args = b.args;
	return 0;
}

void drover_args_free(struct drover_args *args)
{
	for (size_t i = 0; i < args->count; i++)
		free(args->argv[i]);
	free(args->argv);
	args->argv = NULL;
	args->count = 0;
}
