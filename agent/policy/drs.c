// SPDX-License-Identifier: GPL-2.0-or-later
/* Which VMs should run where: the passes. */
#include "policy/drs.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "policy/place.h"
#include "policy/room.h"

int drover_drs_balance(const struct drover_drs_snapshot *s, struct drover_drs_plan *ret_plan,
		       struct drover_err *err)
{
	struct drs_making m;
	int r = drs_making_start(&m, s, NULL, 0, err);

	if (r < 0)
		return r;
	drs_mend_rules(&m);
	drs_empty_maintenance(&m);
	r = drs_search(&m, err);
	return drs_making_end(&m, r, ret_plan, err);
}

/* --- placement --- */

static void place(struct drs_making *m, struct drs_room *room, uint32_t vm)
{
	struct drs_unit u = {.vms = &vm, .count = 1};
	char why[160];
	struct drs_site site;

	drs_unit_look(&u, &m->w);
	if (u.at != DROVER_DRS_NONE) {
		drs_go_nowhere(m, vm, DROVER_DRS_PLACE, "it runs already");
		return;
	}
	if (m->w.s->options.failover_hosts && !drs_room_fits(room, &u, why, sizeof(why))) {
		drs_go_nowhere(m, vm, DROVER_DRS_PLACE, why);
		return;
	}
	if (!drs_find_site(m, &u, &site)) {
		drs_say_no_site(m, &u, why, sizeof(why));
		drs_go_nowhere(m, vm, DROVER_DRS_PLACE, why);
		return;
	}
	drs_room_take(room, &u);
	drs_go(m, &u, site.host, DROVER_DRS_PLACE, 1, "Start");
}

static int by_ram(const void *a, const void *b, void *data)
{
	const struct drover_drs_vm *vms = data;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (vms[x].memory_mib != vms[y].memory_mib)
		return vms[x].memory_mib < vms[y].memory_mib ? 1 : -1;
	return (x > y) - (x < y);
}

static int place_all(struct drs_making *m, const size_t *vms, size_t count, struct drover_err *err)
{
	auto_free uint32_t *list = calloc(count + 1, sizeof(*list));
	struct drs_room room;
	int r;

	if (!list)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		if (vms[i] >= m->w.s->vm_count)
			return drover_err_set(err, EINVAL, "a VM to be placed is none");
		list[i] = m->w.canon.vms.rank[vms[i]];
	}
	qsort_r(list, count, sizeof(*list), by_ram, (void *)m->w.s->vms);
	r = drs_room_init(&room, &m->w, DROVER_DRS_NONE, err);
	for (size_t i = 0; !r && i < count; i++)
		place(m, &room, list[i]);
	return r;
}

int drover_drs_place(const struct drover_drs_snapshot *s, const size_t *vms, size_t count,
		     struct drover_drs_plan *ret_plan, struct drover_err *err)
{
	struct drs_making m;
	int r = drs_making_start(&m, s, NULL, 0, err);

	if (r < 0)
		return r;
	r = place_all(&m, vms, count, err);
	return drs_making_end(&m, r, ret_plan, err);
}

int drover_drs_evacuate(const struct drover_drs_snapshot *s, size_t host,
			struct drover_drs_plan *ret_plan, struct drover_err *err)
{
	struct drs_making m;
	int r;

	if (host >= s->host_count)
		return drover_err_set(err, EINVAL, "the host to be emptied is none");
	r = drs_making_start(&m, s, NULL, 0, err);
	if (r < 0)
		return r;
	drs_empty_host(&m, m.w.canon.hosts.rank[host]);
	return drs_making_end(&m, 0, ret_plan, err);
}

/* --- what if --- */

static bool leaves(enum drover_drs_host_state from, enum drover_drs_host_state to)
{
	return (from == DROVER_DRS_HOST_UP || from == DROVER_DRS_HOST_MAINTENANCE) &&
	       (to == DROVER_DRS_HOST_STANDBY || to == DROVER_DRS_HOST_DOWN);
}

/* Hosts that leave are still on while they are emptied. */
static int settle_changes(const struct drover_drs_snapshot *s,
			  const struct drover_drs_change *changes, size_t count,
			  struct drover_drs_change *now, struct drover_err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (changes[i].host >= s->host_count)
			return drover_err_set(err, EINVAL, "a change names a host that is none");
		now[i] = changes[i];
		if (leaves(s->hosts[changes[i].host].state, changes[i].state))
			now[i].state = DROVER_DRS_HOST_MAINTENANCE;
	}
	return 0;
}

int drover_drs_what_if(const struct drover_drs_snapshot *s, const struct drover_drs_change *changes,
		       size_t count, struct drover_drs_plan *ret_plan, struct drover_err *err)
{
	auto_free struct drover_drs_change *now = calloc(count + 1, sizeof(*now));
	struct drover_drs_state before;
	struct drs_making m;
	int r;

	if (!now)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = settle_changes(s, changes, count, now, err) ?:
	    drover_drs_load(s, &before, NULL, NULL, err) ?:
	    drs_making_start(&m, s, now, count, err);
	if (r < 0)
		return r;
	m.plan.before = before;
	m.to_the_end = true;
	drs_mend_rules(&m);
	drs_empty_maintenance(&m);
	r = drs_search(&m, err);
	return drs_making_end(&m, r, ret_plan, err);
}
