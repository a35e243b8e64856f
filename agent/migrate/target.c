// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The target half of a migration. The control connection is its life line: when
 * it ends before Commit, everything made here goes away again.
 */
#include "migrate/target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "migrate/record.h"
#include "migrate/target_stages.h"
#include "vm/qmp.h"

/* --- what the source asks for --- */

static int end_by_abort(struct drover_target *t, struct drover_err *err)
{
	if (drover_arrival_failure(&t->arrival, err) < 0)
		return err->code;
	return drover_err_set(err, ECONNABORTED, "%s gave the migration up", t->peer->host);
}

/* The stage in which a frame may come, or -1 where it has no place at all. */
static int stage_of(const struct drover_target *t, enum drover_frame_type type)
{
	if (type == DROVER_FRAME_DEVICE_STATE_BEGIN)
		return DROVER_TARGET_PREPARED;
	if (type == DROVER_FRAME_VERIFY_PAGES)
		return DROVER_TARGET_LISTENING;
	if (type == DROVER_FRAME_DISKS_CLOSE)
		return t->landing.count ? (int)DROVER_TARGET_LISTENING : -1;
	if (type == DROVER_FRAME_READY_QUERY)
		return t->landing.count ? DROVER_TARGET_CLOSED : DROVER_TARGET_LISTENING;
	return type == DROVER_FRAME_COMMIT ? DROVER_TARGET_READY : -1;
}

static const ProtobufCMessageDescriptor *descriptor_of(enum drover_frame_type type)
{
	if (type == DROVER_FRAME_DEVICE_STATE_BEGIN)
		return &drover__device_state_begin__descriptor;
	if (type == DROVER_FRAME_VERIFY_PAGES)
		return &drover__verify_pages__descriptor;
	if (type == DROVER_FRAME_DISKS_CLOSE)
		return &drover__disks_close__descriptor;
	if (type == DROVER_FRAME_READY_QUERY)
		return &drover__ready_query__descriptor;
	return &drover__commit__descriptor;
}

static int obey(struct drover_target *t, enum drover_frame_type type, const void *message,
		struct drover_err *err)
{
	if (type == DROVER_FRAME_DEVICE_STATE_BEGIN)
		return drover_target_listen(t, err);
	if (type == DROVER_FRAME_DISKS_CLOSE)
		return drover_target_disks_close(t, err);
	if (type == DROVER_FRAME_READY_QUERY)
		return drover_target_ready(t, message, err);
	if (type == DROVER_FRAME_COMMIT)
		return drover_target_take_over(t, message, err);
	if (t->m->info.state != DROVER_MIGRATION_SWITCHOVER)
		drover_migration_state(t->m, DROVER_MIGRATION_SWITCHOVER);
	return drover_target_hashes(t, message, err);
}

/* Unpacks the body and hands it to the one who answers it. */
static int dispatch(struct drover_target *t, enum drover_frame_type type, const uint8_t *body, size_t len,
		    struct drover_err *err)
{
	void *message;
	int r;

