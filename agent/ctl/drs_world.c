// SPDX-License-Identifier: GPL-2.0-or-later
/* From what hosts say to what a policy looks at. */
#include "ctl/drs_world.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a host does not tell the speed of its processors. */
#define MHZ_ASSUMED 2000
/* Of its processors, what a VM is thought to want of which nothing is known yet. */
#define PLACE_SHARE 0.25
/* Moves that fail are tried again after this time, then after twice as long each time. */
#define REST_S	   30
#define REST_MAX_S 960
/* So long after a move what a VM's processes use is not what its guest wants. */
#define ARRIVED_S 15
/* What a host said longer ago than that is not of this look. */
#define LATE_US 5000000
/* A move ends that long after it was ordered, at most. */
#define APART_US (1800 * UINT64_C(1000000))

/* --- hosts --- */

static double mhz_of(const Drover__HostInfo *info)
{
	return info->cpu_mhz > 0 ? info->cpu_mhz : MHZ_ASSUMED;
}

static int flag_number(struct drover_drs_world *w, const char *flag)
{
	uint32_t n = w->snapshot.flag_count;

	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(w->flags[i], flag))
			return i;
	if (n == DROVER_DRS_CPU_WORDS * 64)
		return -1;
	w->flags[n] = strdup(flag);
	if (!w->flags[n])
		return -1;
	w->snapshot.flag_count++;
	return n;
}

static void take_flags(struct drover_drs_world *w, struct drover_drs_host *host, char *const *flags,
		       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int n = flag_number(w, flags[i]);

		if (n >= 0)
			host->cpu_flags[n / 64] |= UINT64_C(1) << n % 64;
	}
}

static bool is_active(const Drover__VmInfo *info)
{
	return info->state == DROVER__VM_STATE__VM_STATE_RUNNING ||
	       info->state == DROVER__VM_STATE__VM_STATE_PAUSED;
}

static bool is_here(const Drover__VmInfo *info)
{
	return is_active(info) || info->state == DROVER__VM_STATE__VM_STATE_IN_DOUBT;
}

/* Is it known what it uses? Not before its host has looked twice. */
static bool is_rated(const Drover__VmInfo *info)
{
	return info->load && !info->load->unrated;
}

static double vms_cpus(const Drover__HostReply *reply)
{
	double sum = 0;

	for (size_t i = 0; i < reply->n_vms; i++)
		if (reply->vms[i]->load)
			sum += reply->vms[i]->load->cpu_used;
	return sum;
}

bool drover_drs_world_own(const Drover__HostReply *reply, double *ret_cpus)
{
	bool quiet = true;

	*ret_cpus = 0;
	if (reply->host->load)
		*ret_cpus = fmax(0, reply->host->load->cpu_used - vms_cpus(reply));
	for (size_t i = 0; i < reply->n_vms; i++)
		quiet &= !reply->vms[i]->migration_id &&
			 reply->vms[i]->state != DROVER__VM_STATE__VM_STATE_INCOMING &&
			 (!is_active(reply->vms[i]) || is_rated(reply->vms[i]));
	return quiet && reply->host->load;
}

static uint64_t vms_resident_mib(const Drover__HostReply *reply)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < reply->n_vms; i++)
		if (reply->vms[i]->load)
			sum += reply->vms[i]->load->resident_bytes >> 20;
	return sum;
}

/* By the leader's clock: how old a figure was there when it was said, and how long that is ago. */
static uint64_t sampled_s(const struct drover_drs_facts *f, const struct drover_drs_report *report)
{
	const Drover__HostReply *r = report->reply;
	uint64_t sampled = r->host->load ? r->host->load->sampled_time_us : 0, age;

	if (!sampled)
		return 0;
	age = report->age_us + (r->time_us > sampled ? r->time_us - sampled : 0);
	return f->now_us > age ? (f->now_us - age) / 1000000 : 0;
}

static void take_load(const struct drover_drs_facts *f, struct drover_drs_host *host,
		      const struct drover_drs_report *report)
{
	const Drover__HostInfo *info = report->reply->host;
	double own = report->own_cpus;
	uint64_t used, of_vms;

	if (!info->load)
		return;
	/* Unknown, and what it is now will be over soon: better none than too much. */
	if (own < 0 && !drover_drs_world_own(report->reply, &own))
		own = 0;
	host->cpu_other = own * mhz_of(info);
	used = info->load->memory_used_bytes >> 20;
	of_vms = vms_resident_mib(report->reply);
	host->memory_other_mib = used > of_vms ? used - of_vms : 0;
	host->sampled_s = sampled_s(f, report);
}

