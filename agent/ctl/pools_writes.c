// SPDX-License-Identifier: GPL-2.0-or-later
/* How busy disks are: what QEMU counts of each, now and a while ago. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block/monitor.h"
#include "block/node.h"
#include "core/clock.h"
#include "ctl/pools.h"

#define APART_US 1000000	/* two looks give a mean if they are so far apart */
#define STALE_US (3600 * UINT64_C(1000000))

struct drover_pools_sample {
	char vm[DROVER_NAME_LEN];
	char disk[DROVER_NAME_LEN];
	uint64_t writes, time_us;
};

static bool wanted(const struct drover_pools_disk *d)
{
	return d->pool && d->run_dir[0] && !d->unused && !d->silent;
}

/* All disks of the VM at @first: they stand together. Returns how many there are. */
static size_t read_vm(const struct drover_pools_disks *disks, size_t first,
		      struct drover_pools_sample *samples)
{
	const struct drover_pools_disk *d = &disks->list[first];
	struct drover_block_monitor *monitor = NULL;
	struct drover_node_stats stats;
	size_t n = 0;

	for (; first + n < disks->count && !strcmp(disks->list[first + n].vm, d->vm); n++) {
		const struct drover_pools_disk *other = &disks->list[first + n];
		struct drover_pools_sample *s = &samples[first + n];

		if (wanted(other) && !monitor)
			drover_block_monitor_get(d->run_dir, &monitor, NULL);
		if (!wanted(other) || !monitor ||
		    drover_node_stats(monitor->qmp, other->def.name, &stats, NULL) < 0)
			continue;
		snprintf(s->vm, sizeof(s->vm), "%s", other->vm);
		snprintf(s->disk, sizeof(s->disk), "%s", other->def.name);
		s->writes = stats.writes;
		s->time_us = drover_clock_monotonic();
	}
	drover_block_monitor_put(monitor);
	return n;
}

static struct drover_pools_sample *read_all(const struct drover_pools_disks *disks)
{
	struct drover_pools_sample *samples = calloc(disks->count + 1, sizeof(*samples));

	for (size_t i = 0; samples && i < disks->count;)
		i += read_vm(disks, i, samples);
	return samples;
}

static const struct drover_pools_sample *earlier(const struct drover_pools_samples *samples,
						 const struct drover_pools_sample *now)
{
	for (size_t i = 0; i < samples->count; i++) {
		const struct drover_pools_sample *s = &samples->list[i];

		/* Counters start anew with the VM. */
		if (!strcmp(s->vm, now->vm) && !strcmp(s->disk, now->disk) &&
		    s->writes <= now->writes && now->time_us - s->time_us >= APART_US &&
		    now->time_us - s->time_us <= STALE_US)
			return s;
	}
	return NULL;
}

/* Returns whether a disk lacks an earlier sample. */
static bool compare(const struct drover_pools_samples *samples, struct drover_pools_sample *now,
		    struct drover_pools_disks *disks)
{
	bool lacking = false;

	for (size_t i = 0; i < disks->count; i++) {
		const struct drover_pools_sample *s;

		if (!now[i].time_us)
			continue;
		s = earlier(samples, &now[i]);
		if (s)
			disks->list[i].writes =
				(now[i].writes - s->writes) * 1000000 / (now[i].time_us - s->time_us);
		else
			lacking = true;
	}
	return lacking;
}

void drover_pools_sample(struct drover_pools_samples *samples, struct drover_pools_disks *disks)
{
	struct drover_pools_sample *now = read_all(disks), *again = NULL;
	struct drover_pools_samples first = { .list = now, .count = disks->count };

	if (!now)
		return;
	if (compare(samples, now, disks)) {
		usleep(APART_US);
		again = read_all(disks);
	}
	/* Those that had an earlier sample keep the longer mean. */
	if (again) {
		for (size_t i = 0; i < disks->count; i++)
			if (now[i].time_us && earlier(samples, &now[i]))
				again[i].time_us = 0;
		compare(&first, again, disks);
	}
	free(again);
	free(samples->list);
	*samples = first;
}
