// SPDX-License-Identifier: GPL-2.0-or-later
/* Settles a migration after its commit. Only NEVER or an operator lets the source resume. */
#include "migrate/doubt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/thread.h"
#include "core/clock.h"
#include "core/config.h"
#include "migrate/record.h"
#include "migrate/retire.h"
#include "migrate/source.h"
#include "migrate/switchover.h"

#define ASK_SECONDS 2
/* The agent's start waits for it, and with it all other VMs. */
#define RECOVER_SECONDS 30

int drover_doubt_ask(const struct drover_conf *conf, const char *target, uint64_t id,
		     const char *vm, enum drover_decision *ret, struct drover_err *err)
{
	const struct drover_peer_conf *to = drover_config_find_peer(conf, target);
	Drover__Hello hello = DROVER__HELLO__INIT;
	Drover__Outcome outcome = DROVER__OUTCOME__INIT;
	Drover__OutcomeReply *reply = NULL;
	struct drover_peer *peer = NULL;
	int r;

	if (!to)
		return drover_err_set(err, ENOENT, "drover.conf has no [peer %s]", target);
	hello.role = DROVER__ROLE__ROLE_CONTROL;
	r = drover_peer_connect(conf, to, &hello, &peer, err);
	if (r < 0)
		return r;
	outcome.migration_id = id;
	outcome.vm = (char *)vm;
	r = drover_peer_send(peer, DROVER_FRAME_OUTCOME, &outcome.base, 0, err);
	if (r == 0)
		r = drover_peer_expect(peer, DROVER_FRAME_OUTCOME_REPLY,
				       &drover__outcome_reply__descriptor,
				       (ProtobufCMessage **)&reply, err);
	drover_peer_close(peer);
	if (r < 0)
		return r;
	if (reply->state == DROVER__OUTCOME_STATE__OUTCOME_STATE_RUNNING)
		*ret = DROVER_DECISION_RUNNING;
	else if (reply->state == DROVER__OUTCOME_STATE__OUTCOME_STATE_NEVER)
		*ret = DROVER_DECISION_NEVER;
	drover__outcome_reply__free_unpacked(reply, NULL);
	return 0;
}

/* Sleeps until it is time to ask again; an operator's word ends it at once. */
static enum drover_verdict wait_for_word(struct drover_migration *m)
{
	struct timespec until;
	enum drover_verdict verdict;
	scope_lock(&m->lock);

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ASK_SECONDS;
	while (!m->settle && pthread_cond_timedwait(&m->wake, &m->lock, &until) != ETIMEDOUT)
		;
	verdict = m->settle ? m->verdict : DROVER_VERDICT_ASK;
	m->settle = false;
	return verdict;
}

static void enter_doubt(struct drover_migration *m, const char *name, const struct drover_err *why)
{
	pthread_mutex_lock(&m->lock);
	snprintf(m->info.error, sizeof(m->info.error),
		 "vm %s may run on %s, which has not said so: %.300s", name, m->info.target,
		 why->text);
	pthread_mutex_unlock(&m->lock);
	log_warning("mig %" PRIu64 " vm %s: in doubt: %s", m->info.id, name, why->text);
	drover_migration_state(m, DROVER_MIGRATION_IN_DOUBT);
}

static enum drover_decision find_out(struct drover_migration *m, const char *name, bool *ret_sure)
{
	*ret_sure = true;
	for (;;) {
		enum drover_decision decision = DROVER_DECISION_NONE;
		struct drover_err err = { 0 };

		if (drover_doubt_ask(m->env->conf, m->info.target, m->info.id, name, &decision,
				     &err) < 0)
			log_debug("mig %" PRIu64 " vm %s: still in doubt: %s", m->info.id, name,
				  err.text);
		if (decision != DROVER_DECISION_NONE)
			return decision;
		switch (wait_for_word(m)) {
		case DROVER_VERDICT_ASK:
			break;
		case DROVER_VERDICT_SOURCE:
			return DROVER_DECISION_NEVER;
		case DROVER_VERDICT_TARGET:
			*ret_sure = false;
			return DROVER_DECISION_RUNNING;
		}
	}
}

/*
 * Its process has ended. Old images that cannot be retired are no reason to keep the commit if it is
 * written where the VM went, which keeps it from being started here with them: the VM could not come
 * back while there is a commit.
 */
static void forget(struct drover_migration *m, const char *name, bool sure, bool placed)
{
	struct drover_err err = { 0 };
	int r = drover_retire_disks(m, sure, &err);

	if (r < 0)
		log_error("mig %" PRIu64 " vm %s: %s; see to its old images and its definition here",
			  m->info.id, name, err.text);
	if (r < 0 && !placed)
		return;
	if (drover_record_settle(m->env->conf, m->info.id, &err) < 0)
		log_error("mig %" PRIu64 " vm %s: %s", m->info.id, name, err.text);
}