/* One that does not answer is known by what it once wrote down. */
static const Drover__HostRecord *record_of(const struct drover_drs_facts *f, const char *host)
{
	for (size_t i = 0; i < f->hosts.count; i++) {
		const Drover__HostRecord *r = (const Drover__HostRecord *)f->hosts.messages[i];

		if (!strcmp(r->name, host))
			return r;
	}
	return NULL;
}

static void take_host(struct drover_drs_world *w, const struct drover_drs_facts *f,
		      const struct drover_drs_report *report)
{
	struct drover_drs_host *host = &w->hosts[w->snapshot.host_count++];
	const Drover__HostRecord *record = record_of(f, report->host);

	snprintf(host->name, sizeof(host->name), "%s", report->host);
	host->state = report->state;
	if (report->reply && report->reply->host) {
		const Drover__HostInfo *info = report->reply->host;

		host->cores = info->cpus;
		host->cpu_mhz = info->cpus * mhz_of(info);
		host->memory_mib = info->memory_mib;
		take_flags(w, host, info->cpu_flags, info->n_cpu_flags);
		take_load(f, host, report);
	} else if (record) {
		host->cores = record->cpus;
		host->cpu_mhz = (double)record->cpus * record->cpu_mhz;
		host->memory_mib = record->memory_mib;
		take_flags(w, host, record->cpu_flags, record->n_cpu_flags);
	}
}

int32_t drover_drs_world_host(const struct drover_drs_world *w, const char *name)
{
	for (size_t i = 0; i < w->snapshot.host_count; i++)
		if (!strcmp(w->hosts[i].name, name))
			return i;
	return DROVER_DRS_NONE;
}

int32_t drover_drs_world_vm(const struct drover_drs_world *w, const char *name)
{
	for (size_t i = 0; i < w->snapshot.vm_count; i++)
		if (!strcmp(w->vms[i].name, name))
			return i;
	return DROVER_DRS_NONE;
}

/* --- VMs --- */

/*
 * Did it leave because its host was to be emptied? The hosts' clocks need not agree to the second.
 */
static bool was_evacuated(const Drover__DrsHistory *history, const char *vm,
			  const Drover__MoveRecord *move)
{
	for (size_t i = 0; history && i < history->n_records; i++) {
		const Drover__DrsRecord *r = history->records[i];
		uint64_t apart = r->time_us > move->time_us ? r->time_us - move->time_us
							    : move->time_us - r->time_us;

		if (r->evacuation && !strcmp(r->vm, vm) && !strcmp(r->from, move->from) &&
		    !strcmp(r->to, move->to) && apart < APART_US)
			return true;
	}
	return false;
}

static const Drover__VmRecord *record_of_vm(const struct drover_drs_facts *f, const char *vm)
{
	for (size_t i = 0; i < f->vms.count; i++) {
		const Drover__VmRecord *r = (const Drover__VmRecord *)f->vms.messages[i];

		if (!strcmp(r->name, vm))
			return r;
	}
	return NULL;
}

/* @r: what is written down of the VM, or NULL */
static void take_past(const struct drover_drs_world *w, const struct drover_drs_facts *f,
		      const Drover__VmRecord *r, struct drover_drs_vm *vm)
{
	size_t skip;

	if (!r)
		return;
	skip = r->n_moves > DROVER_DRS_PAST_MAX ? r->n_moves - DROVER_DRS_PAST_MAX : 0;
	for (size_t i = skip; i < r->n_moves; i++)
		vm->past[vm->past_count++] = (struct drover_drs_past){
			.when_s = r->moves[i]->time_us / 1000000,
			.from = was_evacuated(f->history, vm->name, r->moves[i])
					? DROVER_DRS_NONE
					: drover_drs_world_host(w, r->moves[i]->from),
			.to = drover_drs_world_host(w, r->moves[i]->to),
		};
}

