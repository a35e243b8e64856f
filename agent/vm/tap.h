/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tap interfaces in bridges. */
#ifndef DROVER_VM_TAP_H
#define DROVER_VM_TAP_H

#include "base/err.h"

#define DROVER_TAP_NAME_LEN 16

/** drover_tap_name() - the tap's name, the same on every host, into DROVER_TAP_NAME_LEN bytes */
void drover_tap_name(const char *vm, const char *nic, char *buf);

/**
 * drover_tap_open() - make a tap, put it into a bridge, bring it up
 * @vm, @nic: give it its name
 * @bridge: must exist
 *
 * Returns the tap's descriptor; the interface ends with the last copy of it.
 */
int drover_tap_open(const char *vm, const char *nic, const char *bridge, struct drover_err *err);

#endif
