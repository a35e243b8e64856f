// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * This host and its VMs, as the cluster knows them. From time to time what is here is compared with
 * what the cluster has, and written where it differs; so nothing is lost by a host that was away.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/clock.h"
#include "ctl/shared.h"
#include "migrate/record.h"
#include "stat/host.h"

#define INTERVAL_US UINT64_C(5000000)
#define MOVES_MAX   8

/* --- writing what differs --- */

static bool same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	size_t n = protobuf_c_message_get_packed_size(a);
	auto_free uint8_t *bytes = NULL, *others = NULL;

	if (n != protobuf_c_message_get_packed_size(b))
		return false;
	bytes = malloc(n + 1);
	others = malloc(n + 1);
	if (!bytes || !others)
		return true;
	protobuf_c_message_pack(a, bytes);
	protobuf_c_message_pack(b, others);
	return !memcmp(bytes, others, n);
}

static void write_if_other(struct drover_agent *agent, const char *prefix, const char *name,
			   const ProtobufCMessage *message, const ProtobufCMessage *before)
{
	struct drover_err err = {0};

	if (before && same(message, before))
		return;
	if (drover_shared_set(agent, prefix, name, message, NULL, NULL, &err) < 0)
		log_warning("the cluster does not learn of %s%s: %s", prefix, name, err.text);
}

/* --- the host --- */

static void write_host(struct drover_agent *agent)
{
	Drover__HostRecord *before = drover_shared_get(agent, DROVER_SHARED_HOST, agent->conf.host,
						       &drover__host_record__descriptor);
	Drover__HostRecord now = DROVER__HOST_RECORD__INIT;
	struct drover_host_stat stat = {0};
	struct drover_cpu_flags flags = {0};

	if (drover_host_stat_read(&stat, NULL) == 0 && drover_cpu_flags_read(&flags, NULL) == 0) {
		now.name = agent->conf.host;
		now.address = agent->conf.address;
		now.cpus = stat.cpus;
		/* Where nobody tells the top speed, that of now goes up and down. */
		now.cpu_mhz = before && before->cpus == stat.cpus ? before->cpu_mhz : stat.cpu_mhz;
		now.memory_mib = stat.memory_mib;
		now.cpu_model = stat.cpu_model;
		now.cpu_flags = flags.flag;
		now.n_cpu_flags = flags.count;
		now.kernel = stat.kernel;
		now.qemu = agent->qemu_version;
		now.agent = DROVER_VERSION;
		write_if_other(agent, DROVER_SHARED_HOST, now.name, &now.base,
			       before ? &before->base : NULL);
	}
	drover_cpu_flags_free(&flags);
	if (before)
		drover__host_record__free_unpacked(before, NULL);
}

/* --- VMs --- */

static void write_vm(struct drover_agent *agent, const struct drover_entry *e)
{
	Drover__VmRecord *before =
		drover_shared_get(agent, DROVER_SHARED_VM, e->name, &drover__vm_record__descriptor);
	Drover__VmRecord now = DROVER__VM_RECORD__INIT;
	Drover__MoveRecord arrival = DROVER__MOVE_RECORD__INIT, *moves[MOVES_MAX + 1];
	const struct drover_vm_def *def = &e->vm->def;

	now.name = (char *)e->name;
	now.host = agent->conf.host;
	now.running = true;
	now.vcpus = def->vcpus;
	now.memory_mib = def->memory_mib;
	now.cpu = (char *)def->cpu;
	now.machine = (char *)def->machine;
	now.moves = moves;
	for (size_t i = 0; before && i < before->n_moves && i < MOVES_MAX; i++)
		moves[now.n_moves++] = before->moves[i];
	if (before && before->running && *before->host && strcmp(before->host, now.host)) {
		arrival.time_us = drover_clock_realtime();
		arrival.from = before->host;
		arrival.to = now.host;
		moves[now.n_moves++] = &arrival;
	}
	if (now.n_moves > MOVES_MAX) {
		now.moves++;
		now.n_moves--;
	}
	write_if_other(agent, DROVER_SHARED_VM, now.name, &now.base, before ? &before->base : NULL);
	if (before)
		drover__vm_record__free_unpacked(before, NULL);
}

