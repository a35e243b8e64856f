// SPDX-License-Identifier: GPL-2.0-or-later
/* Events and the module's sessions, for people and for scripts. */
#include <drover.h>
#include <inttypes.h>

#include "report.h"

static const char *state_word(uint32_t state)
{
	switch ((enum drover_session_state)state) {
	case DROVER_SESSION_STATE_UNSPEC:
		return "unspecified";
	case DROVER_SESSION_STATE_CREATED:
		return "created";
	case DROVER_SESSION_STATE_STARTED:
		return "started";
	case DROVER_SESSION_STATE_STOPPED:
		return "stopped";
	case DROVER_SESSION_STATE_DEAD:
		return "dead";
	case DROVER_SESSION_STATE_CLOSED:
		return "closed";
	}
	return "unknown";
}

static void stamp(FILE *out, uint64_t time_us)
{
	char when[32];

	fputs(output_when(time_us, when, sizeof(when)), out);
}

void report_event(FILE *out, const Drover__Event *event)
{
	stamp(out, event->time_us);
	fputc(' ', out);
	output_text(out, event->host);
	fputc(' ', out);
	output_text(out, event->text);
	fputc('\n', out);
}

void report_session_event(FILE *out, uint64_t time_us, const struct session_info *s)
{
	stamp(out, time_us);
	fprintf(out, " drover.ko session %" PRIu64 " of vm ", s->id);
	output_text(out, s->name);
	fprintf(out, ", process %" PRIu32 ": %s\n", s->pid, state_word(s->state));
}

void report_sessions(struct output_table *ret_table)
{
	static const char *const headings[] = { ">ID", "VM", "STATE", ">PID", ">PAGES", ">HARVESTS",
						">GUEST", ">VMM", ">KEPT", ">SENT", ">ZERO",
						">WIRE" };

	*ret_table = (struct output_table){ .columns = 12, .headings = headings };
}

void report_session(struct output_table *table, const struct session_info *s)
{
	const uint64_t numbers[] = { s->id, s->pid, s->ram_pages, s->harvests, s->log_pages,
				     s->vmm_pages, s->kept_pages, s->sent_pages, s->zero_pages };
	char n[9][24], wire[32];

	for (int i = 0; i < 9; i++)
		snprintf(n[i], sizeof(n[i]), "%" PRIu64, numbers[i]);
	output_row(table, (const char *const[]){ n[0], s->name, state_word(s->state), n[1], n[2],
						 n[3], n[4], n[5], n[6], n[7], n[8],
						 output_bytes(s->sent_bytes, wire) });
}

json_t *report_session_json(const struct session_info *s)
{
	return json_pack("{sI ss* ss sI sI sI sI sI sI sI sI sI}", "id", (json_int_t)s->id, "name",
			 s->name, "state", state_word(s->state), "pid", (json_int_t)s->pid,
			 "ram_pages", (json_int_t)s->ram_pages, "harvests", (json_int_t)s->harvests,
			 "log_pages", (json_int_t)s->log_pages, "vmm_pages",
			 (json_int_t)s->vmm_pages, "kept_pages", (json_int_t)s->kept_pages,
			 "sent_pages", (json_int_t)s->sent_pages, "zero_pages",
			 (json_int_t)s->zero_pages, "sent_bytes", (json_int_t)s->sent_bytes);
}
