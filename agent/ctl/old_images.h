/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images on storage that hosts share which a disk has left: the host where it moved has changed
 * its own definition, and another one may still have one that names the old image.
 */
#ifndef DROVER_CTL_OLD_IMAGES_H
#define DROVER_CTL_OLD_IMAGES_H

#include "base/err.h"
#include "core/model.h"
#include "peer.pb-c.h"

struct drover_disk_record;

/**
 * struct drover_old_images - what a VmReply points to
 * @defined: the images that the definition here names now
 */
struct drover_old_images {
	struct drover_disk_record *records;
	struct drover_vm_def defined;
	Drover__OldImage *images, **list;
};

/**
 * drover_old_images_tell() - add what the records of this host call old images of the VM
 * @asker: the host that asks. Where the VM went there from here, that host has the true definition,
 *	and nothing is added.
 * @images: owns what is added, until drover_old_images_free()
 */
void drover_old_images_tell(const struct drover_conf *conf, const char *vm, const char *asker,
			    struct drover_old_images *images, Drover__VmReply *reply);
void drover_old_images_free(struct drover_old_images *images);

/**
 * drover_old_images_check() - -ESTALE where a definition names what @host calls an old image
 *
 * By the pool's id and the path in the pool, which may be elsewhere on each host.
 */
int drover_old_images_check(const struct drover_conf *conf, const struct drover_vm_def *def,
			    const Drover__VmReply *reply, const char *host, struct drover_err *err);

#endif
