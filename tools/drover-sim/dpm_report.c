// SPDX-License-Identifier: GPL-2.0-or-later
/* What came of the days: tables, aims, and the same for programs. */
#include "dpm.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#define AIMS_MAX 16

static const char *const model_names[] = {"cloudsim", "honest"};

/* --- aims --- */

static double row_kwh(const struct dpm_row *r)
{
	return r->model == DPM_HONEST ? r->honest.kwh : r->cloudsim.kwh;
}

static double row_esv(const struct dpm_row *r)
{
	return cs_esv(&r->cloudsim);
}

static double row_moves(const struct dpm_row *r)
{
	return (double)r->cloudsim.moves;
}

static double row_unmet(const struct dpm_row *r)
{
	return r->honest.unmet;
}

static const struct aim_kind {
	enum dpm_model model;
	const char *what;
	double (*figure)(const struct dpm_row *row);
	double limit;
	const char *peer; /* NULL: the one that has least of it */
} aim_kinds[] = {
	{DPM_CLOUDSIM, "ESV", row_esv, 0.2, NULL},
	{DPM_CLOUDSIM, "energy", row_kwh, 1, "LR-MMT 1.2"},
	{DPM_CLOUDSIM, "migrations", row_moves, 0.25, NULL},
	{DPM_HONEST, "unmet demand", row_unmet, 0.5, NULL},
};

/* Of the peers that move VMs: no other can miss what these aims are about. */
static const struct dpm_row *least(const struct dpm_row *rows, int count,
				   const struct dpm_row *drover,
				   double (*figure)(const struct dpm_row *), const char *name)
{
	const struct dpm_row *found = NULL;

	for (int i = 0; i < count; i++) {
		const struct dpm_row *r = &rows[i];

		if (r->is_drover || !r->moves_vms || r->model != drover->model ||
		    strcmp(r->day, drover->day) || (name && strcmp(r->policy, name)))
			continue;
		if (!found || figure(r) < figure(found))
			found = r;
	}
	return found;
}

static int add_aim(struct dpm_aim *aims, int n, const struct dpm_row *drover,
		   const struct dpm_row *peer, double (*figure)(const struct dpm_row *),
		   const char *what, double limit)
{
	double base = figure(peer), mine = figure(drover);

	aims[n] = (struct dpm_aim){
		.model = drover->model,
		.day = drover->day,
		.what = what,
		.peer = peer->policy,
		.value = base > 0   ? mine / base
			 : mine > 0 ? INFINITY
				    : 0,
		.limit = limit,
	};
	return n + 1;
}

int dpm_aims(const struct dpm_row *rows, int count, struct dpm_aim *aims, int room)
{
	int n = 0;

	for (int i = 0; i < count; i++) {
		if (!rows[i].is_drover)
			continue;
		for (size_t k = 0; k < sizeof(aim_kinds) / sizeof(aim_kinds[0]); k++) {
			const struct aim_kind *kind = &aim_kinds[k];
			const struct dpm_row *peer;

			if (kind->model != rows[i].model || n + 2 > room)
				continue;
			peer = least(rows, count, &rows[i], kind->figure, kind->peer);
			if (!peer)
				continue;
			n = add_aim(aims, n, &rows[i], peer, kind->figure, kind->what, kind->limit);
			if (kind->model == DPM_HONEST)
				n = add_aim(aims, n, &rows[i], peer, row_kwh, "energy", 1);
		}
	}
	return n;
}

/* --- tables --- */

static void print_cloudsim(const struct dpm_row *row)
{
	const struct cs_result *r = &row->cloudsim;

	printf("%-10s %-14s %8.2f %7lu %7.3f %7.4f %9.3e %9.3e %6lu %6.1f\n", row->day, row->policy,
	       r->kwh, (unsigned long)r->moves, 100 * r->slatah, 100 * r->pdm, cs_slav(r),
	       cs_esv(r), (unsigned long)r->shutdowns, r->hosts_on);
}

static void print_honest(const struct dpm_row *row)
{
	const struct honest_result *r = &row->honest;

	printf("%-10s %-14s %8.2f %7lu %8.4f %7.4f %7.4f %7.3f %6lu %6lu %6.1f\n", row->day,
	       row->policy, r->kwh, (unsigned long)r->moves, 100 * r->unmet, 100 * r->unmet_core,
	       100 * r->unmet_dark, 100 * r->over, (unsigned long)r->wakes, (unsigned long)r->offs,
	       r->hosts_on);
}

