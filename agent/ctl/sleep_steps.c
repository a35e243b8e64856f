// SPDX-License-Identifier: GPL-2.0-or-later
/* The steps of a host to its sleep and back. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/clock.h"
#include "ctl/drs_run.h"
#include "ctl/power.h"
#include "ctl/sleeper.h"

#define SECOND_US UINT64_C(1000000)
/* How long a step may take. */
#define EMPTY_US (1800 * SECOND_US)
#define LEAVE_US (30 * SECOND_US)
#define GONE_US	 (180 * SECOND_US)
/* Of a host that nobody can look at; its agent ends first when it shuts down. */
#define SILENT_US (60 * SECOND_US)
/* Magic packets are lost, or come before the card listens for them. */
#define CALL_US	 (20 * SECOND_US)
#define CALL_S	 10
#define STUCK_US (7200 * SECOND_US)
/* A clock that was put forward while it woke says nothing of it. */
#define WAKE_MAX_S 3600

#define EMPTYING DROVER__SLEEP_RECORD__STATE__EMPTYING
#define LEAVING	 DROVER__SLEEP_RECORD__STATE__LEAVING
#define STOPPING DROVER__SLEEP_RECORD__STATE__STOPPING
#define ASLEEP	 DROVER__SLEEP_RECORD__STATE__ASLEEP
#define WAKING	 DROVER__SLEEP_RECORD__STATE__WAKING
#define BOOTING	 DROVER__SLEEP_RECORD__STATE__BOOTING
#define FAILED	 DROVER__SLEEP_RECORD__STATE__FAILED

/* Since it was asked for; nothing if the clock was put back meanwhile. */
static uint64_t took_s(const struct sleeper *s)
{
	uint64_t now = drover_clock_realtime();

	return now > s->r->begun_us ? (now - s->r->begun_us) / SECOND_US : 0;
}

static void learn_failure(Drover__PowerRecord *r, const void *data)
{
	r->failed_us = drover_clock_realtime();
	drover_shared_text(&r->error, data);
}

static void learn_wake(Drover__PowerRecord *r, const void *data)
{
	const struct sleeper *s = data;

	r->tested_us = drover_clock_realtime();
	r->since_us = r->tested_us;
	r->failed_us = 0;
	/* 0: not known. */
	r->wake_s = took_s(s) < WAKE_MAX_S ? took_s(s) : WAKE_MAX_S;
	drover_shared_text(&r->error, "");
}

static void learn_watts(Drover__PowerRecord *r, const void *data)
{
	r->watts_idle = *(const double *)data;
	r->measured = true;
}

static void learn_sleep(Drover__PowerRecord *r, const void *data)
{
	r->since_us = drover_clock_realtime();
}

/* --- ends --- */

/* It is left as it is; an operator has to look at it. */
static void fail(struct sleeper *s, Drover__PowerEvent__Kind kind, const char *why)
{
	drover_shared_text(&s->r->error, why);
	s->r->lost |= s->r->state == STOPPING;
	sleeper_learn(s->agent, s->r->host, learn_failure, why);
	sleeper_tell(s, s->r->test ? DROVER__POWER_EVENT__KIND__TEST : kind, true, why);
	sleeper_enter(s, FAILED);
}

/* It stays on, and runs VMs again. */
void sleeper_give_up(struct sleeper *s, const char *why)
{
	sleeper_tell(
		s, s->r->test ? DROVER__POWER_EVENT__KIND__TEST : DROVER__POWER_EVENT__KIND__SLEEP,
		true, why);
	if (s->r->state == LEAVING)
		sleeper_give_votes(s);
	sleeper_forget(s);
}

/* --- steps --- */

static bool is_over(const struct sleeper *s, uint64_t limit_us)
{
	return drover_clock_monotonic() - s->entered_us > limit_us;
}

/* It has said since it came to this state that nothing runs there. */
static bool is_empty(const struct sleeper *s)
{
	const struct drover_drs_said *said = drover_drs_said(s->agent->drs, s->r->host);

	return said && said->when_us > s->entered_us + SECOND_US && !said->reply->n_vms;
}

/* What it draws now is what its sleep saves. */
static void begin_leaving(struct sleeper *s)
{
	const struct drover_drs_said *said = drover_drs_said(s->agent->drs, s->r->host);
	const Drover__HostLoad *load = said->reply->host->load;

	if (load && load->watts > 0)
		sleeper_learn(s->agent, s->r->host, learn_watts, &load->watts);
	sleeper_enter(s, LEAVING);
}

