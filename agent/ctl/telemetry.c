// SPDX-License-Identifier: GPL-2.0-or-later
/* Watching the load. The thread asks the control thread for the VMs, then looks on its own. */
#include "ctl/telemetry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/thread.h"
#include "core/clock.h"
#include "stat/hostload.h"
#include "stat/vmload.h"
#include "stat/window.h"
#include "track/tracker.h"
#include "vm/logs.h"
#include "vm/tap.h"

#define PERIOD_US     5000000ULL
#define TOUCH_EVERY   6	/* rounds: half a minute */
#define TOUCH_LOOK_MS 500
#define WINDOW	      60	/* 5 minutes */

/* What is known of one VM. */
struct watched {
	struct watched *next;
	char name[DROVER_NAME_LEN];
	bool seen;	/* in this round */
	struct drover_vm_counters counters;
	struct drover_vm_load load;
	struct drover_window cpu, ready;
	struct drover_touched touched;
	uint64_t touched_time_us;
	uint32_t rounds;	/* since the last sample of its memory */
};

/**
 * struct drover_telemetry - all that is watched
 * @lock: guards everything below
 */
struct drover_telemetry {
	struct drover_agent *agent;
	pthread_mutex_t lock;
	struct watched *vms;
	struct drover_host_counters counters;
	struct drover_host_load load;
	struct drover_window cpu;
	double agent_cpu, agent_cpu_s;
	uint64_t time_us;	/* of the last look, CLOCK_MONOTONIC */
	uint64_t looked_us;	/* the same, CLOCK_REALTIME */
};

static struct watched *find(struct drover_telemetry *t, const char *name)
{
	struct watched *w = t->vms;

	while (w && strcmp(w->name, name))
		w = w->next;
	return w;
}

static struct watched *find_or_add(struct drover_telemetry *t, const char *name)
{
	struct watched *w = find(t, name);

	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	snprintf(w->name, sizeof(w->name), "%s", name);
	/* The first sample comes soon, and not all in the same round. */
	w->rounds = TOUCH_EVERY - 1 - (unsigned char)name[0] % 3;
	w->next = t->vms;
	t->vms = w;
	return w;
}

static void forget_unseen(struct drover_telemetry *t)
{
	for (struct watched **p = &t->vms; *p;) {
		struct watched *w = *p;

		if (w->seen) {
			w->seen = false;
			p = &w->next;
			continue;
		}
		*p = w->next;
		free(w);
	}
}

/* --- the VMs that run here, as the control thread knows them --- */

struct list {
	struct drover_agent *agent;
	uint32_t count, size;
	struct drover_vm_watched *vm;
};

static void add_vm(struct list *list, const struct drover_vm *vm)
{
	struct drover_vm_watched *w = &list->vm[list->count++];

	*w = (struct drover_vm_watched){ .pid = vm->pid };
	snprintf(w->name, sizeof(w->name), "%s", vm->def.name);
	w->ram_fd = fcntl(vm->ram_fd, F_DUPFD_CLOEXEC, 3);
	w->tap_count = vm->def.nic_count;
	for (uint32_t i = 0; i < vm->def.nic_count; i++)
		drover_tap_name(vm->def.name, vm->def.nics[i].name, w->tap[i]);
}

static void do_list(void *data)
{
	struct list *list = data;

	list->size = drover_entry_count(list->agent);
	list->vm = calloc(list->size ? list->size : 1, sizeof(*list->vm));
	for (struct drover_entry *e = list->agent->entries; list->vm && e; e = e->next)
		if (e->vm && !e->ended && !e->vm->incoming)
			add_vm(list, e->vm);
}

static void free_list(struct list *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		drover_close_fd(&list->vm[i].ram_fd);
	free(list->vm);
}

/* --- looking --- */

static void look_at_vm(struct drover_telemetry *t, const struct drover_vm_watched *vm)
{
	struct drover_vm_load load;
	struct drover_err err = { 0 };
	struct watched *w;
	scope_lock(&t->lock);

	w = find_or_add(t, vm->name);
	if (!w || drover_vm_load_read("", vm, &w->counters, &load, &err) < 0)
		return;
	if (load.rated) {
		drover_window_add(&w->cpu, load.cpu_used);
		drover_window_add(&w->ready, load.cpu_ready);
	}
	w->load = load;
	w->seen = true;
}

struct kvm_of {
	struct drover_agent *agent;
	const char *name;
	int fd;
};

static void do_kvm_of(void *data)
{
	struct kvm_of *k = data;
	struct drover_entry *e = drover_entry_find(k->agent, k->name);

	/* One that is being migrated is tracked already. */
	if (e && e->vm && e->state == DROVER_ENTRY_RUNNING)
		k->fd = drover_vm_kvm_fd(e->vm, NULL);
}

static bool touch_is_due(struct drover_telemetry *t, const char *name)
{
	struct watched *w;
	scope_lock(&t->lock);

	w = find(t, name);
	return w && ++w->rounds >= TOUCH_EVERY;
}

