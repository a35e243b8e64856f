/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of what sleep.h does, for each other. Control thread of the leader only. */
#ifndef DROVER_CTL_SLEEPER_H
#define DROVER_CTL_SLEEPER_H

#include "ctl/power.h"
#include "ctl/shared.h"
#include "ctl/sleep.h"

/* Of a step that did not go well. */
#define SLEEPER_TRIES 2
/* Between two steps. */
#define SLEEPER_TICK_US UINT64_C(2000000)

/**
 * struct sleeper - a host that does not run as the others do
 * @busy: a thread is at it
 * @looked: somebody can turn it off
 * @left: it has been seen out of the cluster in its state
 * @warned: somebody has read why its state does not go on
 * @entered_us: its state, monotonic
 * @silent_us: since when nobody has answered there, monotonic; 0: not known, or somebody did
 * @called_us: when it was last given power, monotonic
 */
struct sleeper {
	struct sleeper *next;
	struct drover_agent *agent;
	Drover__SleepRecord *r;
	bool busy;
	bool looked;
	bool left;
	bool warned;
	uint64_t entered_us;
	uint64_t silent_us;
	uint64_t called_us;
};

/**
 * struct drover_sleep_run - what the leader keeps
 * @history: NULL while this host does not lead
 */
struct drover_sleep_run {
	sd_event_source *timer;
	struct sleeper *sleepers;
	Drover__PowerHistory *history;
};

/* --- sleeper.c: what is kept --- */

struct sleeper *sleeper_find(const struct drover_agent *agent, const char *host);

/** sleeper_others() - members but this one that are on, and not on their way to sleep */
uint32_t sleeper_others(const struct drover_agent *agent, const char *host);

/** sleeper_add() - takes the record over, but for NULL: out of memory */
struct sleeper *sleeper_add(struct drover_agent *agent, Drover__SleepRecord *r);

/** sleeper_drop() - forget it here; sleeper_forget() - and in the cluster: it is as any other again
 */
void sleeper_drop(struct sleeper *s);
void sleeper_forget(struct sleeper *s);

/** sleeper_enter() - another state, or the same again */
void sleeper_enter(struct sleeper *s, Drover__SleepRecord__State state);
void sleeper_save(struct sleeper *s);

/** sleeper_tell() - operators, and the history */
void sleeper_tell(struct sleeper *s, Drover__PowerEvent__Kind kind, bool failed, const char *text);

/** sleeper_learn() - change what is remembered of the host's power */
void sleeper_learn(struct drover_agent *agent, const char *host,
		   void (*change)(Drover__PowerRecord *r, const void *data), const void *data);

/* --- sleep_votes.c --- */

/**
 * sleeper_take_votes() - before the host leaves: those who stay have their quorum all the while
 *
 * Errors: those of drover_cluster_weigh(); all votes are as before then, and the host must not leave.
 */
int sleeper_take_votes(struct sleeper *s, struct drover_err *err);

/** sleeper_give_votes() - it stays, or is back */
void sleeper_give_votes(struct sleeper *s);

/* --- sleep_deeds.c --- */

/** sleeper_timeouts() - how long a host may take to shut down, and to boot */
void sleeper_timeouts(const struct drover_agent *agent, uint32_t *ret_shutdown_s,
		      uint32_t *ret_boot_s);

/** sleeper_patience_s() - how long a host that was told to leave waits until it takes part again */
uint32_t sleeper_patience_s(const struct drover_agent *agent);

/**
 * sleeper_can_be_turned_off() - by anybody but the host itself?
 *
 * Returns 1, 0 for Wake-on-LAN alone, or the error of drover_power_load(): that is not known then.
 */
int sleeper_can_be_turned_off(const char *host, struct drover_err *err);

/** sleeper_order() - tell it to leave, or to stay and take part again; false: not begun */
bool sleeper_order(const struct sleeper *s, bool stay);

/**
 * sleeper_listen() - does its agent answer? @s is busy then, and its @silent_us tells afterwards
 *
 * For a host that is STOPPING.
 */
void sleeper_listen(struct sleeper *s);

/**
 * sleeper_act() - do something to its power, or look at it; @s is busy then
 * @care: of VMs that may be on it, when it is turned off
 * @within_s: 0: as long as it may take
 */
bool sleeper_act(struct sleeper *s, enum drover_power_deed deed, enum drover_power_care care,
		 uint32_t within_s, drover_power_done *done);

/** sleeper_acted() - whom that was for, by @done's data; NULL: it is at something else by now */
struct sleeper *sleeper_acted(void *data, Drover__SleepRecord__State state);

/* --- sleep_steps.c --- */

/** sleeper_step() - go on, if there is something to go on with; it may be gone then */
void sleeper_step(struct sleeper *s);

/** sleeper_give_up() - it stays on, and runs VMs again; it is gone then */
void sleeper_give_up(struct sleeper *s, const char *why);

#endif
