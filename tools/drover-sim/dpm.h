/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Days of recorded load under power policies: what is run, and what is told of it. */
#ifndef DROVER_SIM_DPM_H
#define DROVER_SIM_DPM_H

#include "cloudsim.h"
#include "honest.h"

#define DPM_DAY_LEN  32
#define DPM_ROWS_MAX 96

enum dpm_model { DPM_CLOUDSIM, DPM_HONEST };

/**
 * struct dpm_row - one day under one policy in one model
 * @moves_vms: a peer that moves nothing misses nothing, and is no measure for one that does
 * @cloudsim, @honest: the one of @model is filled in
 * @wall_s: how long the run took
 */
struct dpm_row {
	enum dpm_model model;
	char day[DPM_DAY_LEN];
	const char *policy;
	bool is_drover, moves_vms;
	struct cs_result cloudsim;
	struct honest_result honest;
	double wall_s;
};

/**
 * struct dpm_aim - a figure of Drover's against a limit
 * @value, @limit: as a share of the peer's; met if @value is no higher
 */
struct dpm_aim {
	enum dpm_model model;
	const char *day, *what, *peer;
	double value, limit;
};

/** dpm_aims() - at most @room of them; returns how many */
int dpm_aims(const struct dpm_row *rows, int count, struct dpm_aim *aims, int room);

/** dpm_print() - tables for people */
void dpm_print(const struct dpm_row *rows, int count);

/** dpm_write_json() - all of it to a file; a negative errno if that fails */
int dpm_write_json(const struct dpm_row *rows, int count, const char *path);

#endif
