// SPDX-License-Identifier: GPL-2.0-or-later
/* A pass put down as JSON, and thought through again. */
#include "policy/record.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define VERSION	 1
#define MOVE_LEN (3 * DROVER_NAME_LEN + 2)

/* --- fields --- */

enum type { NAME, U32, U64, I32, BOOLEAN, REAL, ALLOC, FLAGS };

struct field {
	const char *name;
	enum type type;
	size_t offset;
};

#define FIELD(of, member, kind)                                                                    \
	{                                                                                          \
#member, kind, offsetof(struct of, member)                                         \
	}

static const struct field host_fields[] = {
	FIELD(drover_drs_host, name, NAME),
	FIELD(drover_drs_host, state, U32),
	FIELD(drover_drs_host, cores, U32),
	FIELD(drover_drs_host, cpu_mhz, REAL),
	FIELD(drover_drs_host, cpu_other, REAL),
	FIELD(drover_drs_host, memory_mib, U64),
	FIELD(drover_drs_host, memory_other_mib, U64),
	FIELD(drover_drs_host, link_mib_s, REAL),
	FIELD(drover_drs_host, cpu_flags, FLAGS),
	FIELD(drover_drs_host, sampled_s, U64),
	{NULL},
};

static const struct field vm_fields[] = {
	FIELD(drover_drs_vm, name, NAME),	FIELD(drover_drs_vm, host, I32),
	FIELD(drover_drs_vm, moving_to, I32),	FIELD(drover_drs_vm, override, U32),
	FIELD(drover_drs_vm, vcpus, U32),	FIELD(drover_drs_vm, cpu_demand, REAL),
	FIELD(drover_drs_vm, memory_mib, U64),	FIELD(drover_drs_vm, memory_demand_mib, U64),
	FIELD(drover_drs_vm, cpu, ALLOC),	FIELD(drover_drs_vm, memory, ALLOC),
	FIELD(drover_drs_vm, respool, I32),	FIELD(drover_drs_vm, cpu_need, FLAGS),
	FIELD(drover_drs_vm, dirty_rate, REAL), FIELD(drover_drs_vm, blackout_ms, REAL),
	FIELD(drover_drs_vm, sampled_s, U64),	{NULL},
};

static const struct field past_fields[] = {
	FIELD(drover_drs_past, when_s, U64),
	FIELD(drover_drs_past, from, I32),
	FIELD(drover_drs_past, to, I32),
	{NULL},
};

static const struct field respool_fields[] = {
	FIELD(drover_drs_respool, name, NAME),
	FIELD(drover_drs_respool, parent, I32),
	FIELD(drover_drs_respool, cpu, ALLOC),
	FIELD(drover_drs_respool, memory, ALLOC),
	{NULL},
};

static const struct field rule_fields[] = {
	FIELD(drover_drs_rule, name, NAME),
	FIELD(drover_drs_rule, kind, U32),
	FIELD(drover_drs_rule, must, BOOLEAN),
	{NULL},
};

static const struct field option_fields[] = {
	FIELD(drover_drs_options, threshold, U32),
	FIELD(drover_drs_options, automation, U32),
	FIELD(drover_drs_options, failover_hosts, U32),
	FIELD(drover_drs_options, memory_percent, U32),
	FIELD(drover_drs_options, stale_s, U32),
	FIELD(drover_drs_options, settle_s, U32),
	FIELD(drover_drs_options, return_s, U32),
	FIELD(drover_drs_options, host_moves, U32),
	FIELD(drover_drs_options, max_moves, U32),
	{NULL},
};

static json_t *numbers(const void *items, size_t count, double (*at)(const void *items, size_t i))
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_real(at(items, i)));
	return list;
}

static double float_at(const void *items, size_t i)
{
	return ((const float *)items)[i];
}

static json_t *indices(const uint32_t *items, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_integer(items[i]));
	return list;
}

/* Sixteen digits a word. */
static json_t *flags(const uint64_t *words)
{
	char text[DROVER_DRS_CPU_WORDS * 16 + 1];

	for (int i = 0; i < DROVER_DRS_CPU_WORDS; i++)
		snprintf(text + 16 * i, 17, "%016llx", (unsigned long long)words[i]);
	return json_string(text);
}

