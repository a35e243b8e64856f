// SPDX-License-Identifier: GPL-2.0-or-later
/* Hosts for VMs that have to go somewhere. */
#include "policy/place.h"

#include <math.h>

static double fill(const struct drs_host *h, const struct drs_unit *u)
{
	double cpu =
		h->cap > 0 ? (fmax(h->load.near, h->load.far) + u->load.near) / h->cap : INFINITY;
	double ram = h->ram_cap > 0 ? (h->ram + u->ram) / h->ram_cap : INFINITY;

	return fmax(cpu, ram);
}

/* RAM of the VMs that would have to move. */
static double burden(const struct drs_making *m, const struct drs_unit *u, int32_t host)
{
	double ram = 0;

	for (uint32_t i = 0; i < u->count; i++)
		if (m->w.vms[u->vms[i]].at != host)
			ram += m->w.vms[u->vms[i]].vm->memory_mib;
	return ram;
}

struct drs_site drs_site_of(const struct drs_making *m, const struct drs_unit *u, int32_t host)
{
	const struct drs_host *h = &m->w.hosts[host];
	struct drs_load load = h->load;

	for (uint32_t i = 0; i < u->count; i++)
		if (m->w.vms[u->vms[i]].at != host)
			drs_load_add(&load, &m->w.vms[u->vms[i]].load, 1);
	return (struct drs_site){
		.host = host,
		.broken = drs_breaches(&m->w, u, host, false, NULL),
		.burden = burden(m, u, host),
		.loss = drs_loss(&load, h->cap, h->memory_cap) - h->loss,
		.fill = fill(h, u),
	};
}

static bool better(const struct drs_site *a, const struct drs_site *b)
{
	if (a->broken != b->broken)
		return a->broken < b->broken;
	if (a->loss != b->loss)
		return a->loss < b->loss;
	if (a->burden != b->burden)
		return a->burden < b->burden;
	return a->fill < b->fill;
}

bool drs_find_site(const struct drs_making *m, const struct drs_unit *u, struct drs_site *ret)
{
	struct drs_site best = {.host = DROVER_DRS_NONE};

	for (size_t h = 0; h < m->w.s->host_count; h++) {
		struct drs_site site;

		if ((int32_t)h == u->at || drs_fit(&m->w, u, h).obstacle != DRS_FITS)
			continue;
		site = drs_site_of(m, u, h);
		if (best.host == DROVER_DRS_NONE || better(&site, &best))
			best = site;
	}
	*ret = best;
	return best.host != DROVER_DRS_NONE;
}

void drs_say_no_site(const struct drs_making *m, const struct drs_unit *u, char *text, size_t len)
{
	static const char *const why[] = {
		[DRS_TAKES_NONE] = "take no VMs",
		[DRS_NOT_BELIEVED] = "have figures that are not believed",
		[DRS_NO_FLAG] = "lack processor flags",
		[DRS_NO_RAM] = "lack RAM",
		[DRS_CPU_RESERVED] = "lack CPU not reserved",
		[DRS_RAM_RESERVED] = "lack RAM not reserved",
		[DRS_MUST] = "are ruled out",
	};
	uint32_t count[DRS_RETURN + 1] = {0};
	size_t used = 0;

	for (size_t h = 0; h < m->w.s->host_count; h++)
		if ((int32_t)h != u->at)
			count[drs_fit(&m->w, u, h).obstacle]++;
	drs_say(text, len, "there is no other host");
	for (uint32_t i = DRS_TAKES_NONE; i <= DRS_MUST && used < len; i++) {
		if (!count[i] || !why[i])
			continue;
		drs_say(text + used, len - used, "%s%u hosts %s", used ? ", " : "", count[i],
			why[i]);
		while (used < len && text[used])
			used++;
	}
}

void drs_go(struct drs_making *m, const struct drs_unit *u, int32_t to,
	    enum drover_drs_move_kind kind, uint32_t priority, const char *why)
{
	for (uint32_t i = 0; i < u->count; i++) {
		const struct drs_vm *v = &m->w.vms[u->vms[i]];
		struct drover_drs_move *move;
		const struct drs_host *h;

		if (v->at == to)
			continue;
		move = drs_making_move(m, u->vms[i], to, kind);
		if (!move)
			return;
		h = &m->w.hosts[to];
		move->priority = priority;
		drs_say(move->reason, sizeof(move->reason),
			"%s: %s (%.0f MHz, %llu MiB) goes to %s, which will have %.0f of %.0f MHz "
			"in "
			"use",
			why, v->vm->name, v->load.now, (unsigned long long)v->vm->memory_mib,
			h->host->name, h->load.now, h->cap);
	}
}

void drs_go_nowhere(struct drs_making *m, uint32_t vm, enum drover_drs_move_kind kind,
		    const char *why)
{
	struct drover_drs_move *move = drs_making_move(m, vm, DROVER_DRS_NONE, kind);

	if (move)
		drs_say(move->reason, sizeof(move->reason), "there is no place for %s: %s",
			m->w.s->vms[vm].name, why);
}
