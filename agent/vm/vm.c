// SPDX-License-Identifier: GPL-2.0-or-later
/* A VM's life after its start: adoption, its KVM descriptor, its end. */
#include "vm/vm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
#include "core/config.h"
#include "vm/cgroup.h"
#include "vm/qmp.h"
#include "vm/rundir.h"
#include "vm/state.h"

void drover_vm_release(struct drover_vm *vm)
{
	if (!vm)
		return;
	drover_qmp_close(vm->qmp);
	if (vm->pidfd >= 0)
		close(vm->pidfd);
	if (vm->ram_fd >= 0)
		close(vm->ram_fd);
	free(vm->text);
	free(vm);
}

void drover_vm_cleanup(struct drover_vm *vm)
{
	siginfo_t info;

	/* Only a child can be reaped; an adopted process is nobody's zombie. */
	if (vm->pidfd >= 0)
		waitid(P_PIDFD, vm->pidfd, &info, WEXITED | WNOHANG);
	unlink(vm->ram_path);
	drover_cgroup_remove(vm->def.name);
	drover_rundir_retire(vm);
}

bool drover_vm_has_ended(const struct drover_vm *vm)
{
	struct pollfd p = { .fd = vm->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

int drover_vm_kill(struct drover_vm *vm, int timeout_ms, struct drover_err *err)
{
	struct pollfd p = { .fd = vm->pidfd, .events = POLLIN };
	int r;

	if (syscall(SYS_pidfd_send_signal, vm->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return drover_err_set(err, errno, "QEMU of vm %s cannot be ended: %s", vm->def.name,
				      strerror(errno));
	do
		r = poll(&p, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return drover_err_set(err, ETIMEDOUT, "QEMU of vm %s does not end", vm->def.name);
	drover_vm_cleanup(vm);
	return 0;
}

/* --- adoption --- */

/* The same process still, not another with its number. */
static int check_process(struct drover_vm *vm, uint64_t ticks, struct drover_err *err)
{
	uint64_t now;
	int r;

	vm->pidfd = syscall(SYS_pidfd_open, vm->pid, 0);
	if (vm->pidfd < 0)
		return drover_err_set(err, ESRCH, "its process has ended");
	r = drover_state_ticks(vm->pid, &now, err);
	if (r == 0 && now != ticks)
		r = drover_err_set(err, ESRCH, "its process has ended");
	if (r < 0) {
		close(vm->pidfd);
		vm->pidfd = -1;
	}
	return r;
}

static int reopen(struct drover_vm *vm, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	struct stat st;
	int r = drover_io_path(path, err, "%s/qmp.sock", vm->dir);

	if (r < 0)
		return r;
	vm->ram_fd = open(vm->ram_path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (vm->ram_fd >= 0 && (fstat(vm->ram_fd, &st) < 0 || !S_ISREG(st.st_mode)))
		return drover_err_set(err, EINVAL, "its RAM file %s is no file", vm->ram_path);
	if (vm->ram_fd < 0)
		return drover_err_set(err, errno, "its RAM file %s cannot be opened: %s",
				      vm->ram_path, strerror(errno));
	return drover_qmp_connect(path, 10000, &vm->qmp, err);
}

static struct drover_vm *vm_of_name(const struct drover_conf *conf, const char *name)
{
	struct drover_vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	vm->pidfd = -1;
	vm->ram_fd = -1;
	snprintf(vm->dir, sizeof(vm->dir), "%.400s/vms/%s", conf->run_dir, name);
	snprintf(vm->def.name, sizeof(vm->def.name), "%s", name);
	snprintf(vm->ram_path, sizeof(vm->ram_path), "%.400s/%s.ram", conf->ram_dir, name);
	return vm;
}

int drover_vm_end(const struct drover_conf *conf, const char *name, struct drover_err *err)
{
	struct drover_vm *vm = vm_of_name(conf, name);
	uint64_t ticks;
	int r = 0;

	if (!vm)
		return drover_err_set(err, ENOMEM, "out of memory");
	if (access(vm->dir, F_OK) == 0) {
		if (drover_state_load(vm, &ticks, NULL) == 0 &&
		    check_process(vm, ticks, NULL) == 0) {
			r = drover_vm_kill(vm, DROVER_VM_KILL_MS, err);
		} else {
			drover_cgroup_kill(name);
			drover_vm_cleanup(vm);
		}
	}
	drover_vm_release(vm);
	return r;
}

int drover_vm_adopt(const struct drover_conf *conf, const char *name, struct drover_vm **ret_vm,
		    struct drover_err *err)
{
	struct drover_vm *vm = vm_of_name(conf, name);
	uint64_t ticks;
	int r;

	if (!vm)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = drover_state_load(vm, &ticks, err);
	if (r == 0)
		r = check_process(vm, ticks, err);
	/* No vm.json: the agent died while it was starting the process. */
	if (r == -ESRCH || r == -ENOENT) {
		drover_cgroup_kill(name);
		drover_vm_cleanup(vm);
	}
	if (r == 0) {
		r = reopen(vm, err);
		/* The process is there, whatever else is missing: not to be taken for its end. */
		if (r == -ENOENT || r == -ESRCH)
			r = -EIO;
	}
	if (r < 0) {
		drover_vm_release(vm);
		return r;
	}
	*ret_vm = vm;
	return 0;
}

static int is_name(const struct dirent *d)
{
	return drover_name_valid(d->d_name);
}

int drover_vm_list_adoptable(const struct drover_conf *conf, char ***ret_names, size_t *ret_count,
			     struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	struct dirent **list = NULL;
	char **names;
	int n, r = drover_io_path(path, err, "%s/vms", conf->run_dir);

	if (r < 0)
		return r;
	n = scandir(path, &list, is_name, alphasort);
	if (n < 0 && errno != ENOENT)
		return drover_err_set(err, errno, "cannot list %s: %s", path, strerror(errno));
	n = n < 0 ? 0 : n;
	names = calloc(n + 1, sizeof(*names));
	*ret_count = 0;
	for (int i = 0; i < n; i++) {
		if (names && (names[*ret_count] = strdup(list[i]->d_name)))
			(*ret_count)++;
		free(list[i]);
	}
	free(list);
	if (!names)
		return drover_err_set(err, ENOMEM, "out of memory");
	*ret_names = names;
	return 0;
}

/* --- its KVM VM --- */

static int find_kvm_fd(pid_t pid, struct drover_err *err)
{
	char path[DROVER_PATH_MAX], target[64];
	struct dirent *d;
	int found = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return drover_err_set(err, errno, "cannot look at the files of QEMU: %s",
				      strerror(errno));
	while (found < 0 && (d = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (!strcmp(target, "anon_inode:kvm-vm"))
			found = atoi(d->d_name);
	}
	closedir(dir);
	return found < 0 ? drover_err_set(err, ENOENT, "QEMU has no KVM VM") : found;
}

int drover_vm_kvm_fd(const struct drover_vm *vm, struct drover_err *err)
{
	int theirs = find_kvm_fd(vm->pid, err), fd;

	if (theirs < 0)
		return theirs;
	fd = syscall(SYS_pidfd_getfd, vm->pidfd, theirs, 0);
	return fd < 0 ? drover_err_set(err, errno, "cannot take the KVM VM of QEMU: %s",
				       strerror(errno)) : fd;
}
