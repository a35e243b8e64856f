// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disks that travel, as the source's thread sees them: mirrored while the VM runs, in
 * step before its memory is sent, parted while it is paused. Until memory is sent, a
 * link that was cut is waited for: the mirrors know what is missing.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/clock.h"
#include "core/config.h"
#include "migrate/source_stages.h"

#define LOOK_MS	      500
#define RETRY_US      1000000
/* The target's store refuses to write, though the link is there. */
#define STUCK_US      10000000
/* The target ends the writes under way first. */
#define CLOSE_TIMEOUT_MS 70000

/**
 * struct watch - how the copying gets on
 * @lost_us: since when the link is cut, or 0
 * @stuck_us: since when a mirror is interrupted though the link is there, or 0
 * @tried_us: of the last try to mend that
 * @told: what the target itself answered to a try; it may have given up with that
 */
struct watch {
	uint64_t lost_us, stuck_us, tried_us;
	struct drover_err told;
};

static void publish(struct drover_source *s, const struct drover_travel_sum *sum)
{
	struct drover_migration_info *info = &s->m->info;
	uint64_t rate = 0;
	scope_lock(&s->m->lock);

	for (uint32_t i = 0; i < s->travel.count; i++) {
		info->disks[i] = s->travel.disks[i].info;
		rate += s->travel.disks[i].info.rate_bytes;
	}
	info->disk_count = s->travel.count;
	if (s->tunnel)
		s->m->disk_bytes = drover_tunnel_sent(s->tunnel);
	if (!sum || s->m->sender)
		return;
	info->wire_bytes = s->m->disk_bytes;
	info->rate_bytes = rate;
	/* The memory comes after them, all of it at the most. */
	info->expected_us = sum->expected_us && rate
				    ? sum->expected_us + info->ram_bytes * 1000000 / rate
				    : 0;
}

int drover_source_disks_choose(struct drover_source *s, struct drover_err *err)
{
	const struct drover_conf *conf = s->m->env->conf;
	int r;

	if (!s->m->options.with_storage)
		return 0;
	r = drover_travel_choose(conf, &s->vm->def, &s->travel, err);
	if (r == 0 && s->travel.count)
		r = drover_vmdef_check_dir(conf->vm_dir, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < s->travel.count; i++)
		snprintf(s->travel.disks[i].info.new_host, DROVER_NAME_LEN, "%s", s->to.name);
	s->travel.bandwidth = (uint64_t)s->m->options.bandwidth_mib << 20;
	publish(s, NULL);
	return 0;
}

int drover_source_disks_ask(struct drover_source *s, Drover__Prepare *prepare,
			    Drover__DiskTravel *room, Drover__DiskTravel **list,
			    struct drover_err *err)
{
	int r;

	s->travel.qmp = s->qmp;
	r = drover_travel_measure(&s->travel, err);
	for (uint32_t i = 0; i < s->travel.count; i++) {
		struct drover_travel_disk *d = &s->travel.disks[i];

		drover__disk_travel__init(&room[i]);
		room[i].disk = d->info.disk;
		room[i].size_bytes = d->info.size_bytes;
		room[i].used_bytes = d->used;
		room[i].pool = s->m->options.pool;
		list[i] = &room[i];
	}
	prepare->disks = list;
	prepare->n_disks = s->travel.count;
	prepare->storage_grace_s = s->m->env->conf->storage_grace_s;
	return r;
}

static int take_arrival(struct drover_source *s, struct drover_disk_move_info *info,
			const Drover__DiskArrival *a, struct drover_err *err)
{
	if (strcmp(a->disk, info->disk) || strcmp(a->export, info->disk) || a->path[0] != '/' ||
	    strlen(a->path) >= sizeof(info->new_path) || strlen(a->pool) >= sizeof(info->new_pool) ||
	    strlen(a->format) >= sizeof(info->new_format))
		return drover_err_set(err, EPROTO, "%s answered for another disk than %s", s->to.name,
				      info->disk);
	strcpy(info->new_path, a->path);
	strcpy(info->new_pool, a->pool);
	strcpy(info->new_format, a->format);
	return 0;
}

