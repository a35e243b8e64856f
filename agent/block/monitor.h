/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitor for disk moves, one for all moves of a VM: QEMU serves one connection at a
 * time on its socket.
 */
#ifndef DROVER_BLOCK_MONITOR_H
#define DROVER_BLOCK_MONITOR_H

#include <pthread.h>

#include "base/err.h"

struct drover_qmp;

/**
 * struct drover_block_monitor - a connection
 * @switching: held by the one move that holds the guest's requests or has paused the VM
 */
struct drover_block_monitor {
	struct drover_block_monitor *next;
	char vm_dir[512];
	int references;
	struct drover_qmp *qmp;
	pthread_mutex_t switching;
};

/**
 * drover_block_monitor_get() - the VM's, connected if it was not
 * @vm_dir: run directory of the VM; its monitor migrate.sock is used
 */
int drover_block_monitor_get(const char *vm_dir, struct drover_block_monitor **ret_monitor,
			     struct drover_err *err);
void drover_block_monitor_put(struct drover_block_monitor *monitor);

/* A file that says that a disk's move paused the VM: it must run again if the agent dies. */
int drover_block_monitor_pause(struct drover_block_monitor *monitor, struct drover_err *err);

/** drover_block_monitor_unpause() - run it again, if a move paused it and did not undo that */
int drover_block_monitor_unpause(struct drover_block_monitor *monitor, struct drover_err *err);

#endif
