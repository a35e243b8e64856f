// SPDX-License-Identifier: GPL-2.0-or-later
/* A migration as people see it. */
#include "progress.h"

#include <inttypes.h>

#include "drover_tool.h"
#include "output.h"

bool progress_ended(const Drover__MigrationInfo *m)
{
	return m->state == DROVER__MIGRATION_STATE__MIGRATION_STATE_DONE ||
	       m->state == DROVER__MIGRATION_STATE__MIGRATION_STATE_CANCELLED ||
	       m->state == DROVER__MIGRATION_STATE__MIGRATION_STATE_FAILED;
}

int progress_exit(const Drover__MigrationInfo *m)
{
	switch (m->state) {
	case DROVER__MIGRATION_STATE__MIGRATION_STATE_DONE:
		return EXIT_DONE;
	case DROVER__MIGRATION_STATE__MIGRATION_STATE_CANCELLED:
		return EXIT_CANCELLED;
	case DROVER__MIGRATION_STATE__MIGRATION_STATE_IN_DOUBT:
		return EXIT_IN_DOUBT;
	default:
		return EXIT_REFUSED;
	}
}

/* Share of the VM's RAM that does not have to be sent again as far as is known. */
static double share_done(const Drover__MigrationInfo *m)
{
	uint64_t sent = 4096 * (m->sent_pages + m->zero_pages), left;

	if (!m->ram_bytes)
		return 0;
	if (!m->n_rounds)
		return 100.0 * (double)sent / (double)m->ram_bytes;
	left = m->dirty_bytes < m->ram_bytes ? m->dirty_bytes : m->ram_bytes;
	return 100.0 * (double)(m->ram_bytes - left) / (double)m->ram_bytes;
}

void progress_line(const Drover__MigrationInfo *m, char *buf, size_t size)
{
	char state[32], rate[32], dirty[32], end[32] = "?", blackout[32] = "?", sent[32];

	output_state(&drover__migration_state__descriptor, m->state, state, sizeof(state));
	output_bytes(m->rate_bytes, rate);
	output_bytes(m->dirty_rate_bytes, dirty);
	output_bytes(m->wire_bytes, sent);
	if (m->expected_us)
		output_time(m->expected_us, end);
	if (m->expected_blackout_us)
		output_time(m->expected_blackout_us, blackout);
	snprintf(buf, size,
		 "%s: round %zu, %.0f%% done, %s sent, %s/s, guest writes %s/s, ends in %s, blackout %s",
		 state, m->n_rounds + 1, share_done(m), sent, rate, dirty, end, blackout);
}

void progress_rounds(FILE *out, const Drover__MigrationInfo *m)
{
	static const char *const headings[] = { ">ROUND", ">MS", ">DIRTY", ">GUEST", ">VMM",
						">KEPT", ">SENT", ">ZERO", ">WIRE", ">HARVEST" };
	struct output_table t = { .columns = 10, .headings = headings };

	for (size_t i = 0; i < m->n_rounds; i++) {
		const Drover__RoundInfo *r = m->rounds[i];
		const uint64_t numbers[] = { r->number, r->duration_us / 1000, r->dirty_pages,
					     r->log_pages, r->vmm_pages, r->kept_pages,
					     r->sent_pages, r->zero_pages };
		char text[10][32];
		const char *cells[10];

		for (int c = 0; c < 8; c++)
			snprintf(text[c], sizeof(text[c]), "%" PRIu64, numbers[c]);
		output_bytes(r->wire_bytes, text[8]);
		snprintf(text[9], sizeof(text[9]), "%" PRIu64 " us", r->harvest_us);
		for (int c = 0; c < 10; c++)
			cells[c] = text[c];
		output_row(&t, cells);
	}
	if (m->n_rounds)
		output_table(out, &t);
}

void progress_summary(FILE *out, const Drover__MigrationInfo *m)
{
	char state[32], total[32], blackout[32], wire[32];

	output_state(&drover__migration_state__descriptor, m->state, state, sizeof(state));
	fprintf(out, "migration %" PRIu64 " of vm %s from %s to %s: %s", m->id, m->vm, m->source,
		m->target, state);
	if (*m->error)
		fprintf(out, ": %s", m->error);
	fprintf(out, "\n%s in all", output_time(m->total_us, total));
	if (m->blackout_us)
		fprintf(out, ", blackout %s", output_time(m->blackout_us, blackout));
	fprintf(out, ", %s on the wire", output_bytes(m->wire_bytes, wire));
	if (m->verified_pages)
		fprintf(out, ", %" PRIu64 " pages verified, %" PRIu64 " differ", m->verified_pages,
			m->mismatched_pages);
	fputc('\n', out);
}
