// SPDX-License-Identifier: GPL-2.0-or-later
/* One monitor connection for all disk moves of a VM. */
#include "block/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "vm/qmp.h"
#include "vm/rundir.h"

#define CONNECT_MS     10000
#define QMP_TIMEOUT_MS 60000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct drover_block_monitor *monitors;

static struct drover_block_monitor *find(const char *vm_dir)
{
	struct drover_block_monitor *m = monitors;

	while (m && strcmp(m->vm_dir, vm_dir))
		m = m->next;
	return m;
}

static int open_monitor(const char *vm_dir, struct drover_block_monitor **ret_monitor,
			struct drover_err *err)
{
	struct drover_block_monitor *m = calloc(1, sizeof(*m));
	int r = m ? drover_rundir_monitor(vm_dir, CONNECT_MS, &m->qmp, err)
		  : drover_err_set(err, ENOMEM, "out of memory");

	if (r < 0) {
		free(m);
		return r;
	}
	snprintf(m->vm_dir, sizeof(m->vm_dir), "%s", vm_dir);
	pthread_mutex_init(&m->switching, NULL);
	m->next = monitors;
	monitors = m;
	*ret_monitor = m;
	return 0;
}

int drover_block_monitor_get(const char *vm_dir, struct drover_block_monitor **ret_monitor,
			     struct drover_err *err)
{
	scope_lock(&lock);
	struct drover_block_monitor *m = find(vm_dir);
	int r = m ? 0 : open_monitor(vm_dir, &m, err);

	if (r < 0)
		return r;
	m->references++;
	*ret_monitor = m;
	return 0;
}

void drover_block_monitor_put(struct drover_block_monitor *monitor)
{
	struct drover_block_monitor **p = &monitors;
	scope_lock(&lock);

	if (!monitor || --monitor->references)
		return;
	while (*p != monitor)
		p = &(*p)->next;
	*p = monitor->next;
	drover_qmp_close(monitor->qmp);
	pthread_mutex_destroy(&monitor->switching);
	free(monitor);
}

/* --- a VM that is paused --- */

static int marker(char *path, const struct drover_block_monitor *m, struct drover_err *err)
{
	return drover_io_path(path, err, "%s/paused-by-disk-move", m->vm_dir);
}

int drover_block_monitor_pause(struct drover_block_monitor *monitor, struct drover_err *err)
{
	char path[DROVER_PATH_MAX], status[32];
	auto_close int fd = -1;
	int r = drover_qmp_status(monitor->qmp, status, sizeof(status), err);

	/* One that an administrator has paused stays so. */
	if (r < 0 || strcmp(status, "running"))
		return r;
	r = marker(path, monitor, err);
	if (r < 0)
		return r;
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return drover_err_set(err, errno, "cannot write %s: %s", path, strerror(errno));
	return drover_qmp_call(monitor->qmp, "stop", NULL, QMP_TIMEOUT_MS, NULL, err);
}

int drover_block_monitor_unpause(struct drover_block_monitor *monitor, struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	int r = marker(path, monitor, err);

	if (r < 0 || access(path, F_OK) < 0)
		return r;
	r = drover_qmp_call(monitor->qmp, "cont", NULL, QMP_TIMEOUT_MS, NULL, err);
	if (r == 0)
		unlink(path);
	return r;
}
