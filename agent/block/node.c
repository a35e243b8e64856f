// SPDX-License-Identifier: GPL-2.0-or-later
/* Block nodes of a running QEMU, named like those on its command line (vm/args.c). */
#include "block/node.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "block/ask.h"
#include "core/config.h"

#define QMP_TIMEOUT_MS 20000
/* QEMU may have to write out what it holds of an image. */
#define REMOVE_TIMEOUT_MS 120000
#define NUMBER_MAX	  100000

/* --- which one is in use --- */

static bool is_device(json_t *device, const char *disk)
{
	char wanted[128];
	const char *qdev = json_string_value(json_object_get(device, "qdev"));

	snprintf(wanted, sizeof(wanted), "/machine/peripheral/virtio-%.64s/virtio-backend", disk);
	return qdev && !strcmp(qdev, wanted);
}

/* Looks for the disk's device in the answer to @command. @ret_list: owns @ret_device. */
static int find_device(struct drover_qmp *qmp, const char *command, const char *disk,
		       json_t **ret_list, json_t **ret_device, struct drover_err *err)
{
	json_t *list = NULL, *device;
	size_t i;
	int r = drover_qmp_call(qmp, command, NULL, QMP_TIMEOUT_MS, &list, err);

	if (r < 0)
		return r;
	json_array_foreach(list, i, device)
	{
		if (!is_device(device, disk))
			continue;
		*ret_list = list;
		*ret_device = device;
		return 0;
	}
	json_decref(list);
	return drover_err_set(err, ENOENT, "QEMU has no disk %s", disk);
}

static int64_t fdset_of(const char *filename)
{
	int64_t n;

	return filename && sscanf(filename, "/dev/fdset/%" SCNd64, &n) == 1 ? n : -1;
}

static int name_file(struct drover_node *node, struct drover_err *err)
{
	if (strncmp(node->name, "disk-", 5))
		return drover_err_set(err, EBUSY,
				      "the disk uses the block node \"%s\", which is not ours",
				      node->name);
	snprintf(node->file, sizeof(node->file), "file-%.*s", DROVER_NODE_LEN - 6, node->name + 5);
	return 0;
}

int drover_node_of_disk(struct drover_qmp *qmp, const char *disk, struct drover_node *ret_node,
			struct drover_err *err)
{
	json_t *list, *device, *inserted;
	struct drover_node node = { .fdset = -1 };
	const char *name;
	int r = find_device(qmp, "query-block", disk, &list, &device, err);

	if (r < 0)
		return r;
	inserted = json_object_get(device, "inserted");
	name = json_string_value(json_object_get(inserted, "node-name"));
	snprintf(node.name, sizeof(node.name), "%s", name ? name : "");
	node.fdset = fdset_of(json_string_value(json_object_get(inserted, "file")));
	r = name_file(&node, err);
	json_decref(list);
	if (r == 0)
		*ret_node = node;
	return r;
}

/* --- all that there are --- */

static int list_nodes(struct drover_qmp *qmp, json_t **ret_nodes, struct drover_err *err)
{
	return drover_qmp_call(qmp, "query-named-block-nodes", json_pack("{sb}", "flat", 1),
			       QMP_TIMEOUT_MS, ret_nodes, err);
}

static const char *name_of(json_t *node)
{
	const char *name = json_string_value(json_object_get(node, "node-name"));

	return name ? name : "";
}

/* Is it named like those of the disk? So may one of another disk be: "disk-a-1" of disk "a-1". */
static bool is_of_disk(const char *name, const char *disk)
{
	char first[DROVER_NODE_LEN];
	int n = snprintf(first, sizeof(first), "disk-%.16s", disk);

	if (strncmp(name, first, n))
		return false;
	name += n;
	return !*name ||
	       (*name == '-' && name[1] && strspn(name + 1, "0123456789") == strlen(name + 1));
}

static void take_node(json_t *object, struct drover_node *ret_node)
{
	*ret_node = (struct drover_node){ 0 };
	snprintf(ret_node->name, sizeof(ret_node->name), "%s", name_of(object));
	name_file(ret_node, NULL);
	ret_node->fdset = fdset_of(json_string_value(json_object_get(object, "file")));
}

static int list_fdsets(struct drover_qmp *qmp, json_t **ret_sets, struct drover_err *err)
{
	return drover_qmp_call(qmp, "query-fdsets", NULL, QMP_TIMEOUT_MS, ret_sets, err);
}

static int64_t id_of(json_t *fdset)
{
	return json_integer_value(json_object_get(fdset, "fdset-id"));
}

/* What its descriptor was handed over with, or "". */
static const char *path_of(json_t *fdset)
{
	json_t *fd = json_array_get(json_object_get(fdset, "fds"), 0);
	const char *path = json_string_value(json_object_get(fd, "opaque"));

	return path ? path : "";
}

