// SPDX-License-Identifier: GPL-2.0-or-later
/* Starting a VM: all checks first, then everything that has to be undone if a later step fails. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/clock.h"
#include "core/nbd.h"
#include "vm/args.h"
#include "vm/cgroup.h"
#include "vm/qmp.h"
#include "vm/ram.h"
#include "vm/spawn.h"
#include "vm/state.h"
#include "vm/tap.h"
#include "vm/user.h"
#include "vm/vm.h"

/* Machines that are emulated take their time. */
#define START_TIMEOUT_MS 60000

struct launch {
	const struct drover_conf *conf;
	struct drover_vm *vm;
	struct drover_user user;
	struct drover_args_env env;
	char cgroup[DROVER_PATH_MAX];
};

static int open_disk(struct launch *l, uint32_t i, struct drover_err *err)
{
	const struct drover_disk_def *disk = &l->vm->def.disks[i];
	int flags = (disk->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	struct stat st;
	int fd;

	if (drover_nbd_is(disk->path))
		return 0;
	if (!strcmp(disk->cache, "none"))
		flags |= O_DIRECT;
	fd = open(disk->path, flags);
	if (fd < 0)
		return drover_err_set(err, errno, "disk %s of vm %s cannot be opened on %s: %s: %s",
				      disk->name, l->vm->def.name, l->conf->host, disk->path,
				      strerror(errno));
	l->env.disk_fd[i] = fd;
	if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
		return drover_err_set(err, EINVAL, "disk %s of vm %s is neither a file nor a block device: %s",
				      disk->name, l->vm->def.name, disk->path);
	l->env.disk_is_device[i] = S_ISBLK(st.st_mode);
	return 0;
}

static int check_files(const struct drover_vm_def *def, struct drover_err *err)
{
	const char *const files[] = { def->kernel, def->initrd, def->firmware };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (files[i][0] && access(files[i], R_OK) < 0)
			return drover_err_set(err, errno, "%s of vm %s cannot be read: %s", files[i],
					      def->name, strerror(errno));
	return 0;
}

static int open_resources(struct launch *l, struct drover_err *err)
{
	const struct drover_vm_def *def = &l->vm->def;
	int r = check_files(def, err);

	for (uint32_t i = 0; i < def->disk_count && r == 0; i++)
		r = open_disk(l, i, err);
	for (uint32_t i = 0; i < def->nic_count && r == 0; i++) {
		r = drover_tap_open(def->name, def->nics[i].name, def->nics[i].bridge, err);
		if (r >= 0) {
			l->env.nic_fd[i] = r;
			r = 0;
		}
	}
	return r;
}

/* Ours are closed; QEMU has its own copies by then. */
static void close_resources(struct launch *l)
{
	for (uint32_t i = 0; i < DROVER_DISKS_MAX; i++)
		drover_close_fd(&l->env.disk_fd[i]);
	for (uint32_t i = 0; i < DROVER_NICS_MAX; i++)
		drover_close_fd(&l->env.nic_fd[i]);
}

static int make_dir(struct launch *l, struct drover_err *err)
{
	struct drover_vm *vm = l->vm;
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/vms", l->conf->run_dir);

	if (r == 0)
		r = drover_io_mkdirs(path, 0755, err);
	if (r < 0)
		return r;
	if (mkdir(vm->dir, 0750) < 0)
		return drover_err_set(err, errno, errno == EEXIST ? "vm %s is running already: %s is there"
				      : "vm %s: cannot make %s", vm->def.name, vm->dir);
	if (chown(vm->dir, l->user.uid, l->user.gid) < 0)
		return drover_err_set(err, errno, "cannot give %s to QEMU: %s", vm->dir,
				      strerror(errno));
	return drover_state_text(vm, err);
}

/* QEMU's own complaint; what follows it is advice. */
static const char *complaint(char *text)
{
	static const char name[] = "qemu-system-x86_64: ";
	const char *found = NULL, *line;
	char *rest = text;

	while ((line = strsep(&rest, "\n"))) {
		const char *p = strstr(line, name);

		if (p && !strstr(p, "warning: "))
			found = p + strlen(name);
		else if (*line && !found)
			found = line;
	}
	return found ? found : "it did not say why";
}

static int ended_early(const struct drover_vm *vm, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	auto_free char *text = NULL;

	if (drover_io_path(path, NULL, "%s/qemu.log", vm->dir) < 0 ||
	    drover_io_read_file(path, 1U << 20, &text, NULL, NULL) < 0)
		return drover_err_set(err, EINVAL, "QEMU does not start vm %s", vm->def.name);
	return drover_err_set(err, EINVAL, "QEMU does not start vm %s: %.300s", vm->def.name,
			      complaint(text));
}

static bool has_ended(const struct drover_vm *vm)
{
	struct pollfd p = { .fd = vm->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

static int await_monitor(struct drover_vm *vm, struct drover_err *err)
{
	uint64_t deadline = drover_clock_monotonic() + START_TIMEOUT_MS * 1000ULL;
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/qmp.sock", vm->dir);

	if (r < 0)
		return r;
	do {
		r = drover_qmp_connect(path, 100, &vm->qmp, err);
		if (r == 0)
			return 0;
		if (has_ended(vm))
			return ended_early(vm, err);
	} while (drover_clock_monotonic() < deadline);
	return r;
}

static int spawn(struct launch *l, struct drover_err *err)
{
	char log[DROVER_PATH_MAX];
	struct drover_args args;
	struct drover_spawn spawn = { .args = &args, .user = &l->user, .cgroup = l->cgroup,
				      .log = log };
	int r = drover_io_path(log, err, "%s/qemu.log", l->vm->dir);

	if (r == 0)
		r = drover_args_build(&l->vm->def, &l->env, &args, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < DROVER_DISKS_MAX; i++)
		if (l->env.disk_fd[i] >= 0)
			spawn.keep[spawn.keep_count++] = l->env.disk_fd[i];
	for (uint32_t i = 0; i < DROVER_NICS_MAX; i++)
		if (l->env.nic_fd[i] >= 0)
			spawn.keep[spawn.keep_count++] = l->env.nic_fd[i];
	r = drover_spawn_run(&spawn, err);
	drover_args_free(&args);
	if (r < 0)
		return r;
	l->vm->pid = r;
	l->vm->pidfd = syscall(SYS_pidfd_open, l->vm->pid, 0);
	if (l->vm->pidfd < 0)
		return drover_err_set(err, errno, "cannot watch QEMU: %s", strerror(errno));
	return 0;
}

static int start(struct launch *l, struct drover_err *err)
{
	struct drover_vm *vm = l->vm;
	int r = make_dir(l, err);

	if (r < 0)
		return r;
	vm->ram_fd = drover_ram_file_create(l->conf, &vm->def, vm->ram_path, l->user.uid,
					    l->user.gid, err);
	if (vm->ram_fd < 0)
		r = vm->ram_fd;
	if (r == 0)
		r = drover_cgroup_create(vm->def.name, l->cgroup, err);
	if (r == 0)
		r = spawn(l, err);
	/* Before anything can go wrong with it: an agent that dies here finds the process. */
	if (r == 0)
		r = drover_vm_save(vm, err);
	if (r == 0)
		r = await_monitor(vm, err);
	if (r < 0) {
		if (vm->pidfd >= 0)
			drover_vm_kill(vm, NULL);
		else
			drover_vm_cleanup(vm);
	}
	return r;
}

static int prepare(struct launch *l, const struct drover_vm_def *def, const char *text,
		   bool incoming, struct drover_err *err)
{
	struct drover_vm *vm = calloc(1, sizeof(*vm));
	int r;

	if (!vm)
		return drover_err_set(err, ENOMEM, "out of memory");
	l->vm = vm;
	vm->def = *def;
	vm->pidfd = -1;
	vm->ram_fd = -1;
	vm->incoming = incoming;
	vm->start_us = drover_clock_realtime();
	vm->text = strdup(text);
	snprintf(vm->dir, sizeof(vm->dir), "%.400s/vms/%s", l->conf->run_dir, def->name);
	snprintf(vm->ram_path, sizeof(vm->ram_path), "%.400s/%s.ram", l->conf->ram_dir, def->name);
	l->env.qemu = l->conf->qemu;
	l->env.dir = vm->dir;
	l->env.ram_path = vm->ram_path;
	l->env.incoming = incoming;
	memset(l->env.disk_fd, -1, sizeof(l->env.disk_fd));
	memset(l->env.nic_fd, -1, sizeof(l->env.nic_fd));
	r = vm->text ? drover_user_find(l->conf->user, &l->user, err)
		     : drover_err_set(err, ENOMEM, "out of memory");
	/* Before anything of a VM that runs could be touched. */
	if (r == 0 && access(vm->dir, F_OK) == 0)
		r = drover_err_set(err, EEXIST, "vm %s is already running on %s: %s is there",
				   def->name, l->conf->host, vm->dir);
	return r;
}

int drover_vm_launch(const struct drover_conf *conf, const struct drover_vm_def *def,
		     const char *text, bool incoming, struct drover_vm **ret_vm,
		     struct drover_err *err)
{
	struct launch l = { .conf = conf };
	int r = prepare(&l, def, text, incoming, err);

	if (!l.vm)
		return r;
	if (r == 0)
		r = open_resources(&l, err);
	if (r == 0)
		r = start(&l, err);
	close_resources(&l);
	if (r < 0) {
		drover_vm_release(l.vm);
		return r;
	}
	*ret_vm = l.vm;
	return 0;
}
