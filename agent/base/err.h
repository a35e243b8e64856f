/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The error holder: a negative errno and one sentence, handed up to whoever decides. */
#ifndef DROVER_BASE_ERR_H
#define DROVER_BASE_ERR_H

#define DROVER_ERR_TEXT_MAX 512

/**
 * struct drover_err - an error on its way up
 * @code: 0, or a negative errno value
 * @text: one sentence without a final full stop, NUL-terminated
 *
 * Start from an all-zero holder. A function that fails sets it once and returns
 * @code; a function that succeeds leaves it alone.
 */
struct drover_err {
	int code;
	char text[DROVER_ERR_TEXT_MAX];
};

/**
 * drover_err_set() - say what went wrong
 * @err: holder, or NULL where nobody wants the text
 * @code: errno value, of either sign, not 0
 * @fmt: printf format of the sentence
 *
 * Returns the code as a negative errno value.
 */
int drover_err_set(struct drover_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * drover_err_prefix() - put a context in front of the sentence that is there
 * @err: holder, or NULL
 * @fmt: printf format of the context; ": " is added
 *
 * Returns the code that the holder has.
 */
int drover_err_prefix(struct drover_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
