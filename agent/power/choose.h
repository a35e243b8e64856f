/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Turning a host on and off by whichever way works: IPMI, then Redfish, then Wake-on-LAN. What
 * counts is the state that is read back, never what a BMC answered.
 */
#ifndef DROVER_POWER_CHOOSE_H
#define DROVER_POWER_CHOOSE_H

#include "power/power.h"

/**
 * struct drover_power_report - what came of one driver
 * @code: 0 or a negative errno
 * @text: what a test found, or what is wrong
 */
struct drover_power_report {
	const char *driver;
	int code;
	char text[DROVER_ERR_TEXT_MAX];
};

/**
 * struct drover_power_result - how it came about
 * @state: as read back; DROVER_POWER_UNKNOWN after Wake-on-LAN alone, which cannot read it: then
 *	look for other evidence, such as the host's agent
 * @driver: whose request it was, or who saw that none was needed
 * @already: it was so before, and nothing was asked for
 * @before: what went wrong with drivers tried before, one clause each, or ""
 * @failed: how many drivers were tried in vain; also written when all were
 * @failures: theirs, in the order in which they were tried; written like @failed
 */
struct drover_power_result {
	enum drover_power_state state;
	const char *driver;
	bool already;
	char before[DROVER_POWER_TEXT_MAX];
	uint32_t failed;
	struct drover_power_report failures[DROVER_POWER_DRIVERS_MAX];
};

/**
 * drover_power_on() - have a host powered on
 * @deadline_us: CLOCK_MONOTONIC; the drivers left to try share the time left evenly
 * @ret_result: out
 *
 * Returns 0 once the power is seen to be on (or asked for by Wake-on-LAN alone). That the host
 * boots is for others to watch. Errors: -ENOENT when no way is configured; otherwise that of the
 * preferred driver, with a sentence that names what each driver said.
 *
 * Blocking: for worker threads, never the control thread.
 */
int drover_power_on(const struct drover_power_host *host, uint64_t deadline_us,
		    struct drover_power_result *ret_result, struct drover_err *err);

/**
 * drover_power_off() - have a host powered off
 * @how: DROVER_POWER_ORDERLY may take as long as its system needs to shut down
 * @deadline_us: see drover_power_on()
 *
 * Looks at no VMs: the caller has seen to it that the host is empty. Returns 0 once the power is
 * seen to be off. Errors: see drover_power_on(); -ETIMEDOUT when it was asked for and ignored.
 *
 * Blocking: for worker threads, never the control thread.
 */
int drover_power_off(const struct drover_power_host *host, enum drover_power_how how,
		     uint64_t deadline_us, struct drover_power_result *ret_result,
		     struct drover_err *err);

/**
 * drover_power_look() - is a host's power on?
 * @ret_result: out: what is seen, and by whom
 *
 * Errors: -EOPNOTSUPP when no configured driver can tell; -ENOENT when none is configured;
 * otherwise that of the preferred driver.
 *
 * Blocking: for worker threads, never the control thread.
 */
int drover_power_look(const struct drover_power_host *host, uint64_t deadline_us,
		      struct drover_power_result *ret_result, struct drover_err *err);

/**
 * drover_power_test() - try each driver, changing nothing
 * @reports: out, in any case: @host->count of them
 *
 * Returns 0 when all drivers passed; otherwise as drover_power_on().
 *
 * Blocking: for worker threads, never the control thread.
 */
int drover_power_test(const struct drover_power_host *host, uint64_t deadline_us,
		      struct drover_power_report reports[static DROVER_POWER_DRIVERS_MAX],
		      struct drover_err *err);

#endif
