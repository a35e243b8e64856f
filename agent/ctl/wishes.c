// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What operators want of the cluster: rules, shares, settings, hosts that are to be empty. Any
 * member takes them, and all members have them once the request is answered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/config.h"
#include "ctl/drs.h"
#include "ctl/reply.h"
#include "ctl/shared.h"

#define SETTLE_MAX_S 86400

struct wish {
	struct drover_agent *agent;
	uint64_t request;
};

static void do_done(void *data, int r, const struct drover_err *err)
{
	struct wish *w = data;

	struct drover_err why = {0};

	if (r < 0)
		drover_err_set(&why, -r, "the cluster did not take it: %s",
			       err && err->code ? err->text : strerror(-r));
	if (r < 0)
		drover_verbs_refuse(w->agent, w->request, &why);
	else
		drover_verbs_reply(w->agent, w->request, drover_reply_new());
	free(w);
}

static int check_cluster(const struct drover_agent *agent, struct drover_err *err)
{
	return agent->alone ? drover_err_set(err, ENOTCONN,
					     "this host is in no cluster; drover "
					     "cluster init makes one")
			    : 0;
}

void drover_wishes_put(struct drover_agent *agent, uint64_t id, const char *prefix,
		       const char *name, const ProtobufCMessage *message)
{
	struct wish *w = calloc(1, sizeof(*w));
	struct drover_err err = {0};
	int r;

	if (!w)
		r = drover_err_set(&err, ENOMEM, "out of memory");
	else {
		w->agent = agent;
		w->request = id;
		r = drover_shared_set(agent, prefix, name, message, do_done, w, &err);
	}
	if (r < 0) {
		free(w);
		drover_verbs_refuse(agent, id, &err);
	}
}

static int check_name(const char *what, const char *name, struct drover_err *err)
{
	return drover_name_valid(name)
		       ? 0
		       : drover_err_set(err, EINVAL, "\"%s\" is no valid name of a %s", name, what);
}

static bool is_host(const struct drover_agent *agent, const char *name)
{
	return !strcmp(name, agent->conf.host) || drover_config_find_peer(&agent->conf, name);
}

static bool exists(const struct drover_agent *agent, const char *prefix, const char *name,
		   const ProtobufCMessageDescriptor *descriptor)
{
	void *m = drover_shared_get(agent, prefix, name, descriptor);

	if (m)
		protobuf_c_message_free_unpacked(m, NULL);
	return m != NULL;
}

/* Removes an entry that must be there. */
static void remove_entry(struct drover_agent *agent, uint64_t id, const char *prefix,
			 const char *what, const char *name,
			 const ProtobufCMessageDescriptor *descriptor)
{
	struct drover_err err = {0};
	int r = check_cluster(agent, &err);

	if (r == 0 && !exists(agent, prefix, name, descriptor))
		r = drover_err_set(&err, ENOENT, "there is no %s %s", what, name);
	if (r < 0)
		drover_verbs_refuse(agent, id, &err);
	else
		drover_wishes_put(agent, id, prefix, name, NULL);
}

/* The messages of a prefix, as the list of a reply. */
static int list(struct drover_agent *agent, const char *prefix,
		const ProtobufCMessageDescriptor *descriptor, void *ret_array, size_t *ret_count)
{
	struct drover_shared_list l;
	ProtobufCMessage ***array = ret_array;

	if (drover_shared_list(agent, prefix, descriptor, &l) < 0)
		return -ENOMEM;
	*array = l.messages;
	*ret_count = l.count;
	return 0;
}

/* --- settings --- */

static int check_settings(const Drover__DrsSet *q, struct drover_err *err)
{
	if (q->automation > DROVER__AUTOMATION__AUTOMATION_FULL)
		return drover_err_set(err, EINVAL, "the mode is manual, partial or full");
	if (q->threshold > 5)
		return drover_err_set(err, EINVAL, "the threshold is 1 to 5");
	if (q->settle_s > SETTLE_MAX_S)
		return drover_err_set(err, EINVAL, "a VM rests at most a day after a move");
	return 0;
}

void drover_wishes_drs(struct drover_agent *agent, uint64_t id,
		       const Drover__ControlRequest *request)
{
	const Drover__DrsSet *q = request->drs_set;
	Drover__DrsSettings now = DROVER__DRS_SETTINGS__INIT, *before;
	struct drover_err err = {0};
	int r = check_cluster(agent, &err);

	if (r == 0)
		r = check_settings(q, &err);
	if (r < 0) {
		drover_verbs_refuse(agent, id, &err);
		return;
	}
	before = drover_shared_get(agent, DROVER_SHARED_DRS, "", &drover__drs_settings__descriptor);
	if (before)
		now = *before;
	if (q->automation)
		now.automation = q->automation;
	if (q->threshold)
		now.threshold = q->threshold;
	if (q->mask & 1)
		now.failover_hosts = q->failover_hosts;
	if (q->mask & 2)
		now.settle_s = q->settle_s;
	drover_wishes_put(agent, id, DROVER_SHARED_DRS, "", &now.base);
	if (before)
		drover__drs_settings__free_unpacked(before, NULL);
}

