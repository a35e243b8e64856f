/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts that sleep, and the steps there and back. The leader takes them; the cluster remembers
 * where each host is, so a successor goes on. Every step may be taken twice: a host that has
 * left leaves no more, one that is off is not turned off again.
 *
 *           ask                VMs gone             it has left            seen off
 *   (on) ---------> EMPTYING ------------> LEAVING ------------> STOPPING -----------> ASLEEP
 *     ^                                                                                  | ask
 *     |   a member again                        power                                    v
 *     +------------------------ BOOTING <------------------------------------------- WAKING
 *
 *   What does not come about within its time ends in FAILED, or back where it was.
 */
#ifndef DROVER_CTL_SLEEP_H
#define DROVER_CTL_SLEEP_H

#include "cluster.pb-c.h"
#include "ctl/agent.h"

int drover_sleep_open(struct drover_agent *agent, struct drover_err *err);

/** drover_sleep_phase() - quorum, members or the leader are other than before */
void drover_sleep_phase(struct drover_agent *agent);

/**
 * drover_sleep_begin() - as the leader, have a host emptied, leave and turned off
 * @test: and woken again
 * @asked: by an operator
 * @reason: one sentence
 *
 * Errors: -EALREADY, -EBUSY (it is on its way somewhere), -ENOENT (no such member), -EPERM (nobody
 * could wake it, or too few would be left).
 */
int drover_sleep_begin(struct drover_agent *agent, const char *host, bool test, bool asked,
		       const char *reason, struct drover_err *err);

/** drover_sleep_wake() - as the leader, have a host turned on; errors: -EALREADY, -EBUSY */
int drover_sleep_wake(struct drover_agent *agent, const char *host, bool asked, const char *reason,
		      struct drover_err *err);

/** drover_sleep_find() - what the leader knows of a host's sleep, or NULL */
const Drover__SleepRecord *drover_sleep_find(const struct drover_agent *agent, const char *host);

/**
 * drover_sleep_check_awake() - -EBUSY while a host that drover.conf names sleeps, or is on its way
 *
 * On any host, whether it leads or not.
 */
int drover_sleep_check_awake(const struct drover_agent *agent, struct drover_err *err);

/** drover_sleep_history() - what was done, as the cluster has it; of this leader. NULL: nothing */
const Drover__PowerHistory *drover_sleep_history(const struct drover_agent *agent);

/* --- leave.c: this host is to sleep --- */

/** drover_leave_obey() - the leader says so; -EBUSY while there are VMs */
int drover_leave_obey(struct drover_agent *agent, const Drover__SleepOrder *order,
		      struct drover_err *err);

/** drover_leave_undo() - it stays after all; nothing if it was not about to leave */
void drover_leave_undo(struct drover_agent *agent);

#endif
