// SPDX-License-Identifier: GPL-2.0-or-later
/* Questions to other hosts. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/config.h"
#include "ctl/agent.h"
#include "ctl/call.h"
#include "ctl/old_images.h"
#include "ctl/reply.h"
#include "ctl/shared.h"
#include "net/peer.h"

#define ANSWER_MS  5000
#define POOL_MS	   10000 /* it looks at images */
#define FORWARD_MS 28000 /* an operator waits 30 s */

static int query_for(int timeout_ms, const struct drover_conf *conf,
		     const struct drover_peer_conf *to, enum drover_frame_type ask,
		     const ProtobufCMessage *message, enum drover_frame_type answer,
		     const ProtobufCMessageDescriptor *descriptor, void *ret_reply,
		     struct drover_err *err)
{
	Drover__Hello hello = DROVER__HELLO__INIT;
	struct drover_peer *peer = NULL;
	int r;

	hello.role = DROVER__ROLE__ROLE_CONTROL;
	r = drover_peer_connect(conf, to, &hello, &peer, err);
	if (r < 0)
		return r;
	drover_peer_set_timeout(peer, timeout_ms);
	r = drover_peer_send(peer, ask, message, 0, err);
	if (r == 0)
		r = drover_peer_expect(peer, answer, descriptor, ret_reply, err);
	drover_peer_close(peer);
	return r;
}

static int query(const struct drover_conf *conf, const struct drover_peer_conf *to,
		 enum drover_frame_type ask, const ProtobufCMessage *message,
		 enum drover_frame_type answer, const ProtobufCMessageDescriptor *descriptor,
		 void *ret_reply, struct drover_err *err)
{
	return query_for(ANSWER_MS, conf, to, ask, message, answer, descriptor, ret_reply, err);
}

static bool runs(Drover__VmState state)
{
	return state == DROVER__VM_STATE__VM_STATE_RUNNING ||
	       state == DROVER__VM_STATE__VM_STATE_PAUSED ||
	       state == DROVER__VM_STATE__VM_STATE_INCOMING ||
	       state == DROVER__VM_STATE__VM_STATE_IN_DOUBT;
}

static bool same_disks(const Drover__VmInfo *theirs, const struct drover_vm_def *ours)
{
	if (theirs->n_disks != ours->disk_count)
		return false;
	for (uint32_t i = 0; i < ours->disk_count; i++)
		if (strcmp(theirs->disks[i], ours->disks[i].path))
			return false;
	return true;
}

/* One peer being asked, in a thread of its own: the dead ones take their time together. */
struct asking {
	pthread_t thread;
	bool runs;
	const struct drover_conf *conf;
	const struct drover_peer_conf *peer;
	const char *name;	/* of the VM or the host in question, or NULL */
	const struct drover_vm_def *def;
	bool moved;		/* the VM, away from here */
	bool same;		/* out: the peer has the VM, on the disks of @def */
	bool asleep;
	int result;
	struct drover_err err;
	Drover__HostInfo *host;
};

static int judge_reply(struct asking *a, const Drover__VmReply *reply, struct drover_err *err)
{
	const Drover__VmInfo *theirs = reply->present ? reply->vm : NULL;

	if (theirs && runs(theirs->state))
		return drover_err_set(err, EEXIST, "vm %s is already running on %s", a->name,
				      a->peer->name);
	if (!a->def)
		return 0;
	a->same = theirs && same_disks(theirs, a->def);
	/* One without disks has no definition there. */
	if (a->moved && theirs && theirs->n_disks && !a->same)
		return drover_err_set(err, ESTALE,
				      "vm %s was moved away, and its disks on %s are not those of the "
				      "definition here; start it there, or here by --force", a->name,
				      a->peer->name);
	return drover_old_images_check(a->conf, a->def, reply, a->peer->name, err);
}

/* 0: it does not run there; -EEXIST, -ESTALE: not to be started here; else: that is not known. */
static int check_peer(struct asking *a, struct drover_err *err)
{
	Drover__VmQuery ask = DROVER__VM_QUERY__INIT;
	Drover__VmReply *reply = NULL;
	int r;

	ask.name = (char *)a->name;
	r = query(a->conf, a->peer, DROVER_FRAME_VM_QUERY, &ask.base, DROVER_FRAME_VM_REPLY,
		  &drover__vm_reply__descriptor, &reply, err);
	if (r < 0)
		return r == -EEXIST || r == -ESTALE ? -EIO : r;
	r = judge_reply(a, reply, err);
	drover__vm_reply__free_unpacked(reply, NULL);
	return r;
}

int drover_elsewhere_runs(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			  const char *vm, struct drover_err *err)
{
	struct asking asking = { .conf = conf, .peer = peer, .name = vm };

	return check_peer(&asking, err);
}

static void ask_all(const struct drover_conf *conf, struct asking like, void *(*fn)(void *),
		    struct asking *asking)
{
	like.conf = conf;
	for (uint32_t i = 0; i < conf->peer_count; i++) {
		struct asking *a = &asking[i];

		*a = like;
		a->peer = &conf->peers[i];
		a->runs = pthread_create(&a->thread, NULL, fn, a) == 0;
		if (!a->runs)
			fn(a);
	}
	for (uint32_t i = 0; i < conf->peer_count; i++)
		if (asking[i].runs)
			pthread_join(asking[i].thread, NULL);
}

