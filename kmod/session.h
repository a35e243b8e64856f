/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A session: one VM attached. Its file descriptor owns it; everybody else sees
 * it only through drover_session_each() and the notifier chain.
 *
 * Lock order: session->lock, sessions_lock. Both before any lock of KVM or mm.
 */
#ifndef DROVER_SESSION_H
#define DROVER_SESSION_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/poll.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "bitmap.h"
#include "harvest.h"
#include "ram.h"
#include "stats.h"
#include "vmref.h"

struct drover_session {
	u64 id;
	char name[DROVER_NAME_MAX];
	u32 flags;
	struct list_head node;		/* under sessions_lock */
	struct mutex lock;		/* state, harvester */
	enum drover_session_state state;
	bool stale;			/* a harvest may have missed pages */
	struct drover_vmref vm;
	struct drover_ram ram;
	struct drover_bitmap bitmap;
	struct drover_stats stats;
	struct drover_harvester harvester;
	wait_queue_head_t wait;
	struct work_struct death;
	struct delayed_work watch;	/* looks for changes of slots */
};

/* What may be told of a session. */
struct drover_session_info {
	u64 id;
	u64 ram_pages;
	u64 stats[DROVER_STATS];
	enum drover_session_state state;
	u32 pid;
	char name[DROVER_NAME_MAX];
};

typedef int (*drover_session_fn)(const struct drover_session_info *info, void *arg);

int drover_session_create(struct drover_session **ret_session,
			  const struct drover_session_create *request, const s32 *ram_fds,
			  struct drover_reason *why);
void drover_session_destroy(struct drover_session *session);
int drover_session_start(struct drover_session *session, u32 *slots, struct drover_reason *why);
int drover_session_harvest(struct drover_session *session, struct drover_harvest *result);
int drover_session_sample(struct drover_session *session, struct drover_sample *sample);
int drover_session_stop(struct drover_session *session);
__poll_t drover_session_poll(struct drover_session *session, struct file *file, poll_table *table);

int drover_session_each(u64 from, drover_session_fn fn, void *arg);

/* The chain is told of each change of state, with a struct drover_session_info. */
int drover_session_register(struct notifier_block *observer);
void drover_session_unregister(struct notifier_block *observer);

#endif /* DROVER_SESSION_H */