/*
 * Where it went is written before the commit is forgotten: a crash between repeats this.
 * @sure: the target said so, not an operator
 */
static void settle_running(struct drover_migration *m, struct drover_vm *vm, const char *name,
			   bool sure)
{
	enum drover_outcome outcome = DROVER_OUTCOME_LEFT;
	struct drover_err err = { 0 };
	bool placed = drover_record_moved(m->env->conf, name, m->info.target, &err) == 0;

	if (!placed)
		log_error("mig %" PRIu64 " vm %s: %s", m->info.id, name, err.text);
	if ((vm ? drover_vm_kill(vm, DROVER_VM_KILL_MS, &err)
		: drover_vm_end(m->env->conf, name, &err)) < 0) {
		log_error("mig %" PRIu64 " vm %s: %s", m->info.id, name, err.text);
		outcome = DROVER_OUTCOME_STUCK;
	} else {
		forget(m, name, sure, placed);
	}
	pthread_mutex_lock(&m->lock);
	m->info.error[0] = '\0';
	pthread_mutex_unlock(&m->lock);
	log_info("mig %" PRIu64 " vm %s: runs on %s, blackout %" PRIu64 " ms", m->info.id, name,
		 m->info.target, m->info.blackout_us / 1000);
	drover_migration_state(m, DROVER_MIGRATION_DONE);
	m->env->finished(m->env->data, m, outcome, vm);
}

/* A commit that stays may be settled the other way by the next agent: the VM must not run. */
static void settle_never(struct drover_migration *m, struct drover_vm *vm, const char *name)
{
	struct drover_err err = { 0 }, why = { 0 };
	int r = drover_record_settle(m->env->conf, m->info.id, &err);

	if (r < 0)
		log_error("mig %" PRIu64 " vm %s: %s", m->info.id, name, err.text);
	if (r < 0 && vm)
		drover_err_set(&why, r, "%s did not take the VM over; it stays paused here until droverd is restarted: %.300s",
			       m->info.target, err.text);
	else if (!vm || drover_switchover_resume(vm, NULL, 0, &err) == 0)
		drover_err_set(&why, ECONNABORTED, "%s did not take the VM over; it %s",
			       m->info.target, vm ? "runs here again" : "had ended here");
	else
		why = err;
	drover_migration_fail(m, &why);
	m->env->finished(m->env->data, m, DROVER_OUTCOME_STAYED, vm);
}

void drover_doubt_settle(struct drover_migration *m, struct drover_vm *vm, const char *name,
			 const struct drover_err *doubt)
{
	enum drover_decision decision = DROVER_DECISION_RUNNING;
	bool sure = true;

	if (doubt) {
		enter_doubt(m, name, doubt);
		decision = find_out(m, name, &sure);
	}
	if (decision == DROVER_DECISION_RUNNING)
		settle_running(m, vm, name, sure);
	else
		settle_never(m, vm, name);
}

/* --- after the agent's restart --- */

struct adopted {
	struct drover_migration *m;
	struct drover_vm *vm;
	char name[DROVER_NAME_LEN];
};

static void *run_adopted(void *data)
{
	struct adopted *a = data;
	struct drover_err why = { .code = -ECONNABORTED,
				  .text = "droverd was restarted after the commit" };

	drover_log_set_subject(a->name, a->m->info.id);
	drover_doubt_settle(a->m, a->vm, a->name, &why);
	drover_migration_put(a->m);
	free(a);
	return NULL;
}

int drover_source_adopt(const struct drover_migrate_env *env, struct drover_vm *vm,
			const char *vm_name, uint64_t id, const char *target,
			struct drover_migration **ret_migration, struct drover_err *err)
{
	struct drover_migration *m =
		drover_migration_create(env, id, vm_name, env->conf->host, target);
	auto_free struct adopted *a = calloc(1, sizeof(*a));
	int r;

	if (!m || !a) {
		drover_migration_put(m);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	m->committed = true;
	m->info.state = DROVER_MIGRATION_IN_DOUBT;
	a->m = drover_migration_get(m);
	a->vm = vm;
	snprintf(a->name, sizeof(a->name), "%s", vm_name);
	r = drover_thread_detached(run_adopted, a, err);
	if (r < 0) {
		drover_migration_put(m);
		drover_migration_put(m);
		return r;
	}
	steal_ptr(a);
	*ret_migration = m;
	return 0;
}

int drover_source_recover(const struct drover_conf *conf, struct drover_vm *vm,
			  struct drover_err *err)
{
	int r = 0;

	if (drover_switchover_marked(vm)) {
		log_info("vm %s: resumed, a migration of an earlier agent had paused it",
			 vm->def.name);
		r = drover_switchover_resume(vm, NULL, RECOVER_SECONDS, err);
	}
	return r < 0 ? r : drover_source_disks_recover(conf, vm, err);
}
