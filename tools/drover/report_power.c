// SPDX-License-Identifier: GPL-2.0-or-later
/* The power of hosts, for people. */
#include "report.h"

static void report_failures(FILE *out, const Drover__PowerInfo *p)
{
	for (size_t i = 0; i < p->n_failed; i++) {
		fprintf(out, "%s: %s: ", p->host, p->failed[i]->driver);
		output_text(out, p->failed[i]->error);
		fputc('\n', out);
	}
	/* It says what each driver said, but for hosts without any. */
	if (*p->error && !p->n_failed) {
		fprintf(out, "%s: ", p->host);
		output_text(out, p->error);
		fputc('\n', out);
	}
}

void report_power(FILE *out, const Drover__ControlReply *reply)
{
	static const char *const headings[] = { "HOST", "POWER", "BY", ">WATTS", "NOTE" };
	struct output_table t = { .columns = 5, .headings = headings };

	for (size_t i = 0; i < reply->n_power; i++) {
		const Drover__PowerInfo *p = reply->power[i];
		char state[32], watts[32] = "";
		const char *const row[] = {
			p->host,
			output_state(&drover__power_state__descriptor, p->state, state, sizeof(state)),
			p->driver, watts,
			p->busy ? "being changed" : p->already ? "it was so before" : "",
		};

		if (p->watts > 0)
			snprintf(watts, sizeof(watts), "%.0f", p->watts);
		output_row(&t, row);
	}
	output_table(out, &t);
	for (size_t i = 0; i < reply->n_power; i++)
		report_failures(out, reply->power[i]);
}
