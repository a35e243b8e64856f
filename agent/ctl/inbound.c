// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections from peers: a thread each, from Hello to their end. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/thread.h"
#include "core/clock.h"
#include "ctl/agent.h"
#include "ctl/allot.h"
#include "ctl/forward.h"
#include "ctl/old_images.h"
#include "ctl/pools.h"
#include "ctl/reply.h"
#include "ctl/shared.h"
#include "ctl/sleep.h"
#include "migrate/target.h"
#include "net/listener.h"
#include "net/tls.h"

/* More than a few dozen hosts with all their streams ever need. */
#define CONNECTIONS_MAX 256

/* A certificate that expires within so many days is worth a word. */
#define CERTIFICATE_DAYS 30

struct connection {
	struct drover_agent *agent;
	int fd;
};

static atomic_int connections;

/* Whoever reaches the port can make us say this: once a second is enough. */
static void log_refusal(const char *why)
{
	static _Atomic uint64_t last;
	uint64_t now = drover_clock_monotonic(), then = atomic_load(&last);

	if (now - then > 1000000 && atomic_compare_exchange_strong(&last, &then, now))
		log_warning("a connection was refused: %s", why);
}

/* --- questions that the control thread answers --- */

struct question {
	struct drover_agent *agent;
	const char *vm;
	Drover__VmInfo *vm_info;
	bool schedule;
	Drover__HostReply *host_reply;
};

static void do_vm_info(void *data)
{
	struct question *q = data;

	q->vm_info = drover_vms_info(q->agent, q->vm);
	/* Its images are in use, so it must not be started anywhere. */
	if (q->vm_info && q->vm_info->state == DROVER__VM_STATE__VM_STATE_STOPPED &&
	    drover_storage_moves(q->agent, q->vm, NULL))
		q->vm_info->state = DROVER__VM_STATE__VM_STATE_INCOMING;
}

static int answer_vm(struct drover_agent *agent, struct drover_peer *peer, const char *name,
		     struct drover_err *err)
{
	struct question q = { .agent = agent, .vm = name };
	Drover__VmReply reply = DROVER__VM_REPLY__INIT;
	struct drover_old_images old;
	int r;

	drover_call_wait(agent->calls, do_vm_info, &q);
	reply.present = q.vm_info != NULL;
	reply.vm = q.vm_info;
	drover_old_images_tell(&agent->conf, name, peer->host, &old, &reply);
	r = drover_peer_send(peer, DROVER_FRAME_VM_REPLY, &reply.base, 0, err);
	drover_old_images_free(&old);
	if (q.vm_info)
		drover__vm_info__free_unpacked(q.vm_info, NULL);
	return r;
}

static void do_host_reply(void *data)
{
	struct question *q = data;

	q->host_reply = drover_hosts_reply(q->agent, q->schedule);
}

static int answer_host(struct drover_agent *agent, struct drover_peer *peer, bool schedule,
		       struct drover_err *err)
{
	struct question q = { .agent = agent, .schedule = schedule };
	int r;

	drover_call_wait(agent->calls, do_host_reply, &q);
	if (!q.host_reply)
		return drover_err_set(err, ENOMEM, "out of memory");
	r = drover_peer_send(peer, DROVER_FRAME_HOST_REPLY, &q.host_reply->base, 0, err);
	drover__host_reply__free_unpacked(q.host_reply, NULL);
	return r;
}

/* --- what the leader orders --- */

struct order {
	struct drover_agent *agent;
	const char *leader;
	const Drover__MoveOrder *move;
	const Drover__Allot *allot;
	const Drover__SleepOrder *sleep;
	uint64_t migration_id;
	int result;
	struct drover_err *err;
};

/* Two may think that they lead while the cluster falls apart: this host knows one, or none. */
static int check_leader(const struct order *o)
{
	if (drover_shared_active(o->agent) && !o->agent->alone &&
	    !strcmp(drover_shared_leader(o->agent), o->leader))
		return 0;
	return drover_err_set(o->err, EPERM, "%s does not lead the cluster as %s sees it", o->leader,
			      o->agent->conf.host);
}

static void do_move(void *data)
{
	struct order *o = data;
	Drover__Migrate q = DROVER__MIGRATE__INIT;

	q.vm = o->move->vm;
	q.host = o->move->host;
	o->result = check_leader(o);
	if (o->result == 0)
		o->result = drover_moves_begin(o->agent, &q, &o->migration_id, o->err);
}

static int obey_move(struct drover_agent *agent, struct drover_peer *peer,
		     const Drover__MoveOrder *move, struct drover_err *err)
{
	struct order o = { .agent = agent, .leader = peer->host, .move = move, .err = err };
	Drover__MoveOrderReply reply = DROVER__MOVE_ORDER_REPLY__INIT;

	drover_call_wait(agent->calls, do_move, &o);
	reply.migration_id = o.migration_id;
	return o.result < 0 ? o.result
			    : drover_peer_send(peer, DROVER_FRAME_MOVE_ORDER_REPLY, &reply.base, 0,
					       err);
}