static void step_emptying(struct sleeper *s)
{
	if (!drover_shared_is_member(s->agent, s->r->host))
		sleeper_give_up(s, "it was lost while it was being emptied");
	else if (is_empty(s))
		begin_leaving(s);
	else if (is_over(s, EMPTY_US))
		sleeper_give_up(s, "its VMs did not leave it within half an hour");
}

/* As sleeper_can_be_turned_off(), with a word about an error to whoever reads the log. */
static int can_be_turned_off(struct sleeper *s)
{
	struct drover_err err = {0};
	int r = sleeper_can_be_turned_off(s->r->host, &err);

	if (r < 0 && !s->warned)
		log_warning("host %s: %s", s->r->host, err.text);
	s->warned |= r < 0;
	return r;
}

static void do_looked(void *data, const struct drover_power_outcome *o)
{
	struct sleeper *s = sleeper_acted(data, LEAVING);

	if (!s)
		return;
	if (o->err.code)
		sleeper_give_up(s, o->err.text);
	else
		s->looked = true;
}

/* Its vote goes first, so that those who stay have their quorum all the while. Else it is given up.
 */
static bool take_votes(struct sleeper *s)
{
	struct drover_err err = {0};
	char why[DROVER_ERR_TEXT_MAX + 64];

	if (sleeper_take_votes(s, &err) == 0)
		return true;
	snprintf(why, sizeof(why), "the others would have no quorum without it: %s", err.text);
	sleeper_give_up(s, why);
	return false;
}

/* This host leads: another one has to, that tells it to leave. */
static void hand_over(struct sleeper *s)
{
	/* Others may have been lost since. Nobody could take its votes, nor wake it. */
	if (sleeper_others(s->agent, s->r->host) < 1) {
		sleeper_give_up(s, "it is the last one that is on");
		return;
	}
	/* Of two the other one would have no quorum in between. */
	if (!take_votes(s))
		return;
	log_info("this host is to sleep: another one leads from now on");
	drover_cluster_step_down(s->agent->cluster);
}

/* Who cannot be turned off by now need not leave. Wake-on-LAN alone cannot be looked at. */
static bool was_looked_at(struct sleeper *s)
{
	struct drover_err err = {0};
	int r = s->looked ? 0 : sleeper_can_be_turned_off(s->r->host, &err);

	if (r < 0)
		sleeper_give_up(s, err.text);
	else if (r > 0)
		sleeper_act(s, DROVER_POWER_LOOK, DROVER_POWER_IF_EMPTY, 0, do_looked);
	return r == 0;
}

static void step_leaving(struct sleeper *s)
{
	if (!strcmp(s->r->host, s->agent->conf.host)) {
		hand_over(s);
		return;
	}
	/*
	 * It left, and the leader that told it so was lost. Else it did not leave by our word; but
	 * one that led, and has handed that over, is away for a moment.
	 */
	if (!drover_shared_is_member(s->agent, s->r->host)) {
		if (s->r->told_us) {
			/* Whether it heard that nobody knows: a VM may have been started there. */
			s->r->told_us = 0;
			sleeper_enter(s, STOPPING);
		} else if (is_over(s, LEAVE_US)) {
			sleeper_give_up(s, "it was lost before it was told to leave");
		}
		return;
	}
	if (!was_looked_at(s) || !take_votes(s))
		return;
	/* All members know of the order before it is given, whoever leads when it is obeyed. */
	if (!s->r->told_us) {
		s->r->told_us = drover_clock_realtime();
		sleeper_save(s);
		return;
	}
	s->busy = sleeper_order(s, false);
}

static void is_off(struct sleeper *s, const char *driver)
{
	drover_shared_text(&s->r->driver, driver);
	s->r->lost = false;
	sleeper_learn(s->agent, s->r->host, learn_sleep, NULL);
	if (!s->r->test)
		sleeper_tell(s, DROVER__POWER_EVENT__KIND__SLEEP, false, s->r->reason);
	sleeper_enter(s, ASLEEP);
}

static void not_off(struct sleeper *s, const char *why)
{
	fail(s, DROVER__POWER_EVENT__KIND__SLEEP, why);
	sleeper_order(s, true);
}

