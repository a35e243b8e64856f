/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turning other hosts on and off, and looking at their power. Control thread only. */
#ifndef DROVER_CTL_POWER_H
#define DROVER_CTL_POWER_H

#include "ctl/agent.h"
#include "power/choose.h"

enum drover_power_deed {
	DROVER_POWER_LOOK,
	DROVER_POWER_TURN_ON,
	DROVER_POWER_TURN_OFF,	/* its system shuts down */
	DROVER_POWER_CUT,
};

/* When a host may be turned off. */
enum drover_power_care {
	DROVER_POWER_IF_EMPTY,	  /* it says that no VM is on it, or it is off */
	DROVER_POWER_UNLESS_USED, /* it does not say that VMs are on it */
	DROVER_POWER_ANYWAY,
};

/**
 * struct drover_power_outcome - what came of a deed
 * @busy: nothing yet
 * @result: its failures are there in any case, the rest if @err.code is 0
 * @watts: what the host draws as its agent tells, 0: it does not; of a look alone
 */
struct drover_power_outcome {
	char host[DROVER_NAME_LEN];
	enum drover_power_deed deed;
	bool busy;
	struct drover_power_result result;
	struct drover_err err;
	double watts;
	char source[DROVER_NAME_LEN];
};

typedef void drover_power_done(void *data, const struct drover_power_outcome *outcome);

/**
 * drover_power_begin() - begin a deed on a host, by its file in DROVER_POWER_DIR
 * @care: of VMs that may be on it, when it is to be turned off
 * @done: called in the control thread some time later, once, if 0 is returned; or NULL
 *
 * A look takes up to 25 s, on and a cut up to 60 s, a shut-down up to five minutes.
 *
 * Errors: -EBUSY when it is being turned on or off (looks are always possible), -EPERM when this
 * host is to turn itself off, and those of drover_power_load().
 */
int drover_power_begin(struct drover_agent *agent, const char *host, enum drover_power_deed deed,
		       enum drover_power_care care, drover_power_done *done, void *data,
		       struct drover_err *err);

/** drover_power_begin_within() - the same within so much time; 0: as long as it may take */
int drover_power_begin_within(struct drover_agent *agent, const char *host,
			      enum drover_power_deed deed, enum drover_power_care care,
			      uint64_t patience_us, drover_power_done *done, void *data,
			      struct drover_err *err);

/** drover_power_begin_by() - the same by these ways, which are copied */
int drover_power_begin_by(struct drover_agent *agent, const struct drover_power_host *ways,
			  enum drover_power_deed deed, enum drover_power_care care,
			  drover_power_done *done, void *data, struct drover_err *err);

/** drover_power_last() - how the last on or off of a host stands; NULL: there was none */
const struct drover_power_outcome *drover_power_last(const char *host);

/**
 * drover_power_check_empty() - may a host be turned off?
 * @info: what it says of itself, or NULL
 *
 * Errors: -EBUSY (VMs are on it), -EHOSTUNREACH (that is not known).
 */
int drover_power_check_empty(const Drover__HostInfo *info, const char *host,
			     struct drover_err *err);

drover_verb drover_power_verb;

#endif