/* The descriptor set that was handed over with @path. */
static int find_fdset(struct drover_qmp *qmp, const char *path, int64_t *ret_fdset,
		      struct drover_err *err)
{
	json_t *sets = NULL, *set;
	int64_t found = -1;
	size_t i;
	int r = list_fdsets(qmp, &sets, err);

	if (r < 0)
		return r;
	json_array_foreach(sets, i, set)
	{
		if (!strcmp(path_of(set), path))
			found = id_of(set);
	}
	json_decref(sets);
	*ret_fdset = found;
	return 0;
}

int drover_node_of_path(struct drover_qmp *qmp, const char *disk, const char *path,
			struct drover_node *ret_node, struct drover_err *err)
{
	json_t *nodes = NULL, *object;
	struct drover_node node;
	int64_t fdset = -1;
	bool found = false;
	size_t i;
	int r = find_fdset(qmp, path, &fdset, err);

	if (r == 0 && fdset >= 0)
		r = list_nodes(qmp, &nodes, err);
	if (r < 0)
		return r;
	json_array_foreach(nodes, i, object)
	{
		if (!is_of_disk(name_of(object), disk))
			continue;
		take_node(object, &node);
		found = node.fdset == fdset;
		if (found)
			break;
	}
	json_decref(nodes);
	if (!found)
		return drover_err_set(err, ENOENT, "QEMU does not have %s open", path);
	*ret_node = node;
	return 0;
}

static bool in_use(json_t *devices, const char *name)
{
	json_t *device;
	size_t i;

	json_array_foreach(devices, i,
			   device) if (!strcmp(name_of(json_object_get(device, "inserted")),
					       name)) return true;
	return false;
}

/* A file that is not there any more, or cannot be written, is QEMU's to close as it is. */
static int write_out(json_t *fdsets, int64_t fdset, uint32_t ms, struct drover_err *err)
{
	json_t *set;
	size_t i;
	int r = 0;

	json_array_foreach(fdsets, i, set)
	{
		if (id_of(set) == fdset && *path_of(set))
			r = drover_ask_sync(path_of(set), ms, err);
	}
	return r == -ETIMEDOUT ? r : 0;
}

int drover_node_sweep(struct drover_qmp *qmp, const char *disk, uint32_t ms,
		      struct drover_err *err)
{
	json_t *devices = NULL, *nodes = NULL, *fdsets = NULL, *object;
	struct drover_node node;
	size_t i;
	int r = drover_qmp_call(qmp, "query-block", NULL, QMP_TIMEOUT_MS, &devices, err);

	if (r == 0)
		r = list_nodes(qmp, &nodes, err);
	if (r == 0)
		r = list_fdsets(qmp, &fdsets, err);
	json_array_foreach(nodes, i, object)
	{
		if (r < 0 || !is_of_disk(name_of(object), disk) || in_use(devices, name_of(object)))
			continue;
		take_node(object, &node);
		r = write_out(fdsets, node.fdset, ms, err);
		if (r == 0)
			r = drover_node_remove(qmp, &node, err);
	}
	json_decref(fdsets);
	json_decref(nodes);
	json_decref(devices);
	return r;
}

/* --- adding --- */

static bool has_node(json_t *nodes, const char *name)
{
	json_t *node;
	size_t i;

	json_array_foreach(nodes, i, node) if (!strcmp(name_of(node), name)) return true;
	return false;
}

/* Names with the first number that is free. */
static int name_node(struct drover_qmp *qmp, const char *disk, struct drover_node *node,
		     struct drover_err *err)
{
	json_t *nodes = NULL;
	bool taken = true;
	int r = list_nodes(qmp, &nodes, err);

	if (r < 0)
		return r;
	for (int n = 1; taken && n < NUMBER_MAX; n++) {
		snprintf(node->name, sizeof(node->name), "disk-%.16s-%d", disk, n);
		snprintf(node->file, sizeof(node->file), "file-%.16s-%d", disk, n);
		taken = has_node(nodes, node->name) || has_node(nodes, node->file);
	}
	json_decref(nodes);
	return taken ? drover_err_set(err, ENOSPC, "disk %s has too many block nodes", disk) : 0;
}

