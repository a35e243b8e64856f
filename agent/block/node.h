/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Block nodes of a running QEMU: an image is opened by us and handed over as a descriptor. */
#ifndef DROVER_BLOCK_NODE_H
#define DROVER_BLOCK_NODE_H

#include "base/err.h"
#include "core/model.h"
#include "vm/qmp.h"

#define DROVER_NODE_LEN 32

/**
 * struct drover_node - an image in QEMU's block graph
 * @name: the format node, what a device or a job uses
 * @file: the protocol node below it
 * @fdset: of the descriptor handed over, or -1
 */
struct drover_node {
	char name[DROVER_NODE_LEN];
	char file[DROVER_NODE_LEN];
	int64_t fdset;
};

/**
 * drover_node_of_disk() - the node that the VM's disk uses now
 *
 * Names differ from those at the start once the disk has changed its image.
 */
int drover_node_of_disk(struct drover_qmp *qmp, const char *disk, struct drover_node *ret_node,
			struct drover_err *err);

/**
 * drover_node_of_path() - the node of the disk for the image at @path
 *
 * One that drover_node_add_file() made, or one of the command line (vm/args.c), but for VMs that
 * an older agent started.
 *
 * Errors: -ENOENT when there is none.
 */
int drover_node_of_path(struct drover_qmp *qmp, const char *disk, const char *path,
			struct drover_node *ret_node, struct drover_err *err);

/** drover_node_add_file() - open @path here and add it; zeroes are detected and unmapped */
int drover_node_add_file(struct drover_qmp *qmp, const char *disk, const char *path,
			 const char *format, const struct drover_disk_def *like,
			 struct drover_node *ret_node, struct drover_err *err);

/** drover_node_add_nbd() - add an export behind the unix socket @path */
int drover_node_add_nbd(struct drover_qmp *qmp, const char *disk, const char *path,
			const char *export, struct drover_node *ret_node, struct drover_err *err);

/**
 * drover_node_remove() - take it out again and drop its descriptor
 *
 * Nobody may use it any more. While its VM is paused QEMU keeps the descriptor open.
 */
int drover_node_remove(struct drover_qmp *qmp, const struct drover_node *node,
		       struct drover_err *err);

/**
 * drover_node_sweep() - remove all nodes named like the disk's that no device uses
 * @ms: how long a store has to write out what it holds of an image
 *
 * QEMU does that as well when it closes one (bdrv_close() in its block.c), and the guest stands
 * still until it is done: here it is done before, from outside. Errors: -ETIMEDOUT where a store
 * does not do it in time; its nodes stay.
 */
int drover_node_sweep(struct drover_qmp *qmp, const char *disk, uint32_t ms,
		      struct drover_err *err);

/**
 * struct drover_node_stats - what the guest did to a disk since the VM's start
 * @write_ns: sum of the times of all writes
 */
struct drover_node_stats {
	uint64_t writes, write_bytes, write_ns;
};

int drover_node_stats(struct drover_qmp *qmp, const char *disk, struct drover_node_stats *ret_stats,
		      struct drover_err *err);

#endif
