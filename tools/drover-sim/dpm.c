// SPDX-License-Identifier: GPL-2.0-or-later
/* drover-sim --dpm: days of recorded load under power policies. */
#include "dpm.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "cloudsim_peer.h"
#include "dpm_drover.h"
#include "sim.h"
#include "trace.h"

static const struct contender {
	const char *name;
	enum cs_limit limit;
	double safety;
	bool moves_vms, always_on, is_drover;
} contenders[] = {
	{.name = "no management", .always_on = true},
	{.name = "DVFS"},
	{"THR-MMT 0.8", CS_LIMIT_THR, 0.8, .moves_vms = true},
	{"IQR-MMT 1.5", CS_LIMIT_IQR, 1.5, .moves_vms = true},
	{"LR-MMT 1.2", CS_LIMIT_LR, 1.2, .moves_vms = true},
	{.name = "Drover", .moves_vms = true, .is_drover = true},
};

/**
 * struct job - what the command line asks for
 * @model: wanted of each?
 * @only: name of a policy, or NULL for all
 */
struct job {
	bool model[2];
	const char *only, *json;
	struct dpm_row rows[DPM_ROWS_MAX];
	int count;
};

static int usage(FILE *out)
{
	fputs("usage: drover-sim --dpm [OPTION]... TRACE...\n"
	      "  --model cloudsim|honest   one of the two models alone\n"
	      "  --policy NAME             one policy alone\n"
	      "  --json FILE               write all figures there, too\n"
	      "A TRACE is a day of VMs, NAME,PERCENT,... of 288 samples; a file of gzip or "
	      "plain.\n",
	      out);
	return out == stdout ? 0 : 2;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run_one(struct job *job, const struct sim_trace *trace, const char *day,
		   enum dpm_model model, const struct contender *who)
{
	auto_free struct cs_peer *peer = calloc(1, sizeof(*peer));
	struct dpm_drover drover = {0};
	struct dpm_row *row = &job->rows[job->count];
	struct cs_policy policy = {
		.name = who->name,
		.place = who->is_drover	  ? dpm_drover_place
			 : who->moves_vms ? cs_peer_place
					  : cs_first_fit,
		.plan = who->is_drover	 ? dpm_drover_plan
			: who->moves_vms ? cs_peer_plan
					 : NULL,
		.data = who->is_drover ? (void *)&drover : peer,
		.own_power = who->is_drover,
		.always_on = who->always_on,
	};
	double start = seconds();
	int r;

	if (!peer)
		return -ENOMEM;
	if (job->count == DPM_ROWS_MAX)
		return -E2BIG;
	peer->limit = who->limit;
	peer->safety = who->safety;
	*row = (struct dpm_row){
		.model = model,
		.policy = who->name,
		.moves_vms = who->moves_vms,
		.is_drover = who->is_drover,
	};
	snprintf(row->day, sizeof(row->day), "%s", day);
	r = dpm_drover_init(&drover, trace->vms);
	if (r == 0)
		r = model == DPM_CLOUDSIM
			    ? cs_run(trace->percent, trace->vms, &policy, &row->cloudsim)
			    : honest_run(trace->percent, trace->vms, &policy, &row->honest);
	dpm_drover_exit(&drover);
	row->wall_s = seconds() - start;
	if (r == 0)
		job->count++;
	return r;
}

static int run_day(struct job *job, const char *path)
{
	__attribute__((cleanup(sim_trace_free))) struct sim_trace trace = {0};
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	char day[DPM_DAY_LEN];
	struct drover_err err = {0};
	int r = sim_trace_read(path, &trace, &err);

	if (r < 0) {
		fprintf(stderr, "drover-sim: %s\n", err.text);
		return r;
	}
	if (trace.steps != CS_STEPS) {
		fprintf(stderr, "drover-sim: %s: %zu samples, not %d\n", path, trace.steps,
			CS_STEPS);
		return -EINVAL;
	}
	snprintf(day, sizeof(day), "%.*s", (int)strcspn(base, "."), base);
	for (int model = 0; model < 2; model++)
		for (size_t i = 0; i < sizeof(contenders) / sizeof(contenders[0]); i++) {
			const struct contender *who = &contenders[i];

			if (!job->model[model] || (job->only && strcmp(job->only, who->name)))
				continue;
			r = run_one(job, &trace, day, model, who);
			if (r < 0) {
				fprintf(stderr, "drover-sim: %s, %s: %s\n", day, who->name,
					strerror(-r));
				return r;
			}
		}
	return 0;
}

static bool set_model(struct job *job, const char *name)
{
	job->model[DPM_CLOUDSIM] = !strcmp(name, "cloudsim");
	job->model[DPM_HONEST] = !strcmp(name, "honest");
	return job->model[DPM_CLOUDSIM] || job->model[DPM_HONEST];
}

/* 0 to go on, else the exit status plus 1. */
static int parse(struct job *job, int argc, char **argv)
{
	static const struct option options[] = {
		{"model", required_argument, NULL, 'm'},
		{"policy", required_argument, NULL, 'p'},
		{"json", required_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'm' && !set_model(job, optarg))
			return 1 + usage(stderr);
		else if (c == 'p')
			job->only = optarg;
		else if (c == 'j')
			job->json = optarg;
		else if (c == 'h')
			return 1 + usage(stdout);
		else if (c == '?')
			return 1 + usage(stderr);
	}
	return optind < argc ? 0 : 1 + usage(stderr);
}

int sim_dpm(int argc, char **argv)
{
	auto_free struct job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return 1;
	job->model[DPM_CLOUDSIM] = job->model[DPM_HONEST] = true;
	r = parse(job, argc, argv);
	if (r)
		return r - 1;
	for (int i = optind; i < argc; i++)
		if (run_day(job, argv[i]) < 0)
			return 1;
	if (!job->count) {
		fputs("drover-sim: no policy of that name\n", stderr);
		return 2;
	}
	dpm_print(job->rows, job->count);
	r = job->json ? dpm_write_json(job->rows, job->count, job->json) : 0;
	if (r < 0)
		fprintf(stderr, "drover-sim: %s: %s\n", job->json, strerror(-r));
	return r < 0 ? 1 : 0;
}