/* -EBUSY: somebody started a VM there. */
static void do_stopped(void *data, const struct drover_power_outcome *o)
{
	struct sleeper *s = sleeper_acted(data, STOPPING);

	if (!s)
		return;
	if (!o->err.code && o->result.state == DROVER_POWER_OFF)
		is_off(s, o->result.driver);
	else if (o->err.code == -EBUSY || ++s->r->tries >= SLEEPER_TRIES)
		not_off(s, o->err.code ? o->err.text : "nobody can tell whether it is off");
	else
		sleeper_save(s);
}

/*
 * Nothing ran there at @since_us, and within @limit_s a host that cannot be asked is as it was.
 * Later it may be back with VMs, and out of reach. A clock that was put back tells of a very long
 * time.
 */
static enum drover_power_care care_of(uint64_t since_us, uint32_t limit_s)
{
	return drover_clock_realtime() - since_us > limit_s * SECOND_US ? DROVER_POWER_IF_EMPTY
									: DROVER_POWER_UNLESS_USED;
}

static void turn_off(struct sleeper *s)
{
	uint32_t shutdown_s, boot_s;

	sleeper_timeouts(s->agent, &shutdown_s, &boot_s);
	if (!s->r->tries)
		sleeper_act(s, DROVER_POWER_TURN_OFF, DROVER_POWER_IF_EMPTY, shutdown_s,
			    do_stopped);
	else
		sleeper_act(s, DROVER_POWER_CUT,
			    care_of(s->r->told_us, sleeper_patience_s(s->agent)), 0, do_stopped);
}

/*
 * Where nobody can tell, a host whose agent has not answered for a while is off: one that is only
 * out of the cluster may be shutting down for long.
 */
static void await_silence(struct sleeper *s)
{
	bool silent = s->silent_us && drover_clock_monotonic() - s->silent_us >= SILENT_US;

	if (silent && !s->r->told_us)
		not_off(s, "it was lost before it said that it leaves: VMs may run there");
	else if (silent)
		is_off(s, drover_power_wol.name);
	else if (!s->silent_us && is_over(s, GONE_US))
		not_off(s, "it was told to turn itself off, and is there still");
	else
		sleeper_listen(s);
}

static void step_stopping(struct sleeper *s)
{
	int can;

	/* It takes a moment to leave. One that has come back is not shut down. */
	if (drover_shared_is_member(s->agent, s->r->host)) {
		if (s->left)
			not_off(s, "it came back before it was off");
		else if (is_over(s, LEAVE_US))
			not_off(s, "it was told to leave the cluster, and is there still");
		return;
	}
	s->left = true;
	/* Nothing is known while its file cannot be read: that is waited for. */
	can = can_be_turned_off(s);
	if (can > 0)
		turn_off(s);
	else if (can == 0)
		await_silence(s);
}

static void note_power(struct sleeper *s, const struct drover_power_result *result)
{
	drover_shared_text(&s->r->driver, result->driver);
	/* What had to be turned on was off. */
	if (result->state == DROVER_POWER_ON && !result->already)
		s->r->lost = false;
}

static void do_started(void *data, const struct drover_power_outcome *o)
{
	struct sleeper *s = sleeper_acted(data, WAKING);

	if (!s)
		return;
	if (!o->err.code) {
		note_power(s, &o->result);
		sleeper_enter(s, BOOTING);
	} else if (++s->r->tries >= SLEEPER_TRIES) {
		fail(s, DROVER__POWER_EVENT__KIND__WAKE, o->err.text);
	} else {
		sleeper_save(s);
	}
}

static void do_cut(void *data, const struct drover_power_outcome *o)
{
	struct sleeper *s = sleeper_acted(data, BOOTING);

	if (!s)
		return;
	if (o->err.code) {
		fail(s, DROVER__POWER_EVENT__KIND__WAKE, o->err.text);
		return;
	}
	s->r->cut = true;
	sleeper_enter(s, WAKING);
}

static void is_awake(struct sleeper *s)
{
	char text[128];

	snprintf(text, sizeof(text), "%s, after %" PRIu64 " s", s->r->reason, took_s(s));
	sleeper_give_votes(s);
	sleeper_learn(s->agent, s->r->host, learn_wake, s);
	sleeper_tell(s,
		     s->r->test ? DROVER__POWER_EVENT__KIND__TEST : DROVER__POWER_EVENT__KIND__WAKE,
		     false, text);
	sleeper_forget(s);
}