/* --- rules --- */

static int check_rule(const struct drover_agent *agent, const Drover__RuleRecord *r,
		      struct drover_err *err)
{
	bool hosts = r->kind == DROVER__RULE_KIND__RULE_KIND_ON ||
		     r->kind == DROVER__RULE_KIND__RULE_KIND_NOT_ON;
	int e = check_name("rule", r->name, err);

	for (size_t i = 0; e == 0 && i < r->n_vms; i++)
		e = check_name("VM", r->vms[i], err);
	if (e < 0)
		return e;
	if (r->kind == DROVER__RULE_KIND__RULE_KIND_UNSPECIFIED ||
	    r->kind > DROVER__RULE_KIND__RULE_KIND_NOT_ON)
		return drover_err_set(err, EINVAL, "rule %s is of no known kind", r->name);
	if (r->n_vms < (hosts ? 1 : 2))
		return drover_err_set(err, EINVAL, "rule %s needs %s", r->name,
				      hosts ? "a VM" : "two VMs or more");
	if (hosts != (r->n_hosts > 0))
		return drover_err_set(err, EINVAL,
				      hosts ? "rule %s needs a host" : "rule %s is about VMs alone",
				      r->name);
	for (size_t i = 0; i < r->n_hosts; i++)
		if (!is_host(agent, r->hosts[i]))
			return drover_err_set(err, ENOENT, "%s knows no host %s", agent->conf.host,
					      r->hosts[i]);
	return 0;
}

void drover_wishes_rule_set(struct drover_agent *agent, uint64_t id,
			    const Drover__ControlRequest *request)
{
	const Drover__RuleRecord *rule = request->rule_set->rule;
	struct drover_err err = {0};
	int r = check_cluster(agent, &err);

	if (r == 0)
		r = rule ? check_rule(agent, rule, &err)
			 : drover_err_set(&err, EINVAL, "there is no rule in the request");
	if (r == 0 &&
	    exists(agent, DROVER_SHARED_RULE, rule->name, &drover__rule_record__descriptor))
		r = drover_err_set(&err, EEXIST, "there is a rule %s already", rule->name);
	if (r < 0)
		drover_verbs_refuse(agent, id, &err);
	else
		drover_wishes_put(agent, id, DROVER_SHARED_RULE, rule->name, &rule->base);
}

void drover_wishes_rule_list(struct drover_agent *agent, uint64_t id,
			     const Drover__ControlRequest *request)
{
	Drover__ControlReply *reply = drover_reply_new();

	if (reply)
		list(agent, DROVER_SHARED_RULE, &drover__rule_record__descriptor, &reply->rules,
		     &reply->n_rules);
	drover_verbs_reply(agent, id, reply);
}

void drover_wishes_rule_remove(struct drover_agent *agent, uint64_t id,
			       const Drover__ControlRequest *request)
{
	remove_entry(agent, id, DROVER_SHARED_RULE, "rule", request->rule_remove->name,
		     &drover__rule_record__descriptor);
}

/* --- shares and resource pools --- */

static int check_limit(const char *what, uint64_t reservation, uint64_t limit,
		       struct drover_err *err)
{
	return limit && limit < reservation
		       ? drover_err_set(err, EINVAL, "the limit of %s is below its reservation",
					what)
		       : 0;
}

/* A pool below one of its own would never end. */
static int check_parent(struct drover_agent *agent, const Drover__ResourceRecord *s, bool pool,
			struct drover_err *err)
{
	char at[DROVER_NAME_LEN];

	snprintf(at, sizeof(at), "%s", s->parent);
	for (int depth = 0; *at; depth++) {
		Drover__ResourceRecord *r;

		if ((pool && !strcmp(at, s->name)) || depth > 16)
			return drover_err_set(err, EINVAL,
					      "resource pool %s would be inside itself", s->name);
		r = drover_shared_get(agent, DROVER_SHARED_RESPOOL, at,
				      &drover__resource_record__descriptor);
		if (!r)
			return drover_err_set(err, ENOENT, "there is no resource pool %s", at);
		snprintf(at, sizeof(at), "%s", r->parent);
		drover__resource_record__free_unpacked(r, NULL);
	}
	return 0;
}

