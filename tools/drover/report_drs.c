// SPDX-License-Identifier: GPL-2.0-or-later
/* Load balancing, for people. */
#include "report_drs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

static const char *automation(Drover__Automation a, char *buf, size_t size)
{
	return output_state(&drover__automation__descriptor, a, buf, size);
}

/* --- status --- */

static void hosts(FILE *out, const Drover__DrsInfo *d)
{
	static const char *const headings[] = {"HOST", "STATE",	  ">VMS",
					       ">CPU", ">MEMORY", ">UNMET"};
	struct output_table t = {.columns = 6, .headings = headings};

	for (size_t i = 0; i < d->n_hosts; i++) {
		const Drover__DrsHost *h = d->hosts[i];
		char state[32], vms[16], cpu[16], memory[16], unmet[24];
		const char *const row[] = {h->name, state, vms, cpu, memory, unmet};

		output_state(&drover__drs_host_state__descriptor, h->state, state, sizeof(state));
		snprintf(vms, sizeof(vms), "%" PRIu32, h->vms);
		snprintf(cpu, sizeof(cpu), "%.0f %%", 100 * h->cpu);
		snprintf(memory, sizeof(memory), "%.0f %%", 100 * h->memory);
		snprintf(unmet, sizeof(unmet), "%.0f MHz", h->unmet_mhz);
		output_row(&t, row);
	}
	output_table(out, &t);
}

static void vms(FILE *out, const Drover__DrsInfo *d)
{
	static const char *const headings[] = {"VM",	 "HOST",	 ">SCORE",
					       ">WANTS", ">ENTITLED TO", "MOVES TO"};
	struct output_table t = {.columns = 6, .headings = headings};

	for (size_t i = 0; i < d->n_vms; i++) {
		const Drover__DrsVm *v = d->vms[i];
		char score[16], wants[24], entitled[24];
		const char *const row[] = {v->name, v->host, score, wants, entitled, v->moving_to};

		snprintf(score, sizeof(score), "%.0f %%", v->score);
		snprintf(wants, sizeof(wants), "%.0f MHz", v->demand_mhz);
		snprintf(entitled, sizeof(entitled), "%.0f MHz", v->entitled_mhz);
		output_row(&t, row);
	}
	output_table(out, &t);
}

void report_drs(FILE *out, const Drover__DrsInfo *d)
{
	char mode[32], time[32];

	fprintf(out, "mode %s, threshold %" PRIu32, automation(d->automation, mode, sizeof(mode)),
		d->threshold);
	if (d->failover_hosts)
		fprintf(out, ", %" PRIu32 " hosts may fail", d->failover_hosts);
	fprintf(out, "; %s leads\n", d->leader);
	if (!d->passes) {
		fputs("it has not looked at the hosts yet\n", out);
		return;
	}
	fprintf(out,
		"looked at %s: score %.0f %%, imbalance %.3f, unmet %.0f MHz, %zu recommended\n",
		output_when(d->pass_time_us, time, sizeof(time)), d->score, d->imbalance,
		d->unmet_mhz, d->n_moves);
	hosts(out, d);
	if (d->n_vms)
		vms(out, d);
}

/* --- moves --- */

static void move_line(FILE *out, const Drover__DrsMove *m)
{
	if (m->id)
		fprintf(out, "%" PRIu64 ": ", m->id);
	fprintf(out, "%s from %s to %s, priority %" PRIu32 "%s", m->vm, *m->from ? m->from : "-",
		*m->to ? m->to : "nowhere", m->priority, m->automatic ? ", by itself" : "");
	if (m->with)
		fprintf(out, ", together with %" PRIu64, m->with);
	fprintf(out, "\n   %s\n", m->reason);
}

void report_drs_moves(FILE *out, const Drover__DrsInfo *d)
{
	for (size_t i = 0; i < d->n_moves; i++)
		move_line(out, d->moves[i]);
	if (!d->passes)
		fputs("the leader has not looked at the hosts yet\n", out);
	else if (!d->n_moves)
		fputs("nothing is recommended\n", out);
}