	if (type == DROVER_FRAME_ABORT)
		return end_by_abort(t, err);
	if (stage_of(t, type) != (int)t->stage)
		return drover_err_set(err, EPROTO, "frame type %d has no place at this point of a migration",
				      type);
	message = drover_peer_unpack(descriptor_of(type), body, len, err);
	if (!message)
		return -EPROTO;
	r = obey(t, type, message, err);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

static int serve(struct drover_target *t, struct drover_err *err)
{
	drover_peer_set_timeout(t->peer, 0);
	while (!t->running) {
		auto_free uint8_t *body = NULL;
		enum drover_frame_type type;
		size_t len;
		int r = drover_peer_recv(t->peer, &type, &body, &len, err);

		if (r == 0)
			r = dispatch(t, type, body, len, err);
		else
			r = drover_target_disks_wait(t, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- the end --- */

int drover_target_end_vm(struct drover_target *t, struct drover_err *err)
{
	int r = t->vm ? drover_vm_kill(t->vm, DROVER_VM_KILL_MS, err) : 0;

	t->remains |= r < 0;
	drover_vm_release(t->vm);
	t->vm = NULL;
	return r;
}

/* Never to run: written down first, so that the source may resume without asking twice. */
static void give_up(struct drover_target *t, struct drover_err *why)
{
	const struct drover_migrate_env *env = t->m->env;
	struct drover_err err = { 0 };
	enum drover_decision got = DROVER_DECISION_NONE;

	if (!t->used_before &&
	    drover_record_decide(env->conf, t->peer->host, t->m->info.id, DROVER_DECISION_NEVER,
				 &got, &err) < 0)
		log_error("mig %" PRIu64 " vm %s: %s", t->m->info.id, t->m->info.vm, err.text);
	t->decided |= got == DROVER_DECISION_RUNNING;
	if (drover_target_end_vm(t, &err) < 0)
		log_error("mig %" PRIu64 " vm %s: %s", t->m->info.id, t->m->info.vm, err.text);
	drover_target_disks_drop(t);
	if (t->reserved && !t->remains)
		env->unreserve(env->data, t->m->info.vm);
	/* Last: who reads it may try again at once. */
	drover_peer_refuse(t->peer, why);
	drover_arrival_release(&t->arrival);
	drover_migration_fail(t->m, why);
	env->finished(env->data, t->m, t->remains ? DROVER_OUTCOME_STUCK : DROVER_OUTCOME_NOTHING,
		      NULL);
}

static void note_figures(struct drover_target *t)
{
	struct drover_migration_info *info = &t->m->info;
	scope_lock(&t->m->lock);

	info->sent_pages = atomic_load(&t->arrival.ram.data_pages);
	info->zero_pages = atomic_load(&t->arrival.ram.zero_pages);
	info->wire_bytes = atomic_load(&t->arrival.ram.wire_bytes);
	info->device_state_bytes = t->arrival.device_bytes;
}

void drover_target_serve(const struct drover_migrate_env *env, struct drover_peer *peer,
			 const Drover__Prepare *p,
			 void (*listed)(void *data, struct drover_migration *m))
{
	auto_free struct drover_target *t = calloc(1, sizeof(*t));
	struct drover_err err = { 0 };
	int r;

	if (!t || !(t->m = drover_migration_create(env, p->migration_id, p->vm, peer->host,
						   env->conf->host)))
		return;
	t->first = t->peer = peer;
	t->m->info.incoming = true;
	t->m->info.ram_bytes = p->ram_pages << 12;
	t->m->info.streams = p->streams;
	drover_log_set_subject(p->vm, p->migration_id);
	listed(env->data, t->m);
	drover_migration_attach(t->m, peer, NULL);
	r = drover_target_prepare(t, p, &err);
	if (r == 0) {
		drover_migration_state(t->m, DROVER_MIGRATION_PRECOPY);
		r = serve(t, &err);
	}
	drover_migration_attach(t->m, NULL, NULL);
	drover_arrival_close(&t->arrival);
	note_figures(t);
	drover_qmp_close(t->qmp);
	if (r == 0) {
		log_info("mig %" PRIu64 " vm %s: runs here now", t->m->info.id, p->vm);
		drover_arrival_release(&t->arrival);
		drover_migration_state(t->m, DROVER_MIGRATION_DONE);
		env->finished(env->data, t->m, DROVER_OUTCOME_ARRIVED, t->vm);
	} else {
		give_up(t, &err);
	}
	drover_ram_exit(&t->arrival.ram);
	drover_landing_free(&t->landing);
	drover_migration_put(t->m);
}

int drover_target_data(struct drover_peer *peer, const Drover__Hello *hello, struct drover_err *err)
{
	return drover_arrival_serve(peer, hello, err);
}
