// SPDX-License-Identifier: GPL-2.0-or-later
/* The move of an earlier agent, whose VM has gone on running. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "block/live.h"

/* Which image is the true one QEMU alone knows: it is asked until it tells, or is gone. */
static void rest(struct drover_disk_move *m, const struct drover_err *why)
{
	drover_moving_say(m, "QEMU does not tell yet what became of the move: %s", why->text);
	drover_moving_rest();
}

int drover_live_open(struct drover_live *l, struct drover_err *err)
{
	struct drover_disk_move *m = l->m;
	int r;

	while ((r = drover_block_monitor_get(m->vm_dir, &l->monitor, err)) < 0) {
		if (!m->recovers)
			return r;
		/* The VM's end takes the directory away. */
		if (access(m->vm_dir, F_OK) < 0)
			return 0;
		rest(m, err);
	}
	drover_moving_say(m, NULL);
	l->mirror.qmp = l->monitor->qmp;
	snprintf(l->mirror.job, sizeof(l->mirror.job), "move-%.16s", m->record.disk);
	return 0;
}

static int uses_new(struct drover_live *l, bool *ret_switched, struct drover_err *err)
{
	struct drover_node used, new;
	int r = drover_node_of_disk(l->mirror.qmp, l->m->record.disk, &used, err);

	if (r < 0)
		return r;
	r = drover_node_of_path(l->mirror.qmp, l->m->record.disk, l->m->record.new_path, &new, err);
	*ret_switched = r == 0 && !strcmp(used.name, new.name);
	return r == -ENOENT ? 0 : r;
}

/* The guest's requests may be held by it. */
static int settle(struct drover_live *l, enum drover_mirror_state state, bool *ret_switched,
		  struct drover_err *err)
{
	struct drover_disk_move *m = l->m;
	int r = 0;

	/* As long as QEMU has not switched it writes to the old image once it may. */
	if (state == DROVER_MIRROR_PENDING && m->record.step == DROVER_DISK_STEP_SWITCHING)
		r = drover_moving_step(m, DROVER_DISK_STEP_COPYING, err);
	if (r == 0)
		r = drover_mirror_cancel(&l->mirror, err);
	if (r == 0)
		r = uses_new(l, ret_switched, err);
	if (r < 0 || *ret_switched)
		return r;
	return drover_err_set(err, EINTR,
			      "droverd ended while the disk moved; it stays on its old image");
}

static int go_on(struct drover_live *l, struct drover_err *err)
{
	struct drover_disk_move *m = l->m;
	int r = drover_node_of_disk(l->mirror.qmp, m->record.disk, &l->mirror.source, err);

	if (r == 0)
		r = drover_node_of_path(l->mirror.qmp, m->record.disk, m->record.new_path,
					&l->mirror.target, err);
	if (r < 0)
		return r;
	if (drover_image_look(m->record.old_path, m->record.old_format, &m->old, NULL) == 0) {
		scope_lock(&m->lock);
		m->info.size_bytes = m->old.size;
	}
	log_info("disk move %llu vm %s disk %s goes on", (unsigned long long)m->record.id,
		 m->record.vm, m->record.disk);
	drover_moving_state(m, DROVER_DISK_MOVE_COPYING);
	return 0;
}

static int recover(struct drover_live *l, bool *ret_switched, struct drover_err *err)
{
	struct drover_mirror_status status = { .state = DROVER_MIRROR_CONCLUDED };
	int r;

	l->created = true;
	l->added = true;
	*ret_switched = false;
	pthread_mutex_lock(&l->monitor->switching);
	r = drover_mirror_look(&l->mirror, &status, err);
	if (r == -ENOENT)
		r = 0;
	if (r == 0)
		r = drover_block_monitor_unpause(l->monitor, err);
	pthread_mutex_unlock(&l->monitor->switching);
	if (r < 0)
		return r;
	switch (status.state) {
	case DROVER_MIRROR_COPYING:
	case DROVER_MIRROR_INTERRUPTED:
	case DROVER_MIRROR_IN_STEP:
		return go_on(l, err);
	case DROVER_MIRROR_PENDING:
	case DROVER_MIRROR_FAILED:
	case DROVER_MIRROR_CONCLUDED:
		break;
	}
	return settle(l, status.state, ret_switched, err);
}

int drover_live_recover(struct drover_live *l, bool *ret_switched, struct drover_err *err)
{
	int r;

	while ((r = recover(l, ret_switched, err)) == -ETIMEDOUT)
		rest(l->m, err);
	drover_moving_say(l->m, NULL);
	return r;
}
