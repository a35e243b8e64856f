// SPDX-License-Identifier: GPL-2.0-only
/* See session.h. */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "session.h"
#include "trace.h"

#define WATCH_PERIOD msecs_to_jiffies(200)

enum event {
	EVENT_START,
	EVENT_STOP,
	EVENT_DEATH,
	EVENTS
};

/* What follows; an event that a state has nothing for is an error. */
static const u8 transition[DROVER_SESSION_STATE_CLOSED][EVENTS] = {
	[DROVER_SESSION_STATE_CREATED] = {
		[EVENT_START] = DROVER_SESSION_STATE_STARTED,
		[EVENT_DEATH] = DROVER_SESSION_STATE_DEAD,
	},
	[DROVER_SESSION_STATE_STARTED] = {
		[EVENT_STOP] = DROVER_SESSION_STATE_STOPPED,
		[EVENT_DEATH] = DROVER_SESSION_STATE_DEAD,
	},
	[DROVER_SESSION_STATE_STOPPED] = {
		[EVENT_START] = DROVER_SESSION_STATE_STARTED,
		[EVENT_DEATH] = DROVER_SESSION_STATE_DEAD,
	},
};

static DEFINE_MUTEX(sessions_lock);
static LIST_HEAD(sessions);		/* by rising id */
static u64 last_id;
static BLOCKING_NOTIFIER_HEAD(observers);

static void describe(const struct drover_session *session, struct drover_session_info *info)
{
	info->id = session->id;
	info->ram_pages = session->ram.pages;
	info->state = READ_ONCE(session->state);
	info->pid = session->vm.pid;
	strscpy(info->name, session->name, sizeof(info->name));
	drover_stats_read(&session->stats, info->stats);
}

static void announce(const struct drover_session *session)
{
	struct drover_session_info info;

	describe(session, &info);
	blocking_notifier_call_chain(&observers, 0, &info);
}

static enum drover_session_state next_state(const struct drover_session *session, enum event event)
{
	return transition[session->state][event];
}

static void enter(struct drover_session *session, enum drover_session_state state)
{
	WRITE_ONCE(session->state, state);
	announce(session);
	wake_up_all(&session->wait);
}

/* Undoes START, whatever came in between. */
static void unstart(struct drover_session *session)
{
	cancel_delayed_work_sync(&session->watch);
	drover_harvester_stop(&session->harvester);
}

static void vm_died(struct drover_vmref *vm)
{
	struct drover_session *session = container_of(vm, struct drover_session, vm);

	wake_up_all(&session->wait);
	schedule_work(&session->death);
}

static void bury(struct work_struct *work)
{
	struct drover_session *session = container_of(work, struct drover_session, death);

	mutex_lock(&session->lock);
	if (session->state == DROVER_SESSION_STATE_STARTED)
		unstart(session);
	if (session->id && next_state(session, EVENT_DEATH))
		enter(session, next_state(session, EVENT_DEATH));
	mutex_unlock(&session->lock);
}

/* KVM tells nobody when slots change: look from time to time. */
static void watch(struct work_struct *work)
{
	struct drover_session *session =
		container_of(to_delayed_work(work), struct drover_session, watch);

	if (drover_harvester_outdated(&session->harvester))
		wake_up_interruptible_all(&session->wait);
	schedule_delayed_work(&session->watch, WATCH_PERIOD);
}

/* Makes the session known, unless its VM has one. From here on it can be seen. */
static int publish(struct drover_session *session, struct drover_reason *why)
{
	struct drover_session *other;
	int ret = 0;

	mutex_lock(&session->lock);
	mutex_lock(&sessions_lock);
	list_for_each_entry(other, &sessions, node) {
		if (other->vm.kvm == session->vm.kvm) {
			ret = drover_refuse(why, -EBUSY, "the VM has session %llu already",
					    other->id);
			break;
		}
	}
	if (!ret) {
		session->id = ++last_id;
		list_add_tail(&session->node, &sessions);
	}
	mutex_unlock(&sessions_lock);
	if (!ret)
		announce(session);
	mutex_unlock(&session->lock);
	return ret;
}

static void unpublish(struct drover_session *session)
{
	mutex_lock(&sessions_lock);
	list_del(&session->node);
	mutex_unlock(&sessions_lock);
}

