// SPDX-License-Identifier: GPL-2.0-or-later
/* A migration as people see it. */
#include "progress.h"

#include <inttypes.h>
#include <string.h>

#include "drover_tool.h"
#include "output.h"
#include "report_storage.h"

#define PAGE 4096

bool progress_ended(const Drover__MigrationInfo *m)
{
	return m->state == DROVER__MIGRATION_STATE__MIGRATION_STATE_DONE ||
	       m->state == DROVER__MIGRATION_STATE__MIGRATION_STATE_IN_DOUBT ||
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

/* Pages of the round that is under way; the figures of rounds that ended lie in the rounds. */
static uint64_t sent_in_round(const Drover__MigrationInfo *m)
{
	uint64_t all = m->sent_pages + m->zero_pages, before = 0;

	for (size_t i = 0; i < m->n_rounds; i++)
		before += m->rounds[i]->sent_pages + m->rounds[i]->zero_pages;
	return all > before ? all - before : 0;
}

/* Share of the VM's RAM that does not have to be sent again as far as is known. */
static double share_done(const Drover__MigrationInfo *m)
{
	uint64_t left = m->dirty_bytes, sent = PAGE * sent_in_round(m);

	if (!m->ram_bytes || (!left && !m->n_rounds))
		return 0;
	if (left > m->ram_bytes)
		left = m->ram_bytes;
	left = left > sent ? left - sent : 0;
	return 100.0 * (double)(m->ram_bytes - left) / (double)m->ram_bytes;
}

/* Before the first round has ended, the average has to do. */
static uint64_t rate_of(const Drover__MigrationInfo *m)
{
	if (m->rate_bytes || !m->total_us)
		return m->rate_bytes;
	return (uint64_t)((double)m->wire_bytes * 1e6 / (double)m->total_us);
}

/* --- disks that travel --- */

static const char *disk_state(const Drover__DiskMoveInfo *d, char *buf, size_t size)
{
	output_state(&drover__disk_move_state__descriptor, d->state, buf, size);
	/* As people write it. */
	for (char *p = buf; *p; p++)
		if (*p == '_')
			*p = ' ';
	return buf;
}

static bool copies_disks(const Drover__MigrationInfo *m)
{
	if (m->state != DROVER__MIGRATION_STATE__MIGRATION_STATE_PRECOPY || m->n_rounds)
		return false;
	for (size_t i = 0; i < m->n_disks; i++)
		if (m->disks[i]->state != DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_IN_STEP)
			return true;
	return false;
}

void progress_disk(const Drover__DiskMoveInfo *d, char *buf, size_t size)
{
	bool copying = d->state == DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_COPYING;
	char state[32], rate[32], end[32] = "?";
	size_t n;

	disk_state(d, state, sizeof(state));
	if (copying)
		snprintf(buf, size, "disk %s: %s, %u%%, %s/s", d->disk, state, disk_move_percent(d),
			 output_bytes(d->rate_bytes, rate));
	else
		snprintf(buf, size, "disk %s: %s%s%s", d->disk, state, *d->error ? ": " : "",
			 d->error);
	/* In step they go to both images still. */
	if (copying || d->state == DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_IN_STEP)
		disk_move_add_writes(d, buf, size);
	if (!copying)
		return;
	if (d->expected_us)
		output_time(d->expected_us, end);
	n = strlen(buf);
	snprintf(buf + n, size - n, ", in step in %s", end);
}

/* All of them on one line. */
static void disks_line(const Drover__MigrationInfo *m, char *buf, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < m->n_disks && at + 1 < size; i++) {
		if (i)
			at += snprintf(buf + at, size - at, "; ");
		if (at < size)
			progress_disk(m->disks[i], buf + at, size - at);
		at = strlen(buf);
	}
}

