// SPDX-License-Identifier: GPL-2.0-or-later
/* Images and disk moves as people see them. */
#include "report_storage.h"

#include <inttypes.h>
#include <string.h>

#include "drover_tool.h"
#include "output.h"

/* --- the state of a move --- */

bool disk_move_ended(const Drover__DiskMoveInfo *m)
{
	return m->state == DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_DONE ||
	       m->state == DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_CANCELLED ||
	       m->state == DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_FAILED;
}

int disk_move_exit(const Drover__DiskMoveInfo *m)
{
	switch (m->state) {
	case DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_DONE:
		return EXIT_DONE;
	case DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_CANCELLED:
		return EXIT_CANCELLED;
	default:
		return EXIT_REFUSED;
	}
}

unsigned int disk_move_percent(const Drover__DiskMoveInfo *m)
{
	uint64_t done = m->done_bytes < m->todo_bytes ? m->done_bytes : m->todo_bytes;

	return m->todo_bytes ? (unsigned int)(100.0 * (double)done / (double)m->todo_bytes) : 0;
}

static const char *state_word(const Drover__DiskMoveInfo *m, char *buf, size_t size)
{
	return output_state(&drover__disk_move_state__descriptor, m->state, buf, size);
}

/* Writes are quick: "0.9 ms" */
static const char *write_time(uint64_t us, char *buf)
{
	snprintf(buf, 32, us < 100000 ? "%.1f ms" : "%.0f ms", (double)us / 1e3);
	return buf;
}

void disk_move_add_writes(const Drover__DiskMoveInfo *m, char *buf, size_t size)
{
	char now[32], before[32];
	size_t n = strlen(buf);

	if (!m->write_now_us)
		return;
	snprintf(buf + n, size - n, ", guest writes take %s", write_time(m->write_now_us, now));
	n = strlen(buf);
	if (m->write_before_us)
		snprintf(buf + n, size - n, " (before: %s)", write_time(m->write_before_us, before));
}

void disk_move_line(const Drover__DiskMoveInfo *m, char *buf, size_t size)
{
	char state[32], rate[32], end[32] = "?";
	size_t n;

	snprintf(buf, size, "%s %s: %u %%, %s/s", m->disk, state_word(m, state, sizeof(state)),
		 disk_move_percent(m), output_bytes(m->rate_bytes, rate));
	disk_move_add_writes(m, buf, size);
	if (m->expected_us)
		output_time(m->expected_us, end);
	n = strlen(buf);
	snprintf(buf + n, size - n, ", expected end in %s", end);
}

static void summary_figures(FILE *out, const Drover__DiskMoveInfo *m)
{
	char text[160] = "", total[32], held[32], verified[32];

	fprintf(out, "%s in all", output_time(m->total_us, total));
	disk_move_add_writes(m, text, sizeof(text));
	fputs(text, out);
	if (m->switch_us)
		fprintf(out, ", requests held for %s at the switch", write_time(m->switch_us, held));
	if (m->verified_bytes)
		fprintf(out, ", %s verified, %" PRIu64 " bytes differ",
			output_bytes(m->verified_bytes, verified), m->mismatched_bytes);
	if (m->interruptions)
		fprintf(out, ", interrupted %" PRIu32 " times", m->interruptions);
	if (m->state == DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_DONE)
		fputs(m->old_deleted ? ", the old image was deleted" : ", the old image is left", out);
	fputc('\n', out);
}

void disk_move_summary(FILE *out, const Drover__DiskMoveInfo *m)
{
	char text[160], state[32];

	fprintf(out, "disk move %" PRIu64 " of vm %s, disk %s, from ", m->id, m->vm, m->disk);
	output_text(out, m->old_path);
	fputs(" to ", out);
	output_text(out, m->new_path);
	fprintf(out, ": %s", state_word(m, state, sizeof(state)));
	if (*m->error) {
		fputs(": ", out);
		output_text(out, m->error);
	}
	fputc('\n', out);
	if (disk_move_ended(m)) {
		summary_figures(out, m);
		return;
	}
	disk_move_line(m, text, sizeof(text));
	fprintf(out, "%s\n", text);
}

/* --- lists --- */

static void images(FILE *out, const Drover__ControlReply *reply)
{
	static const char *const headings[] = { "VM", "DISK", "TRUE", "POOL", "FORMAT", ">SIZE",
						">USED", "PATH", "NOTE" };
	struct output_table t = { .columns = 9, .headings = headings };

	for (size_t i = 0; i < reply->n_images; i++) {
		const Drover__ImageInfo *m = reply->images[i];
		char size[32], used[32];

		output_row(&t, (const char *const[]){
			m->vm, m->disk, m->is_true ? "yes" : "no", m->pool, m->format,
			output_bytes(m->size_bytes, size), output_bytes(m->used_bytes, used),
			m->path, m->note });
	}
	output_table(out, &t);
}

static void moves(FILE *out, const Drover__ControlReply *reply)
{
	static const char *const headings[] = { ">MOVE", "VM", "DISK", "FROM", "TO", "STATE", ">%",
						">RATE", ">END", ">TIME", "WHY" };
	struct output_table t = { .columns = 11, .headings = headings };

	for (size_t i = 0; i < reply->n_disk_moves; i++) {
		const Drover__DiskMoveInfo *m = reply->disk_moves[i];
		char id[32], state[32], share[16], rate[40] = "", end[32] = "", time[32];

		snprintf(id, sizeof(id), "%" PRIu64, m->id);
		snprintf(share, sizeof(share), "%u", disk_move_percent(m));
		if (!disk_move_ended(m) && m->rate_bytes)
			strcat(strcpy(rate, output_bytes(m->rate_bytes, end)), "/s");
		*end = '\0';
		if (!disk_move_ended(m) && m->expected_us)
			output_time(m->expected_us, end);
		output_row(&t, (const char *const[]){
			id, m->vm, m->disk, *m->old_pool ? m->old_pool : m->old_path,
			*m->new_pool ? m->new_pool : m->new_path,
			state_word(m, state, sizeof(state)), share, rate, end,
			output_time(m->total_us, time), m->error });
	}
	output_table(out, &t);
}

void report_storage(FILE *out, const Drover__ControlReply *reply)
{
	images(out, reply);
	if (!reply->n_disk_moves)
		return;
	fputc('\n', out);
	moves(out, reply);
}
