/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last values of one figure, and what can be said of them. */
#ifndef DROVER_STAT_WINDOW_H
#define DROVER_STAT_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* 40 minutes at one value in 5 seconds: as far back as power management looks. */
#define DROVER_WINDOW_LEN 480

/**
 * struct drover_window - a ring of values
 * @count: values in it
 * @next: where the next goes
 *
 * Start from an all-zero one.
 */
struct drover_window {
	float value[DROVER_WINDOW_LEN];
	uint32_t count;
	uint32_t next;
};

/** drover_window_add() - false, and nothing added, for what is no number or below 0 */
bool drover_window_add(struct drover_window *w, double value);

/** drover_window_last() - the newest value, 0 when there is none */
double drover_window_last(const struct drover_window *w);

/** drover_window_mean() - of the newest @n, or of all when there are fewer; 0 for none */
double drover_window_mean(const struct drover_window *w, uint32_t n);

/**
 * drover_window_percentile() - of the newest @n, or of all when there are fewer
 * @percent: 0 to 100; nearest rank, so 50 is the lower median
 */
double drover_window_percentile(const struct drover_window *w, uint32_t n, double percent);

#endif