void progress_disks(FILE *out, const Drover__MigrationInfo *m)
{
	static const char *const headings[] = { "DISK", "STATE", ">SIZE", ">COPIED", ">CUTS",
						">VERIFIED", ">DIFFER", "OLD", "NEW" };
	struct output_table t = { .columns = 9, .headings = headings };

	for (size_t i = 0; i < m->n_disks; i++) {
		const Drover__DiskMoveInfo *d = m->disks[i];
		char state[32], size[32], copied[32], cuts[32], verified[32] = "", differ[32] = "";
		char old[600], new[600];

		snprintf(cuts, sizeof(cuts), "%" PRIu32, d->interruptions);
		if (d->verified_bytes || d->mismatched_bytes) {
			output_bytes(d->verified_bytes, verified);
			snprintf(differ, sizeof(differ), "%" PRIu64, d->mismatched_bytes);
		}
		snprintf(old, sizeof(old), "%s%s", d->old_path, d->old_deleted ? " (deleted)" : "");
		snprintf(new, sizeof(new), "%s:%s", d->new_host, d->new_path);
		output_row(&t, (const char *const[]){
			d->disk, disk_state(d, state, sizeof(state)),
			d->size_bytes ? output_bytes(d->size_bytes, size) : "",
			output_bytes(d->done_bytes, copied), cuts, verified, differ, old,
			*d->new_path ? new : "" });
	}
	if (m->n_disks)
		output_table(out, &t);
	for (size_t i = 0; i < m->n_disks; i++)
		if (*m->disks[i]->error)
			fprintf(out, "disk %s: %s\n", m->disks[i]->disk, m->disks[i]->error);
}

/* --- a line --- */

void progress_line(const Drover__MigrationInfo *m, char *buf, size_t size)
{
	char state[32], rate[32], dirty[32], end[32] = "?", blackout[32] = "?";

	if (copies_disks(m)) {
		disks_line(m, buf, size);
		return;
	}
	output_state(&drover__migration_state__descriptor, m->state, state, sizeof(state));
	output_bytes(rate_of(m), rate);
	output_bytes(m->dirty_rate_bytes, dirty);
	if (m->expected_us)
		output_time(m->expected_us, end);
	if (m->expected_blackout_us)
		output_time(m->expected_blackout_us, blackout);
	snprintf(buf, size, "%s: round %zu, %.0f%%, %s/s, dirty %s/s, ends in %s, blackout %s", state,
		 m->n_rounds + 1, share_done(m), rate, dirty, end, blackout);
}

void progress_round(const Drover__RoundInfo *r, char *buf, size_t size)
{
	char wire[32], time[32];

	snprintf(buf, size,
		 "round %" PRIu32 ": %" PRIu64 " dirty, %" PRIu64 " sent, %" PRIu64 " zero, %s in %s",
		 r->number, r->dirty_pages, r->sent_pages, r->zero_pages,
		 output_bytes(r->wire_bytes, wire), output_time(r->duration_us, time));
}

void progress_rounds(FILE *out, const Drover__MigrationInfo *m)
{
	static const char *const headings[] = { ">ROUND", ">MS", ">DIRTY", ">GUEST", ">VMM",
						">KEPT", ">SENT", ">ZERO", ">MIB",
						">HARVEST-US" };
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
		snprintf(text[8], sizeof(text[8]), "%.1f", (double)r->wire_bytes / (1 << 20));
		snprintf(text[9], sizeof(text[9]), "%" PRIu64, r->harvest_us);
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
	if (*m->error) {
		fputs(": ", out);
		output_text(out, m->error);
	}
	fprintf(out, "\n%s in all", output_time(m->total_us, total));
	if (m->blackout_us)
		fprintf(out, ", blackout %s", output_time(m->blackout_us, blackout));
	fprintf(out, ", %s on the wire", output_bytes(m->wire_bytes, wire));
	if (m->verified_pages)
		fprintf(out, ", %" PRIu64 " pages verified, %" PRIu64 " differ", m->verified_pages,
			m->mismatched_pages);
	fputc('\n', out);
}