void report_drs_explain(FILE *out, const Drover__DrsInfo *d, const char *vm)
{
	size_t said = 0;

	for (size_t i = 0; i < d->n_moves; i++) {
		if (vm && strcmp(vm, d->moves[i]->vm))
			continue;
		move_line(out, d->moves[i]);
		said++;
	}
	for (size_t i = 0; i < d->n_rejects; i++) {
		const Drover__DrsMove *m = d->rejects[i];

		if (vm && strcmp(vm, m->vm))
			continue;
		fprintf(out, "not %s from %s to %s\n   %s\n", m->vm, m->from,
			*m->to ? m->to : "anywhere", m->reason);
		said++;
	}
	for (size_t i = 0; i < d->n_notes; i++) {
		if (vm && !strstr(d->notes[i], vm))
			continue;
		fprintf(out, "%s\n", d->notes[i]);
		said++;
	}
	if (!d->passes)
		fputs("the leader has not looked at the hosts yet\n", out);
	else if (!said)
		fputs("there was nothing to think about in the last pass\n", out);
}

void report_drs_history(FILE *out, const Drover__DrsInfo *d)
{
	for (size_t i = 0; i < d->n_history; i++) {
		const Drover__DrsRecord *r = d->history[i];
		char time[32], state[32];

		fprintf(out, "%s %s from %s to %s: %s", output_when(r->time_us, time, sizeof(time)),
			r->vm, r->from, r->to,
			output_state(&drover__drs_record__state__descriptor, r->state, state,
				     sizeof(state)));
		if (r->state == DROVER__DRS_RECORD__STATE__DONE)
			fprintf(out, " in %.1f s, blackout %" PRIu64 " ms", r->total_us / 1e6,
				r->blackout_us / 1000);
		fprintf(out, "%s\n   %s\n", r->asked ? ", as was asked" : "",
			*r->error ? r->error : r->reason);
	}
	if (!d->n_history)
		fputs("nothing was moved yet\n", out);
}

/* --- rules and shares --- */

static char *join(char *const *words, size_t count)
{
	size_t len = 1;
	char *text;

	for (size_t i = 0; i < count; i++)
		len += strlen(words[i]) + 1;
	text = calloc(1, len);
	for (size_t i = 0; text && i < count; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, words[i]);
	}
	return text;
}

void report_rules(FILE *out, const Drover__ControlReply *reply)
{
	static const char *const headings[] = {"RULE", "KIND", "STRENGTH", "VMS", "HOSTS"};
	struct output_table t = {.columns = 5, .headings = headings};

	for (size_t i = 0; i < reply->n_rules; i++) {
		const Drover__RuleRecord *r = reply->rules[i];
		char *vms = join(r->vms, r->n_vms), *hosts = join(r->hosts, r->n_hosts), kind[32];
		const char *const row[] = {r->name, kind, r->must ? "must" : "should", vms, hosts};

		output_state(&drover__rule_kind__descriptor, r->kind, kind, sizeof(kind));
		output_row(&t, row);
		free(vms);
		free(hosts);
	}
	output_table(out, &t);
}

static void amount(char *buf, size_t size, uint64_t value, const char *unit)
{
	buf[0] = '\0';
	if (value)
		snprintf(buf, size, "%" PRIu64 "%s", value, unit);
}

static void share_rows(struct output_table *t, Drover__ResourceRecord *const *list, size_t count,
		       const char *what)
{
	for (size_t i = 0; i < count; i++) {
		const Drover__ResourceRecord *r = list[i];
		char cell[6][32], mode[32] = "";
		const char *const row[] = {what,    r->name, r->parent, cell[0], cell[1],
					   cell[2], cell[3], cell[4],	cell[5], mode};

		amount(cell[0], sizeof(cell[0]), r->cpu_shares, "");
		amount(cell[1], sizeof(cell[1]), r->cpu_reservation_mhz, " MHz");
		amount(cell[2], sizeof(cell[2]), r->cpu_limit_mhz, " MHz");
		amount(cell[3], sizeof(cell[3]), r->memory_shares, "");
		amount(cell[4], sizeof(cell[4]), r->memory_reservation_mib, " MiB");
		amount(cell[5], sizeof(cell[5]), r->memory_limit_mib, " MiB");
		if (r->automation)
			automation(r->automation, mode, sizeof(mode));
		output_row(t, row);
	}
}

void report_shares(FILE *out, const Drover__ControlReply *reply)
{
	static const char *const headings[] = {
		"WHAT",	  "NAME",	    "IN",	 ">CPU SHARES", ">RESERVED",
		">LIMIT", ">MEMORY SHARES", ">RESERVED", ">LIMIT",	"MODE"};
	struct output_table t = {.columns = 10, .headings = headings};

	share_rows(&t, reply->respools, reply->n_respools, "pool");
	share_rows(&t, reply->shares, reply->n_shares, "vm");
	output_table(out, &t);
}
