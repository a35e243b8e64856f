// SPDX-License-Identifier: GPL-2.0-or-later
/* Clusters from recorded traces. */
#include "cluster.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_build.h"
#include "trace.h"

/* Quarters of a PlanetLab file (Beloglazov and Buyya 2012). */
static const struct {
	double mhz;
	uint64_t memory_mib;
} sizes[4] = { { 2500, 870 }, { 2000, 1740 }, { 1000, 1740 }, { 500, 613 } };

void sim_cluster_free(struct sim_cluster *c)
{
	free(c->hosts);
	free(c->vms);
	free(c->percent);
	*c = (struct sim_cluster){ 0 };
}

double sim_cluster_peak(const struct sim_cluster *c)
{
	double peak = 0;

	for (size_t s = 0; s < c->steps; s++) {
		double sum = 0;

		for (size_t i = 0; i < c->vm_count; i++)
			sum += sim_cluster_demand(&c->vms[i], s);
		peak = fmax(peak, sum);
	}
	return peak;
}

int sim_cluster_alloc(struct sim_cluster *c, size_t vms, size_t steps, struct drover_err *err)
{
	c->vms = calloc(vms, sizeof(*c->vms));
	c->percent = calloc(vms * steps, sizeof(*c->percent));
	if (!c->vms || !c->percent)
		return drover_err_set(err, ENOMEM, "out of memory");
	c->vm_count = vms;
	c->steps = steps;
	for (size_t i = 0; i < vms; i++)
		c->vms[i].percent = c->percent + i * steps;
	return 0;
}

int sim_cluster_add_hosts(struct sim_cluster *c, size_t count, const struct sim_host *like,
			  struct drover_err *err)
{
	c->hosts = calloc(count, sizeof(*c->hosts));
	if (!c->hosts)
		return drover_err_set(err, ENOMEM, "out of memory");
	c->host_count = count;
	for (size_t i = 0; i < count; i++) {
		c->hosts[i] = *like;
		snprintf(c->hosts[i].name, SIM_NAME_LEN, "host%04zu", i);
	}
	for (size_t i = 0; i < c->vm_count; i++)
		c->vms[i].start = i % count;
	return 0;
}

static void fill_in(struct sim_cluster *c, const struct sim_trace *t)
{
	size_t quarter = (t->vms + 3) / 4;

	c->step_s = 300;
	memcpy(c->percent, t->percent, t->vms * t->steps * sizeof(*c->percent));
	for (size_t i = 0; i < t->vms; i++) {
		struct sim_vm *vm = &c->vms[i];

		snprintf(vm->name, sizeof(vm->name), "%s", t->name[i]);
		vm->vcpus = 1;
		vm->max_mhz = sizes[i / quarter].mhz;
		vm->memory_mib = sizes[i / quarter].memory_mib;
		vm->dirty_mib_s = 50;
	}
}

int sim_cluster_planetlab(const char *path, const char *name, double fill,
			  struct sim_cluster *ret, struct drover_err *err)
{
	static const struct sim_host host = {
		.cores = 2, .cpu_mhz = 5320, .memory_mib = 65536, .link_mib_s = 1150
	};
	struct sim_cluster c = { 0 };
	struct sim_trace trace;
	int r = sim_trace_read(path, &trace, err);

	if (r < 0)
		return r;
	snprintf(c.name, sizeof(c.name), "%s", name);
	r = sim_cluster_alloc(&c, trace.vms, trace.steps, err);
	if (!r) {
		fill_in(&c, &trace);
		r = sim_cluster_add_hosts(&c, ceil(sim_cluster_peak(&c) / fill / host.cpu_mhz),
					  &host, err);
	}
	sim_trace_free(&trace);
	if (r < 0) {
		sim_cluster_free(&c);
		return r;
	}
	*ret = c;
	return 0;
}
