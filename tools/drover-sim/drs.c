// SPDX-License-Identifier: GPL-2.0-or-later
/* drover-sim --drs: the same clusters and loads under Drover and under its peers. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drs_report.h"
#include "peer.h"
#include "sim.h"

static const struct sim_policy *const policies[] = {
	&sim_policy_none, &sim_policy_threshold, &sim_policy_proxmox, &sim_policy_drover,
};

#define POLICIES (sizeof(policies) / sizeof(*policies))

/**
 * struct job - what the command line asks for
 * @load: one of enum sim_load, or SIM_LOADS for all
 * @made: synthetic loads are wanted
 */
struct job {
	struct sim_recipe recipe;
	unsigned int load;
	bool made, scale;
	const char *only, *json;
	struct drs_report report;
};

static int usage(FILE *out)
{
	fputs("usage: drover-sim --drs [OPTION]... [FILE]...\n"
	      "  --load KIND     steady, daily, flash, correlated, noisy, all (default) or none\n"
	      "  --hosts N       of a made-up cluster, 50 by default\n"
	      "  --vms N         on it, 20 a host by default\n"
	      "  --hours N       of load, 24 by default\n"
	      "  --fill SHARE    highest sum of demands, of all CPU, 0.7 by default\n"
	      "  --seed N        1 by default: the same seed makes the same cluster\n"
	      "  --policy NAME   none, threshold, proxmox or drover alone\n"
	      "  --scale         time Drover's passes at 100, 300, 1000 and 3000 hosts\n"
	      "  --json FILE     write all figures there, too\n"
	      "A FILE is a cluster (NAME.cluster.csv), or else a recorded trace, NAME,PERCENT,... of\n"
	      "288 samples; plain or of gzip.\n", out);
	return out == stdout ? 0 : 2;
}

static int run_policies(struct job *job, const struct sim_cluster *c, struct drover_err *err)
{
	for (size_t i = 0; i < POLICIES; i++) {
		struct sim_result result;
		int r;

		if (job->only && strcmp(job->only, policies[i]->name))
			continue;
		r = sim_run(c, policies[i], &result, err);
		if (r < 0)
			return drover_err_prefix(err, "%s under %s", c->name, policies[i]->name);
		r = drs_report_add(&job->report, c, policies[i]->name, &result, err);
		if (r < 0)
			return r;
	}
	drs_report_compare(&job->report, c);
	return 0;
}

static int run_made(struct job *job, enum sim_load load, struct drover_err *err)
{
	struct sim_cluster c;
	int r;

	job->recipe.load = load;
	r = sim_cluster_make(&job->recipe, &c, err);
	if (r < 0)
		return r;
	r = run_policies(job, &c, err);
	sim_cluster_free(&c);
	return r;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

static int run_file(struct job *job, const char *path, struct drover_err *err)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	char day[SIM_NAME_LEN];
	struct sim_cluster c;
	int r;

	snprintf(day, sizeof(day), "%.*s", (int)strcspn(name, "."), name);
	r = ends_with(path, ".cluster.csv")
		    ? sim_cluster_read(path, &c, err)
		    : sim_cluster_planetlab(path, day, job->recipe.fill, &c, err);
	if (r < 0)
		return r;
	r = run_policies(job, &c, err);
	sim_cluster_free(&c);
	return r;
}

/* A few passes over clusters that are out of balance, as VMs are dealt out whatever they want. */
static int run_scale(struct job *job, struct drover_err *err)
{
	static const size_t sizes[] = { 100, 300, 1000, 3000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct sim_recipe recipe = { SIM_NOISY, job->recipe.seed, sizes[i], 20 * sizes[i], 3,
					     300, 0.8 };
		struct sim_cluster c;
		struct sim_result result;
		int r = sim_cluster_make(&recipe, &c, err);

		if (r < 0)
			return r;
		r = sim_run(&c, &sim_policy_drover, &result, err);
		if (r == 0)
			r = drs_report_pass(&job->report, &c, &result, err);
		sim_cluster_free(&c);
		if (r < 0)
			return r;
	}
	return 0;
}

static int run(struct job *job, char **files, struct drover_err *err)
{
	int r = 0;

	drs_report_begin(&job->report);
	for (unsigned int i = 0; job->made && r == 0 && i < SIM_LOADS; i++)
		if (job->load == SIM_LOADS || job->load == i)
			r = run_made(job, i, err);
	for (; r == 0 && *files; files++)
		r = run_file(job, *files, err);
	if (r == 0 && job->scale)
		r = run_scale(job, err);
	return r == 0 && job->json ? drs_report_write(&job->report, job->json, err) : r;
}

static bool set_load(struct job *job, const char *word)
{
	job->made = strcmp(word, "none") != 0;
	job->load = SIM_LOADS;
	if (!job->made || !strcmp(word, "all"))
		return true;
	for (job->load = 0; job->load < SIM_LOADS; job->load++)
		if (!strcmp(word, sim_load_names[job->load]))
			return true;
	return false;
}

static bool set_policy(struct job *job, const char *word)
{
	job->only = word;
	for (size_t i = 0; i < POLICIES; i++)
		if (!strcmp(word, policies[i]->name))
			return true;
	return false;
}

static bool set_number(const char *word, double min, double max, double *ret)
{
	char *end;

	*ret = strtod(word, &end);
	return *word && !*end && *ret >= min && *ret <= max;
}

static bool set(struct job *job, int option, const char *word)
{
	struct sim_recipe *recipe = &job->recipe;
	double n;

	switch (option) {
	case 'l':
		return set_load(job, word);
	case 'p':
		return set_policy(job, word);
	case 'j':
		job->json = word;
		return true;
	case 'S':
		job->scale = true;
		return true;
	case 'h':
		return set_number(word, 2, 100000, &n) && (recipe->hosts = n);
	case 'v':
		return set_number(word, 1, 1000000, &n) && (recipe->vms = n);
	case 'H':
		return set_number(word, 1, 24 * 366, &n) && (recipe->steps = n * 12);
	case 'f':
		return set_number(word, 0.05, 1, &recipe->fill);
	case 's':
		if (!set_number(word, 0, 1e9, &n))
			return false;
		recipe->seed = n;
		return true;
	}
	return false;
}

int sim_drs(int argc, char **argv)
{
	static const struct option options[] = {
		{ "load", required_argument, NULL, 'l' },   { "hosts", required_argument, NULL, 'h' },
		{ "vms", required_argument, NULL, 'v' },    { "hours", required_argument, NULL, 'H' },
		{ "fill", required_argument, NULL, 'f' },   { "seed", required_argument, NULL, 's' },
		{ "policy", required_argument, NULL, 'p' }, { "json", required_argument, NULL, 'j' },
		{ "scale", no_argument, NULL, 'S' },	    { "help", no_argument, NULL, '?' },
		{ NULL },
	};
	struct job job = { .recipe = { .seed = 1, .hosts = 50, .steps = 288, .step_s = 300, .fill = 0.7 },
			   .load = SIM_LOADS, .made = true };
	struct drover_err err = { 0 };
	int option, r;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?' && optind > 1 && !strcmp(argv[optind - 1], "--help"))
			return usage(stdout);
		if (option == '?' || !set(&job, option, optarg)) {
			fprintf(stderr, "drover-sim: %s is not understood\n", argv[optind - 1]);
			return usage(stderr);
		}
	}
	if (!job.recipe.vms)
		job.recipe.vms = 20 * job.recipe.hosts;
	r = run(&job, argv + optind, &err);
	drs_report_end(&job.report);
	if (r < 0)
		fprintf(stderr, "drover-sim: %s\n", err.text);
	return r < 0;
}
