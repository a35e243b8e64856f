/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images and disk moves, for people. Nothing is asked here. */
#ifndef DROVER_TOOL_REPORT_STORAGE_H
#define DROVER_TOOL_REPORT_STORAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "control.pb-c.h"

/** report_storage() - a table of images, and one of moves if there are any */
void report_storage(FILE *out, const Drover__ControlReply *reply);

/** disk_move_line() - how it stands, one line without a newline into @buf */
void disk_move_line(const Drover__DiskMoveInfo *m, char *buf, size_t size);

/** disk_move_percent() - of its pass */
unsigned int disk_move_percent(const Drover__DiskMoveInfo *m);

/**
 * disk_move_add_writes() - ", guest writes take 3.1 ms (before: 0.9 ms)" behind what @buf holds
 *
 * Nothing while the guest writes nothing; without the bracket where it wrote nothing before.
 */
void disk_move_add_writes(const Drover__DiskMoveInfo *m, char *buf, size_t size);

/** disk_move_summary() - what became of it, or how it stands */
void disk_move_summary(FILE *out, const Drover__DiskMoveInfo *m);

bool disk_move_ended(const Drover__DiskMoveInfo *m);

/** disk_move_exit() - the exit code that its state stands for */
int disk_move_exit(const Drover__DiskMoveInfo *m);

#endif
