// SPDX-License-Identifier: GPL-2.0-or-later
/* Recorded loads: reading them. */
#include "trace.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/cleanup.h"

/* Enough for a month in steps of a minute. */
#define LINE_LEN (1 << 19)

static void close_gz(gzFile *file)
{
	if (*file)
		gzclose(*file);
}

/* How many figures follow the name. */
static size_t figures_of(const char *line)
{
	size_t n = 0;

	for (; *line; line++)
		n += *line == ',';
	return n;
}

static int parse_line(char *line, struct sim_trace *t, size_t vm)
{
	char *at = strchr(line, ','), *end;

	if (!at || at == line || (size_t)(at - line) >= SIM_TRACE_NAME_LEN)
		return -EINVAL;
	*at = '\0';
	strcpy(t->name[vm], line);
	for (size_t i = 0; i < t->steps; i++) {
		float value = strtof(at + 1, &end);

		if (end == at + 1 || !(value >= 0 && value <= 100) ||
		    *end != (i + 1 < t->steps ? ',' : '\0'))
			return -EINVAL;
		t->percent[vm * t->steps + i] = value;
		at = end;
	}
	return 0;
}

/* Makes room for one VM more. */
static int grow(struct sim_trace *t)
{
	float *percent = realloc(t->percent, (t->vms + 1) * t->steps * sizeof(*percent));
	void *name;

	if (!percent)
		return -ENOMEM;
	t->percent = percent;
	name = realloc(t->name, (t->vms + 1) * sizeof(*t->name));
	if (!name)
		return -ENOMEM;
	t->name = name;
	return 0;
}

static int take_line(char *line, struct sim_trace *t)
{
	int r;

	line[strcspn(line, "\r\n")] = '\0';
	if (!*line || *line == '#')
		return 0;
	if (!t->vms)
		t->steps = figures_of(line);
	if (!t->steps || figures_of(line) != t->steps)
		return -EINVAL;
	r = grow(t);
	if (!r)
		r = parse_line(line, t, t->vms);
	if (!r)
		t->vms++;
	return r;
}

static int read_lines(gzFile in, struct sim_trace *t, const char *path, struct drover_err *err)
{
	auto_free char *line = malloc(LINE_LEN);
	size_t number = 0;
	int r = 0, gz = 0;

	if (!line)
		return drover_err_set(err, ENOMEM, "out of memory");
	while (!r && gzgets(in, line, LINE_LEN)) {
		number++;
		r = take_line(line, t);
	}
	if (r)
		return drover_err_set(err, -r, "%s line %zu: %s", path, number,
				      r == -ENOMEM ? "out of memory"
						   : "not NAME,PERCENT,... like the first line");
	gzerror(in, &gz);
	if (gz != Z_OK && gz != Z_STREAM_END)
		return drover_err_set(err, EINVAL, "%s cannot be read or unpacked", path);
	if (!t->vms)
		return drover_err_set(err, EINVAL, "%s holds no VMs", path);
	return 0;
}

int sim_trace_read(const char *path, struct sim_trace *ret_trace, struct drover_err *err)
{
	__attribute__((cleanup(close_gz))) gzFile in = gzopen(path, "rb");
	struct sim_trace t = { 0 };
	int r;

	if (!in)
		return drover_err_set(err, errno ? errno : ENOMEM, "%s: %s", path,
				      strerror(errno ? errno : ENOMEM));
	r = read_lines(in, &t, path, err);
	if (r < 0) {
		sim_trace_free(&t);
		return r;
	}
	*ret_trace = t;
	return 0;
}

void sim_trace_free(struct sim_trace *trace)
{
	free(trace->percent);
	free(trace->name);
	*trace = (struct sim_trace){ 0 };
}
