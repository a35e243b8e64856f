// SPDX-License-Identifier: GPL-2.0-or-later
/* Power management, for people. */
#include "report_dpm.h"

#include <inttypes.h>
#include <stdbool.h>

#include "output.h"

#define JOULES_PER_KWH 3.6e6

static const char *state_of(const Drover__DpmHost *h, char *buf, size_t size)
{
	if (h->sleep)
		return output_state(&drover__sleep_record__state__descriptor, h->sleep->state, buf,
				    size);
	return h->member ? "on" : "not in the cluster";
}

static const char *test_of(const Drover__DpmHost *h, char *buf, size_t size)
{
	if (h->record && h->record->failed_us > h->record->tested_us)
		return "failed";
	if (!h->record || !h->record->tested_us)
		return "never tested";
	return output_when(h->record->tested_us, buf, size);
}

static const char *mode_of(const Drover__DpmHost *h, char *buf, size_t size)
{
	if (!h->record || !h->record->mode)
		return "as cluster";
	return output_state(&drover__power_mode__descriptor, h->record->mode, buf, size);
}

static const char *note_of(const Drover__DpmHost *h)
{
	if (h->sleep && *h->sleep->error)
		return h->sleep->error;
	return h->record ? h->record->error : "";
}

static void hosts(FILE *out, const Drover__DpmInfo *d)
{
	static const char *const headings[] = { "HOST", "STATE", "MODE", "WAKE TESTED", "NOTE" };
	struct output_table t = { .columns = 5, .headings = headings };

	for (size_t i = 0; i < d->n_hosts; i++) {
		const Drover__DpmHost *h = d->hosts[i];
		char state[32], mode[32], test[32];
		const char *const row[] = { h->host, state_of(h, state, sizeof(state)),
					    mode_of(h, mode, sizeof(mode)),
					    test_of(h, test, sizeof(test)), note_of(h) };

		output_row(&t, row);
	}
	output_table(out, &t);
}

void report_dpm(FILE *out, const Drover__DpmInfo *d)
{
	char mode[32];

	fprintf(out,
		"mode %s, threshold %" PRIu32 ", at least %" PRIu32 " on, aims at %" PRIu32
		" %%; %s leads\n",
		output_state(&drover__power_mode__descriptor, d->mode, mode, sizeof(mode)),
		d->threshold, d->hosts_min, d->target_percent, d->leader);
	if (!d->n_hosts) {
		fputs("it has not looked at the hosts yet\n", out);
		return;
	}
	fprintf(out, "hosts that are on are busy by %.0f %%, %zu recommended\n", 100 * d->load,
		d->n_advice);
	hosts(out, d);
	if (*d->note)
		fprintf(out, "%s\n", d->note);
}

void report_dpm_advice(FILE *out, const Drover__DpmInfo *d)
{
	for (size_t i = 0; i < d->n_advice; i++) {
		const Drover__DpmAdvice *a = d->advice[i];

		fprintf(out, "%" PRIu64 ": %s %s, priority %" PRIu32 "%s\n   %s\n", a->id, a->host,
			a->kind == DROVER__DPM_ADVICE__KIND__SLEEP ? "may sleep" : "should wake",
			a->priority, a->automatic ? ", by itself" : "", a->reason);
	}
	for (size_t i = 0; i < d->n_rejects; i++)
		fprintf(out, "%s stays as it is\n   %s\n", d->rejects[i]->host,
			d->rejects[i]->reason);
	if (*d->note)
		fprintf(out, "%s\n", d->note);
	if (!d->n_advice && !d->n_rejects)
		fputs("nothing is recommended\n", out);
}

void report_dpm_history(FILE *out, const Drover__DpmInfo *d)
{
	static const char *const what[2][3] = {
		{"went to sleep", "woke", "passed its wake test"},
		{"did not go to sleep", "did not wake", "failed its wake test"},
	};
	size_t n = d->history ? d->history->n_events : 0;

	for (size_t i = 0; i < n; i++) {
		const Drover__PowerEvent *e = d->history->events[i];
		char when[32];

		fprintf(out, "%s %s %s in %.0f s%s\n   %s\n",
			output_when(e->time_us, when, sizeof(when)), e->host,
			what[e->failed ? 1 : 0][e->kind <= 2 ? e->kind : 0], e->took_us / 1e6,
			e->asked ? ", as was asked" : "", e->text);
	}
	if (!n)
		fputs("no host has slept yet\n", out);
}

void report_dpm_savings(FILE *out, const Drover__DpmInfo *d)
{
	const Drover__PowerHistory *h = d->history;
	char when[32];

	if (!h || h->saved_j <= 0) {
		fputs("no host has slept yet\n", out);
		return;
	}
	fprintf(out,
		"%.3f kWh saved since %s: %.3f kWh by what hosts told that they draw, %.3f kWh by "
		"configured figures (100 W where there are none)\n",
		h->saved_j / JOULES_PER_KWH, output_when(h->begun_us, when, sizeof(when)),
		h->measured_j / JOULES_PER_KWH, (h->saved_j - h->measured_j) / JOULES_PER_KWH);
}
