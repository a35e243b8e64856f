/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_POWER_H
#define GUEST_POWER_H

/* Waits for the ACPI power button, if there is one, to be pressed so many times. */
void power_start(unsigned long presses);
void power_off_soon(void);

#endif
