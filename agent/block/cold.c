// SPDX-License-Identifier: GPL-2.0-or-later
/* A disk of a stopped VM changes its image: qemu-img copies, then the definition changes. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "block/moving.h"
#include "block/progress.h"
#include "core/clock.h"
#include "core/config.h"

struct cold {
	struct drover_disk_move *m;
	struct drover_progress progress;
};

static int on_progress(void *data, uint64_t done, uint64_t total)
{
	struct cold *c = data;
	struct drover_progress_sample sample = {
		.time_us = drover_clock_monotonic(),
		.done = done,
		.todo = total - done,
	};

	drover_progress_add(&c->progress, &sample);
	scope_lock(&c->m->lock);
	drover_progress_info(&c->progress, &c->m->info);
	return c->m->cancelled;
}

static int copy(struct drover_disk_move *m, struct drover_err *err)
{
	const struct drover_disk_record *q = &m->record;
	struct cold c = { .m = m };
	int r;

	drover_moving_state(m, DROVER_DISK_MOVE_COPYING);
	drover_fault("disk-copying");
	r = drover_image_copy(q->old_path, q->old_format, q->new_path, q->new_format,
			      drover_moving_bandwidth(m), on_progress, &c, err);
	if (r == 0 && q->verify)
		r = drover_moving_compare(m, err);
	return r < 0 ? r : drover_moving_point(m, err);
}

/* From the record on the new image is the true one. */
static void clean_up(struct drover_disk_move *m)
{
	drover_fault("disk-switching");
	if (drover_moving_adopt(m) == 0)
		drover_moving_retire(m);
}

static int move(struct drover_disk_move *m, struct drover_err *err)
{
	int r = m->env->allowed(m->env->data, m->record.vm, err);

	if (r == 0)
		r = drover_moving_prepare(m, err);
	if (r == 0)
		r = drover_moving_check(m, err);
	if (r == 0)
		r = drover_moving_create(m, err);
	if (r < 0)
		return r;
	r = copy(m, err);
	if (r == 0)
		r = drover_moving_step(m, DROVER_DISK_STEP_SWITCHING, err);
	if (r < 0)
		drover_moving_abandon(m);
	else
		clean_up(m);
	return r;
}

/* By the record, unless the definition knows better. */
static bool is_switched(struct drover_disk_move *m)
{
	struct drover_vm_def def;

	if (m->record.step == DROVER_DISK_STEP_SWITCHING)
		return true;
	if (drover_vmdef_read(m->env->conf->vm_dir, m->record.vm, &def, NULL, NULL) < 0)
		return false;
	for (uint32_t i = 0; i < def.disk_count; i++)
		if (!strcmp(def.disks[i].path, m->record.new_path))
			return true;
	return false;
}

int drover_moving_cold(struct drover_disk_move *m, struct drover_err *err)
{
	if (!m->recovers)
		return move(m, err);
	if (is_switched(m)) {
		clean_up(m);
		return 0;
	}
	drover_moving_abandon(m);
	return drover_err_set(err, EINTR,
			      "droverd ended while the disk moved; it stays on its old image");
}