static bool is_defined(const struct drover_agent *agent, const char *vm)
{
	char path[DROVER_PATH_MAX];

	return drover_io_path(path, NULL, "%s/%s.conf", agent->conf.vm_dir, vm) == 0 &&
	       access(path, F_OK) == 0;
}

/* What was moved away is its new host's to tell. */
static bool went_away(const struct drover_agent *agent, const char *vm)
{
	char where[DROVER_NAME_LEN] = "";

	drover_record_where(&agent->conf, vm, where, NULL);
	return *where;
}

/* Those that the cluster believes to run here, and that do not. */
static void end_others(struct drover_agent *agent)
{
	struct drover_shared_list list;

	if (drover_shared_list(agent, DROVER_SHARED_VM, &drover__vm_record__descriptor, &list) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		Drover__VmRecord *r = (Drover__VmRecord *)list.messages[i], now;

		if (strcmp(r->host, agent->conf.host) || drover_entry_find(agent, r->name) ||
		    went_away(agent, r->name))
			continue;
		now = *r;
		now.running = false;
		if (r->running || is_defined(agent, r->name))
			write_if_other(agent, DROVER_SHARED_VM, r->name, &now.base, &r->base);
		else
			drover_shared_set(agent, DROVER_SHARED_VM, r->name, NULL, NULL, NULL, NULL);
	}
	drover_shared_free(&list);
}

/* --- pools --- */

static bool is_named(const Drover__PoolRecord *r, const char *host)
{
	for (size_t i = 0; i < r->n_hosts; i++)
		if (!strcmp(r->hosts[i], host))
			return true;
	return false;
}

/* All hosts of a shared one write the same record; one after the other adds itself. */
static void write_pool(struct drover_agent *agent, const struct drover_pool_conf *pool)
{
	Drover__PoolRecord now = DROVER__POOL_RECORD__INIT, *before;
	char name[2 * DROVER_NAME_LEN + 2], *hosts[DROVER_PEERS_MAX + 1];

	if (*pool->id)
		snprintf(name, sizeof(name), "%s", pool->id);
	else
		snprintf(name, sizeof(name), "%s:%s", agent->conf.host, pool->name);
	before = drover_shared_get(agent, DROVER_SHARED_POOL, name,
				   &drover__pool_record__descriptor);
	now.name = (char *)pool->name;
	now.id = (char *)pool->id;
	now.hosts = hosts;
	for (size_t i = 0; before && i < before->n_hosts && i < DROVER_PEERS_MAX; i++)
		hosts[now.n_hosts++] = before->hosts[i];
	if (!before || !is_named(before, agent->conf.host)) {
		hosts[now.n_hosts++] = agent->conf.host;
		write_if_other(agent, DROVER_SHARED_POOL, name, &now.base, NULL);
	}
	if (before)
		drover__pool_record__free_unpacked(before, NULL);
}

/* --- from time to time --- */

static int on_interval(sd_event_source *source, uint64_t usec, void *data)
{
	struct drover_agent *agent = data;

	if (!agent->alone && drover_shared_active(agent)) {
		write_host(agent);
		for (const struct drover_entry *e = agent->entries; e; e = e->next)
			if (e->state == DROVER_ENTRY_RUNNING)
				write_vm(agent, e);
		end_others(agent);
		for (uint32_t i = 0; i < agent->conf.pool_count; i++)
			write_pool(agent, &agent->conf.pools[i]);
	}
	return sd_event_source_set_time_relative(source, INTERVAL_US);
}

int drover_inventory_open(struct drover_agent *agent, struct drover_err *err)
{
	sd_event_source *timer = NULL;
	int r = sd_event_add_time_relative(agent->event, &timer, CLOCK_MONOTONIC, INTERVAL_US, 0,
					   on_interval, agent);

	if (r >= 0)
		r = sd_event_source_set_enabled(timer, SD_EVENT_ON);
	if (r >= 0)
		r = sd_event_source_set_floating(timer, true);
	sd_event_source_unref(timer);
	return r < 0 ? drover_err_set(err, r, "cannot set up the event loop: %s", strerror(-r)) : 0;
}
