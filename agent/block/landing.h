/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The target's hold on the disks that travel to it: new images, which its QEMU writes
 * what arrives to, and a record of them, so that whoever gives the migration up deletes
 * these and no others.
 */
#ifndef DROVER_BLOCK_LANDING_H
#define DROVER_BLOCK_LANDING_H

#include "base/err.h"
#include "block/promise.h"
#include "core/model.h"
#include "peer.pb-c.h"
#include "vm/qmp.h"

/**
 * struct drover_landing_image - one of them
 * @size: bytes as the guest sees it
 */
struct drover_landing_image {
	char disk[DROVER_NAME_LEN];
	char path[DROVER_FIELD_LEN];
	char format[16];
	char pool[DROVER_NAME_LEN];
	uint64_t size;
};

/**
 * struct drover_landing - those of one migration
 * @source, @id, @vm: which migration it is
 * @text: the VM's definition with these images; owned
 * @recorded: they may exist, and the record says so
 * @promises: of the space that they will take
 */
struct drover_landing {
	char source[DROVER_NAME_LEN];
	uint64_t id;
	char vm[DROVER_NAME_LEN];
	char *text;
	bool recorded;
	uint32_t count;
	struct drover_landing_image images[DROVER_DISKS_MAX];
	struct drover_promise *promises[DROVER_DISKS_MAX];
};

/**
 * drover_landing_plan() - check what the source asks for, find places and keep them the space
 * @def, @text: the definition as it came
 * @p: with the disks that travel; none is fine, and gives an empty landing
 *
 * Makes nothing. Errors: -EINVAL, -ENOENT (no such pool), and those of drover_pool_promise().
 */
int drover_landing_plan(const struct drover_conf *conf, const struct drover_vm_def *def,
			const char *text, const char *source, const Drover__Prepare *p,
			struct drover_landing *ret_landing, struct drover_err *err);

/** drover_landing_make() - write the record, then make the images */
int drover_landing_make(const struct drover_conf *conf, struct drover_landing *l,
			struct drover_err *err);

/** drover_landing_export() - QEMU serves them at the unix socket @path */
int drover_landing_export(const struct drover_landing *l, struct drover_qmp *qmp, const char *path,
			  struct drover_err *err);

/**
 * drover_landing_close() - QEMU serves them no more
 *
 * All that had come before is in the images when this returns: no late write of a connection
 * that was lost can follow. Also when they are not served.
 */
int drover_landing_close(const struct drover_landing *l, struct drover_qmp *qmp,
			 struct drover_err *err);

/** drover_landing_remove() - delete them and the record; no process must use them any more */
int drover_landing_remove(const struct drover_conf *conf, struct drover_landing *l,
			  struct drover_err *err);

/**
 * drover_landing_settle() - the VM runs here: write its definition down, forget the record
 *
 * A different definition of that name in vm_dir becomes NAME.conf.old.
 */
int drover_landing_settle(const struct drover_conf *conf, struct drover_landing *l,
			  struct drover_err *err);

/** drover_landing_free() - forget the struct, and what was promised; images and record stay */
void drover_landing_free(struct drover_landing *l);

/**
 * drover_landing_list() - all records, after the agent's restart
 * @ret_landings: out: array of *@ret_count; drover_landing_free() each, free() the array
 *
 * One that cannot be read is logged and left.
 */
int drover_landing_list(const struct drover_conf *conf, struct drover_landing **ret_landings,
			size_t *ret_count, struct drover_err *err);

#endif
