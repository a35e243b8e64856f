// SPDX-License-Identifier: GPL-2.0-or-later
/* The user that QEMU runs as. */
#include "vm/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

int drover_user_find(const char *name, struct drover_user *ret_user, struct drover_err *err)
{
	struct drover_user u = { .group_count = DROVER_GROUPS_MAX };
	struct passwd entry, *pw = NULL;
	char strings[4096];
	struct stat st;
	int r = getpwnam_r(name, &entry, strings, sizeof(strings), &pw);

	if (r)
		return drover_err_set(err, r, "user %s cannot be looked up: %s", name, strerror(r));
	if (!pw)
		return drover_err_set(err, ENOENT, "there is no user %s for QEMU to run as", name);
	u.uid = pw->pw_uid;
	u.gid = pw->pw_gid;
	if (getgrouplist(name, u.gid, u.groups, &u.group_count) < 0)
		return drover_err_set(err, E2BIG, "user %s is in more than %d groups", name,
				      DROVER_GROUPS_MAX);
	if (stat("/dev/kvm", &st) < 0)
		return drover_err_set(err, ENODEV, "this host has no /dev/kvm");
	u.groups[u.group_count++] = st.st_gid;
	*ret_user = u;
	return 0;
}

int drover_user_become(const struct drover_user *user)
{
	if (setgroups(user->group_count, user->groups) < 0 ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}
