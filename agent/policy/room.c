// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether all VMs still fit when hosts fail. */
#include "policy/room.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/making.h"

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x < y) - (x > y);
}

/* Sum of all but the @lost largest. */
static double left(double *size, uint32_t count, uint32_t lost)
{
	double sum = 0;

	qsort(size, count, sizeof(*size), by_size);
	for (uint32_t i = lost; i < count; i++)
		sum += size[i];
	return sum;
}

int drs_room_init(struct drs_room *room, const struct drs_work *w, int32_t without,
		  struct drover_err *err)
{
	uint32_t n = 0, lost = w->s->options.failover_hosts;
	double *ram = calloc(w->s->host_count * 3 + 1, sizeof(*ram));
	double *cpu = ram + w->s->host_count, *memory = cpu + w->s->host_count;

	if (!ram)
		return drover_err_set(err, ENOMEM, "out of memory");
	*room = (struct drs_room){0};
	for (size_t h = 0; h < w->s->host_count; h++) {
		if (w->s->hosts[h].state != DROVER_DRS_HOST_UP || (int32_t)h == without)
			continue;
		ram[n] = w->hosts[h].ram_cap;
		cpu[n] = w->hosts[h].cap;
		memory[n++] = w->hosts[h].memory_cap;
	}
	room->ram = left(ram, n, lost);
	room->cpu = left(cpu, n, lost);
	room->memory = left(memory, n, lost);
	for (size_t i = 0; i < w->s->vm_count; i++) {
		if (w->vms[i].at == DROVER_DRS_NONE)
			continue;
		room->ram_used += w->s->vms[i].memory_mib;
		room->cpu_used += w->s->vms[i].cpu.reservation;
		room->memory_used += w->s->vms[i].memory.reservation;
	}
	free(ram);
	return 0;
}

static bool fits(double used, double more, double room, const char *what, char *why, size_t len)
{
	if (used + more <= room)
		return true;
	if (why)
		drs_say(why, len, "%.0f %s would be needed and %.0f left", used + more, what, room);
	return false;
}

bool drs_room_fits(const struct drs_room *r, const struct drs_unit *more, char *why, size_t len)
{
	static const struct drs_unit nothing;

	if (!more)
		more = &nothing;
	return fits(r->ram_used, more->ram, r->ram, "MiB of RAM", why, len) &&
	       fits(r->cpu_used, more->cpu_reserved, r->cpu, "MHz that are reserved", why, len) &&
	       fits(r->memory_used, more->memory_reserved, r->memory, "MiB that are reserved", why,
		    len);
}

void drs_room_take(struct drs_room *r, const struct drs_unit *more)
{
	r->ram_used += more->ram;
	r->cpu_used += more->cpu_reserved;
	r->memory_used += more->memory_reserved;
}

bool drover_drs_headroom(const struct drover_drs_snapshot *s, int32_t without, char *why,
			 size_t why_len)
{
	struct drover_err err = {0};
	struct drs_room room;
	struct drs_work w;
	bool ok = false;
	int r = drs_work_init(&w, s, NULL, 0, &err);

	if (!r) {
		if (without != DROVER_DRS_NONE)
			without = (size_t)without < s->host_count && without >= 0
					  ? (int32_t)w.canon.hosts.rank[without]
					  : DROVER_DRS_NONE;
		r = drs_room_init(&room, &w, without, &err);
		ok = !r && drs_room_fits(&room, NULL, why, why_len);
		drs_work_exit(&w);
	}
	if (r < 0 && why)
		drs_say(why, why_len, "%s", err.text);
	return ok;
}
