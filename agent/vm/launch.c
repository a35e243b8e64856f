// SPDX-License-Identifier: GPL-2.0-or-later
/* Starting a VM: all checks first, then everything that has to be undone if a later step fails. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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
#include "vm/await.h"
#include "vm/cgroup.h"
#include "vm/ram.h"
#include "vm/rundir.h"
#include "vm/spawn.h"
#include "vm/state.h"
#include "vm/tap.h"
#include "vm/user.h"
#include "vm/vm.h"

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
	/* Looked at first: to open something else may have effects, or take for ever. */
	if (stat(disk->path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return drover_err_set(err, EINVAL,
				      "disk %s of vm %s is neither a file nor a block device: %s",
				      disk->name, l->vm->def.name, disk->path);
	fd = open(disk->path, flags);
	if (fd < 0 && errno == EINVAL && (flags & O_DIRECT))
		return drover_err_set(err, EINVAL,
				      "disk %s of vm %s: cache = none does not work where %s lies",
				      disk->name, l->vm->def.name, disk->path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return drover_err_set(err, errno, "disk %s of vm %s cannot be opened on %s: %s: %s",
				      disk->name, l->vm->def.name, l->conf->host, disk->path,
				      strerror(errno));
	l->env.disk_fd[i] = fd;
	l->env.disk_is_device[i] = S_ISBLK(st.st_mode);
	return 0;
}

static int check_files(const struct launch *l, struct drover_err *err)
{
	const struct drover_vm_def *def = &l->vm->def;
	const char *const files[] = { def->kernel, def->initrd, def->firmware };

	if (access(l->conf->qemu, X_OK) < 0)
		return drover_err_set(err, errno, "QEMU cannot be executed on %s: %s: %s", l->conf->host,
				      l->conf->qemu, strerror(errno));
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (files[i][0] && access(files[i], R_OK) < 0)
			return drover_err_set(err, errno, "%s of vm %s cannot be read: %s", files[i],
					      def->name, strerror(errno));
	return 0;
}

static int open_resources(struct launch *l, struct drover_err *err)
{
	const struct drover_vm_def *def = &l->vm->def;
	int r = check_files(l, err);

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

/* Before it runs, it is written down: an agent that dies at any point finds it again. */
static int run(struct launch *l, const struct drover_spawn *spawn, struct drover_err *err)
{
	struct drover_vm *vm = l->vm;
	struct drover_err why = { 0 };
	auto_close int gate = -1;
	int r = drover_spawn_prepare(spawn, &gate, err);

	if (r < 0)
		return r;
	vm->pid = r;
	vm->pidfd = syscall(SYS_pidfd_open, vm->pid, 0);
	if (vm->pidfd < 0) {
		r = drover_err_set(err, errno, "cannot watch QEMU: %s", strerror(errno));
		kill(vm->pid, SIGKILL);
		waitpid(vm->pid, NULL, 0);
		return r;
	}
	/* One that has ended already has said why in its log. */
	r = drover_vm_save(vm, &why);
	if (r == 0)
		r = drover_spawn_go(gate, &why);
	if (r < 0 && r != -ESRCH && r != -EPIPE && r != -ECONNRESET)
		return drover_err_set(err, r, "%s", why.text);
	return drover_await_monitor(vm, spawn->log, err);
}

static int spawn(struct launch *l, struct drover_err *err)
{
	auto_close int log = drover_rundir_log(l->vm, err);
	struct drover_args args;
	struct drover_spawn spawn = { .args = &args, .user = &l->user, .cgroup = l->cgroup,
				      .log = log };
	int r = log < 0 ? log : drover_args_build(&l->vm->def, &l->env, &args, err);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < DROVER_DISKS_MAX; i++)
		if (l->env.disk_fd[i] >= 0)
			spawn.keep[spawn.keep_count++] = l->env.disk_fd[i];
	for (uint32_t i = 0; i < DROVER_NICS_MAX; i++)
		if (l->env.nic_fd[i] >= 0)
			spawn.keep[spawn.keep_count++] = l->env.nic_fd[i];
	r = run(l, &spawn, err);
	drover_args_free(&args);
	return r;
}

static int start(struct launch *l, struct drover_err *err)
{
	struct drover_vm *vm = l->vm;
	int r = drover_rundir_create(vm, &l->user, err);

	/* The directory that is there is that of another one, which runs. */
	if (r < 0)
		return r;
	r = drover_state_text(vm, err);
	if (r == 0) {
		vm->ram_fd = drover_ram_file_create(l->conf, &vm->def, vm->ram_path, l->user.uid,
						    l->user.gid, err);
		r = vm->ram_fd < 0 ? vm->ram_fd : 0;
	}
	if (r == 0)
		r = drover_cgroup_create(vm->def.name, l->cgroup, err);
	if (r == 0)
		r = spawn(l, err);
	if (r < 0 && vm->pidfd >= 0)
		drover_vm_kill(vm, DROVER_VM_KILL_MS, NULL);
	else if (r < 0)
		drover_vm_cleanup(vm);
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
