/* SPDX-License-Identifier: GPL-2.0-only */
/* /sys/kernel/debug/drover/sessions: a table for people, which promises nothing to programs. */
#ifndef DROVER_DEBUGFS_H
#define DROVER_DEBUGFS_H

int drover_debugfs_init(void);
void drover_debugfs_exit(void);

#endif /* DROVER_DEBUGFS_H */
