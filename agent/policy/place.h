/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts for VMs that have to go somewhere. Private to policy. */
#ifndef DROVER_POLICY_PLACE_H
#define DROVER_POLICY_PLACE_H

#include "policy/making.h"

/**
 * struct drs_site - a host for a unit; what comes first counts most
 * @broken: rules that should be and are not kept there
 * @loss: unmet demand that it adds there, MHz x s
 * @burden: MiB that have to move
 * @fill: of CPU or RAM, what is fuller then
 */
struct drs_site {
	int32_t host;
	uint32_t broken;
	double loss;
	double burden;
	double fill;
};

struct drs_site drs_site_of(const struct drs_making *m, const struct drs_unit *u, int32_t host);

/** drs_find_site() - the best of all hosts but its own; false where it fits on none */
bool drs_find_site(const struct drs_making *m, const struct drs_unit *u, struct drs_site *ret);

/** drs_say_no_site() - why it fits on none, as part of a sentence */
void drs_say_no_site(const struct drs_making *m, const struct drs_unit *u, char *text, size_t len);

/** drs_go() - move all VMs of a unit that are not there yet; @why begins the reason */
void drs_go(struct drs_making *m, const struct drs_unit *u, int32_t to,
	    enum drover_drs_move_kind kind, uint32_t priority, const char *why);

/** drs_go_nowhere() - say that one VM has no place */
void drs_go_nowhere(struct drs_making *m, uint32_t vm, enum drover_drs_move_kind kind,
		    const char *why);

#endif
