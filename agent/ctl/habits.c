// SPDX-License-Identifier: GPL-2.0-or-later
/* What VMs are like at each time of day. */
#include "ctl/habits.h"

#include <string.h>

#include "base/log.h"

static bool is_known(const struct drover_agent *agent, const char *vm)
{
	void *record =
		drover_shared_get(agent, DROVER_SHARED_VM, vm, &drover__vm_record__descriptor);

	if (record)
		protobuf_c_message_free_unpacked(record, NULL);
	return record != NULL;
}

static void load(struct drover_drs_kept **kept, const Drover__HabitRecord *r)
{
	struct drover_drs_kept *k;

	if (r->n_mean != DROVER_DRS_SLOTS || r->n_weight != DROVER_DRS_SLOTS)
		return;
	k = drover_drs_kept(kept, r->vm);
	if (!k)
		return;
	memcpy(k->habit.mean, r->mean, sizeof(k->habit.mean));
	memcpy(k->habit.weight, r->weight, sizeof(k->habit.weight));
}

void drover_habits_load(struct drover_agent *agent, struct drover_drs_kept **kept)
{
	struct drover_shared_list list;

	if (drover_shared_list(agent, DROVER_SHARED_HABIT, &drover__habit_record__descriptor,
			       &list) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		const Drover__HabitRecord *r = (const Drover__HabitRecord *)list.messages[i];

		if (is_known(agent, r->vm))
			load(kept, r);
		else
			drover_shared_set(agent, DROVER_SHARED_HABIT, r->vm, NULL, NULL, NULL,
					  NULL);
	}
	drover_shared_free(&list);
}

void drover_habits_save(struct drover_agent *agent, struct drover_drs_kept *kept)
{
	for (struct drover_drs_kept *k = kept; k; k = k->next) {
		Drover__HabitRecord r = DROVER__HABIT_RECORD__INIT;
		struct drover_err err = {0};

		if (!k->learned)
			continue;
		k->learned = false;
		r.vm = k->name;
		r.mean = k->habit.mean;
		r.n_mean = DROVER_DRS_SLOTS;
		r.weight = k->habit.weight;
		r.n_weight = DROVER_DRS_SLOTS;
		if (drover_shared_set(agent, DROVER_SHARED_HABIT, k->name, &r.base, NULL, NULL,
				      &err) < 0)
			log_debug("habit of vm %s: %s", k->name, err.text);
	}
}
