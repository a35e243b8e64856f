// SPDX-License-Identifier: GPL-2.0-or-later
/* What happens in a made-up cluster over time. */
#include "engine.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "past.h"

/*
 * CPU seconds that each end spends on a GiB, blackout of a VM that writes nothing, and how long
 * a migration takes beside its transfer.
 */
#define CPU_S_PER_GIB  0.5
#define BLACKOUT_S     0.1
#define SETUP_S	       1.0
/* A VM that dirties more than this share of the link is slowed down to it. */
#define DIRTY_MAX      0.9

/**
 * struct move - a migration that was ordered
 * @left_mib: still to be sent
 */
struct move {
	size_t vm;
	int32_t from, to;
	bool running;
	double left_mib, setup_s;
};

/**
 * struct world - the cluster at a time
 * @load: MHz that each host's VMs want; @extra: that migrations took in this tick
 * @busy: migrations that run on each host
 */
struct world {
	const struct sim_cluster *c;
	uint64_t now_s;
	int32_t *host, *moving_to;
	double *demand, *load, *extra;
	uint32_t *busy;
	struct move *moves;
	size_t move_count;
	struct sim_past *past;
	struct sim_result result;
};

bool sim_orders_add(struct sim_orders *o, size_t vm, int32_t to)
{
	if (o->count == o->max)
		return false;
	o->order[o->count++] = (struct sim_order){ vm, to };
	return true;
}

/* --- setting up --- */

static void world_free(struct world *w)
{
	free(w->host);
	free(w->moving_to);
	free(w->demand);
	free(w->load);
	free(w->extra);
	free(w->busy);
	free(w->moves);
	free(w->past);
}

static int world_init(struct world *w, const struct sim_cluster *c, struct drover_err *err)
{
	*w = (struct world){
		.c = c,
		.host = calloc(c->vm_count, sizeof(*w->host)),
		.moving_to = calloc(c->vm_count, sizeof(*w->moving_to)),
		.demand = calloc(c->vm_count, sizeof(*w->demand)),
		.load = calloc(c->host_count, sizeof(*w->load)),
		.extra = calloc(c->host_count, sizeof(*w->extra)),
		.busy = calloc(c->host_count, sizeof(*w->busy)),
		.moves = calloc(c->vm_count, sizeof(*w->moves)),
		.past = calloc(c->vm_count, sizeof(*w->past)),
	};
	if (!w->host || !w->moving_to || !w->demand || !w->load || !w->extra || !w->busy ||
	    !w->moves || !w->past) {
		world_free(w);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < c->vm_count; i++) {
		w->host[i] = c->vms[i].start;
		w->moving_to[i] = SIM_NOWHERE;
	}
	return 0;
}

/* --- load --- */

static void set_demand(struct world *w)
{
	size_t step = w->now_s / w->c->step_s;

	memset(w->load, 0, w->c->host_count * sizeof(*w->load));
	for (size_t i = 0; i < w->c->vm_count; i++) {
		w->demand[i] = sim_cluster_demand(&w->c->vms[i], step);
		w->load[w->host[i]] += w->demand[i];
	}
}

/* What this tick adds to the results. */
static void account(struct world *w)
{
	size_t n = w->c->host_count;
	double sum = 0, squares = 0;

	for (size_t i = 0; i < n; i++) {
		double mhz = w->c->hosts[i].cpu_mhz, want = w->load[i] + w->extra[i];
		double part = w->load[i] / mhz;

		w->result.demand += w->load[i] * SIM_TICK_S;
		if (want > mhz) {
			w->result.unmet += (want - mhz) * SIM_TICK_S;
			w->result.over_s += SIM_TICK_S;
		}
		sum += part;
		squares += part * part;
	}
	w->result.imbalance += sqrt(fmax(0, squares / n - sum / n * (sum / n))) * SIM_TICK_S;
}

/* --- migrations --- */

static void start_moves(struct world *w)
{
	for (size_t i = 0; i < w->move_count; i++) {
		struct move *m = &w->moves[i];

		if (m->running || w->busy[m->from] >= SIM_HOST_MOVES ||
		    w->busy[m->to] >= SIM_HOST_MOVES)
			continue;
		m->running = true;
		w->busy[m->from]++;
		w->busy[m->to]++;
		w->result.moves++;
	}
}

static double link_share(const struct world *w, int32_t host)
{
	return w->c->hosts[host].link_mib_s / w->busy[host];
}

static double core_mhz(const struct world *w, int32_t host)
{
	return w->c->hosts[host].cpu_mhz / w->c->hosts[host].cores;
}

/* MiB a second that a VM writes to pages that were sent already. */
static double dirty_of(const struct world *w, const struct move *m)
{
	const struct sim_vm *vm = &w->c->vms[m->vm];

	return vm->max_mhz > 0 ? vm->dirty_mib_s * w->demand[m->vm] / vm->max_mhz : 0;
}

