/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/drover and the file descriptors of sessions. */
#ifndef DROVER_SESSFD_H
#define DROVER_SESSFD_H

int drover_sessfd_init(void);
void drover_sessfd_exit(void);

#endif /* DROVER_SESSFD_H */