static void print_model(const struct dpm_row *rows, int count, enum dpm_model model)
{
	bool any = false;

	for (int i = 0; i < count; i++) {
		if (rows[i].model != model)
			continue;
		if (!any && model == DPM_CLOUDSIM)
			printf("\nThe model of CloudSim\n%-10s %-14s %8s %7s %7s %7s %9s %9s %6s "
			       "%6s\n",
			       "day", "policy", "kWh", "moves", "SLATAH%", "PDM%", "SLAV", "ESV",
			       "off", "on");
		else if (!any)
			printf("\nThe honest model\n%-10s %-14s %8s %7s %8s %7s %7s %7s %6s %6s "
			       "%6s\n",
			       "day", "policy", "kWh", "moves", "unmet%", "core%", "dark%", "over%",
			       "wakes", "offs", "on");
		any = true;
		if (model == DPM_CLOUDSIM)
			print_cloudsim(&rows[i]);
		else
			print_honest(&rows[i]);
	}
}

void dpm_print(const struct dpm_row *rows, int count)
{
	struct dpm_aim aims[AIMS_MAX];
	int n = dpm_aims(rows, count, aims, AIMS_MAX);

	print_model(rows, count, DPM_CLOUDSIM);
	print_model(rows, count, DPM_HONEST);
	if (n)
		printf("\nDrover against the best peer that moves VMs\n");
	for (int i = 0; i < n; i++)
		printf("%-9s %-10s %-13s %7.3f x %-12s aim %.2f: %s\n", model_names[aims[i].model],
		       aims[i].day, aims[i].what, aims[i].value, aims[i].peer, aims[i].limit,
		       aims[i].value <= aims[i].limit ? "met" : "MISSED");
}

/* --- JSON --- */

static json_t *row_json(const struct dpm_row *row)
{
	const struct cs_result *c = &row->cloudsim;
	const struct honest_result *h = &row->honest;

	if (row->model == DPM_CLOUDSIM)
		return json_pack("{ss ss ss sf sI sf sf sf sf sf sf sI sf sf sI sf}", "model",
				 model_names[row->model], "day", row->day, "policy", row->policy,
				 "energy_kwh", c->kwh, "migrations", (json_int_t)c->moves, "slatah",
				 c->slatah, "pdm", c->pdm, "slav", cs_slav(c), "esv", cs_esv(c),
				 "overall", c->overall, "average", c->average, "host_shutdowns",
				 (json_int_t)c->shutdowns, "before_shutdown_s", c->uptime_s,
				 "hosts_on", c->hosts_on, "vms_removed", (json_int_t)c->removed,
				 "wall_s", row->wall_s);
	return json_pack("{ss ss ss sf sI sf sf sf sf sI sI sI sf sf}", "model",
			 model_names[row->model], "day", row->day, "policy", row->policy,
			 "energy_kwh", h->kwh, "migrations", (json_int_t)h->moves, "unmet",
			 h->unmet, "unmet_core", h->unmet_core, "unmet_blackout", h->unmet_dark,
			 "over", h->over, "wakes", (json_int_t)h->wakes, "host_shutdowns",
			 (json_int_t)h->offs, "late", (json_int_t)h->late, "hosts_on", h->hosts_on,
			 "wall_s", row->wall_s);
}

static json_t *aim_json(const struct dpm_aim *aim)
{
	return json_pack("{ss ss ss ss so sf sb}", "model", model_names[aim->model], "day",
			 aim->day, "what", aim->what, "peer", aim->peer, "share",
			 isfinite(aim->value) ? json_real(aim->value) : json_null(), "limit",
			 aim->limit, "met", aim->value <= aim->limit);
}

int dpm_write_json(const struct dpm_row *rows, int count, const char *path)
{
	json_t *runs = json_array(), *list = json_array(), *all;
	struct dpm_aim aims[AIMS_MAX];
	int n = dpm_aims(rows, count, aims, AIMS_MAX), r = 0;

	for (int i = 0; i < count && r == 0; i++)
		r = json_array_append_new(runs, row_json(&rows[i]));
	for (int i = 0; i < n && r == 0; i++)
		r = json_array_append_new(list, aim_json(&aims[i]));
	all = json_pack("{so so}", "runs", runs, "aims", list);
	if (r < 0 || !all) {
		json_decref(all);
		return -ENOMEM;
	}
	r = json_dump_file(all, path, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	json_decref(all);
	return r < 0 ? -EIO : 0;
}
