// SPDX-License-Identifier: GPL-2.0-or-later
/* A plan in the making: its lists grow here, and get the caller's indices in the end. */
#include "policy/making.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void drs_say(char *text, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, len, fmt, ap);
	va_end(ap);
}

/* Room for one more of @size, or NULL. */
static void *grow(struct drs_making *m, void **array, size_t count, size_t *room, size_t size)
{
	void *larger;

	if (count < *room)
		return (char *)*array + count * size;
	larger = reallocarray(*array, *room * 2 + 16, size);
	if (!larger) {
		m->failed = true;
		return NULL;
	}
	*array = larger;
	*room = *room * 2 + 16;
	return (char *)larger + count * size;
}

static bool is_automatic(const struct drs_making *m, const struct drover_drs_vm *vm,
			 enum drover_drs_move_kind kind)
{
	enum drover_automation level = m->w.s->options.automation;

	if (vm->override == DROVER_DRS_VM_MANUAL)
		level = DROVER_AUTOMATION_MANUAL;
	else if (vm->override == DROVER_DRS_VM_PARTIAL)
		level = DROVER_AUTOMATION_PARTIAL;
	else if (vm->override == DROVER_DRS_VM_FULL)
		level = DROVER_AUTOMATION_FULL;
	return kind == DROVER_DRS_PLACE ? level >= DROVER_AUTOMATION_PARTIAL
					: level == DROVER_AUTOMATION_FULL;
}

/* What of a migration shows in the plan. */
static void price(const struct drs_making *m, struct drover_drs_move *move)
{
	const struct drover_drs_vm *vm = &m->w.s->vms[move->vm];
	struct drover_drs_cost c;

	if (move->from == DROVER_DRS_NONE || move->to == DROVER_DRS_NONE)
		return;
	c = drover_drs_move_cost(vm, m->w.hosts[move->from].host, m->w.hosts[move->to].host,
				 m->w.s->options.host_moves);
	move->cost = c.work;
	move->duration_s = c.duration_s;
	move->blackout_s = c.blackout_s;
}

struct drover_drs_move *drs_making_move(struct drs_making *m, uint32_t vm, int32_t to,
					enum drover_drs_move_kind kind)
{
	struct drover_drs_move *move =
		grow(m, (void **)&m->plan.moves, m->plan.move_count, &m->move_room, sizeof(*move));

	if (!move)
		return NULL;
	*move = (struct drover_drs_move){
		.vm = vm,
		.from = m->w.vms[vm].at,
		.to = to,
		.kind = kind,
		.swap = DROVER_DRS_NONE,
		.priority = 1,
		.automatic = is_automatic(m, &m->w.s->vms[vm], kind),
	};
	price(m, move);
	m->plan.move_count++;
	if (to == DROVER_DRS_NONE)
		m->plan.unplaced++;
	else
		drs_work_put(&m->w, vm, to);
	return move;
}

struct drover_drs_reject *drs_making_reject(struct drs_making *m, uint32_t vm, int32_t to)
{
	struct drover_drs_reject *r = grow(m, (void **)&m->plan.rejects, m->plan.reject_count,
					   &m->reject_room, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct drover_drs_reject){.vm = vm, .from = m->w.vms[vm].at, .to = to};
	m->plan.reject_count++;
	return r;
}

void drs_making_note(struct drs_making *m, const char *fmt, ...)
{
	struct drover_drs_note *n =
		grow(m, (void **)&m->plan.notes, m->plan.note_count, &m->note_room, sizeof(*n));
	va_list ap;

	if (!n)
		return;
	va_start(ap, fmt);
	vsnprintf(n->text, sizeof(n->text), fmt, ap);
	va_end(ap);
	m->plan.note_count++;
}

struct drover_drs_cost drs_making_cost(const struct drs_making *m, const struct drs_unit *u,
				       int32_t to)
{
	struct drover_drs_cost sum = {0};

	for (uint32_t i = 0; i < u->count; i++) {
		const struct drs_vm *v = &m->w.vms[u->vms[i]];
		struct drover_drs_cost c;

		if (v->at == DROVER_DRS_NONE || v->at == to)
			continue;
		c = drover_drs_move_cost(v->vm, m->w.hosts[v->at].host, m->w.hosts[to].host,
					 m->w.s->options.host_moves);
		sum.work += c.work;
		sum.bytes += c.bytes;
		sum.blackout_s += c.blackout_s;
		sum.duration_s = fmax(sum.duration_s, c.duration_s);
	}
	return sum;
}

