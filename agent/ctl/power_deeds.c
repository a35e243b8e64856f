// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is done to the power of hosts. BMCs are slow: each deed has a thread of its own. What came
 * of the last on or off of a host is kept until the next one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "core/clock.h"
#include "core/config.h"
#include "ctl/power.h"
#include "ctl/reply.h"
#include "ctl/telemetry.h"
#include "power/credentials.h"

#define SECOND_US UINT64_C(1000000)

/* An operator waits 30 s for a look, which may ask the host's agent as well. */
static const uint64_t patience_us[] = {
	[DROVER_POWER_LOOK] = 20 * SECOND_US,
	[DROVER_POWER_TURN_ON] = 60 * SECOND_US,
	[DROVER_POWER_TURN_OFF] = 300 * SECOND_US,
	[DROVER_POWER_CUT] = 60 * SECOND_US,
};

/* The last on or off of a host. */
struct record {
	struct record *next;
	struct drover_power_outcome outcome;
};

static struct record *records;

struct deed {
	struct drover_agent *agent;
	struct drover_power_host ways;
	enum drover_power_care care;
	uint64_t patience_us;
	struct drover_power_outcome outcome;
	drover_power_done *done;
	void *data;
};

static struct record *find(const char *host)
{
	struct record *r = records;

	while (r && strcmp(r->outcome.host, host))
		r = r->next;
	return r;
}

const struct drover_power_outcome *drover_power_last(const char *host)
{
	struct record *r = find(host);

	return r ? &r->outcome : NULL;
}

/* --- in the deed's thread --- */

int drover_power_check_empty(const Drover__HostInfo *info, const char *host,
			     struct drover_err *err)
{
	if (!info || !info->reachable)
		return drover_err_set(err, EHOSTUNREACH,
				      "it is not known whether VMs run on %s (%.300s); --force turns it off",
				      host, info ? info->error : "it is no peer of this host");
	if (info->vms)
		return drover_err_set(err, EBUSY,
				      "%u VM%s %s on %s; drover host maintenance %s on moves them away",
				      info->vms, info->vms == 1 ? "" : "s",
				      info->vms == 1 ? "is" : "are", host, host);
	return 0;
}

/* What the host's agent says; the reply is to be freed. */
static Drover__ControlReply *ask(const struct drover_agent *agent, const char *host)
{
	Drover__ControlReply *reply = drover_reply_new();

	if (reply)
		drover_elsewhere_hosts(&agent->conf, host, reply);
	return reply;
}

static int check_empty(struct deed *d, struct drover_err *err)
{
	Drover__ControlReply *reply = ask(d->agent, d->ways.name);
	int r = drover_power_check_empty(reply && reply->n_hosts ? reply->hosts[0] : NULL,
					 d->ways.name, err);

	drover_reply_free(reply);
	return r;
}

static void read_watts(struct deed *d)
{
	struct drover_power_outcome *o = &d->outcome;
	Drover__ControlReply *reply = NULL;
	Drover__HostLoad *load = NULL;

	if (!strcmp(o->host, d->agent->conf.host)) {
		load = drover_telemetry_host(d->agent->telemetry);
	} else {
		reply = ask(d->agent, o->host);
		if (reply && reply->n_hosts) {
			load = reply->hosts[0]->load;
			reply->hosts[0]->load = NULL;
		}
	}
	drover_reply_free(reply);
	if (!load)
		return;
	o->watts = load->watts;
	snprintf(o->source, sizeof(o->source), "%s", load->power_source);
	drover__host_load__free_unpacked(load, NULL);
}

static int look(struct deed *d, struct drover_err *err)
{
	return drover_power_look(&d->ways,
				 drover_clock_monotonic() + patience_us[DROVER_POWER_LOOK],
				 &d->outcome.result, err);
}

/* A host that does not answer may be off: then all is as it should be. */
static int turn_off(struct deed *d, enum drover_power_how how, struct drover_err *err)
{
	struct drover_power_outcome *o = &d->outcome;
	int r = d->care == DROVER_POWER_ANYWAY ? 0 : check_empty(d, err);

	if (r == -EHOSTUNREACH && d->care == DROVER_POWER_UNLESS_USED) {
		*err = (struct drover_err){0};
		r = 0;
	}
	if (r == -EHOSTUNREACH && look(d, NULL) == 0 && o->result.state == DROVER_POWER_OFF) {
		o->result.already = true;
		*err = (struct drover_err){0};
		return 0;
	}
	if (r < 0)
		return r;
	return drover_power_off(&d->ways, how, drover_clock_monotonic() + d->patience_us,
				&o->result, err);
}