static void *run_check(void *data)
{
	struct asking *a = data;

	a->result = check_peer(a, &a->err);
	return NULL;
}

/* --- hosts that sleep do not answer --- */

struct sleepers {
	struct drover_agent *agent;
	struct asking *asking;
	const char *vm;
};

/* Seen off, and not up yet. It was empty when it left, and asks all others before it starts a VM. */
static bool is_asleep(struct drover_agent *agent, const char *host)
{
	Drover__SleepRecord *r = drover_shared_get(agent, DROVER_SHARED_SLEEP, host,
						   &drover__sleep_record__descriptor);
	bool asleep = r && !r->lost &&
		      (r->state == DROVER__SLEEP_RECORD__STATE__ASLEEP ||
		       r->state == DROVER__SLEEP_RECORD__STATE__WAKING ||
		       r->state == DROVER__SLEEP_RECORD__STATE__BOOTING);

	if (r)
		drover__sleep_record__free_unpacked(r, NULL);
	return asleep;
}

static void do_sleepers(void *data)
{
	struct sleepers *s = data;
	struct drover_agent *agent = s->agent;
	Drover__VmRecord *last;

	if (agent->alone || !drover_shared_active(agent))
		return;
	last = drover_shared_get(agent, DROVER_SHARED_VM, s->vm, &drover__vm_record__descriptor);
	for (uint32_t i = 0; i < agent->conf.peer_count; i++) {
		const char *host = agent->conf.peers[i].name;

		/* Where it ran last its disks may have moved, and nobody else has heard of that. */
		s->asking[i].asleep = !drover_shared_is_member(agent, host) &&
				      !(last && !strcmp(last->host, host)) &&
				      is_asleep(agent, host);
	}
	if (last)
		drover__vm_record__free_unpacked(last, NULL);
}

/*
 * A host that sleeps might still know of newer images of a VM that was moved away from here. Not
 * if one who was moved to has it, on the disks that are known here.
 */
static bool disks_are_known(const struct asking *like, const struct asking *asking, uint32_t count)
{
	if (!like->moved || !like->def || !like->def->disk_count)
		return true;
	for (uint32_t i = 0; i < count; i++)
		if (asking[i].same)
			return true;
	return false;
}

/* @like: what all were asked */
static int judge(struct drover_agent *agent, const struct asking *like, struct asking *asking,
		 bool force, struct drover_err *err)
{
	struct sleepers sleepers = { .agent = agent, .asking = asking, .vm = like->name };
	uint32_t count = agent->conf.peer_count;
	bool silent = false;

	/* That it runs somewhere counts more than that somebody is silent. */
	for (uint32_t i = 0; i < count; i++) {
		if (asking[i].result == -EEXIST || asking[i].result == -ESTALE)
			return drover_err_set(err, asking[i].result, "%s", asking[i].err.text);
		silent |= asking[i].result < 0;
	}
	if (silent && !force && disks_are_known(like, asking, count))
		drover_call_wait(agent->calls, do_sleepers, &sleepers);
	for (uint32_t i = 0; i < count; i++) {
		const struct asking *a = &asking[i];

		if (a->result == 0 || a->asleep)
			continue;
		if (!force)
			return drover_err_set(err, a->result,
					      "it is not known whether vm %s runs on %s (%.300s); --force starts it here",
					      a->name, a->peer->name, a->err.text);
		log_warning("vm %s: started without the word of %s: %s", a->name, a->peer->name,
			    a->err.text);
	}
	return 0;
}

int drover_elsewhere_check(struct drover_agent *agent, const char *vm,
			   const struct drover_vm_def *def, const char *placement, bool force,
			   struct drover_err *err)
{
	const struct drover_conf *conf = &agent->conf;
	auto_free struct asking *asking = calloc(conf->peer_count + 1, sizeof(*asking));
	struct asking like = { .name = vm, .def = force ? NULL : def, .moved = placement[0] };

	if (!asking)
		return drover_err_set(err, ENOMEM, "out of memory");
	if (placement[0] && !force && !drover_config_find_peer(conf, placement))
		return drover_err_set(err, EHOSTUNREACH,
				      "vm %s was moved to %s, which is no peer any more; --force starts it here",
				      vm, placement);
	ask_all(conf, like, run_check, asking);
	return judge(agent, &like, asking, force, err);
}

static Drover__HostInfo *unreachable(const struct drover_err *why)
{
	Drover__HostInfo *host = malloc(sizeof(*host));

	if (!host)
		return NULL;
	drover__host_info__init(host);
	host->error = strdup(why->text);
	return host;
}

