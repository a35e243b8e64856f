// SPDX-License-Identifier: GPL-2.0-or-later
/* Clusters of our own CSV format. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cluster.h"

/**
 * struct reader - a file being read
 * @rows: what each VM wants, until the number of steps is known to be the same for all
 */
struct reader {
	struct sim_cluster *c;
	float **rows;
	size_t line;
};

static int wrong(const struct reader *r, const char *what, struct drover_err *err)
{
	return drover_err_set(err, EINVAL, "line %zu: %s", r->line, what);
}

/* The next field of a line, which is taken apart; NULL behind the last one. */
static char *field(char **rest)
{
	return strsep(rest, ",\n");
}

static bool number(char **rest, double min, double *ret)
{
	char *word = field(rest), *end;

	if (!word || !*word)
		return false;
	*ret = strtod(word, &end);
	return !*end && *ret >= min && *ret < 1e12;
}

static bool name(char **rest, char *buf)
{
	char *word = field(rest);

	if (!word || !*word || strlen(word) >= SIM_NAME_LEN)
		return false;
	strcpy(buf, word);
	return true;
}

static int read_host(struct reader *r, char *rest, struct drover_err *err)
{
	struct sim_cluster *c = r->c;
	struct sim_host h = { 0 }, *more;
	double cores, memory;

	if (!name(&rest, h.name) || !number(&rest, 1, &cores) || !number(&rest, 1, &h.cpu_mhz) ||
	    !number(&rest, 1, &memory) || !number(&rest, 1, &h.link_mib_s))
		return wrong(r, "host,NAME,CORES,MHZ,MEMORY_MIB,LINK_MIB_S is wanted", err);
	h.cores = cores;
	h.memory_mib = memory;
	more = realloc(c->hosts, (c->host_count + 1) * sizeof(*more));
	if (!more)
		return drover_err_set(err, ENOMEM, "out of memory");
	c->hosts = more;
	c->hosts[c->host_count++] = h;
	return 0;
}

static int find_host(const struct sim_cluster *c, const char *name)
{
	for (size_t i = 0; i < c->host_count; i++)
		if (!strcmp(c->hosts[i].name, name))
			return i;
	return SIM_NOWHERE;
}

static int read_steps(struct reader *r, char *rest, float **ret_row, struct drover_err *err)
{
	auto_free float *row = NULL;
	size_t n = 0;
	double value;

	while (rest && *rest && *rest != '\n') {
		float *more = realloc(row, (n + 1) * sizeof(*row));

		if (!more)
			return drover_err_set(err, ENOMEM, "out of memory");
		row = more;
		if (!number(&rest, 0, &value) || value > 100)
			return wrong(r, "percentages from 0 to 100 are wanted", err);
		row[n++] = value;
	}
	if (!n || (r->c->vm_count && n != r->c->steps))
		return wrong(r, "all VMs need the same number of percentages, one at least", err);
	r->c->steps = n;
	*ret_row = steal_ptr(row);
	return 0;
}

static int read_vm(struct reader *r, char *rest, struct drover_err *err)
{
	struct sim_cluster *c = r->c;
	char host[SIM_NAME_LEN];
	struct sim_vm vm = { 0 }, *more;
	double vcpus, memory;
	float **rows;
	int result;

	if (!name(&rest, vm.name) || !number(&rest, 1, &vcpus) || !number(&rest, 1, &vm.max_mhz) ||
	    !number(&rest, 1, &memory) || !number(&rest, 0, &vm.dirty_mib_s) || !name(&rest, host))
		return wrong(r, "vm,NAME,VCPUS,MHZ,MEMORY_MIB,DIRTY_MIB_S,HOST,PERCENT,... is wanted",
			     err);
	vm.vcpus = vcpus;
	vm.memory_mib = memory;
	vm.start = find_host(c, host);
	if (vm.start == SIM_NOWHERE)
		return wrong(r, "no host of that name stands above", err);
	rows = realloc(r->rows, (c->vm_count + 1) * sizeof(*rows));
	if (rows)
		r->rows = rows;
	more = realloc(c->vms, (c->vm_count + 1) * sizeof(*more));
	if (more)
		c->vms = more;
	if (!rows || !more)
		return drover_err_set(err, ENOMEM, "out of memory");
	result = read_steps(r, rest, &r->rows[c->vm_count], err);
	if (result == 0)
		c->vms[c->vm_count++] = vm;
	return result;
}

static int read_line(struct reader *r, char *line, struct drover_err *err)
{
	char *rest = line, *word;
	double step;

	if (*line == '\n' || *line == '#' || !*line)
		return 0;
	word = field(&rest);
	if (!strcmp(word, "host"))
		return read_host(r, rest, err);
	if (!strcmp(word, "vm"))
		return read_vm(r, rest, err);
	if (strcmp(word, "step") || !number(&rest, 10, &step))
		return wrong(r, "step,SECONDS (10 at least), host,... or vm,... is wanted", err);
	r->c->step_s = step;
	return 0;
}

static int read_all(struct reader *r, FILE *f, struct drover_err *err)
{
	auto_free char *line = NULL;
	size_t size = 0;
	int result = 0;

	while (result == 0 && getline(&line, &size, f) > 0) {
		r->line++;
		result = read_line(r, line, err);
	}
	if (result == 0 && (!r->c->vm_count || !r->c->step_s || r->c->step_s % 10))
		result = drover_err_set(err, EINVAL,
					"a step of a multiple of 10 s, hosts and VMs are wanted");
	return result;
}

/* One array for all. */
static int join_rows(struct reader *r, struct drover_err *err)
{
	struct sim_cluster *c = r->c;

	c->percent = calloc(c->vm_count * c->steps, sizeof(*c->percent));
	if (!c->percent)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < c->vm_count; i++) {
		float *row = c->percent + i * c->steps;

		memcpy(row, r->rows[i], c->steps * sizeof(*row));
		c->vms[i].percent = row;
	}
	return 0;
}

int sim_cluster_read(const char *path, struct sim_cluster *ret, struct drover_err *err)
{
	struct sim_cluster c = { 0 };
	struct reader r = { .c = &c };
	FILE *f = fopen(path, "re");
	int result;

	if (!f)
		return drover_err_set(err, errno, "%s: %s", path, strerror(errno));
	result = read_all(&r, f, err);
	fclose(f);
	if (result == 0)
		result = join_rows(&r, err);
	for (size_t i = 0; i < c.vm_count; i++)
		free(r.rows[i]);
	free(r.rows);
	if (result < 0) {
		sim_cluster_free(&c);
		return drover_err_prefix(err, "%s", path);
	}
	snprintf(c.name, sizeof(c.name), "%.*s", SIM_NAME_LEN - 1,
		 strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
	*ret = c;
	return 0;
}