int drover_source_disks_answer(struct drover_source *s, const Drover__PrepareReply *reply,
			       struct drover_err *err)
{
	int r = 0;

	if (reply->n_disks != s->travel.count)
		return drover_err_set(err, EPROTO, "%s made %zu images for %u disks", s->to.name,
				      reply->n_disks, s->travel.count);
	for (uint32_t i = 0; i < s->travel.count && r == 0; i++)
		r = take_arrival(s, &s->travel.disks[i].info, reply->disks[i], err);
	publish(s, NULL);
	return r;
}

/* --- the link --- */

/* The target says nothing by itself but that it gives up. 1: the connection was lost. */
static int check_control(struct drover_source *s, struct drover_err *err)
{
	struct pollfd p = { .fd = s->control->fd, .events = POLLIN };
	auto_free uint8_t *body = NULL;
	enum drover_frame_type type;
	size_t len;
	int r;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	r = drover_peer_recv(s->control, &type, &body, &len, err);
	if (r == 0)
		return drover_err_set(err, EPROTO, "%s sent frame type %d while disks were copied",
				      s->to.name, type);
	/* What the target says for itself is no lost link, whatever its code: it has given up. */
	if (s->control->refused)
		return r;
	return r == -ENODATA || r == -EPIPE || r == -ECONNRESET || r == -ETIMEDOUT ||
	       r == -EHOSTUNREACH || r == -ENETUNREACH;
}

static void lose_link(struct drover_source *s, struct watch *w, const struct drover_err *why)
{
	log_warning("mig %" PRIu64 " vm %s: %s; the VM runs on here, %s is tried again",
		    s->m->info.id, s->vm->def.name, why->text, s->to.name);
	w->lost_us = drover_clock_monotonic();
	w->tried_us = 0;
	/* What the mirrors wait for is the link, and after it begins anew. */
	w->stuck_us = 0;
	drover_tunnel_cut(s->tunnel);
	drover_migration_attach(s->m, NULL, NULL);
	drover_peer_close(s->control);
	s->control = NULL;
}

/* What a host says that cannot be reached, or whose agent is just being started. */
static bool worth_trying(int code)
{
	return code != -EACCES && code != -EPROTO && code != -ECANCELED && code != -ENOMEM;
}

static int resume_control(struct drover_source *s, struct drover_err *err)
{
	Drover__Resume resume = DROVER__RESUME__INIT;
	int r = drover_source_connect(s, err);

	resume.migration_id = s->m->info.id;
	resume.token.data = s->token;
	resume.token.len = sizeof(s->token);
	if (r == 0)
		r = drover_peer_send(s->control, DROVER_FRAME_RESUME, &resume.base, 0, err);
	return r < 0 ? r : drover_source_take_reply(s, err);
}

/* One that has given up knows of no migration: what it said when it did so is the reason. */
static int end_trying(const struct watch *w, const struct drover_err *why, struct drover_err *err)
{
	const struct drover_err *reason = why->code == -EACCES && w->told.code ? &w->told : why;

	return drover_err_set(err, reason->code, "%s", reason->text);
}

static int mend_link(struct drover_source *s, struct watch *w, struct drover_err *err)
{
	uint64_t now = drover_clock_monotonic(), lost = now - w->lost_us;
	struct drover_err why = { 0 };
	int r;

	if (now - w->tried_us < RETRY_US)
		return 0;
	r = resume_control(s, &why);
	w->tried_us = drover_clock_monotonic();
	if (r == 0) {
		log_info("mig %" PRIu64 " vm %s: the link to %s is back after %" PRIu64 " ms",
			 s->m->info.id, s->vm->def.name, s->to.name, lost / 1000);
		w->lost_us = 0;
		w->told = (struct drover_err){ 0 };
		drover_tunnel_allow(s->tunnel, s->token);
		return 0;
	}
	if (worth_trying(r) && r != -EBUSY && s->control && s->control->refused)
		w->told = why;
	drover_migration_attach(s->m, NULL, NULL);
	drover_peer_close(s->control);
	s->control = NULL;
	if (!worth_trying(r))
		return end_trying(w, &why, err);
	if (lost > s->m->env->conf->storage_grace_s * 1000000ULL)
		return drover_err_set(err, ETIMEDOUT, "the link to %s was cut for longer than %u s: %.300s",
				      s->to.name, s->m->env->conf->storage_grace_s, why.text);
	return 0;
}

