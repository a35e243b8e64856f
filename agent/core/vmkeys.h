/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of a VM definition, section by section. For vmdef.c alone. */
#ifndef DROVER_CORE_VMKEYS_H
#define DROVER_CORE_VMKEYS_H

#include "base/err.h"
#include "core/model.h"

/* Each takes one key and its value; errors: -EINVAL, an unknown key or a wrong value. */
int drover_vmkeys_vm(struct drover_vm_def *def, const char *key, const char *value,
		     struct drover_err *err);
int drover_vmkeys_disk(struct drover_disk_def *disk, const char *key, const char *value,
		       struct drover_err *err);
int drover_vmkeys_nic(struct drover_nic_def *nic, const char *key, const char *value,
		      struct drover_err *err);
int drover_vmkeys_console(struct drover_vm_def *def, const char *key, const char *value,
			  struct drover_err *err);

#endif
