// SPDX-License-Identifier: GPL-2.0-or-later
/* What a VM's own history says of its CPU demand in the time to come. */
#include "policy/predict.h"

#include <math.h>

#define STEP_S	  300  /* where the snapshot does not say */
#define LOOK_BACK 24   /* steps that count */
#define FEW	  8    /* as many steps as what is assumed of any VM weighs */
#define ASSUMED	  0.8  /* correlation from step to step of a VM that is not known */
#define SPREAD	  0.25 /* likewise: standard deviation, of the demand */
#define SLOT_S	  (24 * 3600 / DROVER_DRS_SLOTS)
#define LEARN	  0.25 /* of each new day */

/* Level, variance and correlation from step to step of a VM's demand. */
struct nature {
	double level, var, keep;
};

static bool sane(double x)
{
	return isfinite(x) && x >= 0;
}

static struct nature nature_of(const struct drover_drs_vm *vm)
{
	uint32_t n = vm->history ? vm->history_count : 0;
	const float *h = vm->history + (n > LOOK_BACK ? n - LOOK_BACK : 0);
	double sum = 0, var = 0, cov = 0, guess = SPREAD * vm->cpu_demand;
	struct nature r = {vm->cpu_demand, guess * guess, ASSUMED};

	if (n > LOOK_BACK)
		n = LOOK_BACK;
	for (uint32_t i = 0; i < n; i++) {
		if (!sane(h[i]))
			return r;
		sum += h[i];
	}
	if (n < 2)
		return r;
	r.level = (sum + vm->cpu_demand) / (n + 1);
	for (uint32_t i = 0; i < n; i++) {
		double d = h[i] - r.level;

		var += d * d;
		if (i)
			cov += d * (h[i - 1] - r.level);
	}
	r.keep = fmax(
		0, fmin(0.99, ((var > 0 ? cov / var : ASSUMED) * n + ASSUMED * FEW) / (n + FEW)));
	guess = SPREAD * r.level;
	r.var = (var + guess * guess) / n;
	return r;
}

/* The highest mean of the VM's habit in the time ahead; 0 where it is not known. */
static double habit_ahead(const struct drover_drs_habit *habit, uint64_t now_s, uint32_t ahead_s)
{
	double sum = 0;
	uint32_t n = 0;

	for (uint64_t t = now_s; t <= now_s + ahead_s; t += SLOT_S / 2, n++) {
		uint32_t slot = t / SLOT_S % DROVER_DRS_SLOTS;

		if (habit->weight[slot] < DROVER_DRS_SURE)
			return 0;
		sum += (double)habit->mean[slot];
	}
	return n ? sum / n : 0;
}

struct drover_drs_forecast drover_drs_forecast(const struct drover_drs_vm *vm, uint64_t now_s,
					       uint32_t step_s, uint32_t ahead_s)
{
	struct nature n = nature_of(vm);
	uint32_t step = step_s ? step_s : STEP_S, steps = (ahead_s + step - 1) / step;
	double keep = 1, sum = 0, squares = 0;
	struct drover_drs_forecast r;

	if (!steps)
		steps = 1;
	for (uint32_t i = 0; i < steps; i++) {
		keep *= n.keep;
		sum += keep;
		squares += keep * keep;
	}
	r.mean = n.level + (vm->cpu_demand - n.level) * sum / steps;
	r.dev = sqrt(n.var * (1 - squares / steps));
	if (vm->habit)
		r.mean = fmax(r.mean, habit_ahead(vm->habit, now_s, ahead_s));
	return r;
}

void drover_drs_habit_learn(struct drover_drs_habit *habit, uint64_t when_s, double mhz)
{
	uint32_t slot = when_s / SLOT_S % DROVER_DRS_SLOTS;
	/* Several figures fall into one slot of one day, at steps of about STEP_S. */
	double part = LEARN * STEP_S / SLOT_S;
	double weight = (double)habit->weight[slot];

	if (!sane(mhz))
		return;
	habit->mean[slot] = weight > 0 ? (float)((double)habit->mean[slot] +
						 fmax(part, part / (weight + part)) *
							 (mhz - (double)habit->mean[slot]))
				       : (float)mhz;
	habit->weight[slot] = (float)fmin(1, weight + part);
}