static struct drover_session *alloc_session(const struct drover_session_create *request)
{
	struct drover_session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return NULL;
	strscpy(session->name, request->name, sizeof(session->name));
	session->flags = request->flags;
	session->state = DROVER_SESSION_STATE_CREATED;
	mutex_init(&session->lock);
	init_waitqueue_head(&session->wait);
	drover_stats_init(&session->stats);
	INIT_WORK(&session->death, bury);
	INIT_DELAYED_WORK(&session->watch, watch);
	session->harvester.vm = &session->vm;
	session->harvester.ram = &session->ram;
	session->harvester.bitmap = &session->bitmap;
	session->harvester.watch_vmm = !(session->flags & DROVER_SESSION_NO_VMM_WRITES);
	return session;
}

static void drop_vm(struct drover_session *session)
{
	drover_vmref_exit(&session->vm);
	cancel_work_sync(&session->death);
}

/**
 * drover_session_create() - attach a VM
 * @ret_session: out: the session
 * @why:	out: the sentence of a refusal
 * @request:	as user space gave it, checked for form only
 * @ram_fds:	@request->ram_count descriptors of the caller's
 *
 * Nothing of the VM changes yet. Return: 0, or a negative errno with a sentence.
 */
int drover_session_create(struct drover_session **ret_session,
			  const struct drover_session_create *request, const s32 *ram_fds,
			  struct drover_reason *why)
{
	struct drover_session *session = alloc_session(request);
	int ret;

	if (!session)
		return -ENOMEM;
	ret = drover_ram_init(&session->ram, ram_fds, request->ram_count, why);
	if (ret)
		goto free;
	ret = drover_bitmap_init(&session->bitmap, session->ram.pages);
	if (ret)
		goto drop_ram;
	ret = drover_vmref_init(&session->vm, request->vm_fd, vm_died, why);
	if (ret)
		goto drop_bitmap;
	ret = drover_harvester_check(&session->harvester, why);
	if (ret)
		goto drop_vm;
	ret = publish(session, why);
	if (ret)
		goto drop_vm;
	/* bury() leaves a session alone that has no id yet. */
	if (drover_vmref_dead(&session->vm))
		schedule_work(&session->death);
	trace_drover_session_create(session->id, session->vm.pid, session->ram.pages);
	*ret_session = session;
	return 0;

drop_vm:
	drop_vm(session);
drop_bitmap:
	drover_bitmap_exit(&session->bitmap);
drop_ram:
	drover_ram_exit(&session->ram);
free:
	kfree(session);
	return ret;
}

/*
 * Called once, when the last reference to the session's file is gone: no ioctl is under way and
 * no mapping of the bitmap is left. What can still reach the session, in the order in which it is
 * cut off: the watch (cancelled when START is undone), the list (netlink, debugfs; only from here
 * on may the VM have a new session), the death of the VM (its notifier, then the work that it may
 * have queued).
 */
void drover_session_destroy(struct drover_session *session)
{
	mutex_lock(&session->lock);
	if (session->state == DROVER_SESSION_STATE_STARTED) {
		unstart(session);
		session->state = DROVER_SESSION_STATE_STOPPED;
	}
	mutex_unlock(&session->lock);

	unpublish(session);
	drop_vm(session);
	session->state = DROVER_SESSION_STATE_CLOSED;
	announce(session);
	trace_drover_session_close(session->id, session->vm.pid, session->ram.pages);
	drover_bitmap_exit(&session->bitmap);
	drover_ram_exit(&session->ram);
	kfree(session);
}

/**
 * drover_session_start() - begin to track
 * @session: the session
 * @why:	out: the sentence of a refusal
 * @slots:	out: number of slots under log
 *
 * Return: 0, -EALREADY, -ESRCH, or what drover_harvester_start() gave.
 */
int drover_session_start(struct drover_session *session, u32 *slots, struct drover_reason *why)
{
	int ret = 0;

	mutex_lock(&session->lock);
	if (session->state == DROVER_SESSION_STATE_STARTED)
		ret = drover_refuse(why, -EALREADY, "the session is started");
	else if (!next_state(session, EVENT_START) || drover_vmref_dead(&session->vm))
		ret = -ESRCH;
	if (!ret)
		ret = drover_harvester_start(&session->harvester, why);
	if (ret == -ESRCH)
		drover_refuse(why, ret, "the VM's process is gone");
	if (!ret) {
		*slots = drover_harvester_slots(&session->harvester);
		session->stale = false;
		schedule_delayed_work(&session->watch, WATCH_PERIOD);
		enter(session, next_state(session, EVENT_START));
	}
	mutex_unlock(&session->lock);
	return ret;
}