/* Its last move, if that was seen and is not written down yet. */
static void take_arrival(const struct drover_drs_world *w, const struct drover_drs_facts *f,
			 const Drover__VmRecord *r, const struct drover_drs_kept *k,
			 struct drover_drs_vm *vm)
{
	Drover__MoveRecord move = DROVER__MOVE_RECORD__INIT;

	/* What is written down of it is of where it is: if it says nothing of a move there was none. */
	if (!k->came_s || (r && !strcmp(r->host, k->host)))
		return;
	if (vm->past_count == DROVER_DRS_PAST_MAX)
		memmove(vm->past, vm->past + 1, --vm->past_count * sizeof(*vm->past));
	move.time_us = k->came_s * 1000000;
	move.from = (char *)k->from;
	move.to = (char *)k->host;
	vm->past[vm->past_count++] = (struct drover_drs_past){
		.when_s = k->came_s,
		.from = was_evacuated(f->history, vm->name, &move)
				? DROVER_DRS_NONE
				: drover_drs_world_host(w, k->from),
		.to = vm->host,
	};
}

uint32_t drover_drs_world_rest(const Drover__DrsHistory *history, const char *vm, uint64_t now_us)
{
	uint64_t rest = REST_S, last = 0, now_s = now_us / 1000000;
	uint32_t failures = 0;

	for (size_t i = 0; history && i < history->n_records; i++) {
		const Drover__DrsRecord *r = history->records[i];

		if (strcmp(r->vm, vm) || r->state == DROVER__DRS_RECORD__STATE__MOVING)
			continue;
		failures = r->state == DROVER__DRS_RECORD__STATE__FAILED ? failures + 1 : 0;
		last = (r->time_us + r->total_us) / 1000000;
	}
	if (!failures)
		return 0;
	for (uint32_t i = 1; i < failures && rest < REST_MAX_S; i++)
		rest *= 2;
	return last + rest > now_s ? last + rest - now_s : 0;
}

/* Where it is on its way to: by the host that it leaves, or as the leader ordered. */
static int32_t target_of(const struct drover_drs_world *w, const struct drover_drs_facts *f,
			 const Drover__HostReply *on, const Drover__VmInfo *info)
{
	for (size_t i = 0; i < on->n_migrations && info->migration_id; i++)
		if (on->migrations[i]->id == info->migration_id)
			return drover_drs_world_host(w, on->migrations[i]->target);
	for (size_t i = 0; f->history && i < f->history->n_records; i++) {
		const Drover__DrsRecord *r = f->history->records[i];

		if (r->state == DROVER__DRS_RECORD__STATE__MOVING && !strcmp(r->vm, info->name) &&
		    !strcmp(r->from, on->host->name))
			return drover_drs_world_host(w, r->to);
	}
	return DROVER_DRS_NONE;
}

static void take_demand(struct drover_drs_vm *vm, const Drover__VmInfo *info,
			const Drover__HostInfo *on)
{
	const Drover__VmLoad *load = info->load;

	vm->memory_demand_mib = info->memory_mib;
	if (!load)
		return;
	vm->cpu_demand = (load->cpu_used + load->cpu_ready) * mhz_of(on);
	vm->dirty_rate = load->dirty_rate_bytes;
	if (load->resident_bytes)
		vm->memory_demand_mib = load->resident_bytes >> 20;
}

/*
 * What its processes use while it moves, and while the guest touches its memory anew after that, is
 * not what the guest wants.
 */
static bool is_at_rest(const struct drover_drs_vm *vm, const struct drover_drs_kept *k,
		       const Drover__VmInfo *info, uint64_t now_s)
{
	if (k->moved_s && k->moved_s + ARRIVED_S > now_s)
		return false;
	for (uint32_t i = 0; i < vm->past_count; i++)
		if (vm->past[i].when_s + ARRIVED_S > now_s)
			return false;
	return vm->moving_to == DROVER_DRS_NONE && !info->migration_id;
}

/* Nothing is known of it: room is kept for it, and it is not moved for what nobody has seen. */
static void assume_demand(struct drover_drs_vm *vm, const Drover__HostInfo *on)
{
	vm->cpu_demand = vm->vcpus * mhz_of(on) * PLACE_SHARE;
	vm->sampled_s = 0;
}

