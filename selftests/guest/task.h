/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_TASK_H
#define GUEST_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Above the load, so that a late beat means a stopped guest, not a busy one. */
enum task_class { TASK_LOAD, TASK_SERVICE, TASK_BEAT, TASK_CLOCK };

bool task_start(const char *name, enum task_class class, void *(*run)(void *), void *arg);

uint64_t task_now(clockid_t clock);
void task_sleep(uint64_t ns);

/*
 * Until the next multiple of @period_ns on CLOCK_MONOTONIC: what has the same
 * period wakes together, as a wake-up is dear under nested virtualization, and
 * what a stall left out is not made up for.
 */
void task_wait(uint64_t period_ns);

#endif
