/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs qemu-img. For image.c and cold.c alone. */
#ifndef DROVER_BLOCK_IMGTOOL_H
#define DROVER_BLOCK_IMGTOOL_H

#include "base/err.h"

#define DROVER_IMGTOOL_ARGS_MAX 24

/**
 * struct drover_imgtool - one run of qemu-img
 * @argv: its words behind the program's name, NULL-terminated
 * @patience_s: seconds after which it is ended for saying nothing
 * @progress: called with each percentage that "-p" prints, and each second; not 0 ends it, or NULL
 */
struct drover_imgtool {
	const char *argv[DROVER_IMGTOOL_ARGS_MAX];
	int patience_s;
	int (*progress)(void *data, double percent);
	void *data;
};

/**
 * drover_imgtool_run() - run it to its end
 * @ret_text: out: what it printed, to be freed; or NULL
 *
 * Returns its exit status where that is 0 or 1 and it did not complain, or a negative errno:
 * -EREMOTEIO with its own first sentence, -ENOSPC where it says so, -ETIMEDOUT, -ECANCELED.
 * It does not outlive the agent.
 */
int drover_imgtool_run(const struct drover_imgtool *run, char **ret_text, struct drover_err *err);

#endif
