/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is remembered of VMs from one look to the next. Pure. */
#ifndef DROVER_CTL_DRS_KEPT_H
#define DROVER_CTL_DRS_KEPT_H

#include "policy/predict.h"

/* Of histories. */
#define DROVER_DRS_STEP_S  300
#define DROVER_DRS_HISTORY 288
/* Of the last forty minutes. */
#define DROVER_DRS_RECENT_S 15
#define DROVER_DRS_RECENT   160

/**
 * struct drover_drs_means - means of steps
 * @long_step: of the history's step that runs
 * @recent: the same of each step of DROVER_DRS_RECENT_S; @short_step: of the one that runs
 */
struct drover_drs_means {
	double sum;
	uint32_t samples;
	uint64_t step;
};

/**
 * struct drover_drs_kept - what is remembered of a VM from one look to the next, by its name
 * @history: mean demand in MHz of each step of five minutes, the newest last
 * @sum, @samples: of the step that runs
 * @learned: its habit is other than the cluster has it
 * @blackout_ms: of its last migration, 0: none is known
 * @host: that it was last seen on, @seen_s: when that was
 * @from: where it had been before, @came_s: when it was first seen on @host; 0: it was never elsewhere
 * @moved_s: when it was last seen to move, or to have moved
 */
struct drover_drs_kept {
	struct drover_drs_kept *next;
	char name[DROVER_NAME_LEN];
	float history[DROVER_DRS_HISTORY];
	uint32_t history_count;
	struct drover_drs_means long_step;
	float recent[DROVER_DRS_RECENT];
	uint32_t recent_count;
	struct drover_drs_means short_step;
	struct drover_drs_habit habit;
	bool learned;
	double blackout_ms;
	char host[DROVER_NAME_LEN], from[DROVER_NAME_LEN];
	uint64_t seen_s, came_s, moved_s;
};

/** drover_drs_kept() - what is remembered of a VM, made where there is nothing; NULL: no memory */
struct drover_drs_kept *drover_drs_kept(struct drover_drs_kept **kept, const char *vm);

/** drover_drs_kept_add() - it wants that much now; a step that is over goes to history and habit */
void drover_drs_kept_add(struct drover_drs_kept *k, uint64_t now_s, double mhz);

/**
 * drover_drs_kept_newest() - what did it want when that was last added?
 * @ret_mhz: out; left alone where nothing was
 */
bool drover_drs_kept_newest(const struct drover_drs_kept *k, double *ret_mhz);

/**
 * drover_drs_kept_on() - it runs on that host
 * @moves: and migrates
 *
 * If it was not seen for more than a minute it has been started anew, and what it wanted in its former
 * life, or where that was, says nothing.
 */
void drover_drs_kept_on(struct drover_drs_kept *k, const char *host, bool moves, uint64_t now_s);

/** drover_drs_kept_free() - forget all */
void drover_drs_kept_free(struct drover_drs_kept **kept);

#endif
