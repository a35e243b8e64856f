/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store that is dead: who opens or looks at a file there does not come back until it lives. */
#ifndef DROVER_DEAD_STORE_H
#define DROVER_DEAD_STORE_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What its paths begin with, or NULL. */
static _Atomic(const char *) dead_store;
static atomic_int dead_waiting;

static inline void dead_wait(const char *path)
{
	const char *dead;

	dead_waiting++;
	while ((dead = dead_store) && !strncmp(path, dead, strlen(dead)))
		usleep(10000);
	dead_waiting--;
}

static inline void dead_store_revive(void)
{
	dead_store = NULL;
	while (dead_waiting)
		usleep(10000);
	/* The threads end. */
	usleep(100000);
}

/* In place of those of the C library. */
int stat(const char *restrict path, struct stat *restrict st)
{
	dead_wait(path);
	return fstatat(AT_FDCWD, path, st, 0);
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	dead_wait(path);
	return openat(AT_FDCWD, path, flags, mode);
}

#endif
