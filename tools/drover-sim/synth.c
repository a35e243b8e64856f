// SPDX-License-Identifier: GPL-2.0-or-later
/* Loads that are made up: five kinds, from a seed. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "cluster_build.h"
#include "rng.h"

#define DAY_S 86400.0

const char *const sim_load_names[SIM_LOADS] = { "steady", "daily", "flash", "correlated",
						"noisy" };

/**
 * struct maker - a load in the making
 * @group: of each VM, for loads that groups share
 */
struct maker {
	const struct sim_recipe *recipe;
	struct sim_rng rng;
	struct sim_cluster *c;
};

static float clamp_percent(double value)
{
	return (float)fmin(100, fmax(0, value));
}

/* VMs are mostly small: the level is spread over a factor of about eight. */
static double level_of(struct maker *m)
{
	return 12 * exp(0.7 * sim_rng_normal(&m->rng));
}

static double time_of(const struct maker *m, size_t step)
{
	return (double)step * m->recipe->step_s;
}

/* A value that wanders around 0 with deviation 1 and forgets within @memory_s. */
static double wander(struct maker *m, double last, double memory_s)
{
	double keep = exp(-(double)m->recipe->step_s / memory_s);

	return keep * last + sqrt(1 - keep * keep) * sim_rng_normal(&m->rng);
}

static void make_steady(struct maker *m, float *out)
{
	double level = level_of(m);

	for (size_t s = 0; s < m->recipe->steps; s++)
		out[s] = clamp_percent(level * (1 + 0.03 * sim_rng_normal(&m->rng)));
}

/* Seven in ten are busiest by day, the others by night; no two at quite the same hour. */
static void make_daily(struct maker *m, float *out)
{
	double level = level_of(m), noise = 0;
	double peak_h = (sim_rng_uniform(&m->rng) < 0.7 ? 14 : 2) + 2 * sim_rng_normal(&m->rng);
	double depth = sim_rng_between(&m->rng, 0.5, 0.95);

	for (size_t s = 0; s < m->recipe->steps; s++) {
		double turn = 2 * M_PI * (time_of(m, s) / DAY_S - peak_h / 24);

		noise = wander(m, noise, 600);
		out[s] = clamp_percent(level * (1 + depth * cos(turn)) * (1 + 0.1 * noise));
	}
}

/* A crowd every six hours or so, for 20 minutes to 2 hours; there in three minutes. */
static void make_flash(struct maker *m, float *out)
{
	double level = level_of(m) / 2, noise = 0, until = 0, from = 0, crowd = 0;

	for (size_t s = 0; s < m->recipe->steps; s++) {
		double t = time_of(m, s), there = 0;

		if (t >= until && sim_rng_uniform(&m->rng) < m->recipe->step_s / (6 * 3600.0)) {
			from = t;
			until = t + sim_rng_between(&m->rng, 1200, 7200);
			crowd = sim_rng_between(&m->rng, 3, 6);
		}
		if (t < until)
			there = fmin(1, (t - from) / 180);
		noise = wander(m, noise, 300);
		out[s] = clamp_percent(level * (1 + crowd * there) * (1 + 0.1 * noise));
	}
}

/* White noise over a level that stays: what is high now tells little of what comes. */
static void make_noisy(struct maker *m, float *out)
{
	double level = level_of(m), noise = 0;

	for (size_t s = 0; s < m->recipe->steps; s++) {
		noise = wander(m, noise, 90);
		out[s] = clamp_percent(level * exp(0.8 * noise - 0.32));
	}
}

/* Groups of about twelve: most of a VM's ups and downs are its group's, over an hour. */
static int make_correlated(struct maker *m, struct drover_err *err)
{
	size_t groups = m->recipe->vms / 12 + 1, steps = m->recipe->steps;
	auto_free double *wave = calloc(groups * steps, sizeof(*wave));

	if (!wave)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (size_t g = 0; g < groups; g++) {
		double x = sim_rng_normal(&m->rng);

		for (size_t s = 0; s < steps; s++)
			wave[g * steps + s] = x = wander(m, x, 3600);
	}
	for (size_t i = 0; i < m->recipe->vms; i++) {
		const double *mine = wave + (size_t)(sim_rng_uniform(&m->rng) * groups) * steps;
		double level = level_of(m), noise = 0;

		for (size_t s = 0; s < steps; s++) {
			noise = wander(m, noise, 300);
			m->c->percent[i * steps + s] =
				clamp_percent(level * exp(0.6 * mine[s] - 0.18 + 0.15 * noise));
		}
	}
	return 0;
}

static int make_load(struct maker *m, struct drover_err *err)
{
	static void (*const one[SIM_LOADS])(struct maker *, float *) = {
		[SIM_STEADY] = make_steady,
		[SIM_DAILY] = make_daily,
		[SIM_FLASH] = make_flash,
		[SIM_NOISY] = make_noisy,
	};

	if (!one[m->recipe->load])
		return make_correlated(m, err);
	for (size_t i = 0; i < m->recipe->vms; i++)
		one[m->recipe->load](m, m->c->percent + i * m->recipe->steps);
	return 0;
}

static void make_vms(struct maker *m)
{
	static const uint64_t memory_mib[4] = { 2048, 4096, 8192, 16384 };

	for (size_t i = 0; i < m->recipe->vms; i++) {
		struct sim_vm *vm = &m->c->vms[i];
		uint32_t size = sim_rng_next(&m->rng) % 4;

		snprintf(vm->name, sizeof(vm->name), "vm%05zu", i);
		vm->vcpus = 1U << (size / 2 + sim_rng_next(&m->rng) % 2);
		vm->memory_mib = memory_mib[size];
		vm->max_mhz = 2500.0 * vm->vcpus;
		vm->dirty_mib_s = sim_rng_between(&m->rng, 20, 200);
	}
}

/* Hosts as large as it takes for the highest sum of demands to fill them as asked. */
static int make_hosts(struct maker *m, struct drover_err *err)
{
	double mhz = sim_cluster_peak(m->c) / m->recipe->fill / m->recipe->hosts;
	struct sim_host host = { .cpu_mhz = mhz, .memory_mib = 384 * 1024, .link_mib_s = 1150 };

	host.cores = fmax(1, ceil(mhz / 2500));
	return sim_cluster_add_hosts(m->c, m->recipe->hosts, &host, err);
}

int sim_cluster_make(const struct sim_recipe *recipe, struct sim_cluster *ret,
		     struct drover_err *err)
{
	struct sim_cluster c = { .step_s = recipe->step_s };
	struct maker m = { .recipe = recipe, .rng = { recipe->seed * 31 + recipe->load }, .c = &c };
	int r;

	snprintf(c.name, sizeof(c.name), "%s", sim_load_names[recipe->load]);
	r = sim_cluster_alloc(&c, recipe->vms, recipe->steps, err);
	if (!r) {
		make_vms(&m);
		r = make_load(&m, err);
	}
	if (!r)
		r = make_hosts(&m, err);
	if (r < 0) {
		sim_cluster_free(&c);
		return r;
	}
	*ret = c;
	return 0;
}
