// SPDX-License-Identifier: GPL-2.0-or-later
/* Rates over the last samples. */
#include "block/progress.h"

#include <string.h>

#define SECOND_US 1000000.0

void drover_progress_reset(struct drover_progress *p)
{
	p->count = 0;
	p->next = 0;
}

void drover_progress_add(struct drover_progress *p, const struct drover_progress_sample *sample)
{
	p->samples[p->next] = *sample;
	p->next = (p->next + 1) % DROVER_PROGRESS_SAMPLES;
	if (p->count < DROVER_PROGRESS_SAMPLES)
		p->count++;
}

static double rate(uint64_t from, uint64_t to, uint64_t time_us)
{
	return to > from ? (to - from) * SECOND_US / time_us : 0;
}

void drover_progress_writes(const struct drover_progress_sample *from,
			    const struct drover_progress_sample *to, uint64_t *ret_us,
			    uint64_t *ret_rate)
{
	const struct drover_node_stats *a = &from->stats, *b = &to->stats;

	*ret_us = b->writes > a->writes
			  ? (b->write_ns - a->write_ns) / (b->writes - a->writes) / 1000
			  : 0;
	*ret_rate = to->time_us > from->time_us
			    ? rate(a->write_bytes, b->write_bytes, to->time_us - from->time_us)
			    : 0;
}

void drover_progress_info(const struct drover_progress *p, struct drover_disk_move_info *info)
{
	const struct drover_progress_sample *first, *last;
	uint64_t time_us;
	double gone;

	info->rate_bytes = 0;
	info->expected_us = 0;
	if (!p->count)
		return;
	last = &p->samples[(p->next + DROVER_PROGRESS_SAMPLES - 1) % DROVER_PROGRESS_SAMPLES];
	first = &p->samples[(p->next + DROVER_PROGRESS_SAMPLES - p->count) %
			    DROVER_PROGRESS_SAMPLES];
	info->done_bytes = last->done;
	info->todo_bytes = last->done + last->todo;
	drover_progress_writes(first, last, &info->write_now_us, &info->write_rate_now_bytes);
	time_us = last->time_us - first->time_us;
	if (!time_us)
		return;
	info->rate_bytes = rate(first->done, last->done, time_us);
	/* Not by what was done: the guest's own writes are counted there, too. */
	gone = rate(last->todo, first->todo, time_us);
	if (gone > 0)
		info->expected_us = last->todo / gone * SECOND_US;
}
