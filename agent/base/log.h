/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logging: a level, a sentence, and whom it is about. The sink is set by main. */
#ifndef DROVER_BASE_LOG_H
#define DROVER_BASE_LOG_H

#include <stdint.h>

/* Values are those of syslog(3). */
enum drover_log_level {
	DROVER_LOG_ERROR = 3,
	DROVER_LOG_WARNING = 4,
	DROVER_LOG_INFO = 6,
	DROVER_LOG_DEBUG = 7,
};

/**
 * struct drover_log_subject - what the calling thread works on
 * @vm: name of the VM, or empty
 * @migration: number of the migration, or 0
 */
struct drover_log_subject {
	char vm[64];
	uint64_t migration;
};

/* Called from any thread; @text has no newline. */
typedef void drover_log_sink(enum drover_log_level level, const struct drover_log_subject *subject,
			     const char *text);

/**
 * drover_log_set_sink() - where lines go; until then to stderr
 * @sink: the function, or NULL for stderr
 * @max: lines of higher levels are dropped
 */
void drover_log_set_sink(drover_log_sink *sink, enum drover_log_level max);

/**
 * drover_log_set_subject() - what this thread works on from now on
 * @vm: name, or NULL for none
 * @migration: number, or 0
 */
void drover_log_set_subject(const char *vm, uint64_t migration);

void drover_log(enum drover_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)	 drover_log(DROVER_LOG_ERROR, __VA_ARGS__)
#define log_warning(...) drover_log(DROVER_LOG_WARNING, __VA_ARGS__)
#define log_info(...)	 drover_log(DROVER_LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 drover_log(DROVER_LOG_DEBUG, __VA_ARGS__)

#endif
