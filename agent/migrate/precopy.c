// SPDX-License-Identifier: GPL-2.0-or-later
/* Rounds: harvest, decide, send, until what is left is small enough. */
#include <inttypes.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/clock.h"
#include "migrate/pace.h"
#include "migrate/source_stages.h"

/* The sums before a round, to tell what the round added. */
struct sums {
	uint64_t sent, zero, wire, begin_us;
};

static void sums_read(struct drover_source *s, struct sums *sums)
{
	sums->sent = atomic_load(&s->sender.sent_pages);
	sums->zero = atomic_load(&s->sender.zero_pages);
	sums->wire = atomic_load(&s->sender.wire_bytes);
	sums->begin_us = drover_clock_monotonic();
}

static void note_harvest(struct drover_source *s, struct drover_round_info *round,
			 const struct drover_harvest *h, const struct drover_pace *pace)
{
	struct drover_migration_info *info = &s->m->info;
	scope_lock(&s->m->lock);

	round->dirty_pages = h->total_pages;
	round->log_pages += h->log_pages;
	round->vmm_pages += h->vmm_pages;
	round->kept_pages += h->kept_pages;
	info->vmm_pages += h->vmm_pages;
	info->round_bytes = info->dirty_bytes = h->total_pages * DROVER_PAGE_SIZE;
	if (!pace)
		return;
	info->rate_bytes = pace->rate;
	info->dirty_rate_bytes = pace->dirty_rate;
	info->expected_us = drover_pace_rest(pace, info->dirty_bytes);
	info->expected_blackout_us = pace->rate ? drover_pace_blackout(pace, info->dirty_bytes) : 0;
}

static void note_round(struct drover_source *s, struct drover_round_info *round,
		       const struct sums *before)
{
	struct drover_migration_info *info = &s->m->info;
	struct sums now;

	sums_read(s, &now);
	round->sent_pages = now.sent - before->sent;
	round->zero_pages = now.zero - before->zero;
	round->wire_bytes = now.wire - before->wire;
	round->duration_us = now.begin_us - before->begin_us;
	scope_lock(&s->m->lock);
	info->dirty_bytes = 0;
	if (info->round_count < DROVER_ROUNDS_MAX)
		info->rounds[info->round_count++] = *round;
	log_debug("mig %" PRIu64 " vm %s: round %u: %" PRIu64 " pages, %" PRIu64 " sent, %" PRIu64
		  " zero, %" PRIu64 " us", info->id, info->vm, round->number, round->dirty_pages,
		  round->sent_pages, round->zero_pages, round->duration_us);
}

int drover_source_round(struct drover_source *s, uint32_t number, struct drover_pace *pace,
			bool *ret_done, struct drover_err *err)
{
	struct drover_round_info round = s->unsent;
	struct drover_harvest h;
	struct sums before;
	int r;

	round.number = number;
	sums_read(s, &before);
	r = s->tracker->ops->harvest(s->tracker, &h, err);
	if (r < 0)
		return r;
	round.harvest_us += drover_clock_monotonic() - before.begin_us;
	if (pace && s->m->info.round_count) {
		uint64_t us = s->m->info.rounds[s->m->info.round_count - 1].duration_us;

		pace->dirty_rate = h.total_pages * DROVER_PAGE_SIZE * 1000000 / (us ? us : 1);
	}
	*ret_done = pace && drover_pace_harvested(pace, number, h.total_pages * DROVER_PAGE_SIZE);
	note_harvest(s, &round, &h, pace);
	if (*ret_done) {
		s->unsent = round;
		return 0;
	}
	r = drover_sender_round(&s->sender, number, err);
	if (r < 0)
		return r;
	note_round(s, &round, &before);
	if (pace)
		drover_pace_sent(pace, round.sent_pages * DROVER_PAGE_SIZE, round.duration_us);
	return 0;
}

int drover_source_precopy(struct drover_source *s, uint32_t *ret_rounds, struct drover_err *err)
{
	struct drover_pace pace = {
		.limit_us = s->m->options.downtime_limit_ms * 1000ULL,
		.max_rounds = s->m->env->conf->max_rounds,
	};
	bool done = false;
	uint32_t round = 0;
	int r = s->tracker->ops->start(s->tracker, err);

	if (r < 0)
		return drover_err_prefix(err, "vm %s cannot be tracked", s->vm->def.name);
	/* With disks it began with them. */
	if (!s->travel.count)
		drover_migration_state(s->m, DROVER_MIGRATION_PRECOPY);
	while (!done) {
		r = drover_migration_check(s->m, err);
		if (r == 0)
			r = drover_source_disks_check(s, err);
		if (r == 0)
			r = drover_source_round(s, ++round, &pace, &done, err);
		if (r < 0)
			return r;
	}
	*ret_rounds = round;
	return 0;
}
