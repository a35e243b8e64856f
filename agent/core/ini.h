/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads "[kind name]" sections and "key = value" lines, and says in which line
 * something is wrong. A reader of our own: the libraries at hand either limit a line to
 * 200 bytes, less than many a kernel command line, or know no line numbers.
 */
#ifndef DROVER_CORE_INI_H
#define DROVER_CORE_INI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/**
 * struct drover_ini_ops - what to do with what is read
 * @section: a section begins; @name is "" in "[kind]"
 * @key: a line of the section that began last, which no line gave before; @value has no
 *	blanks around it
 * @end: the section that began last is over; an error names the line where it began
 *
 * All return 0, or set the error; the reader puts "ORIGIN:LINE: " in front.
 */
struct drover_ini_ops {
	int (*section)(void *data, const char *kind, const char *name, struct drover_err *err);
	int (*key)(void *data, const char *key, const char *value, struct drover_err *err);
	int (*end)(void *data, struct drover_err *err);
};

/**
 * drover_ini_read() - read a text
 * @text: NUL-terminated UTF-8; lines that begin with '#' or ';' are comments
 * @origin: what to call it in errors
 */
int drover_ini_read(const char *text, const char *origin, const struct drover_ini_ops *ops,
		    void *data, struct drover_err *err);

/**
 * drover_ini_load() - a whole file, checked to be text
 * @max: refuse files larger than this, in bytes
 * @ret_text: out: to be freed by the caller
 */
int drover_ini_load(const char *path, const char *origin, size_t max, char **ret_text,
		    struct drover_err *err);

/* For keys: each sets the error with @what and its range where the value is wrong. */
int drover_ini_number(const char *value, uint64_t min, uint64_t max, uint64_t *ret,
		      struct drover_err *err);
int drover_ini_string(const char *value, char *buf, size_t size, struct drover_err *err);

/** drover_ini_path() - like drover_ini_string(), and it must be an absolute path */
int drover_ini_path(const char *value, char *buf, size_t size, struct drover_err *err);

/** drover_ini_word() - @value must be one of the NULL-terminated @words; returns its index */
int drover_ini_word(const char *value, const char *const *words, struct drover_err *err);

/** drover_ini_yes_no() - "yes" or "no" */
int drover_ini_yes_no(const char *value, bool *ret, struct drover_err *err);

#endif
