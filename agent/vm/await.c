// SPDX-License-Identifier: GPL-2.0-or-later
/* QEMU's first seconds. */
#include "vm/await.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "core/clock.h"
#include "vm/qmp.h"

/* Machines that are emulated take their time. */
#define START_TIMEOUT_MS 60000
#define TRY_MS		 100

/*
 * The last complaint, without the time and QEMU's name in front; where there is none, the
 * last line. Behind a complaint QEMU may give advice, before it warnings.
 */
static const char *last_complaint(char *text)
{
	static const char program[] = "qemu-system-x86_64: ", warning[] = "warning: ";
	const char *last = "", *complaint = NULL;
	char *rest = text, *line, *name;

	while ((line = strsep(&rest, "\r\n"))) {
		if (!*line)
			continue;
		name = strstr(line, program);
		last = name ? name + strlen(program) : line;
		if (name && strncmp(last, warning, strlen(warning)))
			complaint = last;
	}
	return complaint ? complaint : last;
}

static int ended_early(const struct drover_vm *vm, int log, struct drover_err *err)
{
	char text[2048];
	struct stat st;
	off_t from = 0;
	ssize_t n;

	if (fstat(log, &st) == 0 && st.st_size >= (off_t)sizeof(text))
		from = st.st_size - sizeof(text) + 1;
	n = pread(log, text, sizeof(text) - 1, from);
	if (n <= 0)
		return drover_err_set(err, EINVAL, "QEMU of vm %s ended at once and did not say why",
				      vm->def.name);
	text[n] = '\0';
	return drover_err_set(err, EINVAL, "QEMU does not start vm %s: %.300s", vm->def.name,
			      last_complaint(text));
}

int drover_await_monitor(struct drover_vm *vm, int log, struct drover_err *err)
{
	uint64_t deadline = drover_clock_monotonic() + START_TIMEOUT_MS * 1000ULL;
	struct drover_err why = { 0 };
	char path[DROVER_PATH_MAX];
	int r = drover_io_path(path, err, "%s/qmp.sock", vm->dir);

	if (r < 0)
		return r;
	do {
		if (drover_qmp_connect(path, TRY_MS, &vm->qmp, &why) == 0)
			return 0;
		if (drover_vm_has_ended(vm))
			return ended_early(vm, log, err);
	} while (drover_clock_monotonic() < deadline);
	return drover_err_set(err, ETIMEDOUT, "QEMU of vm %s does not answer: %s", vm->def.name,
			      why.text);
}
