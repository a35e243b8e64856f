// SPDX-License-Identifier: GPL-2.0-or-later
/* A cluster on paper: columns of demand, and what fits where. */
#include "policy/power_room.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/power_worth.h"

double drover_dpm_capacity(const struct drover_drs_host *host)
{
	return host->cpu_mhz > 0 ? host->cpu_mhz : 0;
}

/* --- columns --- */

/* What is no number, or below 0, counts as nothing; what is above the VM's limit, as that. */
static double believable(const struct drover_drs_vm *vm, double mhz)
{
	if (!(mhz > 0) || !isfinite(mhz))
		return 0;
	return vm->cpu.limit > 0 ? fmin(mhz, vm->cpu.limit) : mhz;
}

/* The mean of @count figures that end @skip before the newest; below 0 when there are none. */
static double mean_of_past(const struct drover_dpm_room *room, const struct drover_drs_vm *vm,
			   uint32_t skip, uint32_t count)
{
	bool recent = room->s->recent_step_s;
	const float *past = recent ? vm->recent : vm->history;
	uint32_t have = !past ? 0 : recent ? vm->recent_count : vm->history_count, n = 0;
	double sum = 0;

	for (; n < count && skip + n < have; n++)
		sum += believable(vm, past[have - 1 - skip - n]);
	return n ? sum / n : -1;
}

/* What it will want, by its habit and by what it wanted within the window. */
static double expected(const struct drover_dpm_room *room, const struct drover_drs_vm *vm,
		       uint32_t window, double known)
{
	struct drover_drs_vm seen = *vm;
	uint32_t step_s = room->s->history_step_s;

	if (room->s->recent_step_s) {
		step_s = room->s->recent_step_s;
		seen.history_count = vm->recent_count < window ? vm->recent_count : window;
		seen.history =
			vm->recent ? vm->recent + vm->recent_count - seen.history_count : NULL;
	}
	return drover_dpm_expected(&seen, known, room->s->now_s, step_s,
				   drover_dpm_ahead_s(room->view));
}

/* Older steps than the VM has are like the mean of those it has. */
static void fill_columns(const struct drover_dpm_room *room, const struct drover_drs_vm *vm,
			 uint32_t per_step, double *columns)
{
	double known = mean_of_past(room, vm, 0, per_step * room->steps);

	if (known < 0)
		known = believable(vm, vm->cpu_demand);
	for (uint32_t i = 0; i < room->steps; i++) {
		double mean = mean_of_past(room, vm, i * per_step, per_step);

		columns[i] = mean < 0 ? known : mean;
	}
	columns[room->steps] = expected(room, vm, per_step * room->steps, known);
}

static void book(struct drover_dpm_room *room, size_t v, int32_t host, double sign)
{
	const struct drover_drs_vm *vm = &room->s->vms[v];
	struct drover_dpm_load *load = &room->load[host];

	for (uint32_t i = 0; i <= room->steps; i++)
		load->cpu[i] += sign * room->vm_cpu[v][i];
	load->reserved += sign * vm->cpu.reservation;
	if (sign > 0)
		load->memory_mib += vm->memory_mib;
	else
		load->memory_mib -= vm->memory_mib;
}

static void link_vm(struct drover_dpm_room *room, size_t vm, int32_t host)
{
	room->next[vm] = room->first[host];
	room->first[host] = (int32_t)vm;
	room->load[host].vms++;
}

static void unlink_vm(struct drover_dpm_room *room, size_t vm, int32_t host)
{
	int32_t *at = &room->first[host];

	while (*at != (int32_t)vm)
		at = &room->next[*at];
	*at = room->next[vm];
	room->load[host].vms--;
}

void drover_dpm_room_put(struct drover_dpm_room *room, size_t vm, int32_t to)
{
	int32_t from = room->host_of[vm];

	if (from >= 0) {
		book(room, vm, from, -1);
		unlink_vm(room, vm, from);
	}
	if (to >= 0) {
		book(room, vm, to, 1);
		link_vm(room, vm, to);
	}
	room->host_of[vm] = to;
}

/* --- the beginning --- */

static bool is_stale(const struct drover_dpm_room *room, uint64_t sampled_s)
{
	uint32_t limit = room->s->options.stale_s ? room->s->options.stale_s : 60;

	return sampled_s + limit < room->s->now_s;
}

static void take_host(struct drover_dpm_room *room, size_t h)
{
	const struct drover_drs_host *host = &room->s->hosts[h];
	struct drover_dpm_load *load = &room->load[h];
	double other = host->cpu_other > 0 && isfinite(host->cpu_other) ? host->cpu_other : 0;

	load->on = host->state == DROVER_DRS_HOST_UP;
	load->stale = load->on && is_stale(room, host->sampled_s);
	load->memory_mib = host->memory_other_mib;
	for (uint32_t i = 0; i <= room->steps; i++)
		load->cpu[i] = other;
	room->first[h] = -1;
}

