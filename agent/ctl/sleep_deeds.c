// SPDX-License-Identifier: GPL-2.0-or-later
/* What the leader tells a host that is to sleep, and does to its power. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/thread.h"
#include "core/clock.h"
#include "core/config.h"
#include "ctl/reply.h"
#include "ctl/sleeper.h"
#include "power/credentials.h"

#define SECOND_US UINT64_C(1000000)
/* Defaults of the cluster's settings. */
#define SHUTDOWN_S 300
#define BOOT_S	   300
/* Beyond the time to shut down: for its power to be cut, and to be called back. */
#define SLACK_S 120

#define LEAVING	 DROVER__SLEEP_RECORD__STATE__LEAVING
#define STOPPING DROVER__SLEEP_RECORD__STATE__STOPPING

void sleeper_timeouts(const struct drover_agent *agent, uint32_t *ret_shutdown_s,
		      uint32_t *ret_boot_s)
{
	Drover__DpmSettings *s =
		drover_shared_get(agent, DROVER_SHARED_DPM, "", &drover__dpm_settings__descriptor);

	*ret_shutdown_s = s && s->shutdown_s ? s->shutdown_s : SHUTDOWN_S;
	*ret_boot_s = s && s->boot_s ? s->boot_s : BOOT_S;
	if (s)
		drover__dpm_settings__free_unpacked(s, NULL);
}

uint32_t sleeper_patience_s(const struct drover_agent *agent)
{
	uint32_t shutdown_s, boot_s;

	sleeper_timeouts(agent, &shutdown_s, &boot_s);
	return shutdown_s + SLACK_S;
}

int sleeper_can_be_turned_off(const char *host, struct drover_err *err)
{
	struct drover_power_host way;
	int r = drover_power_load(DROVER_POWER_DIR, host, &way, err);
	bool found = false;

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < way.count; i++)
		found |= way.ways[i].ops != &drover_power_wol;
	drover_power_forget(&way);
	return found;
}

struct order {
	struct drover_agent *agent;
	char host[DROVER_NAME_LEN];
	Drover__SleepOrder message;
	struct drover_err err;
};

static void do_ordered(void *data)
{
	struct order *o = data;
	struct sleeper *s = sleeper_find(o->agent, o->host);

	if (!o->message.stay && s && s->busy && s->r->state == LEAVING) {
		s->busy = false;
		if (!o->err.code)
			sleeper_enter(s, STOPPING);
		else if (++s->r->tries >= SLEEPER_TRIES)
			sleeper_give_up(s, o->err.text);
	}
	free(o);
}

static void *run_order(void *data)
{
	struct order *o = data;
	const struct drover_peer_conf *peer = drover_config_find_peer(&o->agent->conf, o->host);

	if (!peer)
		drover_err_set(&o->err, ENOENT, "drover.conf has no [peer %s]", o->host);
	else
		drover_elsewhere_sleep(&o->agent->conf, peer, &o->message, &o->err);
	if (drover_call_post(o->agent->calls, do_ordered, o) < 0)
		log_error("out of memory");
	return NULL;
}

bool sleeper_order(const struct sleeper *s, bool stay)
{
	struct order *o = calloc(1, sizeof(*o));
	struct drover_err err = {0};

	if (!o)
		return false;
	o->agent = s->agent;
	snprintf(o->host, sizeof(o->host), "%s", s->r->host);
	drover__sleep_order__init(&o->message);
	o->message.stay = stay;
	o->message.power_off = sleeper_can_be_turned_off(s->r->host, NULL) == 0;
	o->message.patience_s = sleeper_patience_s(s->agent);
	if (drover_thread_detached(run_order, o, &err) == 0)
		return true;
	log_warning("host %s: %s", s->r->host, err.text);
	free(o);
	return false;
}

/* Does its agent answer? */
struct listening {
	struct drover_agent *agent;
	char host[DROVER_NAME_LEN];
	bool heard;
};

static void do_heard(void *data)
{
	struct listening *l = data;
	struct sleeper *s = sleeper_find(l->agent, l->host);

	if (s && s->busy && s->r->state == STOPPING) {
		s->busy = false;
		if (l->heard)
			s->silent_us = 0;
		else if (!s->silent_us)
			s->silent_us = drover_clock_monotonic();
	}
	free(l);
}

static void *run_listen(void *data)
{
	struct listening *l = data;
	Drover__ControlReply *reply = drover_reply_new();

	/* Out of memory says nothing of the host. */
	l->heard = true;
	if (reply) {
		drover_elsewhere_hosts(&l->agent->conf, l->host, reply);
		l->heard = reply->n_hosts && reply->hosts[0]->reachable;
	}
	drover_reply_free(reply);
	if (drover_call_post(l->agent->calls, do_heard, l) < 0)
		log_error("out of memory");
	return NULL;
}

void sleeper_listen(struct sleeper *s)
{
	struct listening *l = calloc(1, sizeof(*l));
	struct drover_err err = {0};

	if (!l)
		return;
	l->agent = s->agent;
	snprintf(l->host, sizeof(l->host), "%s", s->r->host);
	s->busy = drover_thread_detached(run_listen, l, &err) == 0;
	if (!s->busy) {
		log_warning("host %s: %s", s->r->host, err.text);
		free(l);
	}
}

/* What an action on the power needs to find its sleeper again. */
struct action {
	struct drover_agent *agent;
	char host[DROVER_NAME_LEN];
};

bool sleeper_act(struct sleeper *s, enum drover_power_deed deed, enum drover_power_care care,
		 uint32_t within_s, drover_power_done *done)
{
	struct action *a = calloc(1, sizeof(*a));
	struct drover_err err = {0};

	if (!a)
		return false;
	a->agent = s->agent;
	snprintf(a->host, sizeof(a->host), "%s", s->r->host);
	s->busy = drover_power_begin_within(s->agent, s->r->host, deed, care, within_s * SECOND_US,
					    done, a, &err) == 0;
	if (!s->busy) {
		log_warning("host %s: %s", s->r->host, err.text);
		free(a);
	}
	return s->busy;
}

/* The sleeper that an action was for, or NULL where it is at something else by now. */
struct sleeper *sleeper_acted(void *data, Drover__SleepRecord__State state)
{
	struct action *a = data;
	struct sleeper *s = sleeper_find(a->agent, a->host);

	free(a);
	if (!s || !s->busy || s->r->state != state)
		return NULL;
	s->busy = false;
	return s;
}