static struct drover_drs_vm *add_vm(struct drover_drs_world *w, const char *name)
{
	struct drover_drs_vm *vm = &w->vms[w->snapshot.vm_count++];

	snprintf(vm->name, sizeof(vm->name), "%s", name);
	vm->host = DROVER_DRS_NONE;
	vm->moving_to = DROVER_DRS_NONE;
	vm->respool = DROVER_DRS_NONE;
	return vm;
}

static int take_vm(struct drover_drs_world *w, const struct drover_drs_facts *f, int32_t host,
		   const Drover__HostReply *on, const Drover__VmInfo *info,
		   struct drover_drs_kept **kept, struct drover_err *err)
{
	struct drover_drs_kept *k = drover_drs_kept(kept, info->name);
	uint64_t now_s = f->now_us / 1000000;
	const Drover__VmRecord *record;
	struct drover_drs_vm *vm;

	if (!k)
		return drover_err_set(err, ENOMEM, "out of memory");
	vm = add_vm(w, info->name);
	vm->host = host;
	vm->moving_to = target_of(w, f, on, info);
	drover_drs_kept_on(k, on->host->name,
			   info->migration_id || vm->moving_to != DROVER_DRS_NONE, now_s);
	vm->vcpus = info->vcpus;
	vm->memory_mib = info->memory_mib;
	memcpy(vm->cpu_need, w->hosts[host].cpu_flags, sizeof(vm->cpu_need));
	take_demand(vm, info, on->host);
	record = record_of_vm(f, vm->name);
	take_past(w, f, record, vm);
	take_arrival(w, f, record, k, vm);
	vm->sampled_s = w->hosts[host].sampled_s;
	if (is_rated(info) && is_at_rest(vm, k, info, now_s))
		drover_drs_kept_add(k, now_s, vm->cpu_demand);
	else if (!drover_drs_kept_newest(k, &vm->cpu_demand) && !is_rated(info))
		assume_demand(vm, on->host);
	vm->blackout_ms = k->blackout_ms;
	vm->history = k->history_count ? k->history : NULL;
	vm->history_count = k->history_count;
	vm->recent = k->recent_count ? k->recent : NULL;
	vm->recent_count = k->recent_count;
	vm->habit = &k->habit;
	/*
	 * What nobody knows the end of is left alone, and what would only fail again; but for hosts
	 * to be emptied, where it has to be tried again, if not at once.
	 */
	if (info->state == DROVER__VM_STATE__VM_STATE_IN_DOUBT ||
	    (info->migration_id && vm->moving_to == DROVER_DRS_NONE) ||
	    (w->hosts[host].state != DROVER_DRS_HOST_MAINTENANCE &&
	     drover_drs_world_rest(f->history, vm->name, f->now_us)))
		vm->override = DROVER_DRS_VM_FIXED;
	return 0;
}

/* Its new host lists it as one that comes, or has said nothing since it may have come. */
static bool may_have_come(const struct drover_drs_facts *f, const struct drover_drs_report *to,
			  const Drover__DrsRecord *r)
{
	if (!to->reply)
		return false;
	for (size_t i = 0; i < to->reply->n_vms; i++)
		if (!strcmp(to->reply->vms[i]->name, r->vm))
			return to->reply->vms[i]->state == DROVER__VM_STATE__VM_STATE_INCOMING;
	if (r->state == DROVER__DRS_RECORD__STATE__MOVING)
		return to->age_us > LATE_US;
	return r->state == DROVER__DRS_RECORD__STATE__DONE &&
	       r->time_us + r->total_us + to->age_us > f->now_us;
}

/*
 * A VM that its old host does not list any more, and its new host not yet: nobody knows what the new
 * host has left.
 */
static void doubt_targets(struct drover_drs_world *w, const struct drover_drs_facts *f)
{
	for (size_t i = 0; f->history && i < f->history->n_records; i++) {
		const Drover__DrsRecord *r = f->history->records[i];
		int32_t to = drover_drs_world_host(w, r->to);

		if (to != DROVER_DRS_NONE && drover_drs_world_vm(w, r->vm) == DROVER_DRS_NONE &&
		    may_have_come(f, &f->reports[to], r))
			w->hosts[to].sampled_s = 0;
	}
}

