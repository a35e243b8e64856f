// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A file in the VM's run directory that says that its disks travel. A successor that
 * finds it ends the mirrors, and tells the target so that it need not wait.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/thread.h"
#include "migrate/doubt.h"
#include "migrate/source.h"
#include "migrate/source_stages.h"
#include "vm/rundir.h"

#define MARK "travel"
#define ASK_SECONDS 2

static int path_of(const struct drover_vm *vm, char *path, struct drover_err *err)
{
	return drover_io_path(path, err, "%s/" MARK, vm->dir);
}

int drover_source_disks_mark(const struct drover_vm *vm, uint64_t id, const char *target,
			     struct drover_err *err)
{
	char path[DROVER_PATH_MAX], text[128];
	int r = path_of(vm, path, err);

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%s %" PRIu64 "\n", target, id);
	return drover_io_write_durable(path, text, strlen(text), 0600, err);
}

void drover_source_disks_unmark(const struct drover_vm *vm)
{
	char path[DROVER_PATH_MAX];

	if (path_of(vm, path, NULL) == 0)
		drover_io_remove_durable(path, NULL);
}

/* --- after the agent's restart --- */

struct word {
	const struct drover_conf *conf;
	char vm[DROVER_NAME_LEN];
	char target[DROVER_NAME_LEN];
	uint64_t id;
};

/* For as long as the target would wait by itself. */
static void *tell(void *data)
{
	const struct timespec nap = { .tv_sec = ASK_SECONDS };
	struct word *w = data;

	for (uint32_t i = 0; i <= w->conf->storage_grace_s / ASK_SECONDS; i++) {
		enum drover_decision decision = DROVER_DECISION_NONE;

		if (drover_doubt_ask(w->conf, w->target, w->id, w->vm, &decision, NULL) == 0)
			break;
		nanosleep(&nap, NULL);
	}
	free(w);
	return NULL;
}

static int read_mark(const struct drover_vm *vm, struct word *w, struct drover_err *err)
{
	auto_free char *text = NULL;
	int r = drover_rundir_read(vm, MARK, &text, err);

	if (r < 0)
		return r;
	if (sscanf(text, "%63s %" SCNu64, w->target, &w->id) != 2)
		return drover_err_set(err, EBADMSG, "%s/" MARK " is damaged", vm->dir);
	snprintf(w->vm, sizeof(w->vm), "%s", vm->def.name);
	return 0;
}

static int end_mirrors(const struct drover_vm *vm, struct drover_err *err)
{
	struct drover_qmp *qmp = NULL;
	int r = drover_rundir_monitor(vm->dir, 5000, &qmp, err);

	if (r == 0)
		r = drover_travel_clean(qmp, err);
	drover_qmp_close(qmp);
	return r;
}

int drover_source_disks_recover(const struct drover_conf *conf, const struct drover_vm *vm,
				struct drover_err *err)
{
	auto_free struct word *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = read_mark(vm, w, err);
	if (r == -ENOENT) {
		memset(err, 0, sizeof(*err));
		return 0;
	}
	if (r == 0)
		r = end_mirrors(vm, err);
	if (r < 0)
		return r;
	log_info("vm %s: its disks were on their way to %s when an earlier agent ended: they stay",
		 vm->def.name, w->target);
	w->conf = conf;
	if (drover_thread_detached(tell, w, NULL) == 0)
		steal_ptr(w);
	drover_source_disks_unmark(vm);
	return 0;
}
