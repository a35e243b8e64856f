// SPDX-License-Identifier: GPL-2.0-or-later
/* Starts a VM on another host, or on the one that the leader chooses. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "core/config.h"
#include "ctl/forward.h"
#include "ctl/reply.h"
#include "ctl/shared.h"

/**
 * struct placing - a VM on its way to its host
 * @on: host, or "" until the leader has chosen one
 * @leader: of the cluster, or "" for a host in none
 */
struct placing {
	struct drover_agent *agent;
	uint64_t id;
	char vm[DROVER_NAME_LEN];
	char on[DROVER_NAME_LEN];
	char leader[DROVER_NAME_LEN];
	bool force;
	char *text;
	Drover__ControlReply *reply;
	struct drover_err err;
};

static void do_answer(void *data)
{
	struct placing *p = data;

	if (p->reply)
		drover_verbs_reply(p->agent, p->id, p->reply);
	else
		drover_verbs_refuse(p->agent, p->id, &p->err);
	free(p->text);
	free(p);
}

static int ask(struct placing *p, const char *host, Drover__ControlRequest *request,
	       Drover__ControlReply **ret_reply)
{
	const struct drover_conf *conf = &p->agent->conf;
	const struct drover_peer_conf *peer = drover_config_find_peer(conf, host);

	request->version = 1;
	if (!strcmp(host, conf->host))
		return drover_forward_serve(p->agent, request, ret_reply, &p->err);
	if (!peer)
		return drover_err_set(&p->err, ENOENT,
				      "%s knows no host %s: drover.conf has no [peer %s]",
				      conf->host, host, host);
	return drover_elsewhere_forward(conf, peer, request, ret_reply, &p->err);
}

static int choose(struct placing *p)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__VmPlace q = DROVER__VM_PLACE__INIT;
	Drover__ControlReply *reply = NULL;
	int r;

	q.name = p->vm;
	q.definition.data = (uint8_t *)p->text;
	q.definition.len = strlen(p->text);
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_VM_PLACE;
	request.vm_place = &q;
	r = ask(p, p->leader, &request, &reply);
	if (r < 0)
		return r;
	if (reply->code)
		r = drover_err_set(&p->err, reply->code, "%s", reply->error);
	else if (!reply->drs || !reply->drs->n_moves || !*reply->drs->moves[0]->to)
		r = drover_err_set(&p->err, EPROTO, "%s names no host", p->leader);
	else
		snprintf(p->on, sizeof(p->on), "%s", reply->drs->moves[0]->to);
	if (r == 0)
		log_info("vm %s starts on %s: %s", p->vm, p->on, reply->drs->moves[0]->reason);
	drover_reply_free(reply);
	return r;
}

static int start(struct placing *p)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__VmStart q = DROVER__VM_START__INIT;

	q.name = p->vm;
	q.force = p->force;
	q.definition.data = (uint8_t *)p->text;
	q.definition.len = strlen(p->text);
	request.verb_case = DROVER__CONTROL_REQUEST__VERB_VM_START;
	request.vm_start = &q;
	return ask(p, p->on, &request, &p->reply);
}

static void *run_placing(void *data)
{
	struct placing *p = data;
	struct drover_vm_def def;
	int r = drover_vmdef_read(p->agent->conf.vm_dir, p->vm, &def, &p->text, &p->err);

	if (r == 0 && !*p->on)
		r = choose(p);
	if (r == 0)
		start(p);
	if (drover_call_post(p->agent->calls, do_answer, p) < 0)
		log_error("vm %s: out of memory", p->vm);
	return NULL;
}

static int prepare(struct placing *p, const Drover__VmStart *q)
{
	struct drover_agent *agent = p->agent;

	if (!drover_name_valid(q->name))
		return drover_err_set(&p->err, EINVAL, "\"%s\" is no valid name of a VM", q->name);
	snprintf(p->vm, sizeof(p->vm), "%s", q->name);
	p->force = q->force;
	if (strcmp(q->on, "auto")) {
		snprintf(p->on, sizeof(p->on), "%s", q->on);
		return 0;
	}
	if (agent->alone) {
		snprintf(p->on, sizeof(p->on), "%s", agent->conf.host);
		return 0;
	}
	snprintf(p->leader, sizeof(p->leader), "%s", drover_shared_leader(agent));
	return *p->leader
		       ? 0
		       : drover_err_set(&p->err, ENOTCONN,
					"the cluster has no quorum here: nobody runs its policies");
}

void drover_start_on(struct drover_agent *agent, uint64_t id, const Drover__ControlRequest *request)
{
	struct placing *p = calloc(1, sizeof(*p));
	struct drover_err err = {0};
	int r;

	if (!p) {
		drover_err_set(&err, ENOMEM, "out of memory");
		drover_verbs_refuse(agent, id, &err);
		return;
	}
	p->agent = agent;
	p->id = id;
	r = prepare(p, request->vm_start);
	if (r == 0)
		r = drover_thread_detached(run_placing, p, &p->err);
	if (r < 0) {
		drover_verbs_refuse(agent, id, &p->err);
		free(p);
	}
}