static void do_allot(void *data)
{
	struct order *o = data;

	o->result = check_leader(o);
	if (o->result == 0)
		drover_allot_apply(o->agent, o->allot);
}

static int obey_allot(struct drover_agent *agent, struct drover_peer *peer,
		      const Drover__Allot *allot, struct drover_err *err)
{
	struct order o = { .agent = agent, .leader = peer->host, .allot = allot, .err = err };
	Drover__AllotReply reply = DROVER__ALLOT_REPLY__INIT;

	drover_call_wait(agent->calls, do_allot, &o);
	return o.result < 0 ? o.result
			    : drover_peer_send(peer, DROVER_FRAME_ALLOT_REPLY, &reply.base, 0, err);
}

static void do_leave(void *data)
{
	struct order *o = data;

	if (o->sleep->stay) {
		drover_leave_undo(o->agent);
		return;
	}
	o->result = check_leader(o);
	if (o->result == 0)
		o->result = drover_leave_obey(o->agent, o->sleep, o->err);
}

static int obey_sleep(struct drover_agent *agent, struct drover_peer *peer,
		      const Drover__SleepOrder *sleep, struct drover_err *err)
{
	struct order o = { .agent = agent, .leader = peer->host, .sleep = sleep, .err = err };
	Drover__SleepReply reply = DROVER__SLEEP_REPLY__INIT;

	drover_call_wait(agent->calls, do_leave, &o);
	return o.result < 0 ? o.result
			    : drover_peer_send(peer, DROVER_FRAME_SLEEP_REPLY, &reply.base, 0, err);
}

/* --- requests of operators on other hosts --- */

static int answer_forward(struct drover_agent *agent, struct drover_peer *peer,
			  const Drover__Forward *ask, struct drover_err *err)
{
	Drover__ForwardReply answer = DROVER__FORWARD_REPLY__INIT;
	int r;

	if (!ask->request)
		return drover_err_set(err, EPROTO, "there is no request to answer");
	r = drover_forward_serve(agent, ask->request, &answer.reply, err);
	if (r < 0)
		return r;
	r = drover_peer_send(peer, DROVER_FRAME_FORWARD_REPLY, &answer.base, 0, err);
	drover_reply_free(answer.reply);
	return r;
}

static int answer_outcome(struct drover_agent *agent, struct drover_peer *peer, uint64_t id,
			  struct drover_err *err)
{
	Drover__OutcomeReply reply = DROVER__OUTCOME_REPLY__INIT;
	enum drover_decision decision;
	int r = drover_target_outcome(&agent->conf, peer->host, id, &decision, err);

	if (r < 0)
		return r;
	reply.state = decision == DROVER_DECISION_RUNNING
			      ? DROVER__OUTCOME_STATE__OUTCOME_STATE_RUNNING
			      : DROVER__OUTCOME_STATE__OUTCOME_STATE_NEVER;
	return drover_peer_send(peer, DROVER_FRAME_OUTCOME_REPLY, &reply.base, 0, err);
}

/* --- a migration that arrives --- */

struct listing {
	struct drover_agent *agent;
	struct drover_migration *m;
};

static void do_listed(void *data)
{
	struct listing *l = data;

	drover_registry_add(l->agent, l->m);
}

static void listed(void *data, struct drover_migration *m)
{
	struct drover_agent *agent = data;
	struct listing l = { .agent = agent, .m = m };

	drover_call_wait(agent->calls, do_listed, &l);
}

/* --- roles --- */

static const struct {
	enum drover_frame_type type;
	const ProtobufCMessageDescriptor *descriptor;
} openings[] = {
	{ DROVER_FRAME_PREPARE, &drover__prepare__descriptor },
	{ DROVER_FRAME_RESUME, &drover__resume__descriptor },
	{ DROVER_FRAME_OUTCOME, &drover__outcome__descriptor },
	{ DROVER_FRAME_VM_QUERY, &drover__vm_query__descriptor },
	{ DROVER_FRAME_POOL_QUERY, &drover__pool_query__descriptor },
	{ DROVER_FRAME_HOST_QUERY, &drover__host_query__descriptor },
	{ DROVER_FRAME_MOVE_ORDER, &drover__move_order__descriptor },
	{ DROVER_FRAME_ALLOT, &drover__allot__descriptor },
	{ DROVER_FRAME_FORWARD, &drover__forward__descriptor },
	{ DROVER_FRAME_SLEEP, &drover__sleep_order__descriptor },
};

