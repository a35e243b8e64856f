/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_FIO_H
#define GUEST_FIO_H

#include <stddef.h>

/*
 * fio on a part of the disk, pass after pass: each writes every block of it once, in
 * random order, then reads all back and verifies them with crc32c.
 */

/* @arg: "OFFSET MIB IOPS". The answer, one line of JSON, as of fio_json() or an "error". */
void fio_start(const char *arg, char *text, size_t size);

/* Lets the pass under way end, checks included, and says what was found. */
void fio_stop(char *text, size_t size);

/*
 * "fio" is "idle" (never started), "running", "ok" or "error"; with the number of full passes and
 * the MiB that were written and verified.
 */
void fio_json(char *text, size_t size);

#endif
