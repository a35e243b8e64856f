// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests that the agent of another host answers. */
#include "ctl/forward.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/thread.h"
#include "core/config.h"
#include "ctl/reply.h"
#include "ctl/shared.h"

/* Numbers of mailbox requests are small. */
#define MARK   (UINT64_C(1) << 63)
#define WAIT_S 27
/* Members change within a few seconds, or the cluster has lost its quorum. */
#define LOOK_US	  UINT64_C(300000)
#define LOOKS_MAX 30

/* --- here, for a peer --- */

/**
 * struct waiting - a connection's thread that waits for an answer
 * @id: with MARK
 */
struct waiting {
	struct waiting *next;
	uint64_t id;
	struct drover_agent *agent;
	Drover__ControlRequest *request;
	Drover__ControlReply *reply;
};

static struct waiting *waitings;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;

static bool is_for_others(const Drover__ControlRequest *request)
{
	switch (request->verb_case) {
	case DROVER__CONTROL_REQUEST__VERB_DRS_SHOW:
	case DROVER__CONTROL_REQUEST__VERB_DRS_APPLY:
	case DROVER__CONTROL_REQUEST__VERB_VM_PLACE:
	case DROVER__CONTROL_REQUEST__VERB_DPM_SHOW:
	case DROVER__CONTROL_REQUEST__VERB_DPM_APPLY:
	case DROVER__CONTROL_REQUEST__VERB_HOST_SLEEP:
	case DROVER__CONTROL_REQUEST__VERB_HOST_WAKE:
		return true;
	case DROVER__CONTROL_REQUEST__VERB_VM_START:
		return !*request->vm_start->on && request->vm_start->definition.len;
	default:
		return false;
	}
}

static void do_request(void *data)
{
	const struct waiting *w = data;

	drover_verbs_request(w->agent, w->id, w->request);
}

bool drover_forward_is(uint64_t id)
{
	return id & MARK;
}

void drover_forward_answer(uint64_t id, Drover__ControlReply *reply)
{
	struct waiting *w;

	pthread_mutex_lock(&lock);
	for (w = waitings; w && w->id != id; w = w->next)
		;
	if (w && !w->reply) {
		w->reply = reply;
		reply = NULL;
		pthread_cond_broadcast(&answered);
	}
	pthread_mutex_unlock(&lock);
	drover_reply_free(reply);
}

static void enter(struct waiting *w)
{
	static uint64_t last;

	pthread_mutex_lock(&lock);
	w->id = MARK | ++last;
	w->next = waitings;
	waitings = w;
	pthread_mutex_unlock(&lock);
}

static void await_and_leave(struct waiting *w)
{
	struct waiting **p = &waitings;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&lock);
	while (!w->reply &&
	       pthread_cond_clockwait(&answered, &lock, CLOCK_MONOTONIC, &until) == 0)
		;
	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	pthread_mutex_unlock(&lock);
}

int drover_forward_serve(struct drover_agent *agent, const Drover__ControlRequest *request,
			 Drover__ControlReply **ret_reply, struct drover_err *err)
{
	struct waiting w = {.agent = agent, .request = (Drover__ControlRequest *)request};

	if (!is_for_others(request))
		return drover_err_set(err, EPERM, "this request is not for other hosts");
	enter(&w);
	drover_call_wait(agent->calls, do_request, &w);
	await_and_leave(&w);
	if (!w.reply)
		return drover_err_set(err, ETIMEDOUT, "%s did not come to an answer in time",
				      agent->conf.host);
	*ret_reply = w.reply;
	return 0;
}

/* --- to the leader --- */

struct forwarding {
	struct drover_agent *agent;
	uint64_t id;
	const struct drover_peer_conf *to;
	Drover__ControlRequest *request;
	Drover__ControlReply *reply;
	struct drover_err err;
};

static void forwarding_free(struct forwarding *f)
{
	if (!f)
		return;
	if (f->request)
		drover__control_request__free_unpacked(f->request, NULL);
	free(f);
}

