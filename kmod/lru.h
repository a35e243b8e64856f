/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processors collect pages that are to be moved between the kernel's page lists,
 * and hold a reference to each meanwhile. That looks like a device at work.
 */
#ifndef DROVER_LRU_H
#define DROVER_LRU_H

int drover_lru_init(void);
void drover_lru_exit(void);
void drover_lru_drain(void);

#endif /* DROVER_LRU_H */
