// SPDX-License-Identifier: GPL-2.0-or-later
/* Sliding windows. */
#include "stat/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool drover_window_add(struct drover_window *w, double value)
{
	if (!isfinite(value) || value < 0)
		return false;
	w->value[w->next] = value;
	w->next = (w->next + 1) % DROVER_WINDOW_LEN;
	if (w->count < DROVER_WINDOW_LEN)
		w->count++;
	return true;
}

/* The value @back places before the newest. */
static float value_at(const struct drover_window *w, uint32_t back)
{
	return w->value[(w->next + DROVER_WINDOW_LEN - 1 - back) % DROVER_WINDOW_LEN];
}

double drover_window_last(const struct drover_window *w)
{
	return w->count ? value_at(w, 0) : 0;
}

double drover_window_mean(const struct drover_window *w, uint32_t n)
{
	double sum = 0;

	if (n > w->count)
		n = w->count;
	for (uint32_t i = 0; i < n; i++)
		sum += value_at(w, i);
	return n ? sum / n : 0;
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

double drover_window_percentile(const struct drover_window *w, uint32_t n, double percent)
{
	float sorted[DROVER_WINDOW_LEN];
	uint32_t rank;

	if (n > w->count)
		n = w->count;
	if (!n)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		sorted[i] = value_at(w, i);
	qsort(sorted, n, sizeof(*sorted), by_value);
	rank = ceil(percent / 100 * n);
	return sorted[rank ? (rank > n ? n - 1 : rank - 1) : 0];
}
