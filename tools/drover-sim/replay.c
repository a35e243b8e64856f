// SPDX-License-Identifier: GPL-2.0-or-later
/* Passes that a leader has put down, thought through again by the policy as it is now. */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/record.h"
#include "sim.h"

#define TEXT_MAX 512

static int usage(FILE *out)
{
	fputs("usage: drover-sim --replay FILE\n"
	      "  FILE   of passes, a line each, as droverd leaves them in "
	      "/var/lib/drover/passes.log\n"
	      "Says what was decided then and now; fails where that is not the same.\n",
	      out);
	return out == stdout ? 0 : 2;
}

/* 0: the same, 1: not, -1: no record. */
static int replay(const json_t *record, size_t number)
{
	struct drover_drs_recorded r;
	struct drover_err err = {0};
	char text[TEXT_MAX];
	bool same = false;
	int e = drover_drs_record_read(record, &r, &err);

	if (e == 0) {
		e = drover_drs_record_replay(&r, &same, text, sizeof(text), &err);
		if (e == 0)
			printf("pass %zu: %zu hosts, %zu VMs, %zu moves%s%s\n", number,
			       r.snapshot.host_count, r.snapshot.vm_count, r.move_count,
			       same ? ": the same" : ": ", text);
		drover_drs_record_free(&r);
	}
	if (e < 0)
		fprintf(stderr, "drover-sim: pass %zu: %s\n", number, err.text);
	return e < 0 ? -1 : !same;
}

static int replay_all(FILE *f, size_t *ret_number, size_t *ret_other)
{
	char *line = NULL;
	size_t room = 0;
	int r = 0;

	while (r >= 0 && getline(&line, &room, f) > 0) {
		json_t *record = json_loads(line, 0, NULL);

		r = replay(record, ++*ret_number);
		*ret_other += r > 0;
		json_decref(record);
	}
	free(line);
	return r < 0 || ferror(f) ? -1 : 0;
}

int sim_replay(int argc, char **argv)
{
	size_t number = 0, other = 0;
	FILE *f;
	int r;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout);
	if (argc != 2)
		return usage(stderr);
	f = fopen(argv[1], "re");
	if (!f) {
		fprintf(stderr, "drover-sim: %s cannot be read: %s\n", argv[1], strerror(errno));
		return 1;
	}
	r = replay_all(f, &number, &other);
	fclose(f);
	if (r < 0)
		return 1;
	printf("%zu passes, %zu decided otherwise\n", number, other);
	return other ? 1 : 0;
}