/* --- copying --- */

/* The link is there, so it is the target's store that does not take what it gets. */
static int mend_mirrors(struct drover_source *s, struct watch *w,
			const struct drover_travel_sum *sum, struct drover_err *err)
{
	uint64_t now = drover_clock_monotonic();

	if (!sum->interrupted) {
		w->stuck_us = 0;
		return 0;
	}
	if (!w->stuck_us)
		w->stuck_us = now;
	if (now - w->stuck_us > STUCK_US)
		return drover_err_set(err, EIO, "%s does not take the disks: %s", s->to.name, sum->why);
	if (now - w->tried_us < RETRY_US)
		return 0;
	w->tried_us = now;
	/* One that is just going on by itself cannot be told to. */
	drover_travel_resume(&s->travel, NULL);
	return 0;
}

/* How things stand, and what can be done about it. 1: all are in step. */
static int look(struct drover_source *s, struct watch *w, struct drover_err *err)
{
	struct drover_travel_sum sum = { 0 };
	struct drover_err why = { 0 };
	int r = drover_migration_check(s->m, err);

	if (r == 0)
		r = drover_travel_look(&s->travel, &sum, err);
	if (r < 0)
		return r;
	publish(s, &sum);
	if (w->lost_us)
		return mend_link(s, w, err);
	r = check_control(s, &why);
	if (r < 0)
		return drover_err_set(err, r, "%s", why.text);
	if (r > 0 || drover_tunnel_broken(s->tunnel, &why)) {
		lose_link(s, w, &why);
		return 0;
	}
	r = mend_mirrors(s, w, &sum, err);
	return r < 0 ? r : sum.in_step;
}

/* A cancel ends the wait. */
static void wait_a_little(struct drover_source *s)
{
	struct timespec until;
	scope_lock(&s->m->lock);

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_MS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	if (!s->m->cancelled)
		pthread_cond_timedwait(&s->m->wake, &s->m->lock, &until);
}

static int open_tunnel(struct drover_source *s, struct drover_err *err)
{
	int r = drover_travel_clean(s->qmp, err);

	snprintf(s->travel.socket, sizeof(s->travel.socket), "%.490s/travel.sock", s->vm->dir);
	if (r == 0)
		r = drover_source_disks_mark(s->vm, s->m->info.id, s->to.name, err);
	if (r == 0)
		r = drover_tunnel_open(s->m->env->conf, &s->to, s->m->info.id, s->travel.socket,
				       &s->tunnel, err);
	if (r == 0)
		drover_tunnel_allow(s->tunnel, s->token);
	return r;
}

int drover_source_disks_copy(struct drover_source *s, struct drover_err *err)
{
	struct drover_err why = { 0 };
	struct watch w = { 0 };
	int r;

	if (!s->travel.count)
		return 0;
	r = open_tunnel(s, err);
	if (r == 0)
		r = drover_travel_start(&s->travel, err);
	/* QEMU knows only that it was hung up on. */
	if (r < 0 && s->tunnel && drover_tunnel_broken(s->tunnel, &why))
		return drover_err_set(err, why.code, "%s", why.text);
	if (r < 0)
		return r;
	drover_migration_state(s->m, DROVER_MIGRATION_PRECOPY);
	while ((r = look(s, &w, err)) == 0)
		wait_a_little(s);
	if (r > 0)
		log_info("mig %" PRIu64 " vm %s: %u disks are in step", s->m->info.id,
			 s->vm->def.name, s->travel.count);
	return r < 0 ? r : 0;
}

/* --- afterwards --- */

