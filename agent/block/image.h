/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disk images as files: what they are, making them, removing them. */
#ifndef DROVER_BLOCK_IMAGE_H
#define DROVER_BLOCK_IMAGE_H

#include "base/err.h"
#include "core/model.h"

/**
 * struct drover_image - what qemu-img tells of an image
 * @size: bytes as a guest sees it
 * @used: bytes that it takes on its store; of a block device or an nbd export all of them
 * @backing: path of its backing file, or ""
 */
struct drover_image {
	uint64_t size;
	uint64_t used;
	char format[16];
	char backing[DROVER_FIELD_LEN];
	char backing_format[16];
};

/**
 * drover_image_look() - what is at @path, also while a VM uses it
 * @format: what it is known to be; never probed, because a guest could forge a header
 */
int drover_image_look(const char *path, const char *format, struct drover_image *ret_image,
		      struct drover_err *err);

/**
 * drover_image_measure() - how many bytes a copy that holds what a guest sees would take at most
 * @to_format: of the copy
 *
 * What lies in backing files counts, too.
 */
int drover_image_measure(const char *path, const char *format, const char *to_format,
			 uint64_t *ret_bytes, struct drover_err *err);

/**
 * drover_image_create() - make an empty, sparse image that only root can open
 * @backing: backing file, or NULL
 *
 * It is there after a power loss. Errors: -EEXIST when something is there already: it is not
 * touched.
 */
int drover_image_create(const char *path, const char *format, uint64_t size, const char *backing,
			const char *backing_format, struct drover_err *err);

/**
 * drover_image_copy() - copy an image that no VM uses; sparse stays sparse; synced when it returns
 * @to: as drover_image_create() made it; where it has a backing file, @from must have the same,
 *	and what lies there is not copied
 * @bandwidth: bytes per second, 0 for no limit
 *
 * @progress is called with bytes done and in all; not 0 ends the copy with -ECANCELED. What was
 * written remains.
 */
int drover_image_copy(const char *from, const char *from_format, const char *to,
		      const char *to_format, uint64_t bandwidth,
		      int (*progress)(void *data, uint64_t done, uint64_t total), void *data,
		      struct drover_err *err);

/**
 * drover_image_compare() - do two images hold the same for a guest?
 *
 * Their VMs must be paused or have ended. @a and @b may be nbd+unix URIs with format raw.
 * @stop: asked each second; not 0 ends it with -ECANCELED; or NULL
 * @ret_mismatched: out: 0, or how many bytes differ (as far as was looked)
 */
int drover_image_compare(const char *a, const char *a_format, const char *b, const char *b_format,
			 int (*stop)(void *data), void *data, uint64_t *ret_verified,
			 uint64_t *ret_mismatched, struct drover_err *err);

/**
 * drover_image_busy() - -EBUSY when a process on this host has it open as a disk image
 *
 * By the locks that QEMU's programs hold (block/file-posix.c of QEMU: bytes from 100 on).
 */
int drover_image_busy(const char *path, struct drover_err *err);

/**
 * drover_image_remove() - delete it, surely, also after a power loss; that it is gone is no error
 *
 * Errors: -EINVAL where it is no file.
 */
int drover_image_remove(const char *path, struct drover_err *err);

#endif
