// SPDX-License-Identifier: GPL-2.0-or-later
/* What is remembered of VMs from one look to the next. */
#include "ctl/drs_kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer than an agent takes to restart, and than a report may be late. */
#define GONE_S 60

void drover_drs_kept_free(struct drover_drs_kept **kept)
{
	while (*kept) {
		struct drover_drs_kept *next = (*kept)->next;

		free(*kept);
		*kept = next;
	}
}

struct drover_drs_kept *drover_drs_kept(struct drover_drs_kept **list, const char *name)
{
	struct drover_drs_kept *k = *list;

	while (k && strcmp(k->name, name))
		k = k->next;
	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	snprintf(k->name, sizeof(k->name), "%s", name);
	k->next = *list;
	*list = k;
	return k;
}

static void put(float *list, uint32_t max, uint32_t *count, float mean)
{
	if (*count == max)
		memmove(list, list + 1, --*count * sizeof(*list));
	list[(*count)++] = mean;
}

/* Has a step ended? Then this is its mean, and @mhz is the first figure of the next. */
static bool add(struct drover_drs_means *m, uint64_t step, double mhz, float *ret_mean)
{
	bool ended = m->samples && m->step != step;

	if (ended) {
		*ret_mean = (float)(m->sum / m->samples);
		*m = (struct drover_drs_means){0};
	}
	m->step = step;
	m->sum += mhz;
	m->samples++;
	return ended;
}

void drover_drs_kept_add(struct drover_drs_kept *k, uint64_t now_s, double mhz)
{
	uint64_t before = k->long_step.step;
	float mean;

	if (add(&k->short_step, now_s / DROVER_DRS_RECENT_S, mhz, &mean))
		put(k->recent, DROVER_DRS_RECENT, &k->recent_count, mean);
	if (!add(&k->long_step, now_s / DROVER_DRS_STEP_S, mhz, &mean))
		return;
	put(k->history, DROVER_DRS_HISTORY, &k->history_count, mean);
	drover_drs_habit_learn(&k->habit, before * DROVER_DRS_STEP_S + DROVER_DRS_STEP_S / 2, mean);
	k->learned = true;
}

bool drover_drs_kept_newest(const struct drover_drs_kept *k, double *ret_mhz)
{
	if (!k->short_step.samples)
		return false;
	*ret_mhz = k->short_step.sum / k->short_step.samples;
	return true;
}

void drover_drs_kept_on(struct drover_drs_kept *k, const char *host, bool moves, uint64_t now_s)
{
	if (k->seen_s && now_s > k->seen_s + GONE_S) {
		k->short_step = (struct drover_drs_means){0};
		k->host[0] = k->from[0] = '\0';
		k->came_s = k->moved_s = 0;
	}
	if (k->host[0] && strcmp(k->host, host)) {
		strcpy(k->from, k->host);
		k->came_s = k->moved_s = now_s;
	}
	if (moves)
		k->moved_s = now_s;
	k->seen_s = now_s;
	snprintf(k->host, sizeof(k->host), "%s", host);
}
