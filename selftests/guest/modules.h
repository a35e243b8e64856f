/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_MODULES_H
#define GUEST_MODULES_H

/* Loads what /modules/order lists, in that order. */
void modules_load(void);

#endif