static json_t *put(const struct field *f, const void *object)
{
	const char *p = (const char *)object + f->offset;
	const struct drover_drs_alloc *a = (const void *)p;

	switch (f->type) {
	case NAME:
		return json_string(p);
	case U32:
		return json_integer(*(const uint32_t *)p);
	case U64:
		return json_integer((json_int_t) * (const uint64_t *)p);
	case I32:
		return json_integer(*(const int32_t *)p);
	case BOOLEAN:
		return json_boolean(*(const bool *)p);
	case REAL:
		/* JSON has no other numbers; a figure that is none is not believed either way. */
		return json_real(isfinite(*(const double *)p) ? *(const double *)p : -1);
	case ALLOC:
		return json_pack("[f,f,f]", a->reservation, a->limit, a->shares);
	case FLAGS:
		return flags((const uint64_t *)p);
	}
	return NULL;
}

static json_t *put_all(const struct field *fields, const void *object)
{
	json_t *o = json_object();

	for (const struct field *f = fields; f->name; f++)
		json_object_set_new(o, f->name, put(f, object));
	return o;
}

static bool get_flags(const char *text, uint64_t *words)
{
	char word[17] = "";

	if (!text || strlen(text) != DROVER_DRS_CPU_WORDS * 16)
		return false;
	for (int i = 0; i < DROVER_DRS_CPU_WORDS; i++) {
		memcpy(word, text + 16 * i, 16);
		words[i] = strtoull(word, NULL, 16);
	}
	return true;
}

static bool get(const struct field *f, const json_t *from, void *object)
{
	const json_t *v = json_object_get(from, f->name);
	char *p = (char *)object + f->offset;
	struct drover_drs_alloc *a = (void *)p;

	switch (f->type) {
	case NAME:
		return json_is_string(v) &&
		       snprintf(p, DROVER_NAME_LEN, "%s", json_string_value(v)) < DROVER_NAME_LEN;
	case U32:
		*(uint32_t *)p = json_integer_value(v);
		return json_is_integer(v);
	case U64:
		*(uint64_t *)p = json_integer_value(v);
		return json_is_integer(v);
	case I32:
		*(int32_t *)p = json_integer_value(v);
		return json_is_integer(v);
	case BOOLEAN:
		*(bool *)p = json_is_true(v);
		return json_is_boolean(v);
	case REAL:
		*(double *)p = json_number_value(v);
		return json_is_number(v);
	case ALLOC:
		return json_unpack((json_t *)v, "[F,F,F]", &a->reservation, &a->limit,
				   &a->shares) == 0;
	case FLAGS:
		return get_flags(json_string_value(v), (uint64_t *)p);
	}
	return false;
}

static bool get_all(const struct field *fields, const json_t *from, void *object)
{
	for (const struct field *f = fields; f->name; f++)
		if (!get(f, from, object))
			return false;
	return true;
}

/* --- writing --- */

static json_t *put_vm(const struct drover_drs_vm *vm)
{
	json_t *o = put_all(vm_fields, vm), *past = json_array();

	for (uint32_t i = 0; i < vm->past_count; i++)
		json_array_append_new(past, put_all(past_fields, &vm->past[i]));
	json_object_set_new(o, "past", past);
	json_object_set_new(o, "history",
			    numbers(vm->history, vm->history ? vm->history_count : 0, float_at));
	if (!vm->habit)
		return o;
	json_object_set_new(o, "habit_mean", numbers(vm->habit->mean, DROVER_DRS_SLOTS, float_at));
	json_object_set_new(o, "habit_weight",
			    numbers(vm->habit->weight, DROVER_DRS_SLOTS, float_at));
	return o;
}

static json_t *put_rule(const struct drover_drs_rule *rule)
{
	json_t *o = put_all(rule_fields, rule);

	json_object_set_new(o, "vms", indices(rule->vms, rule->vm_count));
	json_object_set_new(o, "hosts", indices(rule->hosts, rule->host_count));
	return o;
}

static const char *host_name(const struct drover_drs_snapshot *s, int32_t host)
{
	return host == DROVER_DRS_NONE ? "-" : s->hosts[host].name;
}

