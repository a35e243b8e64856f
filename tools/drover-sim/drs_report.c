// SPDX-License-Identifier: GPL-2.0-or-later
/* Figures of --drs, as a table and as JSON. */
#include "drs_report.h"

#include <errno.h>
#include <string.h>

#define GHZ_HOURS 3.6e6 /* MHz x s */

void drs_report_begin(struct drs_report *report)
{
	report->runs = json_array();
	report->ratios = json_array();
	report->passes = json_array();
	printf("%-12s %-10s %7s %8s %9s %8s %9s %7s %7s %9s %9s\n", "load", "policy", "hosts", "VMs",
	       "unmet %", "over h", "imbalance", "moves", "undone", "guest s", "pass ms");
}

void drs_report_end(struct drs_report *report)
{
	json_decref(report->runs);
	json_decref(report->ratios);
	json_decref(report->passes);
}

int drs_report_add(struct drs_report *report, const struct sim_cluster *c, const char *policy,
		   const struct sim_result *s, struct drover_err *err)
{
	json_t *run = json_pack("{ss ss sI sI sf sf sf sf sI sI sf sf sf}", "load", c->name, "policy",
				policy, "hosts", (json_int_t)c->host_count, "vms",
				(json_int_t)c->vm_count, "demand_ghz_h", s->demand / GHZ_HOURS,
				"unmet_ghz_h", s->unmet / GHZ_HOURS, "over_host_h", s->over_s / 3600,
				"imbalance", s->imbalance, "moves", (json_int_t)s->moves, "undone",
				(json_int_t)s->undone, "guest_lost_s", s->blackout_s, "pass_max_s",
				s->run_max_s, "pass_mean_s", s->runs ? s->run_s / s->runs : 0);

	if (!run || json_array_append_new(report->runs, run) < 0 || report->count == DRS_PEERS_MAX)
		return drover_err_set(err, ENOMEM, "out of memory");
	report->results[report->count] = *s;
	report->names[report->count++] = policy;
	printf("%-12s %-10s %7zu %8zu %9.4f %8.1f %9.4f %7llu %7llu %9.1f %9.2f\n", c->name, policy,
	       c->host_count, c->vm_count, s->demand > 0 ? 100 * s->unmet / s->demand : 0,
	       s->over_s / 3600, s->imbalance, (unsigned long long)s->moves,
	       (unsigned long long)s->undone, s->blackout_s, 1000 * s->run_max_s);
	fflush(stdout);
	return 0;
}

static const struct sim_result *find(const struct drs_report *report, const char *name)
{
	for (size_t i = 0; i < report->count; i++)
		if (!strcmp(report->names[i], name))
			return &report->results[i];
	return NULL;
}

/* Index of the peer with the least unmet demand, or -1. */
static int best_peer(const struct drs_report *report)
{
	int best = -1;

	for (size_t i = 0; i < report->count; i++)
		if (strcmp(report->names[i], "drover") &&
		    (best < 0 || report->results[i].unmet < report->results[best].unmet))
			best = i;
	return best;
}

void drs_report_compare(struct drs_report *report, const struct sim_cluster *c)
{
	const struct sim_result *own = find(report, "drover");
	int best = best_peer(report);

	if (own && best >= 0) {
		const struct sim_result *peer = &report->results[best];
		double unmet = peer->unmet > 0 ? own->unmet / peer->unmet : own->unmet > 0 ? 1e9 : 0;
		double moves = peer->moves ? (double)own->moves / peer->moves : own->moves ? 1e9 : 0;
		double undone = own->moves ? (double)own->undone / own->moves : 0;

		printf("%-12s drover / %s: unmet demand %.3f, moves %.3f; undone %.2f %%\n", c->name,
		       report->names[best], unmet, moves, 100 * undone);
		json_array_append_new(report->ratios,
				      json_pack("{ss ss sf sf sf sb}", "load", c->name, "best_peer",
						report->names[best], "unmet", unmet, "moves", moves,
						"undone", undone, "met",
						unmet <= 0.5 && moves <= 1 && undone < 0.01));
	}
	report->count = 0;
}

int drs_report_pass(struct drs_report *report, const struct sim_cluster *c,
		    const struct sim_result *s, struct drover_err *err)
{
	json_t *pass = json_pack("{sI sI sf sf sI}", "hosts", (json_int_t)c->host_count, "vms",
				 (json_int_t)c->vm_count, "pass_max_s", s->run_max_s, "pass_mean_s",
				 s->run_s / s->runs, "moves", (json_int_t)s->moves);

	if (!pass || json_array_append_new(report->passes, pass) < 0)
		return drover_err_set(err, ENOMEM, "out of memory");
	printf("%zu hosts, %zu VMs: a pass takes %.3f s, the longest %.3f s\n", c->host_count,
	       c->vm_count, s->run_s / s->runs, s->run_max_s);
	fflush(stdout);
	return 0;
}

int drs_report_write(const struct drs_report *report, const char *path, struct drover_err *err)
{
	json_t *all = json_pack("{sO sO sO}", "runs", report->runs, "ratios", report->ratios, "passes",
				report->passes);
	int r = all ? json_dump_file(all, path, JSON_INDENT(2)) : -1;

	json_decref(all);
	return r < 0 ? drover_err_set(err, EIO, "%s cannot be written", path) : 0;
}