static Drover__HostInfo *ask_host(const struct drover_conf *conf,
				  const struct drover_peer_conf *peer)
{
	Drover__HostQuery ask = DROVER__HOST_QUERY__INIT;
	Drover__HostReply *reply = NULL;
	Drover__HostInfo *host = NULL;
	struct drover_err err = { 0 };

	if (query(conf, peer, DROVER_FRAME_HOST_QUERY, &ask.base, DROVER_FRAME_HOST_REPLY,
		  &drover__host_reply__descriptor, &reply, &err) == 0) {
		host = reply->host;
		reply->host = NULL;
		drover__host_reply__free_unpacked(reply, NULL);
	}
	if (host)
		host->reachable = true;
	else
		host = unreachable(&err);
	if (!host)
		return NULL;
	free(host->name == protobuf_c_empty_string ? NULL : host->name);
	free(host->address == protobuf_c_empty_string ? NULL : host->address);
	host->name = strdup(peer->name);
	host->address = strdup(peer->address);
	host->self = false;
	return host;
}

static void *run_host(void *data)
{
	struct asking *a = data;

	if (!a->name || !strcmp(a->name, a->peer->name))
		a->host = ask_host(a->conf, a->peer);
	return NULL;
}

void drover_elsewhere_hosts(const struct drover_conf *conf, const char *only,
			    Drover__ControlReply *reply)
{
	auto_free struct asking *asking = calloc(conf->peer_count + 1, sizeof(*asking));
	struct asking like = { .name = only };

	if (!asking)
		return;
	ask_all(conf, like, run_host, asking);
	for (uint32_t i = 0; i < conf->peer_count; i++)
		if (asking[i].host)
			drover_reply_add_host(reply, asking[i].host);
}

int drover_elsewhere_pool(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			  const char *id, Drover__PoolReply **ret_reply, struct drover_err *err)
{
	Drover__PoolQuery ask = DROVER__POOL_QUERY__INIT;

	ask.id = (char *)id;
	return query_for(POOL_MS, conf, peer, DROVER_FRAME_POOL_QUERY, &ask.base,
			 DROVER_FRAME_POOL_REPLY, &drover__pool_reply__descriptor, ret_reply, err);
}

int drover_elsewhere_schedule(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			      Drover__HostReply **ret_reply, struct drover_err *err)
{
	Drover__HostQuery ask = DROVER__HOST_QUERY__INIT;
	int r;

	ask.schedule = true;
	r = query(conf, peer, DROVER_FRAME_HOST_QUERY, &ask.base, DROVER_FRAME_HOST_REPLY,
		  &drover__host_reply__descriptor, ret_reply, err);
	if (r == 0 && !(*ret_reply)->host) {
		drover__host_reply__free_unpacked(*ret_reply, NULL);
		r = drover_err_set(err, EPROTO, "%s says nothing of itself", peer->name);
	}
	return r;
}

int drover_elsewhere_order(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			   const char *vm, const char *to, uint64_t *ret_id, struct drover_err *err)
{
	Drover__MoveOrder order = DROVER__MOVE_ORDER__INIT;
	Drover__MoveOrderReply *reply = NULL;
	int r;

	order.vm = (char *)vm;
	order.host = (char *)to;
	r = query(conf, peer, DROVER_FRAME_MOVE_ORDER, &order.base, DROVER_FRAME_MOVE_ORDER_REPLY,
		  &drover__move_order_reply__descriptor, &reply, err);
	if (r < 0)
		return r;
	*ret_id = reply->migration_id;
	drover__move_order_reply__free_unpacked(reply, NULL);
	return 0;
}

int drover_elsewhere_allot(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			   const Drover__Allot *allot, struct drover_err *err)
{
	Drover__AllotReply *reply = NULL;
	int r = query(conf, peer, DROVER_FRAME_ALLOT, &allot->base, DROVER_FRAME_ALLOT_REPLY,
		      &drover__allot_reply__descriptor, &reply, err);

	if (r == 0)
		drover__allot_reply__free_unpacked(reply, NULL);
	return r;
}

int drover_elsewhere_sleep(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			   const Drover__SleepOrder *order, struct drover_err *err)
{
	Drover__SleepReply *reply = NULL;
	int r;

	r = query(conf, peer, DROVER_FRAME_SLEEP, &order->base, DROVER_FRAME_SLEEP_REPLY,
		  &drover__sleep_reply__descriptor, &reply, err);
	if (r == 0)
		drover__sleep_reply__free_unpacked(reply, NULL);
	return r;
}

int drover_elsewhere_forward(const struct drover_conf *conf, const struct drover_peer_conf *peer,
			     Drover__ControlRequest *request, Drover__ControlReply **ret_reply,
			     struct drover_err *err)
{
	Drover__Forward ask = DROVER__FORWARD__INIT;
	Drover__ForwardReply *reply = NULL;
	int r;

	ask.request = request;
	r = query_for(FORWARD_MS, conf, peer, DROVER_FRAME_FORWARD, &ask.base,
		      DROVER_FRAME_FORWARD_REPLY, &drover__forward_reply__descriptor, &reply, err);
	if (r < 0)
		return r;
	*ret_reply = reply->reply;
	reply->reply = NULL;
	drover__forward_reply__free_unpacked(reply, NULL);
	return *ret_reply ? 0 : drover_err_set(err, EPROTO, "%s gives no answer", peer->name);
}
