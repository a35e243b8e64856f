// SPDX-License-Identifier: GPL-2.0-or-later
/* What the leader saw and decided. */
#include "ctl/passes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/log.h"
#include "policy/record.h"

#define FILE_MAX (16 << 20)

/* Who goes where, whatever the figures. */
static uint64_t digest(const struct drover_drs_snapshot *s, const struct drover_drs_plan *plan)
{
	uint64_t sum = plan->move_count;

	for (size_t i = 0; i < plan->move_count; i++) {
		const struct drover_drs_move *m = &plan->moves[i];

		sum = sum * 31 +
		      drover_hash_pair(s->vms[m->vm].name,
				       m->to == DROVER_DRS_NONE ? "" : s->hosts[m->to].name);
	}
	return sum;
}

static int append(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	size_t n = strlen(text);

	if (fd < 0)
		return -errno;
	return write(fd, text, n) == (ssize_t)n && write(fd, "\n", 1) == 1 ? 0 : -EIO;
}

static int keep(const struct drover_conf *conf, const char *text)
{
	char path[DROVER_PATH_MAX], old[DROVER_PATH_MAX];
	struct stat st;
	int r = drover_io_path(path, NULL, "%s/passes.log", conf->state_dir);

	if (r == 0)
		r = drover_io_path(old, NULL, "%s/passes.log.old", conf->state_dir);
	if (r == 0 && stat(path, &st) == 0 && st.st_size > FILE_MAX && rename(path, old) < 0)
		r = -errno;
	return r < 0 ? r : append(path, text);
}

void drover_passes_keep(const struct drover_conf *conf, const struct drover_drs_snapshot *s,
			const struct drover_drs_plan *plan)
{
	static uint64_t last;
	static bool warned;
	uint64_t now = digest(s, plan);
	json_t *record;
	char *text;
	int r;

	if (now == last)
		return;
	last = now;
	record = drover_drs_record(s, plan);
	text = record ? json_dumps(record, JSON_COMPACT) : NULL;
	json_decref(record);
	r = text ? keep(conf, text) : -ENOMEM;
	free(text);
	if (r < 0 && !warned)
		log_warning("what is decided is not kept: %s", strerror(-r));
	warned = r < 0;
}