static void say_move(const struct drover_drs_snapshot *s, const struct drover_drs_move *m,
		     char text[MOVE_LEN])
{
	snprintf(text, MOVE_LEN, "%s %s %s", s->vms[m->vm].name, host_name(s, m->from),
		 host_name(s, m->to));
}

json_t *drover_drs_record(const struct drover_drs_snapshot *s, const struct drover_drs_plan *plan)
{
	json_t *hosts = json_array(), *vms = json_array(), *pools = json_array();
	json_t *rules = json_array(), *moves = json_array();
	char text[MOVE_LEN];

	for (size_t i = 0; i < s->host_count; i++)
		json_array_append_new(hosts, put_all(host_fields, &s->hosts[i]));
	for (size_t i = 0; i < s->vm_count; i++)
		json_array_append_new(vms, put_vm(&s->vms[i]));
	for (size_t i = 0; i < s->respool_count; i++)
		json_array_append_new(pools, put_all(respool_fields, &s->respools[i]));
	for (size_t i = 0; i < s->rule_count; i++)
		json_array_append_new(rules, put_rule(&s->rules[i]));
	for (size_t i = 0; i < plan->move_count; i++) {
		say_move(s, &plan->moves[i], text);
		json_array_append_new(moves, json_string(text));
	}
	return json_pack("{si,sI,si,so,so,so,so,so,so}", "version", VERSION, "now_s",
			 (json_int_t)s->now_s, "history_step_s", (int)s->history_step_s, "options",
			 put_all(option_fields, &s->options), "hosts", hosts, "vms", vms,
			 "respools", pools, "rules", rules, "moves", moves);
}

/* --- reading --- */

/* An array of @size each for the list of that name; its members follow the fields. */
static void *get_list(const json_t *record, const char *name, const struct field *fields,
		      size_t size, size_t *ret_count)
{
	const json_t *list = json_object_get(record, name);
	size_t n = json_array_size(list);
	char *items = calloc(n + 1, size);

	*ret_count = 0;
	for (size_t i = 0; items && i < n; i++) {
		if (!get_all(fields, json_array_get(list, i), items + i * size)) {
			free(items);
			return NULL;
		}
	}
	*ret_count = items ? n : 0;
	return items;
}

static float *get_floats(const json_t *list, size_t count)
{
	float *values = calloc(count + 1, sizeof(*values));

	for (size_t i = 0; values && i < count; i++)
		values[i] = json_number_value(json_array_get(list, i));
	return values;
}

static bool get_habit(const json_t *from, struct drover_drs_vm *vm)
{
	const json_t *mean = json_object_get(from, "habit_mean");
	const json_t *weight = json_object_get(from, "habit_weight");
	struct drover_drs_habit *h;

	if (!mean)
		return true;
	h = calloc(1, sizeof(*h));
	if (!h)
		return false;
	for (size_t i = 0; i < DROVER_DRS_SLOTS; i++) {
		h->mean[i] = json_number_value(json_array_get(mean, i));
		h->weight[i] = json_number_value(json_array_get(weight, i));
	}
	vm->habit = h;
	return true;
}

static bool get_vm(const json_t *from, struct drover_drs_vm *vm)
{
	const json_t *past = json_object_get(from, "past"),
		     *history = json_object_get(from, "history");

	if (json_array_size(past) > DROVER_DRS_PAST_MAX)
		return false;
	for (size_t i = 0; i < json_array_size(past); i++)
		if (!get_all(past_fields, json_array_get(past, i), &vm->past[vm->past_count++]))
			return false;
	vm->history_count = json_array_size(history);
	if (vm->history_count) {
		vm->history = get_floats(history, vm->history_count);
		if (!vm->history)
			return false;
	}
	return get_habit(from, vm);
}

static uint32_t *get_indices(const json_t *list, uint32_t *ret_count)
{
	uint32_t *values = calloc(json_array_size(list) + 1, sizeof(*values));

	*ret_count = values ? json_array_size(list) : 0;
	for (uint32_t i = 0; i < *ret_count; i++)
		values[i] = json_integer_value(json_array_get(list, i));
	return values;
}