/* One tick of one migration: true when it is over. */
static bool transfer(struct world *w, struct move *m)
{
	double rate = fmin(link_share(w, m->from), link_share(w, m->to));
	double dirty = fmin(dirty_of(w, m), rate * DIRTY_MAX);
	double time = SIM_TICK_S - m->setup_s, needed = m->left_mib / (rate - dirty);
	double sent = rate * fmin(fmax(time, 0), needed);

	m->setup_s = fmax(0, m->setup_s - SIM_TICK_S);
	w->extra[m->from] += sent / 1024 * CPU_S_PER_GIB * core_mhz(w, m->from) / SIM_TICK_S;
	w->extra[m->to] += sent / 1024 * CPU_S_PER_GIB * core_mhz(w, m->to) / SIM_TICK_S;
	if (needed > time) {
		m->left_mib -= fmax(time, 0) * (rate - dirty);
		return false;
	}
	w->result.blackout_s += BLACKOUT_S * (1 + dirty / rate);
	return true;
}

static void finish(struct world *w, const struct move *m)
{
	w->load[m->from] -= w->demand[m->vm];
	w->load[m->to] += w->demand[m->vm];
	w->host[m->vm] = m->to;
	w->moving_to[m->vm] = SIM_NOWHERE;
	w->result.undone += sim_past_was_at(&w->past[m->vm], m->to, w->now_s);
	sim_past_add(&w->past[m->vm], m->from, w->now_s);
}

/* Those of a tick share the link as it was when the tick began. */
static void go_on_moving(struct world *w)
{
	uint32_t done = 0;

	memset(w->extra, 0, w->c->host_count * sizeof(*w->extra));
	start_moves(w);
	for (size_t i = 0; i < w->move_count; i++) {
		struct move *m = &w->moves[i];

		if (m->running && transfer(w, m)) {
			m->left_mib = -1;
			done++;
		}
	}
	if (!done)
		return;
	for (size_t i = done = 0; i < w->move_count; i++) {
		struct move *m = &w->moves[i];

		if (m->left_mib >= 0) {
			w->moves[done++] = *m;
			continue;
		}
		w->busy[m->from]--;
		w->busy[m->to]--;
		finish(w, m);
	}
	w->move_count = done;
}

/* --- policy --- */

static double wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static uint64_t memory_on(const struct world *w, int32_t host)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < w->c->vm_count; i++)
		if (w->host[i] == host || w->moving_to[i] == host)
			sum += w->c->vms[i].memory_mib;
	return sum;
}

/* What cannot be carried out is a mistake of the policy. */
static int obey(struct world *w, const struct sim_order *o, struct drover_err *err)
{
	if (o->vm >= w->c->vm_count || o->to < 0 || (size_t)o->to >= w->c->host_count ||
	    w->moving_to[o->vm] != SIM_NOWHERE || w->host[o->vm] == o->to)
		return drover_err_set(err, EINVAL, "an order that cannot be carried out");
	if (memory_on(w, o->to) + w->c->vms[o->vm].memory_mib > w->c->hosts[o->to].memory_mib)
		return drover_err_set(err, EINVAL, "an order for a host without memory");
	w->moving_to[o->vm] = o->to;
	w->moves[w->move_count++] = (struct move){ .vm = o->vm,
						   .from = w->host[o->vm],
						   .to = o->to,
						   .left_mib = w->c->vms[o->vm].memory_mib,
						   .setup_s = SETUP_S };
	return 0;
}

static int ask(struct world *w, const struct sim_policy *policy, void *state,
	       struct sim_orders *orders, struct drover_err *err)
{
	struct sim_view view = { .cluster = w->c,
				 .now_s = w->now_s,
				 .host = w->host,
				 .moving_to = w->moving_to,
				 .demand = w->demand };
	double start = wall(), took;
	int r;

	orders->count = 0;
	r = policy->run(state, &view, orders, err);
	took = wall() - start;
	w->result.run_s += took;
	w->result.run_max_s = fmax(w->result.run_max_s, took);
	w->result.runs++;
	for (size_t i = 0; !r && i < orders->count; i++)
		r = obey(w, &orders->order[i], err);
	return r;
}

static int live(struct world *w, const struct sim_policy *policy, void *state,
		struct sim_orders *orders, struct drover_err *err)
{
	uint64_t end = (uint64_t)w->c->steps * w->c->step_s;
	int r = 0;

	while (!r && w->now_s < end) {
		if (w->now_s % w->c->step_s == 0)
			set_demand(w);
		go_on_moving(w);
		account(w);
		w->now_s += SIM_TICK_S;
		if (policy->run && w->now_s % policy->period_s == 0)
			r = ask(w, policy, state, orders, err);
	}
	w->result.imbalance /= end;
	return r;
}

int sim_run(const struct sim_cluster *c, const struct sim_policy *policy, struct sim_result *ret,
	    struct drover_err *err)
{
	struct sim_orders orders = { .order = calloc(c->vm_count, sizeof(*orders.order)),
				     .max = c->vm_count };
	void *state = policy->create ? policy->create(c) : NULL;
	struct world w = { 0 };
	int r = 0;

	if (!orders.order || (policy->create && !state))
		r = drover_err_set(err, ENOMEM, "out of memory");
	if (!r)
		r = world_init(&w, c, err);
	if (!r) {
		r = live(&w, policy, state, &orders, err);
		*ret = w.result;
		world_free(&w);
	}
	if (state)
		policy->destroy(state);
	free(orders.order);
	return r;
}