void drover_wishes_share_set(struct drover_agent *agent, uint64_t id,
			     const Drover__ControlRequest *request)
{
	const Drover__ResourceRecord *s = request->share_set->share;
	bool pool = request->share_set->pool;
	struct drover_err err = {0};
	int r = check_cluster(agent, &err);

	if (r == 0)
		r = s ? check_name(pool ? "resource pool" : "VM", s->name, &err)
		      : drover_err_set(&err, EINVAL, "there is nothing in the request");
	if (r == 0)
		r = check_limit("CPU", s->cpu_reservation_mhz, s->cpu_limit_mhz, &err);
	if (r == 0)
		r = check_limit("memory", s->memory_reservation_mib, s->memory_limit_mib, &err);
	if (r == 0)
		r = check_parent(agent, s, pool, &err);
	if (r < 0)
		drover_verbs_refuse(agent, id, &err);
	else
		drover_wishes_put(agent, id, pool ? DROVER_SHARED_RESPOOL : DROVER_SHARED_SHARE, s->name,
		    &s->base);
}

void drover_wishes_share_list(struct drover_agent *agent, uint64_t id,
			      const Drover__ControlRequest *request)
{
	Drover__ControlReply *reply = drover_reply_new();

	if (reply) {
		list(agent, DROVER_SHARED_SHARE, &drover__resource_record__descriptor,
		     &reply->shares, &reply->n_shares);
		list(agent, DROVER_SHARED_RESPOOL, &drover__resource_record__descriptor,
		     &reply->respools, &reply->n_respools);
	}
	drover_verbs_reply(agent, id, reply);
}

static const char *child_of(struct drover_agent *agent, const char *prefix, const char *pool,
			    char name[DROVER_NAME_LEN])
{
	struct drover_shared_list l;

	name[0] = '\0';
	if (drover_shared_list(agent, prefix, &drover__resource_record__descriptor, &l) < 0)
		return NULL;
	for (size_t i = 0; i < l.count; i++) {
		const Drover__ResourceRecord *r = (const Drover__ResourceRecord *)l.messages[i];

		if (!strcmp(r->parent, pool))
			snprintf(name, DROVER_NAME_LEN, "%s", r->name);
	}
	drover_shared_free(&l);
	return *name ? name : NULL;
}

void drover_wishes_share_remove(struct drover_agent *agent, uint64_t id,
				const Drover__ControlRequest *request)
{
	const Drover__ShareRemove *q = request->share_remove;
	char name[DROVER_NAME_LEN];
	struct drover_err err = {0};

	if (q->pool && (child_of(agent, DROVER_SHARED_SHARE, q->name, name) ||
			child_of(agent, DROVER_SHARED_RESPOOL, q->name, name))) {
		drover_err_set(&err, EBUSY, "resource pool %s is not empty: %s is in it", q->name,
			       name);
		drover_verbs_refuse(agent, id, &err);
		return;
	}
	remove_entry(agent, id, q->pool ? DROVER_SHARED_RESPOOL : DROVER_SHARED_SHARE,
		     q->pool ? "resource pool" : "share of VM", q->name,
		     &drover__resource_record__descriptor);
}

/* --- maintenance --- */

void drover_wishes_maintenance(struct drover_agent *agent, uint64_t id,
			       const Drover__ControlRequest *request)
{
	const Drover__HostMaintenance *q = request->host_maintenance;
	Drover__MaintenanceRecord record = DROVER__MAINTENANCE_RECORD__INIT;
	bool is_on;
	struct drover_err err = {0};
	int r = check_cluster(agent, &err);

	if (r == 0 && !is_host(agent, q->host))
		r = drover_err_set(&err, ENOENT,
				   "%s knows no host %s: drover.conf has no [peer %s]",
				   agent->conf.host, q->host, q->host);
	is_on = r == 0 && exists(agent, DROVER_SHARED_MAINTENANCE, q->host,
				 &drover__maintenance_record__descriptor);
	if (r == 0 && is_on && q->on) {
		drover_verbs_reply(agent, id, drover_reply_new());
		return;
	}
	if (r == 0 && !is_on && !q->on)
		r = drover_err_set(&err, EALREADY, "host %s is not in maintenance", q->host);
	if (r < 0) {
		drover_verbs_refuse(agent, id, &err);
		return;
	}
	record.host = q->host;
	record.since_us = drover_clock_realtime();
	drover_wishes_put(agent, id, DROVER_SHARED_MAINTENANCE, q->host, q->on ? &record.base : NULL);
	drover_news_vm(agent, "", "host %s %s maintenance", q->host,
		       q->on ? "goes into" : "leaves");
}