static void act(struct deed *d)
{
	struct drover_power_outcome *o = &d->outcome;

	switch (o->deed) {
	case DROVER_POWER_LOOK:
		if (look(d, &o->err) == 0 && o->result.state == DROVER_POWER_ON)
			read_watts(d);
		return;
	case DROVER_POWER_TURN_ON:
		drover_power_on(&d->ways, drover_clock_monotonic() + d->patience_us,
				&o->result, &o->err);
		return;
	case DROVER_POWER_TURN_OFF:
		turn_off(d, DROVER_POWER_ORDERLY, &o->err);
		return;
	case DROVER_POWER_CUT:
		turn_off(d, DROVER_POWER_AT_ONCE, &o->err);
		return;
	}
}

static void deed_free(struct deed *d)
{
	drover_power_forget(&d->ways);
	free(d);
}

static void do_done(void *data)
{
	struct deed *d = data;
	struct drover_power_outcome *o = &d->outcome;
	struct record *record = find(o->host);

	o->busy = false;
	if (o->deed != DROVER_POWER_LOOK && record)
		record->outcome = *o;
	if (o->deed != DROVER_POWER_LOOK && o->err.code)
		log_warning("power %s: %s", o->host, o->err.text);
	if (d->done)
		d->done(d->data, o);
	deed_free(d);
}

static void *run(void *data)
{
	struct deed *d = data;

	act(d);
	if (drover_call_post(d->agent->calls, do_done, d) < 0)
		log_error("out of memory");
	return NULL;
}

/* --- in the control thread --- */

static int check(const struct drover_agent *agent, const char *host, enum drover_power_deed deed,
		 struct drover_err *err)
{
	const struct drover_power_outcome *last = drover_power_last(host);

	if (deed == DROVER_POWER_LOOK)
		return 0;
	if (last && last->busy)
		return drover_err_set(err, EBUSY, "%s is being turned %s already", host,
				      last->deed == DROVER_POWER_TURN_ON ? "on" : "off");
	if (deed != DROVER_POWER_TURN_ON && !strcmp(host, agent->conf.host))
		return drover_err_set(err, EPERM,
				      "%s is this very host: it is turned off from another one",
				      host);
	return 0;
}

/* Takes the host, so that nobody else turns it on or off. */
static int take(const struct drover_power_outcome *begun, struct drover_err *err)
{
	struct record *record = find(begun->host);

	if (!record) {
		record = calloc(1, sizeof(*record));
		if (!record)
			return drover_err_set(err, ENOMEM, "out of memory");
		record->next = records;
		records = record;
	}
	record->outcome = *begun;
	return 0;
}

/* Not begun after all. */
static void give_back(const char *host, const struct drover_err *why)
{
	struct record *record = find(host);

	if (!record)
		return;
	record->outcome.busy = false;
	record->outcome.err = *why;
}

static int start(struct deed *d, struct drover_err *err)
{
	bool takes = d->outcome.deed != DROVER_POWER_LOOK;
	int r = takes ? take(&d->outcome, err) : 0;

	if (r < 0)
		return r;
	r = drover_thread_detached(run, d, err);
	if (r < 0 && takes)
		give_back(d->outcome.host, err);
	return r;
}

static int begin(struct drover_agent *agent, const struct drover_power_host *ways,
		 enum drover_power_deed deed, enum drover_power_care care, uint64_t patience,
		 drover_power_done *done, void *data, struct drover_err *err)
{
	int r = check(agent, ways->name, deed, err);
	struct deed *d;

	if (r < 0)
		return r;
	d = calloc(1, sizeof(*d));
	if (!d)
		return drover_err_set(err, ENOMEM, "out of memory");
	d->agent = agent;
	d->ways = *ways;
	d->care = care;
	d->patience_us = patience ? patience : patience_us[deed];
	d->done = done;
	d->data = data;
	d->outcome.deed = deed;
	d->outcome.busy = true;
	snprintf(d->outcome.host, sizeof(d->outcome.host), "%s", ways->name);
	r = start(d, err);
	if (r < 0)
		deed_free(d);
	return r;
}

int drover_power_begin_by(struct drover_agent *agent, const struct drover_power_host *ways,
			  enum drover_power_deed deed, enum drover_power_care care,
			  drover_power_done *done, void *data, struct drover_err *err)
{
	return begin(agent, ways, deed, care, 0, done, data, err);
}

int drover_power_begin_within(struct drover_agent *agent, const char *host,
			      enum drover_power_deed deed, enum drover_power_care care,
			      uint64_t patience, drover_power_done *done, void *data,
			      struct drover_err *err)
{
	struct drover_power_host ways;
	int r = check(agent, host, deed, err);

	if (r == 0)
		r = drover_power_load(DROVER_POWER_DIR, host, &ways, err);
	if (r < 0)
		return r;
	r = begin(agent, &ways, deed, care, patience, done, data, err);
	drover_power_forget(&ways);
	return r;
}

int drover_power_begin(struct drover_agent *agent, const char *host, enum drover_power_deed deed,
		       enum drover_power_care care, drover_power_done *done, void *data,
		       struct drover_err *err)
{
	return drover_power_begin_within(agent, host, deed, care, 0, done, data, err);
}
