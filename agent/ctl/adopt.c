// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Takes over what an earlier agent left: VMs that run, VMs that a migration had
 * paused, VMs that were arriving, commits whose outcome is not known, and disks that were moving.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "ctl/agent.h"
#include "migrate/record.h"
#include "migrate/source.h"
#include "migrate/target.h"

static const struct drover_commit *commit_of(const struct drover_commit *commits, size_t n,
					     const char *vm)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(commits[i].vm, vm))
			return &commits[i];
	return NULL;
}

/* What an earlier agent's migration left undone. @ret_runs: the VM is ours to run. */
static int settle(struct drover_agent *agent, struct drover_vm *vm, bool *ret_runs,
		  struct drover_err *err)
{
	*ret_runs = true;
	if (vm->incoming)
		return drover_target_adopt(&agent->conf, vm, ret_runs, err);
	return drover_source_recover(&agent->conf, vm, err);
}

/* A name that may have a process stays taken, here and for peers who ask. */
static void keep_name(struct drover_agent *agent, const char *name, const struct drover_err *why)
{
	struct drover_entry *entry;

	log_error("vm %s was not adopted: %s", name, why->text);
	if (drover_entry_reserve(agent, name, &entry, NULL) == 0)
		entry->state = DROVER_ENTRY_UNKNOWN;
}

static void adopt_vm(struct drover_agent *agent, const char *name,
		     const struct drover_commit *commits, size_t commit_count)
{
	struct drover_err err = { 0 };
	struct drover_entry *entry;
	struct drover_vm *vm;
	bool runs = true;
	int r = drover_vm_adopt(&agent->conf, name, &vm, &err);

	if (r == -ESRCH || r == -ENOENT) {
		log_warning("vm %s was not adopted: %s", name, err.text);
		return;
	}
	if (r < 0) {
		keep_name(agent, name, &err);
		return;
	}
	if (!commit_of(commits, commit_count, name))
		r = settle(agent, vm, &runs, &err);
	if (r == 0 && runs)
		r = drover_entry_reserve(agent, name, &entry, &err);
	if (r < 0 || !runs) {
		drover_vm_release(vm);
		if (r < 0)
			keep_name(agent, name, &err);
		return;
	}
	drover_entry_run(entry, vm);
	log_info("vm %s was adopted, process %d", name, vm->pid);
}

static int adopt_vms(struct drover_agent *agent, const struct drover_commit *commits,
		     size_t commit_count, struct drover_err *err)
{
	char **names = NULL;
	size_t n = 0;
	int r = drover_vm_list_adoptable(&agent->conf, &names, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		adopt_vm(agent, names[i], commits, commit_count);
		free(names[i]);
	}
	free(names);
	return 0;
}

static int adopt_commit(struct drover_agent *agent, const struct drover_commit *c,
			struct drover_err *err)
{
	struct drover_entry *entry = drover_entry_find(agent, c->vm);
	struct drover_migration *m;
	int r = 0;

	/*
	 * Its QEMU may be there, and nothing could be done with it whatever the target says: to forget
	 * the commit and the name would let the VM run a second time.
	 */
	if (entry && entry->state == DROVER_ENTRY_UNKNOWN) {
		log_error("mig %" PRIu64 " vm %s: not settled: the VM could not be adopted", c->id, c->vm);
		return 0;
	}
	if (!entry)
		r = drover_entry_reserve(agent, c->vm, &entry, err);
	if (r == 0)
		r = drover_source_adopt(&agent->env, entry->vm, c->vm, c->id, c->target, &m, err);
	if (r < 0)
		return r;
	drover_entry_lend(entry, c->id);
	drover_registry_add(agent, m);
	drover_migration_put(m);
	return 0;
}

int drover_adopt_all(struct drover_agent *agent, struct drover_err *err)
{
	auto_free struct drover_commit *commits = NULL;
	size_t n = 0;
	int r = drover_record_init(&agent->conf, err);

	if (r == 0)
		r = drover_record_commits(&agent->conf, &commits, &n, err);
	if (r == 0)
		r = adopt_vms(agent, commits, n, err);
	if (r == 0)
		r = drover_target_recover(&agent->conf, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = adopt_commit(agent, &commits[i], err);
	return r < 0 ? r : drover_storage_adopt(agent, err);
}
