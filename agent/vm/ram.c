// SPDX-License-Identifier: GPL-2.0-or-later
/* RAM files. */
#include "vm/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/meminfo.h"

/* QEMU itself, its threads' stacks and buffers. */
#define OVERHEAD_MIB 96

static int check_room(const struct drover_conf *conf, const struct drover_vm_def *def,
		      struct drover_err *err)
{
	uint64_t available, room;
	struct statfs fs;
	int r = drover_meminfo_mib("MemAvailable", &available, err);

	if (r < 0)
		return r;
	if (statfs(conf->ram_dir, &fs) < 0)
		return drover_err_set(err, errno, "cannot look at %s: %s", conf->ram_dir,
				      strerror(errno));
	if (fs.f_type != TMPFS_MAGIC)
		return drover_err_set(err, EINVAL, "ram_dir %s is not on tmpfs", conf->ram_dir);
	room = (uint64_t)fs.f_bavail * fs.f_bsize >> 20;
	if (room < available)
		available = room;
	if (available < def->memory_mib + OVERHEAD_MIB)
		return drover_err_set(err, ENOMEM,
				      "%s has %llu MiB of memory available, vm %s needs %llu MiB",
				      conf->host, (unsigned long long)available, def->name,
				      (unsigned long long)def->memory_mib + OVERHEAD_MIB);
	return 0;
}

/* A directory in /dev/shm may have been made by anybody. */
static int check_owner(const char *dir, struct drover_err *err)
{
	struct stat st;

	if (lstat(dir, &st) < 0)
		return drover_err_set(err, errno, "cannot look at %s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    ((st.st_mode & 0022) && !(st.st_mode & S_ISVTX)))
		return drover_err_set(err, EPERM, "ram_dir %s is not a directory of ours alone", dir);
	return 0;
}

int drover_ram_file_create(const struct drover_conf *conf, const struct drover_vm_def *def,
			   const char *path, uid_t owner, gid_t group, struct drover_err *err)
{
	auto_close int fd = -1;
	int r = drover_io_mkdirs(conf->ram_dir, 0755, err);

	if (r == 0)
		r = check_owner(conf->ram_dir, err);
	if (r < 0)
		return r;
	unlink(path);
	r = check_room(conf, def, err);
	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return drover_err_set(err, errno, "cannot make the RAM file %s: %s", path,
				      strerror(errno));
	if (ftruncate(fd, def->memory_mib << 20) < 0 || fchown(fd, owner, group) < 0) {
		r = drover_err_set(err, errno, "cannot set up the RAM file %s: %s", path,
				   strerror(errno));
		unlink(path);
		return r;
	}
	return steal_fd(&fd);
}
