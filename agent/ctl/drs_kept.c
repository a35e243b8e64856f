// SPDX-License-Identifier: GPL-2.0-or-later
/* What is remembered of VMs from one look to the next. */
#include "ctl/drs_kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void end_step(struct drover_drs_kept *k)
{
	float mean = k->sum / k->samples;

	if (k->history_count == DROVER_DRS_HISTORY)
		memmove(k->history, k->history + 1, --k->history_count * sizeof(*k->history));
	k->history[k->history_count++] = mean;
	drover_drs_habit_learn(&k->habit, k->step * DROVER_DRS_STEP_S + DROVER_DRS_STEP_S / 2,
			       mean);
	k->learned = true;
	k->sum = 0;
	k->samples = 0;
}

void drover_drs_kept_add(struct drover_drs_kept *k, uint64_t now_s, double mhz)
{
	uint64_t step = now_s / DROVER_DRS_STEP_S;

	if (k->samples && k->step != step)
		end_step(k);
	k->step = step;
	k->sum += mhz;
	k->samples++;
}