static void touch(struct drover_telemetry *t, const struct drover_vm_watched *vm)
{
	struct kvm_of k = { .agent = t->agent, .name = vm->name, .fd = -1 };
	struct drover_touched touched;
	struct drover_err err = { 0 };
	struct watched *w;
	int r;

	drover_call_wait(t->agent->calls, do_kvm_of, &k);
	if (k.fd < 0 || vm->ram_fd < 0)
		return;
	r = drover_kmod_sample(vm->name, k.fd, vm->ram_fd, TOUCH_LOOK_MS, &touched, &err);
	drover_close_fd(&k.fd);
	scope_lock(&t->lock);
	w = find(t, vm->name);
	if (!w)
		return;
	w->rounds = 0;
	if (r < 0) {
		log_debug("vm %s: %s", vm->name, err.text);
		return;
	}
	w->touched = touched;
	w->touched_time_us = drover_clock_realtime();
}

static double own_cpu_s(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u) < 0)
		return 0;
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void look_at_host(struct drover_telemetry *t)
{
	uint64_t now = drover_clock_monotonic();
	double cpu_s = own_cpu_s();
	struct drover_err err = { 0 };
	bool first;
	scope_lock(&t->lock);

	first = !t->time_us;
	if (drover_host_load_read("", &t->counters, &t->load, &err) < 0) {
		log_debug("%s", err.text);
		return;
	}
	if (!first) {
		drover_window_add(&t->cpu, t->load.cpu_used);
		t->agent_cpu = (cpu_s - t->agent_cpu_s) / ((now - t->time_us) / 1e6);
	}
	t->agent_cpu_s = cpu_s;
	t->time_us = now;
	t->looked_us = drover_clock_realtime();
}

static void look(struct drover_telemetry *t)
{
	struct list list = { .agent = t->agent };

	look_at_host(t);
	drover_call_wait(t->agent->calls, do_list, &list);
	for (uint32_t i = 0; i < list.count; i++) {
		look_at_vm(t, &list.vm[i]);
		drover_logs_trim(&t->agent->conf, list.vm[i].name);
	}
	pthread_mutex_lock(&t->lock);
	forget_unseen(t);
	pthread_mutex_unlock(&t->lock);
	for (uint32_t i = 0; i < list.count; i++)
		if (touch_is_due(t, list.vm[i].name))
			touch(t, &list.vm[i]);
	free_list(&list);
}

static void *run(void *data)
{
	struct drover_telemetry *t = data;

	for (;;) {
		uint64_t begin = drover_clock_monotonic(), took;
		struct timespec nap;

		look(t);
		took = drover_clock_monotonic() - begin;
		took = took < PERIOD_US ? PERIOD_US - took : 0;
		nap = (struct timespec){ .tv_sec = took / 1000000, .tv_nsec = took % 1000000 * 1000 };
		nanosleep(&nap, NULL);
	}
	return NULL;
}

int drover_telemetry_open(struct drover_agent *agent, struct drover_err *err)
{
	struct drover_telemetry *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return drover_err_set(err, ENOMEM, "out of memory");
	t->agent = agent;
	pthread_mutex_init(&t->lock, NULL);
	r = drover_thread_detached(run, t, err);
	if (r < 0)
		free(t);
	else
		agent->telemetry = t;
	return r;
}

/* --- telling --- */

Drover__HostLoad *drover_telemetry_host(struct drover_telemetry *t)
{
	const struct drover_host_load *l;
	Drover__HostLoad *m;

	if (!t)
		return NULL;
	l = &t->load;
	scope_lock(&t->lock);
	m = t->time_us ? malloc(sizeof(*m)) : NULL;
	if (!m)
		return NULL;
	drover__host_load__init(m);
	m->cpu_used = l->cpu_used;
	m->cpu_steal = l->cpu_steal;
	m->cpu_mean = drover_window_mean(&t->cpu, WINDOW);
	m->cpu_p95 = drover_window_percentile(&t->cpu, WINDOW, 95);
	m->cpu_pressure = l->cpu_pressure;
	m->memory_pressure = l->memory_pressure;
	m->io_pressure = l->io_pressure;
	m->memory_used_bytes = l->memory_used;
	m->swap_bytes = l->swap_rate;
	m->net_rx_bytes = l->net_rx;
	m->net_tx_bytes = l->net_tx;
	m->watts = l->watts > 0 ? l->watts : 0;
	m->power_source = strdup(l->power_source);
	m->agent_cpu = t->agent_cpu;
	m->sampled_time_us = t->looked_us;
	return m;
}

Drover__VmLoad *drover_telemetry_vm(struct drover_telemetry *t, const char *name)
{
	Drover__VmLoad *m;
	struct watched *w;

	if (!t)
		return NULL;
	scope_lock(&t->lock);
	w = find(t, name);
	m = w ? malloc(sizeof(*m)) : NULL;
	if (!m)
		return NULL;
	drover__vm_load__init(m);
	m->unrated = !w->load.rated;
	m->cpu_used = w->load.cpu_used;
	m->cpu_ready = w->load.cpu_ready;
	m->cpu_mean = drover_window_mean(&w->cpu, WINDOW);
	m->cpu_p95 = drover_window_percentile(&w->cpu, WINDOW, 95);
	m->cpu_ready_mean = drover_window_mean(&w->ready, WINDOW);
	m->resident_bytes = w->load.resident;
	m->working_set_bytes = w->touched.accessed;
	m->write_set_bytes = w->touched.written;
	if (w->touched.interval_us)
		m->dirty_rate_bytes = w->touched.written * 1e6 / w->touched.interval_us;
	m->sampled_time_us = w->touched_time_us;
	m->net_rx_bytes = w->load.net_rx;
	m->net_tx_bytes = w->load.net_tx;
	m->disk_read_bytes = w->load.disk_read;
	m->disk_write_bytes = w->load.disk_write;
	return m;
}
