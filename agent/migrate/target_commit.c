// SPDX-License-Identifier: GPL-2.0-or-later
/* The target's word: it runs the VM, or never will. Given once, kept for ever. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/log.h"
#include "core/clock.h"
#include "migrate/target.h"
#include "migrate/target_stages.h"
#include "vm/qmp.h"

#define COMMIT_LOCKS 256
/* The agent's start waits for it; a name whose process has not ended by then stays taken. */
#define ADOPT_KILL_MS 10000

/*
 * Held from the decision to run until it has come true or was retracted: whoever asks for the outcome of
 * that migration waits. There are many, as a QEMU that takes its time must not lengthen the blackout of
 * all other VMs that arrive.
 */
static pthread_mutex_t commit_locks[] = { [0 ... COMMIT_LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER };

static pthread_mutex_t *lock_of(const char *source, uint64_t id)
{
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64, id);
	return &commit_locks[drover_hash_pair(source, number) % COMMIT_LOCKS];
}

static void drop_origin(const struct drover_vm *vm)
{
	char path[DROVER_PATH_MAX];

	if (drover_io_path(path, NULL, "%s/incoming", vm->dir) == 0)
		drover_io_remove_durable(path, NULL);
}

/* The VM is ours: note that in its run directory and forget where it had gone once. */
static void settle_in(const struct drover_conf *conf, struct drover_vm *vm)
{
	struct drover_err err = { 0 };

	vm->incoming = false;
	vm->start_us = drover_clock_realtime();
	if (drover_record_moved(conf, vm->def.name, NULL, &err) < 0)
		log_error("vm %s: %s", vm->def.name, err.text);
	/* While vm.json says that it arrives, the next agent ends it if it does not find from where. */
	if (drover_vm_save(vm, &err) < 0)
		log_error("vm %s: %s", vm->def.name, err.text);
	else
		drop_origin(vm);
}

/* The word that it runs may stand and is not true: NEVER is to stand, once nothing is left to run. */
static void take_back(struct drover_target *t)
{
	struct drover_err err = { 0 };

	if (drover_target_end_vm(t, &err) < 0 ||
	    drover_record_retract(t->m->env->conf, t->peer->host, t->m->info.id, &err) < 0)
		log_error("mig %" PRIu64 " vm %s: %s", t->m->info.id, t->def.name, err.text);
	else
		t->decided = false;
}

static int resume(struct drover_target *t, struct drover_err *err)
{
	const struct drover_conf *conf = t->m->env->conf;
	enum drover_decision got = DROVER_DECISION_NONE;
	int r;
	scope_lock(lock_of(t->peer->host, t->m->info.id));

	drover_fault("target-undecided");
	/* Also a decision that fails may stand: the file is there, its directory was not synced. */
	t->decided = true;
	r = drover_record_decide(conf, t->peer->host, t->m->info.id, DROVER_DECISION_RUNNING, &got,
				 err);
	if (got == DROVER_DECISION_NEVER) {
		t->decided = false;
		return drover_err_set(err, ECONNABORTED, "%s had already given the VM up",
				      conf->host);
	}
	if (r == 0) {
		drover_fault("target-decided");
		r = drover_qmp_call(t->qmp, "cont", NULL, DROVER_TARGET_QMP_MS, NULL, err);
	}
	if (r < 0)
		take_back(t);
	else
		t->running = true;
	return r;
}

int drover_target_take_over(struct drover_target *t, const Drover__Commit *commit, struct drover_err *err)
{
	Drover__Running running = DROVER__RUNNING__INIT;
	uint64_t begin = drover_clock_monotonic();
	json_t *announce;
	int r;

	if (commit->migration_id != t->m->info.id)
		return drover_err_set(err, EINVAL, "the commit is for another migration");
	r = drover_migration_point(t->m, err);
	if (r == 0)
		r = resume(t, err);
	if (r < 0)
		return r;
	drover_fault("target-running");
	running.resume_us = drover_clock_monotonic() - begin;
	/* The VM runs: from here on a lost connection changes nothing. */
	drover_peer_send(t->peer, DROVER_FRAME_RUNNING, &running.base, 0, NULL);
	announce = json_pack("{si si si si}", "initial", 50, "max", 550, "rounds", 5, "step", 100);
	drover_qmp_call(t->qmp, "announce-self", announce, DROVER_TARGET_QMP_MS, NULL, NULL);
	settle_in(t->m->env->conf, t->vm);
	drover_target_disks_keep(t);
	return 0;
}

int drover_target_outcome(const struct drover_conf *conf, const char *source, uint64_t id,
			  enum drover_decision *ret_decision, struct drover_err *err)
{
	int r;
	scope_lock(lock_of(source, id));

	r = drover_record_decide(conf, source, id, DROVER_DECISION_NEVER, ret_decision, err);
	if (r == 0 && *ret_decision == DROVER_DECISION_NEVER)
		drover_arrival_abandon(source, id);
	return r;
}

/* --- after the agent's restart --- */

static int read_origin(const struct drover_vm *vm, char host[DROVER_NAME_LEN], uint64_t *ret_id,
		       struct drover_err *err)
{
	char path[DROVER_PATH_MAX];
	auto_free char *text = NULL;
	int r = drover_io_path(path, err, "%s/incoming", vm->dir);

	if (r == 0)
		r = drover_io_read_file(path, 4096, &text, NULL, err);
	if (r < 0)
		return r;
	if (sscanf(text, "%63s %" SCNu64, host, ret_id) != 2)
		return drover_err_set(err, EBADMSG, "%s is damaged", path);
	return 0;
}

int drover_target_adopt(const struct drover_conf *conf, struct drover_vm *vm, bool *ret_runs,
			struct drover_err *err)
{
	enum drover_decision got = DROVER_DECISION_NEVER;
	char host[DROVER_NAME_LEN];
	uint64_t id;
	int r = read_origin(vm, host, &id, err);

	if (r == 0)
		r = drover_record_decide(conf, host, id, DROVER_DECISION_NEVER, &got, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (got == DROVER_DECISION_RUNNING) {
		r = drover_qmp_call(vm->qmp, "cont", NULL, DROVER_TARGET_QMP_MS, NULL, err);
		if (r < 0)
			return r;
		settle_in(conf, vm);
		*ret_runs = true;
		return 0;
	}
	log_info("vm %s: its migration to this host had not been committed: ended here",
		 vm->def.name);
	*ret_runs = false;
	return drover_vm_kill(vm, ADOPT_KILL_MS, err);
}
