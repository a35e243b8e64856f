/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two INI grammars: drover.conf and VM definitions (drover.conf(5)). */
#ifndef DROVER_CORE_CONFIG_H
#define DROVER_CORE_CONFIG_H

#include "base/err.h"
#include "core/model.h"

/**
 * drover_config_read() - read and check drover.conf
 * @path: the file; that it is missing is no error: the defaults hold
 * @ret_conf: out: the configuration
 *
 * Errors: -EINVAL with "drover.conf:LINE: …", or the errno of open(2).
 */
int drover_config_read(const char *path, struct drover_conf *ret_conf, struct drover_err *err);

/**
 * drover_config_find_peer() - the peer of that name
 *
 * Returns NULL when there is none.
 */
const struct drover_peer_conf *drover_config_find_peer(const struct drover_conf *conf,
						       const char *name);

/**
 * drover_vmdef_parse() - parse and check the text of a VM definition
 * @text: NUL-terminated
 * @origin: what to call it in errors, e.g. "web1.conf"
 * @ret_def: out: the definition
 *
 * Pure: looks at no disk and no host. Errors: -EINVAL with "ORIGIN:LINE: …".
 */
int drover_vmdef_parse(const char *text, const char *origin, struct drover_vm_def *ret_def,
		       struct drover_err *err);

/** drover_vmdef_read() - drover_vmdef_parse() of the file DIR/NAME.conf */
int drover_vmdef_read(const char *dir, const char *name, struct drover_vm_def *ret_def,
		      char **ret_text, struct drover_err *err);

/** drover_vmdef_disk() - the disk of that name, or NULL */
const struct drover_disk_def *drover_vmdef_disk(const struct drover_vm_def *def, const char *name);

/**
 * drover_vmdef_aio() - how QEMU reads and writes a disk's image: its word for "aio"
 * @is_device: the image is a block device
 *
 * Where the definition says nothing, "native" is for devices: in a file with holes io_submit(2)
 * waits for the file system to find space, and QEMU with the whole guest for io_submit(2).
 */
const char *drover_vmdef_aio(const struct drover_disk_def *disk, bool is_device);

/** drover_vmdef_check_dir() - definitions in that directory, which is made, can be changed */
int drover_vmdef_check_dir(const char *dir, struct drover_err *err);

/**
 * drover_vmdef_set_disk() - the text of a definition with another image for a disk
 * @text: as it is
 * @ret_text: out: a new text that differs in "path" and "format" of [disk NAME] alone
 *
 * Pure. Comments, order and everything else stay. Errors: -ENOENT when there is no such disk.
 */
int drover_vmdef_set_disk(const char *text, const char *disk, const char *path, const char *format,
			  char **ret_text, struct drover_err *err);

/** drover_name_valid() - letters, digits, '-', '_', '.', 1 to 63 of them, not first a '.' or '-' */
bool drover_name_valid(const char *name);

#endif