/* A VM that does not run yet. */
static int take_placed(struct drover_drs_world *w, const struct drover_drs_facts *f,
		       struct drover_drs_kept **kept, struct drover_err *err)
{
	const struct drover_vm_def *def = f->place;
	struct drover_drs_kept *k = drover_drs_kept(kept, def->name);
	double core = MHZ_ASSUMED;
	struct drover_drs_vm *vm;

	if (!k)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < w->snapshot.host_count; i++)
		if (w->hosts[i].cores)
			core = w->hosts[i].cpu_mhz / w->hosts[i].cores;
	vm = add_vm(w, def->name);
	vm->vcpus = def->vcpus;
	vm->memory_mib = def->memory_mib;
	vm->memory_demand_mib = def->memory_mib;
	vm->sampled_s = f->now_us / 1000000;
	vm->cpu_demand = k->history_count ? k->history[k->history_count - 1]
					  : def->vcpus * core * PLACE_SHARE;
	vm->habit = &k->habit;
	return 0;
}

static int take_vms(struct drover_drs_world *w, const struct drover_drs_facts *f,
		    struct drover_drs_kept **kept, struct drover_err *err)
{
	int r = 0;

	for (size_t i = 0; i < f->report_count; i++) {
		const Drover__HostReply *on = f->reports[i].reply;

		for (size_t j = 0; on && r == 0 && j < on->n_vms; j++)
			if (is_here(on->vms[j]) &&
			    drover_drs_world_vm(w, on->vms[j]->name) == DROVER_DRS_NONE)
				r = take_vm(w, f, i, on, on->vms[j], kept, err);
	}
	doubt_targets(w, f);
	return r == 0 && f->place ? take_placed(w, f, kept, err) : r;
}

/* --- all of it --- */

static int make_room(struct drover_drs_world *w, const struct drover_drs_facts *f, size_t vms,
		     struct drover_err *err)
{
	w->hosts = calloc(f->report_count + 1, sizeof(*w->hosts));
	w->vms = calloc(vms + 2, sizeof(*w->vms));
	w->rules = calloc(f->rules.count + 1, sizeof(*w->rules));
	w->respools = calloc(f->respools.count + 1, sizeof(*w->respools));
	w->lists = calloc(2 * f->rules.count + 1, sizeof(*w->lists));
	w->flags = calloc(DROVER_DRS_CPU_WORDS * 64, sizeof(*w->flags));
	return w->hosts && w->vms && w->rules && w->respools && w->lists && w->flags
		       ? 0
		       : drover_err_set(err, ENOMEM, "out of memory");
}

int drover_drs_world_make(const struct drover_drs_facts *f, struct drover_drs_kept **kept,
			  struct drover_drs_world *ret_world, struct drover_err *err)
{
	struct drover_drs_world w = {
		.snapshot = {.now_s = f->now_us / 1000000,
			     .history_step_s = DROVER_DRS_STEP_S,
			     .recent_step_s = DROVER_DRS_RECENT_S},
	};
	size_t vms = 0;
	int r;

	for (size_t i = 0; i < f->report_count; i++)
		vms += f->reports[i].reply ? f->reports[i].reply->n_vms : 0;
	r = make_room(&w, f, vms, err);
	for (size_t i = 0; r == 0 && i < f->report_count; i++)
		take_host(&w, f, &f->reports[i]);
	if (r == 0)
		r = take_vms(&w, f, kept, err);
	if (r < 0) {
		drover_drs_world_free(&w);
		return r;
	}
	drover_drs_world_wants(&w, f);
	w.snapshot.hosts = w.hosts;
	w.snapshot.vms = w.vms;
	w.snapshot.rules = w.rules;
	w.snapshot.respools = w.respools;
	w.snapshot.flag_names = (const char *const *)w.flags;
	w.snapshot.options = f->options;
	*ret_world = w;
	return 0;
}

void drover_drs_world_free(struct drover_drs_world *w)
{
	for (uint32_t i = 0; w->flags && i < w->snapshot.flag_count; i++)
		free(w->flags[i]);
	for (size_t i = 0; i < w->list_count; i++)
		free(w->lists[i]);
	free(w->flags);
	free(w->lists);
	free(w->hosts);
	free(w->vms);
	free(w->rules);
	free(w->respools);
	*w = (struct drover_drs_world){0};
}
