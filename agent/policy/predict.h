/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VM's own history says of its CPU demand in the time to come. */
#ifndef DROVER_POLICY_PREDICT_H
#define DROVER_POLICY_PREDICT_H

#include "policy/snapshot.h"

/* A habit that weighs as much is believed. */
#define DROVER_DRS_SURE 0.4f

/**
 * drover_drs_habit_learn() - remember a figure, once every five minutes
 * @when_s: of UTC
 * @mhz: demand then; what is no number, or below 0, is not learned
 */
void drover_drs_habit_learn(struct drover_drs_habit *habit, uint64_t when_s, double mhz);

/**
 * struct drover_drs_forecast - CPU demand in the time to come
 * @mean: MHz, on average
 * @dev: standard deviation around it
 */
struct drover_drs_forecast {
	double mean;
	double dev;
};

/**
 * drover_drs_forecast() - of one VM, over the next @ahead_s
 * @now_s: of UTC, when its history ends
 * @step_s: of its history
 */
struct drover_drs_forecast drover_drs_forecast(const struct drover_drs_vm *vm, uint64_t now_s,
					       uint32_t step_s, uint32_t ahead_s);

#endif