/* A VM that migrates counts where it goes, and its memory also where it is. */
static void take_vm(struct drover_dpm_room *room, size_t v, uint32_t per_step)
{
	const struct drover_drs_vm *vm = &room->s->vms[v];
	bool moving = vm->moving_to >= 0 && vm->host >= 0;

	fill_columns(room, vm, per_step, room->vm_cpu[v]);
	room->host_of[v] = DROVER_DRS_NONE;
	if (vm->host < 0)
		return;
	drover_dpm_room_put(room, v, moving ? vm->moving_to : vm->host);
	if (moving)
		room->load[vm->host].memory_mib += vm->memory_mib;
	if (moving || vm->override == DROVER_DRS_VM_FIXED)
		room->load[vm->host].stuck = room->load[room->host_of[v]].stuck = true;
	/* Of one that has just started or come it will be known soon: it stays for now. */
	if (!vm->sampled_s)
		room->load[room->host_of[v]].stuck = true;
	else if (is_stale(room, vm->sampled_s))
		room->load[room->host_of[v]].stale = true;
}

static int by_name(const void *a, const void *b, void *data)
{
	const struct drover_drs_host *hosts = data;

	return strcmp(hosts[*(const size_t *)a].name, hosts[*(const size_t *)b].name);
}

static int fill_rank(struct drover_dpm_room *room)
{
	size_t count = room->s->host_count, *order = calloc(count + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		order[i] = i;
	qsort_r(order, count, sizeof(*order), by_name, (void *)room->s->hosts);
	for (size_t i = 0; i < count; i++)
		room->rank[order[i]] = i;
	free(order);
	return 0;
}

static void fill_ruled(struct drover_dpm_room *room)
{
	for (size_t i = 0; i < room->s->rule_count; i++)
		for (uint32_t j = 0; j < room->s->rules[i].vm_count; j++)
			room->ruled[room->s->rules[i].vms[j]] = true;
}

static int allocate(struct drover_dpm_room *room)
{
	size_t hosts = room->s->host_count + 1, vms = room->s->vm_count + 1;

	room->load = calloc(hosts, sizeof(*room->load));
	room->rank = calloc(hosts, sizeof(*room->rank));
	room->price = calloc(hosts, sizeof(*room->price));
	room->first = calloc(hosts, sizeof(*room->first));
	room->next = calloc(vms, sizeof(*room->next));
	room->vm_cpu = calloc(vms, sizeof(*room->vm_cpu));
	room->host_of = calloc(vms, sizeof(*room->host_of));
	room->ruled = calloc(vms, sizeof(*room->ruled));
	return room->load && room->rank && room->price && room->first && room->next &&
			       room->vm_cpu && room->host_of && room->ruled
		       ? 0
		       : -ENOMEM;
}

int drover_dpm_room_init(struct drover_dpm_room *room, const struct drover_dpm_view *view,
			 const struct drover_dpm_options *options, struct drover_err *err)
{
	const struct drover_drs_snapshot *s = view->snapshot;
	uint32_t step_s = s->recent_step_s    ? s->recent_step_s
			  : s->history_step_s ? s->history_step_s
					      : 300;
	uint32_t per_step = options->wake_window_s > step_s ? options->wake_window_s / step_s : 1;
	uint32_t steps = options->sleep_window_s / (per_step * step_s);

	*room = (struct drover_dpm_room){
		.view = view,
		.s = view->snapshot,
		.steps = steps < 1			? 1
			 : steps > DROVER_DPM_STEPS_MAX ? DROVER_DPM_STEPS_MAX
							: steps,
		.low = (options->target_percent - options->tolerance_percent) / 100.0,
		.target = options->target_percent / 100.0,
		.high = (options->target_percent + options->tolerance_percent) / 100.0,
	};
	room->fill = room->target + (room->high - room->target) / 4;
	if (allocate(room) < 0 || fill_rank(room) < 0) {
		drover_dpm_room_exit(room);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < room->s->host_count; i++)
		take_host(room, i);
	for (size_t i = 0; i < room->s->vm_count; i++)
		take_vm(room, i, per_step);
	fill_ruled(room);
	drover_dpm_prices(room);
	return 0;
}

void drover_dpm_room_exit(struct drover_dpm_room *room)
{
	free(room->load);
	free(room->rank);
	free(room->price);
	free(room->first);
	free(room->next);
	free(room->vm_cpu);
	free(room->host_of);
	free(room->ruled);
}

/* --- does it fit? --- */

static bool names(const uint32_t *list, uint32_t count, size_t what)
{
	for (uint32_t i = 0; i < count; i++)
		if (list[i] == what)
			return true;
	return false;
}

/*
 * Power is no reason to break a rule, not even one that only should be kept. VMs that belong
 * together leave one by one: those that are still where this one is will follow.
 */
static bool rule_allows(const struct drover_dpm_room *room, const struct drover_drs_rule *rule,
			size_t vm, int32_t host)
{
	switch (rule->kind) {
	case DROVER_DRS_ON:
		return names(rule->hosts, rule->host_count, (size_t)host);
	case DROVER_DRS_NOT_ON:
		return !names(rule->hosts, rule->host_count, (size_t)host);
	case DROVER_DRS_TOGETHER:
		for (uint32_t i = 0; i < rule->vm_count; i++) {
			int32_t other = room->host_of[rule->vms[i]];

			if (other >= 0 && other != host && other != room->host_of[vm])
				return false;
		}
		return true;
	case DROVER_DRS_APART:
		for (uint32_t i = 0; i < rule->vm_count; i++)
			if (rule->vms[i] != vm && room->host_of[rule->vms[i]] == host)
				return false;
		return true;
	}
	return false;
}

static bool rules_allow(const struct drover_dpm_room *room, size_t vm, int32_t host)
{
	for (size_t i = 0; room->ruled[vm] && i < room->s->rule_count; i++) {
		const struct drover_drs_rule *rule = &room->s->rules[i];

		if (names(rule->vms, rule->vm_count, vm) && !rule_allows(room, rule, vm, host))
			return false;
	}
	return true;
}

static bool has_flags(const struct drover_drs_host *host, const struct drover_drs_vm *vm)
{
	for (int i = 0; i < DROVER_DRS_CPU_WORDS; i++)
		if (vm->cpu_need[i] & ~host->cpu_flags[i])
			return false;
	return true;
}

/* Busy by the target at most on average, within the band in each column, and quick enough. */
static bool cpu_fits(const struct drover_dpm_room *room, size_t v, int32_t h)
{
	const struct drover_drs_host *host = &room->s->hosts[h];
	const struct drover_drs_vm *vm = &room->s->vms[v];
	const struct drover_dpm_load *load = &room->load[h];
	double capacity = drover_dpm_capacity(host), sum = 0;
	double threads = host->cores ? capacity / host->cores * vm->vcpus : capacity;

	for (uint32_t i = 0; i <= room->steps; i++) {
		double mhz = load->cpu[i] + room->vm_cpu[v][i];

		if (mhz > room->high * capacity || room->vm_cpu[v][i] > threads)
			return false;
		if (i < room->steps)
			sum += mhz;
	}
	return sum <= room->fill * capacity * room->steps &&
	       load->reserved + vm->cpu.reservation <= capacity;
}

static bool memory_fits(const struct drover_dpm_room *room, size_t vm, int32_t h)
{
	uint32_t percent = room->s->options.memory_percent ? room->s->options.memory_percent : 100;

	return room->load[h].memory_mib + room->s->vms[vm].memory_mib <=
	       room->s->hosts[h].memory_mib * percent / 100;
}

bool drover_dpm_room_fits(const struct drover_dpm_room *room, size_t vm, int32_t h)
{
	const struct drover_dpm_load *load = &room->load[h];

	return load->on && !load->stale && memory_fits(room, vm, h) &&
	       has_flags(&room->s->hosts[h], &room->s->vms[vm]) && cpu_fits(room, vm, h) &&
	       rules_allow(room, vm, h);
}

/* How full a host would be, of what it may hold of CPU or of memory. */
static double fullness(const struct drover_dpm_room *room, size_t vm, int32_t h)
{
	const struct drover_drs_host *host = &room->s->hosts[h];
	double cpu = 0;

	for (uint32_t i = 0; i < room->steps; i++)
		cpu += (room->load[h].cpu[i] + room->vm_cpu[vm][i]) / room->steps;
	return fmax(cpu / (room->target * drover_dpm_capacity(host)),
		    (double)(room->load[h].memory_mib + room->s->vms[vm].memory_mib) /
			    (double)host->memory_mib);
}

/* Cheap hosts before dear ones, of these the one that becomes fullest, then by name. */
static bool is_better(const struct drover_dpm_room *room, int32_t a, double full_a, int32_t b,
		      double full_b)
{
	if (room->price[a] != room->price[b])
		return room->price[a] < room->price[b];
	if (full_a != full_b)
		return full_a > full_b;
	return room->rank[a] < room->rank[b];
}

int32_t drover_dpm_room_find(const struct drover_dpm_room *room, size_t vm)
{
	int32_t best = DROVER_DRS_NONE;
	double best_full = 0;

	for (int32_t h = 0; h < (int32_t)room->s->host_count; h++) {
		double full;

		if (h == room->host_of[vm] || !drover_dpm_room_fits(room, vm, h))
			continue;
		full = fullness(room, vm, h);
		if (best == DROVER_DRS_NONE || is_better(room, h, full, best, best_full)) {
			best = h;
			best_full = full;
		}
	}
	return best;
}

/* --- sums --- */

double drover_dpm_room_mean(const struct drover_dpm_room *room, size_t h)
{
	double sum = 0, capacity = drover_dpm_capacity(&room->s->hosts[h]);

	for (uint32_t i = 0; i < room->steps; i++)
		sum += room->load[h].cpu[i] / room->steps;
	return capacity > 0 ? sum / capacity : 0;
}

double drover_dpm_room_excess(const struct drover_dpm_room *room, uint32_t column)
{
	double sum = 0;

	for (size_t h = 0; h < room->s->host_count; h++) {
		double limit = room->high * drover_dpm_capacity(&room->s->hosts[h]);

		if (room->load[h].on)
			sum += fmax(0, room->load[h].cpu[column] - limit);
	}
	return sum;
}
