// SPDX-License-Identifier: GPL-2.0-or-later
/* VMs, hosts and migrations for people. */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

json_t *report_json(const Drover__ControlReply *reply, const char *key)
{
	json_t *all = output_json(&reply->base), *o = json_object();

	json_object_set(o, key, json_object_get(all, key));
	json_decref(all);
	return o;
}

/* "name:        value" */
static void line(FILE *out, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void line(FILE *out, const char *name, const char *fmt, ...)
{
	char value[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	fprintf(out, "%s:%*s", name, (int)(12 - strlen(name)), "");
	output_text(out, *value ? value : "-");
	fputc('\n', out);
}

/* --- VMs --- */

void report_vms(FILE *out, const Drover__ControlReply *reply)
{
	static const char *const headings[] = { "NAME", "STATE", ">VCPUS", ">MEMORY", "HOST",
						">UPTIME", ">MIGRATION" };
	struct output_table t = { .columns = 7, .headings = headings };

	for (size_t i = 0; i < reply->n_vms; i++) {
		const Drover__VmInfo *vm = reply->vms[i];
		char state[32], vcpus[16], memory[32], uptime[32], migration[32] = "";

		snprintf(vcpus, sizeof(vcpus), "%" PRIu32, vm->vcpus);
		snprintf(memory, sizeof(memory), "%" PRIu64 " MiB", vm->memory_mib);
		output_time(vm->uptime_s * 1000000, uptime);
		if (vm->migration_id)
			snprintf(migration, sizeof(migration), "%" PRIu64, vm->migration_id);
		output_row(&t, (const char *const[]){
			vm->name, output_state(&drover__vm_state__descriptor, vm->state, state,
					       sizeof(state)),
			vcpus, memory, vm->host, vm->pid ? uptime : "", migration });
	}
	output_table(out, &t);
}

static double mib(double bytes)
{
	return bytes / (1 << 20);
}

static void vm_load(FILE *out, const Drover__VmLoad *l)
{
	line(out, "resident", "%.0f MiB", mib(l->resident_bytes));
	if (l->unrated)
		return;
	line(out, "cpu used", "%.2f, waited for %.2f; in 5 minutes %.2f, 95 %% below %.2f",
	     l->cpu_used, l->cpu_ready, l->cpu_mean, l->cpu_p95);
	if (l->sampled_time_us)
		line(out, "touched", "about %.0f MiB in use, %.1f MiB/s written",
		     mib(l->working_set_bytes), mib(l->dirty_rate_bytes));
	line(out, "network", "%.2f MiB/s in, %.2f MiB/s out", mib(l->net_rx_bytes),
	     mib(l->net_tx_bytes));
	line(out, "disks", "%.2f MiB/s read, %.2f MiB/s written", mib(l->disk_read_bytes),
	     mib(l->disk_write_bytes));
}

void report_vm(FILE *out, const Drover__VmInfo *vm)
{
	char word[32];

	line(out, "name", "%s", vm->name);
	line(out, "state", "%s", output_state(&drover__vm_state__descriptor, vm->state, word,
					      sizeof(word)));
	line(out, "host", "%s", vm->host);
	line(out, "vcpus", "%" PRIu32, vm->vcpus);
	line(out, "memory", "%" PRIu64 " MiB", vm->memory_mib);
	line(out, "machine", "%s", vm->machine);
	line(out, "cpu", "%s", vm->cpu);
	for (size_t i = 0; i < vm->n_disks; i++)
		line(out, "disk", "%s", vm->disks[i]);
	for (size_t i = 0; i < vm->n_nics; i++)
		line(out, "nic", "%s", vm->nics[i]);
	line(out, "definition", "%s", vm->definition);
	if (vm->pid) {
		line(out, "console", "%s", vm->console);
		line(out, "process", "%" PRIu32, vm->pid);
		line(out, "uptime", "%s", output_time(vm->uptime_s * 1000000, word));
	}
	if (vm->migration_id)
		line(out, "migration", "%" PRIu64, vm->migration_id);
	if (vm->load)
		vm_load(out, vm->load);
}

/* --- hosts --- */

static void add_host(struct output_table *t, const Drover__HostInfo *h)
{
	char cpus[32], memory[32], available[32], vms[32], load[32];

	if (!h->reachable) {
		output_row(t, (const char *const[]){ h->name, h->address, "unreachable", "", "", "",
						     "", "" });
		return;
	}
	snprintf(cpus, sizeof(cpus), "%" PRIu32, h->cpus);
	snprintf(memory, sizeof(memory), "%" PRIu64 " MiB", h->memory_mib);
	snprintf(available, sizeof(available), "%" PRIu64 " MiB", h->memory_free_mib);
	snprintf(vms, sizeof(vms), "%" PRIu32, h->vms);
	snprintf(load, sizeof(load), "%.2f", h->load1);
	output_row(t, (const char *const[]){ h->name, h->address, h->self ? "this" : "up", cpus,
					     memory, available, vms, load });
}

void report_hosts(FILE *out, const Drover__ControlReply *reply)
{
	static const char *const headings[] = { "NAME", "ADDRESS", "STATE", ">CPUS", ">MEMORY",
						">FREE", ">VMS", ">LOAD" };
	struct output_table t = { .columns = 8, .headings = headings };

	for (size_t i = 0; i < reply->n_hosts; i++)
		add_host(&t, reply->hosts[i]);
	output_table(out, &t);
}

static void host_load(FILE *out, const Drover__HostLoad *l)
{
	line(out, "cpu used", "%.2f, stolen %.2f; in 5 minutes %.2f, 95 %% below %.2f", l->cpu_used,
	     l->cpu_steal, l->cpu_mean, l->cpu_p95);
	line(out, "pressure", "processors %.0f %%, memory %.0f %%, I/O %.0f %%",
	     100 * l->cpu_pressure, 100 * l->memory_pressure, 100 * l->io_pressure);
	line(out, "swapping", "%.2f MiB/s", mib(l->swap_bytes));
	line(out, "network", "%.2f MiB/s in, %.2f MiB/s out", mib(l->net_rx_bytes),
	     mib(l->net_tx_bytes));
	if (l->watts > 0)
		line(out, "power", "%.0f W (%s)", l->watts, l->power_source);
	line(out, "droverd", "%.1f %% of a processor", 100 * l->agent_cpu);
}

void report_host(FILE *out, const Drover__HostInfo *h)
{
	line(out, "name", "%s", h->name);
	line(out, "address", "%s", h->address);
	if (!h->reachable) {
		line(out, "unreachable", "%s", h->error);
		return;
	}
	line(out, "cpu", "%s", h->cpu_model);
	line(out, "cpus", "%" PRIu32, h->cpus);
	line(out, "load", "%.2f", h->load1);
	line(out, "memory", "%" PRIu64 " MiB, %" PRIu64 " MiB available", h->memory_mib,
	     h->memory_free_mib);
	line(out, "vms", "%" PRIu32, h->vms);
	if (h->load && h->load->sampled_time_us)
		host_load(out, h->load);
	line(out, "kernel", "%s", h->kernel);
	line(out, "qemu", "%s", h->qemu);
	line(out, "agent", "%s", h->agent);
}

/* --- migrations --- */

void report_migrations(FILE *out, const Drover__ControlReply *reply)
{
	static const char *const headings[] = { ">ID", "VM", "FROM", "TO", "STATE", ">TIME",
						">BLACKOUT", ">WIRE" };
	struct output_table t = { .columns = 8, .headings = headings };

	for (size_t i = 0; i < reply->n_migrations; i++) {
		const Drover__MigrationInfo *m = reply->migrations[i];
		char id[32], state[32], time[32], blackout[32], wire[32];

		snprintf(id, sizeof(id), "%" PRIu64, m->id);
		output_row(&t, (const char *const[]){
			id, m->vm, m->source, m->target,
			output_state(&drover__migration_state__descriptor, m->state, state,
				     sizeof(state)),
			output_time(m->total_us, time),
			m->blackout_us ? output_time(m->blackout_us, blackout) : "",
			output_bytes(m->wire_bytes, wire) });
	}
	output_table(out, &t);
}
