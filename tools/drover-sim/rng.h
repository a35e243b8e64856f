/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random numbers that are the same on every machine: splitmix64 (Steele, Lea, Flood: Fast
 * Splittable Pseudorandom Number Generators, 2014).
 */
#ifndef DROVER_SIM_RNG_H
#define DROVER_SIM_RNG_H

#include <math.h>
#include <stdint.h>

struct sim_rng {
	uint64_t state;
};

static inline uint64_t sim_rng_next(struct sim_rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/** sim_rng_uniform() - 0 to 1, 1 not included */
static inline double sim_rng_uniform(struct sim_rng *r)
{
	return (double)(sim_rng_next(r) >> 11) * 0x1p-53;
}

static inline double sim_rng_between(struct sim_rng *r, double low, double high)
{
	return low + sim_rng_uniform(r) * (high - low);
}

/** sim_rng_normal() - mean 0, deviation 1 (Box and Muller) */
static inline double sim_rng_normal(struct sim_rng *r)
{
	double u = 1 - sim_rng_uniform(r);

	return sqrt(-2 * log(u)) * cos(2 * M_PI * sim_rng_uniform(r));
}

#endif
