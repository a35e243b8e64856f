// SPDX-License-Identifier: GPL-2.0-or-later
/* What operators see and do of one migration. */
#include "migrate/migration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/clock.h"
#include "migrate/sender.h"

struct drover_migration *drover_migration_create(const struct drover_migrate_env *env,
						 uint64_t id, const char *vm, const char *source,
						 const char *target)
{
	struct drover_migration *m = calloc(1, sizeof(*m));
	pthread_condattr_t attr;

	if (!m)
		return NULL;
	m->env = env;
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&m->wake, &attr);
	pthread_condattr_destroy(&attr);
	atomic_store(&m->references, 1);
	m->info.id = id;
	m->info.state = DROVER_MIGRATION_PREPARE;
	m->info.start_time_us = drover_clock_realtime();
	m->begin_us = drover_clock_monotonic();
	snprintf(m->info.vm, sizeof(m->info.vm), "%s", vm);
	snprintf(m->info.source, sizeof(m->info.source), "%s", source);
	snprintf(m->info.target, sizeof(m->info.target), "%s", target);
	return m;
}

struct drover_migration *drover_migration_get(struct drover_migration *m)
{
	atomic_fetch_add(&m->references, 1);
	return m;
}

void drover_migration_put(struct drover_migration *m)
{
	if (!m || atomic_fetch_sub(&m->references, 1) != 1)
		return;
	pthread_cond_destroy(&m->wake);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static bool has_ended(const struct drover_migration *m)
{
	switch (m->info.state) {
	case DROVER_MIGRATION_PREPARE:
	case DROVER_MIGRATION_PRECOPY:
	case DROVER_MIGRATION_SWITCHOVER:
	case DROVER_MIGRATION_IN_DOUBT:
		return false;
	case DROVER_MIGRATION_DONE:
	case DROVER_MIGRATION_CANCELLED:
	case DROVER_MIGRATION_FAILED:
		return true;
	}
	return true;
}

bool drover_migration_ended(struct drover_migration *m)
{
	scope_lock(&m->lock);

	return has_ended(m);
}

/* Figures that change while a round is under way. */
static void refresh(struct drover_migration *m)
{
	struct drover_migration_info *info = &m->info;

	if (has_ended(m))
		return;
	info->total_us = drover_clock_monotonic() - m->begin_us;
	if (!m->sender)
		return;
	info->sent_pages = atomic_load(&m->sender->sent_pages);
	info->zero_pages = atomic_load(&m->sender->zero_pages);
	info->wire_bytes = atomic_load(&m->sender->wire_bytes) + m->disk_bytes;
}

void drover_migration_info(struct drover_migration *m, struct drover_migration_info *ret_info)
{
	scope_lock(&m->lock);

	refresh(m);
	*ret_info = m->info;
}

void drover_migration_state(struct drover_migration *m, enum drover_migration_state state)
{
	struct drover_migration_info info;

	pthread_mutex_lock(&m->lock);
	refresh(m);
	m->info.state = state;
	info = m->info;
	pthread_mutex_unlock(&m->lock);
	m->env->changed(m->env->data, &info);
}

void drover_migration_fail(struct drover_migration *m, const struct drover_err *why)
{
	bool cancelled;

	pthread_mutex_lock(&m->lock);
	cancelled = m->cancelled;
	snprintf(m->info.error, sizeof(m->info.error), "%s",
		 cancelled ? "the migration was cancelled" : why->text);
	pthread_mutex_unlock(&m->lock);
	if (cancelled)
		log_info("mig %llu vm %s: cancelled", (unsigned long long)m->info.id, m->info.vm);
	else
		log_error("mig %llu vm %s: %s", (unsigned long long)m->info.id, m->info.vm,
			  why->text);
	drover_migration_state(m, cancelled ? DROVER_MIGRATION_CANCELLED
					    : DROVER_MIGRATION_FAILED);
}

int drover_migration_cancel(struct drover_migration *m, struct drover_err *err)
{
	scope_lock(&m->lock);

	if (has_ended(m))
		return drover_err_set(err, EALREADY, "migration %llu has ended",
				      (unsigned long long)m->info.id);
	if (m->committed)
		return drover_err_set(err, EBUSY,
				      "migration %llu has been committed and can no longer be cancelled",
				      (unsigned long long)m->info.id);
	m->cancelled = true;
	if (m->sender)
		drover_sender_interrupt(m->sender);
	if (m->control)
		drover_peer_interrupt(m->control);
	pthread_cond_broadcast(&m->wake);
	return 0;
}

static int cancelled_error(struct drover_err *err)
{
	return drover_err_set(err, ECANCELED, "the migration was cancelled");
}

int drover_migration_check(struct drover_migration *m, struct drover_err *err)
{
	scope_lock(&m->lock);

	return m->cancelled ? cancelled_error(err) : 0;
}

int drover_migration_point(struct drover_migration *m, struct drover_err *err)
{
	scope_lock(&m->lock);

	if (m->cancelled)
		return cancelled_error(err);
	m->committed = true;
	return 0;
}

void drover_migration_attach(struct drover_migration *m, struct drover_peer *control,
			     struct drover_sender *sender)
{
	scope_lock(&m->lock);

	if (!sender)
		refresh(m);
	m->control = control;
	m->sender = sender;
}

int drover_migration_resolve(struct drover_migration *m, enum drover_verdict verdict,
			     struct drover_err *err)
{
	scope_lock(&m->lock);

	if (m->info.state != DROVER_MIGRATION_IN_DOUBT || m->info.incoming)
		return drover_err_set(err, EINVAL, "migration %llu is not in doubt on this host",
				      (unsigned long long)m->info.id);
	m->verdict = verdict;
	m->settle = true;
	pthread_cond_broadcast(&m->wake);
	return 0;
}
