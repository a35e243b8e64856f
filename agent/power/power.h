/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Turning hosts on and off from outside: how one is reached, and what a driver does.
 * Whoever wants a host on or off calls choose.h; credentials.h reads how.
 */
#ifndef DROVER_POWER_POWER_H
#define DROVER_POWER_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/model.h"

#define DROVER_POWER_DRIVERS_MAX 3
#define DROVER_POWER_TEXT_MAX	 512

enum drover_power_state {
	DROVER_POWER_UNKNOWN,	/* nobody could tell, or it is just changing */
	DROVER_POWER_OFF,
	DROVER_POWER_ON,
};

enum drover_power_how {
	DROVER_POWER_ORDERLY,	/* the machine's system is asked to shut down */
	DROVER_POWER_AT_ONCE,	/* the power is cut */
};

struct drover_power_access;

/**
 * struct drover_power_ops - a driver
 * @name: its section in a host's file, e.g. "ipmi"
 * @on: ask for power
 * @off: ask for none
 * @state: what the machine says it is
 * @test: prove, changing nothing, that the others could work; @text, of DROVER_POWER_TEXT_MAX
 *	bytes, says what was found
 *
 * All return 0 or a negative errno with a sentence; -EOPNOTSUPP is "this way can never do that".
 * That @on or @off returned 0 means that it was asked for, and no more.
 *
 * All block, up to @deadline_us (CLOCK_MONOTONIC) if all goes well, and are called by bounded.c
 * alone, which holds them to it. @on and @off must not begin to take effect after it.
 */
struct drover_power_ops {
	const char *name;
	int (*on)(const struct drover_power_access *access, uint64_t deadline_us,
		  struct drover_err *err);
	int (*off)(const struct drover_power_access *access, enum drover_power_how how,
		   uint64_t deadline_us, struct drover_err *err);
	int (*state)(const struct drover_power_access *access, uint64_t deadline_us,
		     enum drover_power_state *ret_state, struct drover_err *err);
	int (*test)(const struct drover_power_access *access, uint64_t deadline_us, char *text,
		    struct drover_err *err);
};

extern const struct drover_power_ops drover_power_ipmi;
extern const struct drover_power_ops drover_power_redfish;
extern const struct drover_power_ops drover_power_wol;

/**
 * struct drover_power_access - one way to a machine; each driver knows some of it
 * @data: of fakes
 * @address: host name or IP address of the BMC; of wol, where packets are sent
 * @cipher: suite of IPMI 2.0 (its table 22-20): 3, 8, 12 or 17
 * @privilege: level of IPMI 2.0: 3 operator, 4 administrator
 * @workarounds: libfreeipmi's IPMI_WORKAROUND_FLAGS_OUTOFBAND_2_0_*
 * @url: https://NAME[:PORT]
 * @ca: file of certificates to trust, or "" for those of the system
 * @fingerprint: of the one public key to accept, as sha256//BASE64, or ""
 * @system: id or path of one of several systems, or ""
 * @interface: where packets leave, or ""
 *
 * Holds secrets: wipe it with drover_power_forget().
 */
struct drover_power_access {
	const struct drover_power_ops *ops;
	void *data;
	char address[DROVER_FIELD_LEN];
	uint16_t port;
	char user[DROVER_NAME_LEN];
	char password[DROVER_FIELD_LEN];
	uint8_t cipher;
	uint8_t privilege;
	uint32_t workarounds;
	char url[DROVER_FIELD_LEN];
	char ca[DROVER_FIELD_LEN];
	char fingerprint[DROVER_NAME_LEN];
	char system[DROVER_FIELD_LEN];
	uint8_t mac[6];
	char interface[16];
};

/**
 * struct drover_power_host - all ways to a machine, the preferred one first
 *
 * Plain; may be copied, and each copy must be wiped.
 */
struct drover_power_host {
	char name[DROVER_NAME_LEN];
	uint32_t count;
	struct drover_power_access ways[DROVER_POWER_DRIVERS_MAX];
};

/** drover_power_state_name() - "on", "off" or "unknown" */
const char *drover_power_state_name(enum drover_power_state state);

#endif