/* Its module and its agent work when it has said how it is doing. */
static bool is_back(const struct sleeper *s)
{
	const struct drover_drs_said *said = drover_drs_said(s->agent->drs, s->r->host);

	return drover_shared_is_member(s->agent, s->r->host) && said &&
	       said->when_us > s->entered_us;
}

/* Only a host on which no VM can run: seen off since it left, and not in the cluster again. */
static bool may_be_cut(const struct sleeper *s)
{
	return !s->r->cut && !s->r->lost && !drover_shared_is_member(s->agent, s->r->host);
}

static const char *why_not_back(const struct sleeper *s)
{
	if (drover_shared_is_member(s->agent, s->r->host))
		return "it is in the cluster again, and does not say how it is doing";
	return s->r->lost ? "it does not come back to the cluster; VMs may run there, so its power "
			    "is not cut"
			  : "it was turned on, and does not come back to the cluster";
}

static void do_called(void *data, const struct drover_power_outcome *o)
{
	struct sleeper *s = sleeper_acted(data, BOOTING);

	/* What was wrong is in the log; the next call may do better. */
	if (s && !o->err.code)
		note_power(s, &o->result);
}

/* Nobody knows whether the magic packet was heard: once more, from time to time. */
static void call_again(struct sleeper *s)
{
	uint64_t now = drover_clock_monotonic();

	if (strcmp(s->r->driver, drover_power_wol.name) || now - s->called_us < CALL_US ||
	    drover_shared_is_member(s->agent, s->r->host))
		return;
	s->called_us = now;
	sleeper_act(s, DROVER_POWER_TURN_ON, DROVER_POWER_IF_EMPTY, CALL_S, do_called);
}

static void step_booting(struct sleeper *s)
{
	uint32_t shutdown_s, boot_s;
	int can;

	if (is_back(s)) {
		is_awake(s);
		return;
	}
	sleeper_timeouts(s->agent, &shutdown_s, &boot_s);
	if (!is_over(s, boot_s * SECOND_US)) {
		call_again(s);
		return;
	}
	can = may_be_cut(s) ? can_be_turned_off(s) : 0;
	if (can < 0 && !is_over(s, STUCK_US))
		return;
	if (can > 0) {
		log_warning("host %s does not boot: its power is cut and turned on again",
			    s->r->host);
		/* It booted before, and once more if who led was lost meanwhile. */
		sleeper_act(s, DROVER_POWER_CUT,
			    care_of(s->r->since_us, 2 * boot_s + sleeper_patience_s(s->agent)), 0,
			    do_cut);
		return;
	}
	fail(s, DROVER__POWER_EVENT__KIND__WAKE, why_not_back(s));
}

/* Somebody turned it on, or mended it. */
static void step_asleep(struct sleeper *s)
{
	if (drover_shared_is_member(s->agent, s->r->host)) {
		drover_shared_text(&s->r->reason, s->r->state == FAILED ? "it takes part again"
									: "it came back by itself");
		s->r->begun_us = drover_clock_realtime();
		sleeper_give_votes(s);
		sleeper_tell(s, DROVER__POWER_EVENT__KIND__WAKE, false, s->r->reason);
		sleeper_forget(s);
	} else if (s->r->state == ASLEEP && s->r->test) {
		s->r->begun_us = drover_clock_realtime();
		s->r->cut = false;
		sleeper_enter(s, WAKING);
	}
}

void sleeper_step(struct sleeper *s)
{
	if (s->busy)
		return;
	if ((s->r->state == STOPPING || s->r->state == WAKING) && is_over(s, STUCK_US)) {
		fail(s,
		     s->r->state == WAKING ? DROVER__POWER_EVENT__KIND__WAKE
					   : DROVER__POWER_EVENT__KIND__SLEEP,
		     "nothing can be done to its power; the log of droverd says why");
		return;
	}
	switch (s->r->state) {
	case EMPTYING:
		step_emptying(s);
		return;
	case LEAVING:
		step_leaving(s);
		return;
	case STOPPING:
		step_stopping(s);
		return;
	case WAKING:
		sleeper_act(s, DROVER_POWER_TURN_ON, DROVER_POWER_IF_EMPTY, 0, do_started);
		return;
	case BOOTING:
		step_booting(s);
		return;
	default:
		step_asleep(s);
		return;
	}
}
