// SPDX-License-Identifier: GPL-2.0-or-later
/* Hosts that sleep, and what is remembered of the power of all. */
#include "ctl/sleeper.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cluster/cluster.h"
#include "core/clock.h"

#define EVENTS_MAX 60

#define FAILED DROVER__SLEEP_RECORD__STATE__FAILED

void sleeper_save(struct sleeper *s)
{
	struct drover_err err = {0};

	if (drover_shared_set(s->agent, DROVER_SHARED_SLEEP, s->r->host, &s->r->base, NULL, NULL,
			      &err) < 0)
		log_warning("the sleep of %s is not kept: %s", s->r->host, err.text);
}

void sleeper_enter(struct sleeper *s, Drover__SleepRecord__State state)
{
	if (s->r->state != state)
		s->r->tries = 0;
	s->r->state = state;
	s->r->since_us = drover_clock_realtime();
	s->entered_us = drover_clock_monotonic();
	s->left = false;
	s->warned = false;
	s->silent_us = 0;
	s->called_us = s->entered_us;
	sleeper_save(s);
}

struct sleeper *sleeper_find(const struct drover_agent *agent, const char *host)
{
	struct sleeper *s = agent->sleep ? agent->sleep->sleepers : NULL;

	while (s && strcmp(s->r->host, host))
		s = s->next;
	return s;
}

uint32_t sleeper_others(const struct drover_agent *agent, const char *host)
{
	const struct drover_replica *r = drover_cluster_replica(agent->cluster);
	uint32_t n = 0;

	for (size_t i = 0; i < r->store.member_count; i++) {
		const char *other = r->store.members[i].host;
		const struct sleeper *s = sleeper_find(agent, other);

		n += strcmp(other, host) && (!s || s->r->state == FAILED);
	}
	return n;
}

struct sleeper *sleeper_add(struct drover_agent *agent, Drover__SleepRecord *r)
{
	struct sleeper *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->agent = agent;
	s->r = r;
	s->entered_us = drover_clock_monotonic();
	s->called_us = s->entered_us;
	s->next = agent->sleep->sleepers;
	agent->sleep->sleepers = s;
	return s;
}

void sleeper_drop(struct sleeper *s)
{
	struct sleeper **p = &s->agent->sleep->sleepers;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	drover__sleep_record__free_unpacked(s->r, NULL);
	free(s);
}

/* The host is as any other again. */
void sleeper_forget(struct sleeper *s)
{
	drover_shared_set(s->agent, DROVER_SHARED_SLEEP, s->r->host, NULL, NULL, NULL, NULL);
	sleeper_drop(s);
}

/* --- the history --- */

static void save_history(struct drover_agent *agent)
{
	struct drover_err err = {0};

	if (drover_shared_set(agent, DROVER_SHARED_POWER_PAST, "", &agent->sleep->history->base,
			      NULL, NULL, &err) < 0)
		log_warning("the history of power is not kept: %s", err.text);
}

static void drop_oldest(Drover__PowerHistory *h)
{
	drover__power_event__free_unpacked(h->events[0], NULL);
	memmove(h->events, h->events + 1, --h->n_events * sizeof(*h->events));
}

void sleeper_tell(struct sleeper *s, Drover__PowerEvent__Kind kind, bool failed, const char *text)
{
	static const char *const what[2][3] = {
		{"sleeps", "is awake", "has slept and woken as a test"},
		{"did not go to sleep", "did not wake", "failed its wake test"},
	};
	Drover__PowerHistory *h = s->agent->sleep->history;
	Drover__PowerEvent *e = malloc(sizeof(*e)), **more;

	drover_news_vm(s->agent, "", "host %s %s: %s", s->r->host, what[failed][kind], text);
	if (h->n_events >= EVENTS_MAX)
		drop_oldest(h);
	more = realloc(h->events, (h->n_events + 1) * sizeof(*more));
	if (more)
		h->events = more;
	if (!e || !more) {
		free(e);
		return;
	}
	drover__power_event__init(e);
	e->time_us = drover_clock_realtime();
	drover_shared_text(&e->host, s->r->host);
	drover_shared_text(&e->text, text);
	e->kind = kind;
	e->failed = failed;
	e->asked = s->r->asked;
	/* The clock may have been put back. */
	e->took_us = e->time_us > s->r->begun_us ? e->time_us - s->r->begun_us : 0;
	h->events[h->n_events++] = e;
	save_history(s->agent);
}

/* What is remembered of the host's power, changed by @change. */
void sleeper_learn(struct drover_agent *agent, const char *host,
		   void (*change)(Drover__PowerRecord *r, const void *data), const void *data)
{
	Drover__PowerRecord *r = drover_shared_get(agent, DROVER_SHARED_POWER, host,
						   &drover__power_record__descriptor);

	if (!r) {
		r = malloc(sizeof(*r));
		if (!r)
			return;
		drover__power_record__init(r);
		drover_shared_text(&r->host, host);
	}
	change(r, data);
	drover_shared_set(agent, DROVER_SHARED_POWER, host, &r->base, NULL, NULL, NULL);
	drover__power_record__free_unpacked(r, NULL);
}
