// SPDX-License-Identifier: GPL-2.0-or-later
/* The machines of the example, and how a host shares its CPU. */
#include "cloudsim.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Published figures of SPECpower_ssj2008 for these two machines. */
const struct cs_host_type cs_host_types[2] = {
	{
		.name = "G4",
		.pe_mips = 1860,
		.ram = 4096,
		.power = {86, 89.4, 92.6, 96, 99.5, 102, 106, 108, 112, 114, 117},
	},
	{
		.name = "G5",
		.pe_mips = 2660,
		.ram = 4096,
		.power = {93.7, 97, 101, 105, 110, 116, 121, 125, 129, 133, 135},
	},
};

static const struct {
	double mips;
	int ram;
} vm_types[4] = {{2500, 870}, {2000, 1740}, {1000, 1740}, {500, 613}};

static size_t vm_type(size_t vm, size_t count)
{
	return vm / ((count + 3) / 4);
}

double cs_vm_mips(size_t vm, size_t count)
{
	return vm_types[vm_type(vm, count)].mips;
}

int cs_vm_ram(size_t vm, size_t count)
{
	return vm_types[vm_type(vm, count)].ram;
}

double cs_watts(const struct cs_host_type *type, double use)
{
	int low = (int)floor(use * 10);
	double slope;

	if (low >= 10)
		return type->power[10];
	/* In this order of operations ties between hosts fall as they do in CloudSim. */
	slope = (type->power[low + 1] - type->power[low]) / 10;
	return type->power[low] + slope * (use - (double)low / 10) * 100;
}

double cs_slav(const struct cs_result *result)
{
	return result->slatah * result->pdm;
}

double cs_esv(const struct cs_result *result)
{
	return result->kwh * cs_slav(result);
}

/* --- sharing --- */

/* What a VM may ask of a host: one of its cores; a tenth of it while it only moves in. */
static double asked(const struct cs_host *host, const struct cs_slot *slot)
{
	double mips = fmin(slot->req, host->type->pe_mips);

	return slot->in ? mips * 0.1 : mips;
}

static void share_scarce(struct cs_world *w, struct cs_host *host)
{
	double sum = 0, scale;

	for (int i = 0; i < host->count; i++)
		sum += asked(host, &host->slots[i]);
	scale = host->total / sum;
	for (int i = 0; i < host->count; i++) {
		struct cs_slot *slot = &host->slots[i];
		double mips = asked(host, slot) * scale;

		if (!slot->in && w->vms[slot->vm].moving)
			mips *= 0.9;
		slot->alloc = floor(mips);
	}
	host->free_mips = 0;
}

void cs_host_share(struct cs_world *w, int h)
{
	struct cs_host *host = &w->hosts[h];

	host->free_mips = host->total;
	for (int i = 0; i < host->count; i++) {
		struct cs_slot *slot = &host->slots[i];
		double mips = asked(host, slot);

		if (host->free_mips < mips) {
			share_scarce(w, host);
			return;
		}
		slot->alloc = !slot->in && w->vms[slot->vm].moving ? mips * 0.9 : mips;
		host->free_mips -= mips;
	}
}

static double request(const struct cs_vm *vm)
{
	return vm->new ? vm->mips : vm->demand;
}

static bool books_ram(const struct cs_world *w, int vm)
{
	return w->ram_binds || w->vms[vm].new;
}

int cs_host_add(struct cs_world *w, int h, int vm, bool in)
{
	struct cs_host *host = &w->hosts[h];

	if (host->count == host->room) {
		int room = host->room ? host->room * 2 : 16;
		struct cs_slot *slots = realloc(host->slots, room * sizeof(*slots));

		if (!slots)
			return -ENOMEM;
		host->slots = slots;
		host->room = room;
	}
	host->slots[host->count++] =
		(struct cs_slot){.vm = vm, .in = in, .req = request(&w->vms[vm])};
	if (books_ram(w, vm))
		host->free_ram -= w->vms[vm].ram;
	cs_host_share(w, h);
	return 0;
}

void cs_host_remove(struct cs_world *w, int h, int vm)
{
	struct cs_host *host = &w->hosts[h];
	int i = 0;

	while (i < host->count && host->slots[i].vm != vm)
		i++;
	if (i == host->count)
		return;
	memmove(&host->slots[i], &host->slots[i + 1], (host->count - i - 1) * sizeof(*host->slots));
	host->count--;
	if (books_ram(w, vm))
		host->free_ram += w->vms[vm].ram;
	cs_host_share(w, h);
}

bool cs_host_takes(const struct cs_world *w, int h, int v)
{
	const struct cs_host *host = &w->hosts[h];
	const struct cs_vm *vm = &w->vms[v];
	double mips = request(vm);

	return host->type->pe_mips >= mips && host->free_mips >= mips &&
	       (!books_ram(w, v) || host->free_ram >= vm->ram);
}

double cs_host_use(const struct cs_host *host)
{
	return fmin(host->use / host->total, 1);
}

double cs_host_given(const struct cs_host *host)
{
	double mips = 0;

	for (int i = 0; i < host->count; i++) {
		if (host->slots[i].in)
			mips += host->slots[i].alloc * 0.9 / 0.1;
		mips += host->slots[i].alloc;
	}
	return mips;
}