void drs_say_obstacle(const struct drs_making *m, const struct drs_unit *u, int32_t host,
		      struct drs_verdict v, char *text, size_t len)
{
	const struct drover_drs_snapshot *s = m->w.s;
	const char *name = s->hosts[host].name;

	switch (v.obstacle) {
	case DRS_FITS:
		drs_say(text, len, "it fits on %s", name);
		return;
	case DRS_TAKES_NONE:
		drs_say(text, len, "%s takes no VMs", name);
		return;
	case DRS_NOT_BELIEVED:
		drs_say(text, len, "the figures of %s are not believed", name);
		return;
	case DRS_NO_FLAG:
		if (s->flag_names && v.detail < s->flag_count)
			drs_say(text, len, "the processor of %s lacks %s", name,
				s->flag_names[v.detail]);
		else
			drs_say(text, len, "the processor of %s lacks flag %u", name, v.detail);
		return;
	case DRS_NO_RAM:
		drs_say(text, len, "it takes %.0f MiB of RAM and %s has %u MiB left", u->ram, name,
			v.detail);
		return;
	case DRS_CPU_RESERVED:
		drs_say(text, len, "%.0f MHz are reserved for it and %s has %u MHz not reserved",
			u->cpu_reserved, name, v.detail);
		return;
	case DRS_RAM_RESERVED:
		drs_say(text, len, "%.0f MiB are reserved for it and %s has %u MiB not reserved",
			u->memory_reserved, name, v.detail);
		return;
	case DRS_MUST:
	case DRS_SHOULD:
		drs_say(text, len, "rule %s does not let it run on %s", s->rules[v.detail].name,
			name);
		return;
	case DRS_RETURN:
		drs_say(text, len, "it left %s only %u s ago", name, v.detail);
		return;
	}
}

static void note_telemetry(struct drs_making *m)
{
	const struct drs_canon *c = &m->w.canon;
	size_t host = 0, vm = 0;

	while (host < c->s.host_count && !c->stale_host[host])
		host++;
	while (vm < c->s.vm_count && !c->stale_vm[vm])
		vm++;
	if (c->stale_hosts)
		drs_making_note(m,
				"The figures of %zu hosts, %s among them, are too old or make no "
				"sense: they take no VMs and give none for balance",
				c->stale_hosts, c->s.hosts[host].name);
	if (c->stale_vms)
		drs_making_note(
			m,
			"The figures of %zu VMs, %s among them, are too old or make no sense "
			"(%zu of them): these are not moved for balance",
			c->stale_vms, c->s.vms[vm].name, c->absurd);
}

int drs_making_start(struct drs_making *m, const struct drover_drs_snapshot *s,
		     const struct drover_drs_change *changes, size_t count, struct drover_err *err)
{
	int r;

	*m = (struct drs_making){0};
	r = drs_work_init(&m->w, s, changes, count, err);
	if (r < 0)
		return r;
	r = drs_units_init(&m->units, &m->w, err)
		    ?: drs_work_state(&m->w, &m->plan.before, NULL, NULL, err);
	if (r < 0) {
		drs_units_exit(&m->units);
		drs_work_exit(&m->w);
		return r;
	}
	note_telemetry(m);
	return 0;
}

static int32_t original(const struct drs_order *o, int32_t i)
{
	return i < 0 ? DROVER_DRS_NONE : (int32_t)o->at[i];
}

static void give_back_indices(struct drs_making *m)
{
	const struct drs_canon *c = &m->w.canon;

	for (size_t i = 0; i < m->plan.move_count; i++) {
		struct drover_drs_move *move = &m->plan.moves[i];

		move->vm = c->vms.at[move->vm];
		move->from = original(&c->hosts, move->from);
		move->to = original(&c->hosts, move->to);
	}
	for (size_t i = 0; i < m->plan.reject_count; i++) {
		struct drover_drs_reject *reject = &m->plan.rejects[i];

		reject->vm = c->vms.at[reject->vm];
		reject->from = original(&c->hosts, reject->from);
		reject->to = original(&c->hosts, reject->to);
	}
}

int drs_making_end(struct drs_making *m, int r, struct drover_drs_plan *ret_plan,
		   struct drover_err *err)
{
	if (!r && m->failed)
		r = drover_err_set(err, ENOMEM, "out of memory");
	if (!r)
		r = drs_work_state(&m->w, &m->plan.after, NULL, NULL, err);
	if (!r) {
		give_back_indices(m);
		*ret_plan = m->plan;
	} else {
		drover_drs_plan_free(&m->plan);
	}
	drs_units_exit(&m->units);
	drs_work_exit(&m->w);
	return r;
}
