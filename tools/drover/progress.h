/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A migration as people see it: the live line, the table of rounds, the summary. */
#ifndef DROVER_TOOL_PROGRESS_H
#define DROVER_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

#include "control.pb-c.h"

/** progress_line() - one line without a newline into @buf */
void progress_line(const Drover__MigrationInfo *m, char *buf, size_t size);

/** progress_disk() - how a disk that travels stands, without a newline, into @buf */
void progress_disk(const Drover__DiskMoveInfo *d, char *buf, size_t size);

/** progress_disks() - the table of disks that travel */
void progress_disks(FILE *out, const Drover__MigrationInfo *m);

/** progress_round() - a round that has ended, without a newline, into @buf */
void progress_round(const Drover__RoundInfo *r, char *buf, size_t size);

/** progress_rounds() - the table of rounds */
void progress_rounds(FILE *out, const Drover__MigrationInfo *m);

/** progress_summary() - what became of it */
void progress_summary(FILE *out, const Drover__MigrationInfo *m);

/** progress_ended() - it ended, or waits for its target or an operator (in doubt) */
bool progress_ended(const Drover__MigrationInfo *m);

/** progress_exit() - the exit code that its state stands for */
int progress_exit(const Drover__MigrationInfo *m);

#endif