static void do_answer(void *data)
{
	struct forwarding *f = data;

	if (f->reply)
		drover_verbs_reply(f->agent, f->id, f->reply);
	else
		drover_verbs_refuse(f->agent, f->id, &f->err);
	forwarding_free(f);
}

static void *run_forward(void *data)
{
	struct forwarding *f = data;

	drover_elsewhere_forward(&f->agent->conf, f->to, f->request, &f->reply, &f->err);
	if (drover_call_post(f->agent->calls, do_answer, f) < 0)
		log_error("out of memory");
	return NULL;
}

static Drover__ControlRequest *copy(const Drover__ControlRequest *request)
{
	size_t len = drover__control_request__get_packed_size(request);
	Drover__ControlRequest *made = NULL;
	uint8_t *bytes = malloc(len + 1);

	if (!bytes)
		return NULL;
	drover__control_request__pack(request, bytes);
	made = drover__control_request__unpack(NULL, len, bytes);
	free(bytes);
	return made;
}

static int begin(struct drover_agent *agent, uint64_t id, const Drover__ControlRequest *request,
		 struct drover_err *err)
{
	const char *leader = drover_shared_leader(agent);
	struct forwarding *f;
	int r;

	if (!*leader)
		return drover_err_set(err, ENOTCONN,
				      "the cluster has no quorum here: nobody runs its policies");
	/* A request that was sent here because this host led goes no further. */
	if (drover_forward_is(id))
		return drover_err_set(err, EAGAIN, "%s leads the cluster now; try again", leader);
	f = calloc(1, sizeof(*f));
	if (!f)
		return drover_err_set(err, ENOMEM, "out of memory");
	f->agent = agent;
	f->id = id;
	f->to = drover_config_find_peer(&agent->conf, leader);
	f->request = copy(request);
	if (!f->to)
		r = drover_err_set(err, ENOENT,
				   "%s leads the cluster, but drover.conf has no [peer %s]", leader,
				   leader);
	else if (!f->request)
		r = drover_err_set(err, ENOMEM, "out of memory");
	else
		r = drover_thread_detached(run_forward, f, err);
	if (r < 0)
		forwarding_free(f);
	return r;
}

/* --- while members change nobody leads --- */

struct pending {
	struct drover_agent *agent;
	uint64_t id;
	Drover__ControlRequest *request;
	uint32_t looks;
};

static void pending_free(struct pending *p)
{
	drover__control_request__free_unpacked(p->request, NULL);
	free(p);
}

static int on_look(sd_event_source *source, uint64_t usec, void *data)
{
	struct pending *p = data;
	struct drover_err err = {0};

	if (drover_shared_changes(p->agent) && ++p->looks < LOOKS_MAX) {
		sd_event_source_set_time_relative(source, LOOK_US);
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	}
	if (drover_shared_changes(p->agent)) {
		drover_err_set(&err, EAGAIN, "the members of the cluster change; try again");
		drover_verbs_refuse(p->agent, p->id, &err);
	} else {
		/* From the start: this host may lead now. */
		drover_verbs_request(p->agent, p->id, p->request);
	}
	sd_event_source_unref(source);
	pending_free(p);
	return 0;
}

static bool postpone(struct drover_agent *agent, uint64_t id, const Drover__ControlRequest *request)
{
	struct pending *p = calloc(1, sizeof(*p));
	sd_event_source *timer = NULL;

	if (!p)
		return false;
	*p = (struct pending){.agent = agent, .id = id, .request = copy(request)};
	if (p->request && sd_event_add_time_relative(agent->event, &timer, CLOCK_MONOTONIC, LOOK_US,
						     0, on_look, p) >= 0)
		return true;
	pending_free(p);
	return false;
}

void drover_forward_to_leader(struct drover_agent *agent, uint64_t id,
			      const Drover__ControlRequest *request)
{
	struct drover_err err = {0};

	if (drover_shared_changes(agent) && postpone(agent, id, request))
		return;
	if (begin(agent, id, request, &err) < 0)
		drover_verbs_refuse(agent, id, &err);
}
