/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine in memory, for tests of those who turn hosts on and off. */
#ifndef DROVER_POWER_FAKE_H
#define DROVER_POWER_FAKE_H

#include <stdatomic.h>

#include "power/power.h"

/**
 * struct drover_power_fake - how a machine behaves
 * @state: what it is
 * @error: errno that every call fails with, or 0
 * @refuse: errno that requests fail with, or 0; they take effect all the same if @ignore is not set
 * @ignore: requests are taken and nothing comes of them
 * @no_off, @no_state: like Wake-on-LAN: these are -EOPNOTSUPP
 * @hang_ms: every call takes so long, whatever its deadline
 * @settle_ms: a request takes effect so long after it
 * @calls, @asked: calls so far, and how many of them were requests
 * @how: of the last request for off
 *
 * Must outlive calls that were late.
 */
struct drover_power_fake {
	_Atomic enum drover_power_state state;
	int error;
	int refuse;
	bool ignore;
	bool no_off, no_state;
	unsigned int hang_ms;
	unsigned int settle_ms;
	_Atomic unsigned int calls, asked;
	_Atomic enum drover_power_how how;
	_Atomic uint64_t effect_us;
	_Atomic enum drover_power_state next;
};

/** drover_power_fake_add() - one way more to a host: @fake, under the name of a driver */
void drover_power_fake_add(struct drover_power_host *host, struct drover_power_fake *fake);

#endif
