/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tap interfaces in bridges. */
#ifndef DROVER_VM_TAP_H
#define DROVER_VM_TAP_H

#include "base/err.h"

/**
 * drover_tap_open() - make a tap, put it into a bridge, bring it up
 * @vm, @nic: give it its name
 * @bridge: must exist
 *
 * Returns the tap's descriptor; the interface ends with the last copy of it.
 */
int drover_tap_open(const char *vm, const char *nic, const char *bridge, struct drover_err *err);

#endif
