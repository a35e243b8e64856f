/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user that QEMU runs as. */
#ifndef DROVER_VM_USER_H
#define DROVER_VM_USER_H

#include <sys/types.h>

#include "base/err.h"

#define DROVER_GROUPS_MAX 32

/**
 * struct drover_user - who QEMU runs as
 * @groups: all its groups, and the one that may open /dev/kvm
 */
struct drover_user {
	uid_t uid;
	gid_t gid;
	gid_t groups[DROVER_GROUPS_MAX + 1];
	int group_count;
};

int drover_user_find(const char *name, struct drover_user *ret_user, struct drover_err *err);

/** drover_user_become() - for good; safe after fork(2). Returns 0 or a negative errno. */
int drover_user_become(const struct drover_user *user);

#endif