static int answer_message(struct drover_agent *agent, struct drover_peer *peer,
			  enum drover_frame_type type, void *message, struct drover_err *err)
{
	switch (type) {
	case DROVER_FRAME_PREPARE:
		drover_target_serve(&agent->env, peer, message, listed);
		return 0;
	case DROVER_FRAME_RESUME:
		return drover_target_resume(peer, message, err);
	case DROVER_FRAME_OUTCOME:
		return answer_outcome(agent, peer, ((Drover__Outcome *)message)->migration_id, err);
	case DROVER_FRAME_VM_QUERY:
		return answer_vm(agent, peer, ((Drover__VmQuery *)message)->name, err);
	case DROVER_FRAME_POOL_QUERY:
		return drover_pools_answer(agent, peer, ((Drover__PoolQuery *)message)->id, err);
	case DROVER_FRAME_MOVE_ORDER:
		return obey_move(agent, peer, message, err);
	case DROVER_FRAME_ALLOT:
		return obey_allot(agent, peer, message, err);
	case DROVER_FRAME_FORWARD:
		return answer_forward(agent, peer, message, err);
	case DROVER_FRAME_SLEEP:
		return obey_sleep(agent, peer, message, err);
	default:
		return answer_host(agent, peer, ((Drover__HostQuery *)message)->schedule, err);
	}
}

static int answer(struct drover_agent *agent, struct drover_peer *peer, enum drover_frame_type type,
		  const uint8_t *body, size_t len, struct drover_err *err)
{
	size_t i = 0, n = sizeof(openings) / sizeof(*openings);
	void *message;
	int r;

	while (i < n && openings[i].type != type)
		i++;
	if (i == n)
		return drover_err_set(err, EPROTO, "frame type %d cannot open a conversation", type);
	message = drover_peer_unpack(openings[i].descriptor, body, len, err);
	if (!message)
		return -EPROTO;
	r = answer_message(agent, peer, type, message, err);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

static int serve_control(struct drover_agent *agent, struct drover_peer *peer,
			 struct drover_err *err)
{
	auto_free uint8_t *body = NULL;
	enum drover_frame_type type;
	size_t len;
	int r = drover_peer_recv(peer, &type, &body, &len, err);

	return r < 0 ? r : answer(agent, peer, type, body, len, err);
}

static int serve_role(struct drover_agent *agent, struct drover_peer *peer,
		      const Drover__Hello *hello, struct drover_err *err)
{
	if (hello->role == DROVER__ROLE__ROLE_CONTROL)
		return serve_control(agent, peer, err);
	if (hello->role == DROVER__ROLE__ROLE_RAM ||
	    hello->role == DROVER__ROLE__ROLE_DEVICE_STATE ||
	    hello->role == DROVER__ROLE__ROLE_TUNNEL)
		return drover_target_data(peer, hello, err);
	return drover_err_set(err, EPROTO, "role %d is not served here", hello->role);
}

static void *run_connection(void *data)
{
	struct connection *c = data;
	struct drover_peer *peer = NULL;
	Drover__Hello *hello = NULL;
	struct drover_err err = { 0 };
	int r = drover_peer_accept(&c->agent->conf, c->fd, &peer, &hello, &err);

	if (r < 0) {
		log_refusal(err.text);
	} else {
		r = serve_role(c->agent, peer, hello, &err);
		if (r < 0 && r != -ENODATA) {
			log_debug("connection of %s: %s", peer->host, err.text);
			drover_peer_refuse(peer, &err);
		}
		drover__hello__free_unpacked(hello, NULL);
		drover_peer_close(peer);
	}
	atomic_fetch_sub(&connections, 1);
	free(c);
	return NULL;
}

static void serve(struct drover_agent *agent, int fd)
{
	struct connection *c = malloc(sizeof(*c));

	if (!c || atomic_fetch_add(&connections, 1) >= CONNECTIONS_MAX) {
		if (c)
			atomic_fetch_sub(&connections, 1);
		log_refusal("there are too many already");
		close(fd);
		free(c);
		return;
	}
	c->agent = agent;
	c->fd = fd;
	if (drover_thread_detached(run_connection, c, NULL) < 0) {
		atomic_fetch_sub(&connections, 1);
		close(fd);
		free(c);
	}
}

static int on_connection(sd_event_source *source, int listener, uint32_t revents, void *data)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		serve(data, fd);
	return 0;
}

/* Local VMs must be looked after also when no peer can be talked to: so this is said, and no more. */
static void check_tls(const struct drover_conf *conf)
{
	struct drover_err err = { 0 };
	uint32_t days;

	if (!conf->tls.on) {
		if (conf->peer_count)
			log_warning("connections to peers are not encrypted, and peers are known by name "
				    "alone: drover.conf has no section [tls]");
		return;
	}
	if (drover_tls_check(conf, &days, &err) < 0)
		log_error("no peer can be talked to: %s", err.text);
	else if (days < CERTIFICATE_DAYS)
		log_warning("the certificate %s expires in %u days", conf->tls.certificate, days);
}

int drover_inbound_open(struct drover_agent *agent, struct drover_err *err)
{
	int r;

	check_tls(&agent->conf);
	agent->listener = drover_listener_open(&agent->conf, err);
	if (agent->listener < 0)
		return agent->listener;
	r = sd_event_add_io(agent->event, &agent->listener_watch, agent->listener, EPOLLIN,
			    on_connection, agent);
	return r < 0 ? drover_err_set(err, r, "cannot watch the listening socket: %s", strerror(-r))
		     : 0;
}
