/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_CPU_H
#define GUEST_CPU_H

/* Starts what keeps the processor busy, @percent of the time. */
void cpu_start(unsigned long percent);

/* From now on; above 100 counts as 100. */
void cpu_rate(unsigned long percent);

#endif