static void count(struct drover_session *session, const struct drover_harvest *result)
{
	drover_stats_add(&session->stats, DROVER_STAT_HARVESTS, 1);
	drover_stats_add(&session->stats, DROVER_STAT_LOG_PAGES, result->log_pages);
	drover_stats_add(&session->stats, DROVER_STAT_VMM_PAGES, result->vmm_pages);
	drover_stats_add(&session->stats, DROVER_STAT_KEPT_PAGES, result->kept_pages);
}

/**
 * drover_session_harvest() - add the pages written since the last harvest to the bitmap
 * @session: the session
 * @result:	out: all but @flags
 *
 * Return: 0, -EINVAL (not started), -ESRCH, -ESTALE (this and all later harvests: pages may have
 * been missed), -ENOMEM (nothing was lost).
 */
int drover_session_harvest(struct drover_session *session, struct drover_harvest *result)
{
	int ret;

	mutex_lock(&session->lock);
	if (session->state == DROVER_SESSION_STATE_DEAD || drover_vmref_dead(&session->vm))
		ret = -ESRCH;
	else if (session->state != DROVER_SESSION_STATE_STARTED)
		ret = -EINVAL;
	else if (session->stale)
		ret = -ESTALE;
	else
		ret = drover_harvester_run(&session->harvester, result);
	if (ret == -ESTALE)
		session->stale = true;
	if (!ret)
		count(session, result);
	mutex_unlock(&session->lock);
	trace_drover_harvest(session->id, result, ret);
	return ret;
}

/**
 * drover_session_sample() - count the guest's accesses to a part of its pages
 * @session: the session
 * @sample:	as in drover_harvester_sample()
 *
 * Return: 0, -EINVAL (not started), -ESRCH, -EAGAIN, -ESTALE (a harvest said so), or KVM's errno.
 */
int drover_session_sample(struct drover_session *session, struct drover_sample *sample)
{
	int ret;

	mutex_lock(&session->lock);
	if (session->state == DROVER_SESSION_STATE_DEAD || drover_vmref_dead(&session->vm))
		ret = -ESRCH;
	else if (session->state != DROVER_SESSION_STATE_STARTED)
		ret = -EINVAL;
	else if (session->stale)
		ret = -ESTALE;
	else
		ret = drover_harvester_sample(&session->harvester, sample);
	mutex_unlock(&session->lock);
	return ret;
}

/* Undoes START. The bitmap stays. Return: 0, or -EINVAL (not started). */
int drover_session_stop(struct drover_session *session)
{
	int ret = -EINVAL;

	mutex_lock(&session->lock);
	if (next_state(session, EVENT_STOP)) {
		unstart(session);
		enter(session, next_state(session, EVENT_STOP));
		ret = 0;
	}
	mutex_unlock(&session->lock);
	return ret;
}

__poll_t drover_session_poll(struct drover_session *session, struct file *file, poll_table *table)
{
	__poll_t events = 0;

	poll_wait(file, &session->wait, table);
	if (drover_vmref_dead(&session->vm))
		events |= EPOLLHUP;
	else if (READ_ONCE(session->state) == DROVER_SESSION_STATE_STARTED &&
		 drover_harvester_outdated(&session->harvester))
		events |= EPOLLPRI;
	return events;
}

/* Tells of each session whose id is @from or higher, until @fn returns other than 0. */
int drover_session_each(u64 from, drover_session_fn fn, void *arg)
{
	struct drover_session_info info;
	struct drover_session *session;
	int ret = 0;

	mutex_lock(&sessions_lock);
	list_for_each_entry(session, &sessions, node) {
		if (session->id < from)
			continue;
		describe(session, &info);
		ret = fn(&info, arg);
		if (ret)
			break;
	}
	mutex_unlock(&sessions_lock);
	return ret;
}

int drover_session_register(struct notifier_block *observer)
{
	return blocking_notifier_chain_register(&observers, observer);
}

void drover_session_unregister(struct notifier_block *observer)
{
	blocking_notifier_chain_unregister(&observers, observer);
}