static bool get_rules(const json_t *list, struct drover_drs_rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const json_t *o = json_array_get(list, i);

		rules[i].vms = get_indices(json_object_get(o, "vms"), &rules[i].vm_count);
		rules[i].hosts = get_indices(json_object_get(o, "hosts"), &rules[i].host_count);
		if (!rules[i].vms || !rules[i].hosts)
			return false;
	}
	return true;
}

static bool get_moves(const json_t *list, struct drover_drs_recorded *r)
{
	r->moves = calloc(json_array_size(list) + 1, sizeof(*r->moves));
	for (size_t i = 0; r->moves && i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		r->moves[i] = text ? strdup(text) : NULL;
		if (!r->moves[i])
			return false;
		r->move_count++;
	}
	return r->moves != NULL;
}

static bool read_record(const json_t *record, struct drover_drs_recorded *r)
{
	struct drover_drs_snapshot *s = &r->snapshot;
	struct drover_drs_vm *vms;
	struct drover_drs_rule *rules;
	bool ok = true;

	s->now_s = json_integer_value(json_object_get(record, "now_s"));
	s->history_step_s = json_integer_value(json_object_get(record, "history_step_s"));
	s->hosts = get_list(record, "hosts", host_fields, sizeof(*s->hosts), &s->host_count);
	s->vms = vms = get_list(record, "vms", vm_fields, sizeof(*vms), &s->vm_count);
	s->respools = get_list(record, "respools", respool_fields, sizeof(*s->respools),
			       &s->respool_count);
	s->rules = rules = get_list(record, "rules", rule_fields, sizeof(*rules), &s->rule_count);
	for (size_t i = 0; ok && i < s->vm_count; i++)
		ok = get_vm(json_array_get(json_object_get(record, "vms"), i), &vms[i]);
	return ok && s->hosts && vms && s->respools && rules &&
	       get_all(option_fields, json_object_get(record, "options"), &s->options) &&
	       get_rules(json_object_get(record, "rules"), rules, s->rule_count) &&
	       get_moves(json_object_get(record, "moves"), r);
}

int drover_drs_record_read(const json_t *record, struct drover_drs_recorded *ret_recorded,
			   struct drover_err *err)
{
	struct drover_drs_recorded r = {0};

	if (json_integer_value(json_object_get(record, "version")) != VERSION)
		return drover_err_set(err, EINVAL,
				      "this is no record of a pass that is understood here");
	if (!read_record(record, &r)) {
		drover_drs_record_free(&r);
		return drover_err_set(err, EINVAL, "the record of a pass is damaged");
	}
	*ret_recorded = r;
	return 0;
}

void drover_drs_record_free(struct drover_drs_recorded *r)
{
	struct drover_drs_snapshot *s = &r->snapshot;

	for (size_t i = 0; s->vms && i < s->vm_count; i++) {
		free((void *)s->vms[i].history);
		free((void *)s->vms[i].habit);
	}
	for (size_t i = 0; s->rules && i < s->rule_count; i++) {
		free((void *)s->rules[i].vms);
		free((void *)s->rules[i].hosts);
	}
	for (size_t i = 0; i < r->move_count; i++)
		free(r->moves[i]);
	free((void *)s->hosts);
	free((void *)s->vms);
	free((void *)s->respools);
	free((void *)s->rules);
	free(r->moves);
	*r = (struct drover_drs_recorded){0};
}

/* --- thinking it through again --- */

int drover_drs_record_replay(const struct drover_drs_recorded *r, bool *ret_same, char *text,
			     size_t len, struct drover_err *err)
{
	struct drover_drs_plan plan = {0};
	int e = drover_drs_balance(&r->snapshot, &plan, err);
	size_t n;

	if (e < 0)
		return e;
	n = r->move_count > plan.move_count ? r->move_count : plan.move_count;
	*ret_same = true;
	text[0] = '\0';
	for (size_t i = 0; i < n && *ret_same; i++) {
		char now[MOVE_LEN] = "nothing";
		const char *then = i < r->move_count ? r->moves[i] : "nothing";

		if (i < plan.move_count)
			say_move(&r->snapshot, &plan.moves[i], now);
		*ret_same = !strcmp(now, then);
		if (!*ret_same)
			snprintf(text, len, "move %zu was %s, and is %s now", i + 1, then, now);
	}
	drover_drs_plan_free(&plan);
	return 0;
}
