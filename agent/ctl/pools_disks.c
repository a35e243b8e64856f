// SPDX-License-Identifier: GPL-2.0-or-later
/* The disks of VMs that run here or are defined here, and whether they may move. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/nbd.h"
#include "ctl/pools.h"
#include "migrate/record.h"
#include "vm/vm.h"

static int add(struct drover_agent *agent, struct drover_pools_disks *disks, const char *vm,
	       const struct drover_disk_def *def, struct drover_pools_disk **ret_disk,
	       struct drover_err *err)
{
	struct drover_pools_disk *more =
		realloc(disks->list, (disks->count + 1) * sizeof(*disks->list));
	struct drover_pools_disk *d;

	if (!more)
		return drover_err_set(err, ENOMEM, "out of memory");
	disks->list = more;
	d = &more[disks->count++];
	*d = (struct drover_pools_disk){ .def = *def };
	snprintf(d->vm, sizeof(d->vm), "%s", vm);
	d->running = drover_entry_find(agent, vm) != NULL;
	if (!drover_nbd_is(def->path))
		d->pool = drover_pool_of(&agent->conf, def->path);
	if (drover_storage_moves(agent, vm, def->name))
		snprintf(d->fixed, sizeof(d->fixed), "it is being moved already");
	else if (def->readonly)
		snprintf(d->fixed, sizeof(d->fixed), "it is read-only");
	*ret_disk = d;
	return 0;
}

static void fix(struct drover_pools_disk *d, const char *fmt, const char *what)
{
	if (!d->fixed[0])
		snprintf(d->fixed, sizeof(d->fixed), fmt, what);
}

static void fix_by_state(struct drover_pools_disk *d, const struct drover_entry *e)
{
	switch (e->state) {
	case DROVER_ENTRY_STARTING:
		fix(d, "vm %s is being started or is arriving", e->name);
		break;
	case DROVER_ENTRY_UNKNOWN:
		fix(d, "vm %s could not be adopted", e->name);
		break;
	case DROVER_ENTRY_LEAVING:
		fix(d, "vm %s is being migrated", e->name);
		break;
	case DROVER_ENTRY_RUNNING:
		if (e->stop_request)
			fix(d, "vm %s is being stopped", e->name);
		break;
	}
}

static bool has_path(const struct drover_vm_def *def, const char *path)
{
	for (uint32_t i = 0; i < def->disk_count; i++)
		if (!strcmp(def->disks[i].path, path))
			return true;
	return false;
}

static int add_running(struct drover_agent *agent, const struct drover_entry *e,
		       struct drover_pools_disks *disks, struct drover_err *err)
{
	const struct drover_vm_def *def = &e->vm->def;
	struct drover_pools_disk *d;
	int r = 0;

	for (uint32_t i = 0; i < def->disk_count && r == 0; i++) {
		r = add(agent, disks, e->name, &def->disks[i], &d, err);
		if (r < 0)
			break;
		/* While it is migrated its second monitor is not to be had. */
		if (e->state == DROVER_ENTRY_RUNNING)
			snprintf(d->run_dir, sizeof(d->run_dir), "%s", e->vm->dir);
		fix_by_state(d, e);
	}
	return r;
}

/* Of a VM that runs: those images in its definition that it does not run with. */
static int add_defined(struct drover_agent *agent, const struct drover_vm_def *def,
		       struct drover_pools_disks *disks, struct drover_err *err)
{
	const struct drover_entry *e = drover_entry_find(agent, def->name);
	char where[DROVER_NAME_LEN] = "";
	struct drover_pools_disk *d;
	int r = 0;

	drover_record_where(&agent->conf, def->name, where, NULL);
	for (uint32_t i = 0; i < def->disk_count && r == 0; i++) {
		if (e && e->vm && has_path(&e->vm->def, def->disks[i].path))
			continue;
		r = add(agent, disks, def->name, &def->disks[i], &d, err);
		if (r < 0)
			break;
		if (e && e->vm) {
			d->unused = true;
			fix(d, "vm %s runs with another image", def->name);
		} else if (e) {
			fix_by_state(d, e);
		} else if (where[0]) {
			fix(d, "the VM was moved to %s", where);
		}
	}
	return r;
}

static int is_conf(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && !strcmp(d->d_name + n - 5, ".conf");
}

int drover_pools_collect(struct drover_agent *agent, struct drover_pools_disks *ret_disks,
			 struct drover_err *err)
{
	struct drover_pools_disks disks = { 0 };
	struct dirent **names = NULL;
	struct drover_vm_def def;
	int r = 0, n;

	for (const struct drover_entry *e = agent->entries; e && r == 0; e = e->next)
		if (e->vm)
			r = add_running(agent, e, &disks, err);
	n = scandir(agent->conf.vm_dir, &names, is_conf, alphasort);
	for (int i = 0; i < n; i++) {
		names[i]->d_name[strlen(names[i]->d_name) - 5] = '\0';
		if (r == 0 && drover_vmdef_read(agent->conf.vm_dir, names[i]->d_name, &def, NULL,
						NULL) == 0)
			r = add_defined(agent, &def, &disks, err);
		free(names[i]);
	}
	free(names);
	if (r < 0) {
		drover_pools_free(&disks);
		return r;
	}
	*ret_disks = disks;
	return 0;
}

void drover_pools_free(struct drover_pools_disks *disks)
{
	free(disks->list);
	*disks = (struct drover_pools_disks){ 0 };
}
