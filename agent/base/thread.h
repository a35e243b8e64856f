/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting threads. */
#ifndef DROVER_BASE_THREAD_H
#define DROVER_BASE_THREAD_H

#include "base/err.h"

/** drover_thread_detached() - run @fn(@data) in a thread that nobody waits for */
int drover_thread_detached(void *(*fn)(void *), void *data, struct drover_err *err);

#endif
