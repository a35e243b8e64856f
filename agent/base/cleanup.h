/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scope attributes: what a variable holds is given back when it goes out of scope. */
#ifndef DROVER_BASE_CLEANUP_H
#define DROVER_BASE_CLEANUP_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void drover_free_ptr(void *p)
{
	free(*(void **)p);
}

static inline void drover_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void drover_fclose_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void drover_unlock_mutex(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

#define auto_free   __attribute__((cleanup(drover_free_ptr)))
#define auto_close  __attribute__((cleanup(drover_close_fd)))
#define auto_fclose __attribute__((cleanup(drover_fclose_file)))
#define auto_unlock __attribute__((cleanup(drover_unlock_mutex)))

/* Takes a pointer out of a variable, so that its scope does not free it. */
#define steal_ptr(p)                              \
	({                                        \
		__typeof__(p) *_pp = &(p);        \
		__typeof__(p) _val = *_pp;        \
		*_pp = NULL;                      \
		_val;                             \
	})

static inline int steal_fd(int *fd)
{
	int val = *fd;

	*fd = -1;
	return val;
}

static inline pthread_mutex_t *drover_lock_mutex(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	return m;
}

/* Holds the mutex to the end of the scope. */
#define scope_lock(m) \
	auto_unlock pthread_mutex_t *_scope_lock __attribute__((unused)) = drover_lock_mutex(m)

#endif
