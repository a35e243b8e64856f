// SPDX-License-Identifier: GPL-2.0-or-later
/* Pools, advice about them, and what became of it. */
#include "report_pool.h"

#include <inttypes.h>
#include <string.h>

#include "output.h"

/* "420 us" or "1.5 ms" */
static const char *latency(uint64_t us, char *buf)
{
	if (!us)
		return "";
	if (us < 1000)
		snprintf(buf, 32, "%" PRIu64 " us", us);
	else
		snprintf(buf, 32, "%.1f ms", (double)us / 1e3);
	return buf;
}

static const char *rate(uint64_t bytes, char *buf)
{
	if (!bytes)
		return "";
	output_bytes(bytes, buf);
	strcat(buf, "/s");
	return buf;
}

static unsigned int percent(const Drover__PoolInfo *p)
{
	return p->size_bytes ? (unsigned int)((double)p->used_bytes * 100 / (double)p->size_bytes)
			     : 0;
}

void report_pools(FILE *out, const Drover__ControlReply *reply)
{
	static const char *const headings[] = { "NAME", ">SIZE", ">USED", ">%", ">LATENCY",
						">READ", ">WRITE", ">VMS", "PATH", "ERROR" };
	struct output_table t = { .columns = 10, .headings = headings };

	for (size_t i = 0; i < reply->n_pools; i++) {
		const Drover__PoolInfo *p = reply->pools[i];
		char size[32], used[32], share[32] = "", time[32], reads[40], writes[40], vms[32];

		if (p->size_bytes)
			snprintf(share, sizeof(share), "%u", percent(p));
		snprintf(vms, sizeof(vms), "%zu", p->n_vms);
		output_row(&t, (const char *const[]){
			p->name, p->size_bytes ? output_bytes(p->size_bytes, size) : "",
			p->size_bytes ? output_bytes(p->used_bytes, used) : "", share,
			latency(p->latency_us, time), rate(p->read_rate_bytes, reads),
			rate(p->write_rate_bytes, writes), vms, p->path, p->error });
	}
	output_table(out, &t);
}

static void line(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s:%*s", name, (int)(12 - strlen(name)), "");
	output_text(out, *value ? value : "-");
	fputc('\n', out);
}

static void measured(FILE *out, const Drover__PoolInfo *p)
{
	char a[40], b[40], text[160], when[64];

	if (!p->measured_time_us) {
		line(out, "measured", "never; drover pool show --measure does it");
		return;
	}
	snprintf(text, sizeof(text), "%s for a small write", latency(p->latency_us, a));
	line(out, "latency", text);
	snprintf(text, sizeof(text), "%s to read, %s to write", rate(p->read_rate_bytes, a),
		 rate(p->write_rate_bytes, b));
	line(out, "throughput", text);
	line(out, "measured", output_when(p->measured_time_us, when, sizeof(when)));
}

static void images(FILE *out, const Drover__PoolInfo *p)
{
	static const char *const headings[] = { "VM", "DISK", "FORMAT", ">SIZE", ">USED", "PATH",
						"NOTE" };
	struct output_table t = { .columns = 7, .headings = headings };

	for (size_t i = 0; i < p->n_images; i++) {
		const Drover__ImageInfo *m = p->images[i];
		char size[32], used[32];

		output_row(&t, (const char *const[]){
			m->vm, m->disk, m->format, output_bytes(m->size_bytes, size),
			output_bytes(m->used_bytes, used), m->path, m->note });
	}
	if (p->n_images)
		output_table(out, &t);
}

void report_pool(FILE *out, const Drover__PoolInfo *p)
{
	char text[128], size[32], used[32];

	line(out, "name", p->name);
	line(out, "path", p->path);
	line(out, "id", p->id);
	line(out, "format", p->format);
	if (*p->error)
		line(out, "error", p->error);
	if (p->size_bytes) {
		snprintf(text, sizeof(text), "%s of %s used, %u %%",
			 output_bytes(p->used_bytes, used), output_bytes(p->size_bytes, size),
			 percent(p));
		line(out, "space", text);
	}
	measured(out, p);
	snprintf(text, sizeof(text), "%zu", p->n_vms);
	line(out, "vms", text);
	images(out, p);
}

/* --- advice, and what came of it --- */

void report_advice(FILE *out, const Drover__ControlReply *reply)
{
	static const char *const headings[] = { ">PRIORITY", "VM", "DISK", "FROM", "TO", ">SIZE",
						"WHY" };
	struct output_table t = { .columns = 7, .headings = headings };

	for (size_t i = 0; i < reply->n_advice; i++) {
		const Drover__PoolAdvice *a = reply->advice[i];
		bool stray = !*a->vm;
		char priority[32] = "", bytes[32];

		if (a->priority)
			snprintf(priority, sizeof(priority), "%" PRIu32, a->priority);
		output_row(&t, (const char *const[]){
			priority, a->vm, stray ? a->path : a->disk, a->from, a->to,
			stray ? "" : output_bytes(a->bytes, bytes),
			*a->error ? a->error : a->reason });
	}
	output_table(out, &t);
}

static bool is(const Drover__PoolAdvice *a, Drover__DiskMoveState state)
{
	return a->state == state;
}

#define UNSPECIFIED DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_UNSPECIFIED
#define DONE	    DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_DONE
#define CANCELLED   DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_CANCELLED
#define FAILED	    DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_FAILED

const char *pool_job_word(const Drover__PoolAdvice *a, char *buf, size_t size)
{
	if (is(a, UNSPECIFIED))
		return *a->error ? "left" : "waiting";
	if (is(a, DONE))
		return "moved";
	return output_state(&drover__disk_move_state__descriptor, a->state, buf, size);
}

void pool_job_count(const Drover__ControlReply *reply, struct pool_job *ret_job)
{
	struct pool_job job = { .all = reply->n_advice };

	for (size_t i = 0; i < reply->n_advice; i++) {
		const Drover__PoolAdvice *a = reply->advice[i];

		if (is(a, DONE)) {
			job.moved++;
			job.moved_bytes += a->bytes;
		} else if (is(a, FAILED) || is(a, CANCELLED)) {
			job.failed++;
		} else if (!is(a, UNSPECIFIED)) {
			job.moving++;
		} else if (!*a->error) {
			job.waiting++;
		} else {
			job.left++;
			job.left_disks += *a->vm != '\0';
		}
	}
	*ret_job = job;
}

void report_job(FILE *out, const Drover__ControlReply *reply)
{
	static const char *const headings[] = { "VM", "DISK", "FROM", "TO", ">SIZE", "STATE",
						"WHY" };
	struct output_table t = { .columns = 7, .headings = headings };
	struct pool_job job;
	char bytes[32], state[32];

	for (size_t i = 0; i < reply->n_advice; i++) {
		const Drover__PoolAdvice *a = reply->advice[i];
		bool stray = !*a->vm;

		output_row(&t, (const char *const[]){
			a->vm, stray ? a->path : a->disk, a->from, a->to,
			stray ? "" : output_bytes(a->bytes, bytes),
			pool_job_word(a, state, sizeof(state)), a->error });
	}
	if (reply->n_advice)
		output_table(out, &t);
	pool_job_count(reply, &job);
	fprintf(out, "%u moved (%s), %u failed, %u left", job.moved,
		output_bytes(job.moved_bytes, bytes), job.failed, job.left);
	if (job.waiting || job.moving)
		fprintf(out, ", %u under way, %u waiting", job.moving, job.waiting);
	fputc('\n', out);
}
