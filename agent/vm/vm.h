/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One VM: one QEMU process that this host started or took over. A VM outlives
 * the agent; what is needed to adopt it again lies in <run_dir>/vms/NAME/.
 */
#ifndef DROVER_VM_VM_H
#define DROVER_VM_VM_H

#include <sys/types.h>

#include "base/err.h"
#include "core/model.h"

struct drover_qmp;

/**
 * struct drover_vm - a QEMU process in our hands
 * @def: its definition
 * @text: the definition's text, as it is sent to a target
 * @pid, @pidfd: the process; the pidfd is readable when it has ended
 * @ram_fd: its RAM file, open for reading and writing
 * @ram_path: that file's name
 * @qmp: the control thread's monitor connection
 * @dir: <run_dir>/vms/NAME: qmp.sock, migrate.sock (a second monitor, for the
 *	migration worker), incoming.sock, console.log or console.sock, vm.json
 * @incoming: started to receive a migration that has not committed yet
 * @start_us: CLOCK_REALTIME of its start on this host
 */
struct drover_vm {
	struct drover_vm_def def;
	char *text;
	pid_t pid;
	int pidfd;
	int ram_fd;
	char ram_path[512];
	struct drover_qmp *qmp;
	char dir[512];
	bool incoming;
	uint64_t start_us;
};

/**
 * drover_vm_launch() - start QEMU for a definition
 * @conf: the host
 * @def: the definition
 * @text: its text, copied
 * @incoming: start paused, waiting for a migration ("-S -incoming defer")
 * @ret_vm: out: the VM, for drover_vm_release()
 *
 * Checks disks, kernel, bridges and free memory first; makes the RAM file (tmpfs),
 * the taps (in their bridges), the cgroup; starts QEMU as the configured user with
 * its sandbox on, and waits until its monitor answers. A VM that is not incoming runs
 * when the call returns. On error nothing is left behind. Errors: -ENOENT (a disk
 * is missing), -ENOMEM (the host has too little memory), -EEXIST (the name runs here),
 * -EINVAL (QEMU refused: the sentence holds its last line).
 */
int drover_vm_launch(const struct drover_conf *conf, const struct drover_vm_def *def,
		     const char *text, bool incoming, struct drover_vm **ret_vm,
		     struct drover_err *err);

/**
 * drover_vm_adopt() - take the VM NAME over again after the agent's restart
 *
 * Errors: -ESRCH or -ENOENT (its process has ended: its leftovers were removed); any other:
 * there may be a process.
 */
int drover_vm_adopt(const struct drover_conf *conf, const char *name, struct drover_vm **ret_vm,
		    struct drover_err *err);

/**
 * drover_vm_list_adoptable() - names of <run_dir>/vms/
 * @ret_names: out: array of @ret_count strings; free each and the array
 */
int drover_vm_list_adoptable(const struct drover_conf *conf, char ***ret_names, size_t *ret_count,
			     struct drover_err *err);

/** drover_vm_save() - write vm.json again, e.g. after @incoming changed */
int drover_vm_save(const struct drover_vm *vm, struct drover_err *err);

/* To take hundreds of GiB of memory down takes a kernel this long. Only for threads that may wait. */
#define DROVER_VM_KILL_MS 60000

/**
 * drover_vm_kill() - end the process now and remove all that launch made
 * @timeout_ms: how long its end may take
 *
 * SIGKILL, waits for the end, removes taps, cgroup, RAM file and the run directory. The struct
 * stays valid until drover_vm_release(). On error (-ETIMEDOUT) nothing was removed.
 */
int drover_vm_kill(struct drover_vm *vm, int timeout_ms, struct drover_err *err);

/**
 * drover_vm_end() - the same for a VM that could not be adopted, by what its run directory says
 *
 * Nothing to end is no error.
 */
int drover_vm_end(const struct drover_conf *conf, const char *name, struct drover_err *err);

/** drover_vm_has_ended() - its process */
bool drover_vm_has_ended(const struct drover_vm *vm);

/** drover_vm_cleanup() - the process has ended by itself: remove what launch made */
void drover_vm_cleanup(struct drover_vm *vm);

/** drover_vm_release() - forget the struct; the process is left as it is */
void drover_vm_release(struct drover_vm *vm);

/**
 * drover_vm_kvm_fd() - a copy of the process's KVM VM descriptor
 *
 * By /proc/PID/fd and pidfd_getfd(2). Returns the fd or a negative errno.
 */
int drover_vm_kvm_fd(const struct drover_vm *vm, struct drover_err *err);

#endif