int drover_source_disks_check(struct drover_source *s, struct drover_err *err)
{
	struct drover_travel_sum sum = { 0 };
	int r;

	if (!s->travel.count)
		return 0;
	r = drover_travel_look(&s->travel, &sum, err);
	if (r < 0)
		return r;
	publish(s, &sum);
	if (drover_tunnel_broken(s->tunnel, err))
		return err->code;
	return sum.interrupted ? drover_err_set(err, EIO, "%s does not take the disks: %s",
						s->to.name, sum.why) : 0;
}

static int close_target(struct drover_source *s, struct drover_err *err)
{
	Drover__DisksClose message = DROVER__DISKS_CLOSE__INIT;
	int r;

	drover_peer_set_timeout(s->control, CLOSE_TIMEOUT_MS);
	r = drover_peer_send(s->control, DROVER_FRAME_DISKS_CLOSE, &message.base, 0, err);
	if (r == 0)
		r = drover_peer_expect(s->control, DROVER_FRAME_DISKS_CLOSED,
				       &drover__disks_closed__descriptor, NULL, err);
	drover_peer_set_timeout(s->control, DROVER_PEER_TIMEOUT_MS);
	return r;
}

static int is_cancelled(void *data)
{
	return drover_migration_check(data, NULL);
}

int drover_source_disks_part(struct drover_source *s, struct drover_err *err)
{
	int r;

	if (!s->travel.count)
		return 0;
	r = drover_source_disks_check(s, err);
	if (r == 0 && s->m->options.verify)
		r = drover_travel_compare(&s->travel, is_cancelled, s->m, err);
	if (r == 0)
		r = drover_migration_check(s->m, err);
	drover_source_stage(s, "disks compared");
	if (r == 0)
		r = drover_travel_part(&s->travel, err);
	drover_source_stage(s, "disks parted");
	if (r == 0)
		r = close_target(s, err);
	publish(s, NULL);
	if (r == 0)
		drover_source_disks_unmark(s->vm);
	return r;
}

void drover_source_disks_record(const struct drover_source *s, struct drover_commit *commit)
{
	commit->delete_old = s->m->options.delete_old || s->m->env->conf->delete_old;
	for (uint32_t i = 0; i < s->travel.count; i++) {
		const struct drover_disk_move_info *info = &s->travel.disks[i].info;
		struct drover_commit_disk *d = &commit->disks[commit->disk_count++];

		snprintf(d->disk, sizeof(d->disk), "%s", info->disk);
		snprintf(d->old_path, sizeof(d->old_path), "%s", info->old_path);
		snprintf(d->old_format, sizeof(d->old_format), "%s", info->old_format);
		snprintf(d->new_path, sizeof(d->new_path), "%s", info->new_path);
		snprintf(d->new_format, sizeof(d->new_format), "%s", info->new_format);
	}
}

void drover_source_disks_let_go(struct drover_source *s)
{
	if (s->tunnel)
		drover_tunnel_cut(s->tunnel);
}

static void note_end(struct drover_source *s, const struct drover_err *why)
{
	bool cancelled = drover_migration_check(s->m, NULL) < 0;

	for (uint32_t i = 0; i < s->travel.count; i++) {
		struct drover_disk_move_info *info = &s->travel.disks[i].info;

		info->state = cancelled ? DROVER_DISK_MOVE_CANCELLED : DROVER_DISK_MOVE_FAILED;
		info->expected_us = 0;
		snprintf(info->error, sizeof(info->error), "%s",
			 cancelled ? "the migration was cancelled" : why->text);
	}
	publish(s, NULL);
}

void drover_source_disks_take_back(struct drover_source *s, const struct drover_err *why)
{
	struct drover_err err = { 0 };

	if (!s->travel.count)
		return;
	if (drover_travel_cancel(&s->travel, &err) < 0)
		log_error("mig %" PRIu64 " vm %s: %s", s->m->info.id, s->vm->def.name, err.text);
	else
		drover_source_disks_unmark(s->vm);
	note_end(s, why);
}