static int open_image(const char *path, bool direct, bool *ret_is_device, struct drover_err *err)
{
	struct stat st;
	int fd;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return drover_err_set(err, EINVAL, "%s is neither a file nor a block device", path);
	fd = open(path, O_RDWR | O_CLOEXEC | (direct ? O_DIRECT : 0));
	if (fd < 0 && errno == EINVAL && direct)
		return drover_err_set(err, EINVAL,
				      "cache = none of the disk does not work where %s lies", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return drover_err_set(err, errno, "%s cannot be opened: %s", path, strerror(errno));
	*ret_is_device = S_ISBLK(st.st_mode);
	return fd;
}

/* QEMU keeps the path with it, for drover_node_of_path(). */
static int hand_over(struct drover_qmp *qmp, const char *path, int fd, int64_t *ret_fdset,
		     struct drover_err *err)
{
	json_t *result = NULL;
	int r = drover_qmp_call_fd(qmp, "add-fd", json_pack("{ss}", "opaque", path), fd,
				   QMP_TIMEOUT_MS, &result, err);

	if (r < 0)
		return r;
	*ret_fdset = json_integer_value(json_object_get(result, "fdset-id"));
	json_decref(result);
	return 0;
}

static int add_node(struct drover_qmp *qmp, json_t *node, const char *name, bool direct,
		    struct drover_err *err)
{
	if (!node)
		return drover_err_set(err, ENOMEM, "out of memory");
	json_object_set_new(node, "node-name", json_string(name));
	json_object_set_new(node, "discard", json_string("unmap"));
	json_object_set_new(node, "cache", json_pack("{sb sb}", "direct", direct, "no-flush", 0));
	return drover_qmp_call(qmp, "blockdev-add", node, QMP_TIMEOUT_MS, NULL, err);
}

static int remove_node(struct drover_qmp *qmp, const char *name, struct drover_err *err)
{
	return drover_qmp_call(qmp, "blockdev-del", json_pack("{ss}", "node-name", name),
			       REMOVE_TIMEOUT_MS, NULL, err);
}

/* The protocol node and the format node on it. */
static int add_pair(struct drover_qmp *qmp, json_t *file, const char *format, bool direct,
		    const struct drover_node *node, struct drover_err *err)
{
	int r = add_node(qmp, file, node->file, direct, err);

	if (r < 0)
		return r;
	r = add_node(qmp,
		     json_pack("{ss ss ss}", "driver", format, "file", node->file, "detect-zeroes",
			       "unmap"),
		     node->name, direct, err);
	if (r < 0)
		remove_node(qmp, node->file, NULL);
	return r;
}

static void drop_fdset(struct drover_qmp *qmp, int64_t fdset)
{
	if (fdset >= 0)
		drover_qmp_call(qmp, "remove-fd", json_pack("{sI}", "fdset-id", (json_int_t)fdset),
				QMP_TIMEOUT_MS, NULL, NULL);
}

int drover_node_add_file(struct drover_qmp *qmp, const char *disk, const char *path,
			 const char *format, const struct drover_disk_def *like,
			 struct drover_node *ret_node, struct drover_err *err)
{
	bool direct = !strcmp(like->cache, "none"), is_block = false;
	auto_close int fd = open_image(path, direct, &is_block, err);
	struct drover_node node = { .fdset = -1 };
	char filename[40];
	int r = fd < 0 ? fd : name_node(qmp, disk, &node, err);

	if (r == 0)
		r = hand_over(qmp, path, fd, &node.fdset, err);
	if (r < 0)
		return r;
	snprintf(filename, sizeof(filename), "/dev/fdset/%" PRId64, node.fdset);
	r = add_pair(qmp,
		     json_pack("{ss ss ss}", "driver", is_block ? "host_device" : "file",
			       "filename", filename, "aio", drover_vmdef_aio(like, is_block)),
		     format, direct, &node, err);
	if (r < 0)
		drop_fdset(qmp, node.fdset);
	else
		*ret_node = node;
	return r;
}

int drover_node_add_nbd(struct drover_qmp *qmp, const char *disk, const char *path,
			const char *export, struct drover_node *ret_node, struct drover_err *err)
{
	struct drover_node node = { .fdset = -1 };
	int r = name_node(qmp, disk, &node, err);

	if (r == 0)
		r = add_pair(qmp,
			     json_pack("{ss s{ss ss} ss}", "driver", "nbd", "server", "type",
				       "unix", "path", path, "export", export),
			     "raw", true, &node, err);
	if (r == 0)
		*ret_node = node;
	return r;
}

int drover_node_remove(struct drover_qmp *qmp, const struct drover_node *node,
		       struct drover_err *err)
{
	int r = remove_node(qmp, node->name, err);

	if (r < 0)
		return r;
	r = remove_node(qmp, node->file, err);
	if (r == 0)
		drop_fdset(qmp, node->fdset);
	return r;
}

/* --- what the guest does --- */

static uint64_t number(json_t *stats, const char *key)
{
	return json_integer_value(json_object_get(stats, key));
}

int drover_node_stats(struct drover_qmp *qmp, const char *disk, struct drover_node_stats *ret_stats,
		      struct drover_err *err)
{
	json_t *list, *device, *stats;
	int r = find_device(qmp, "query-blockstats", disk, &list, &device, err);

	if (r < 0)
		return r;
	stats = json_object_get(device, "stats");
	*ret_stats = (struct drover_node_stats){
		.writes = number(stats, "wr_operations"),
		.write_bytes = number(stats, "wr_bytes"),
		.write_ns = number(stats, "wr_total_time_ns"),
	};
	json_decref(list);
	return 0;
}
