// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs about hosts. Peers are asked from a thread: they may be slow or dead. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/thread.h"
#include "core/clock.h"
#include "core/config.h"
#include "ctl/agent.h"
#include "ctl/reply.h"
#include "ctl/telemetry.h"
#include "stat/host.h"

#define RECENT_US  (UINT64_C(300) * 1000000)
#define RECENT_MAX 50

Drover__HostInfo *drover_hosts_self(struct drover_agent *agent, uint32_t vms)
{
	Drover__HostInfo *host = malloc(sizeof(*host));
	struct drover_host_stat stat = { 0 };

	if (!host)
		return NULL;
	drover__host_info__init(host);
	drover_host_stat_read(&stat, NULL);
	host->name = strdup(agent->conf.host);
	host->address = strdup(agent->conf.address);
	host->self = true;
	host->reachable = true;
	host->cpus = stat.cpus;
	host->memory_mib = stat.memory_mib;
	host->memory_free_mib = stat.memory_free_mib;
	host->cpu_model = strdup(stat.cpu_model);
	host->kernel = strdup(stat.kernel);
	host->qemu = strdup(agent->qemu_version);
	host->agent = strdup(DROVER_VERSION);
	host->vms = vms;
	host->load1 = stat.load1;
	host->cpu_mhz = stat.cpu_mhz;
	host->load = drover_telemetry_host(agent->telemetry);
	return host;
}

/* --- for other hosts --- */

static void add_flags(Drover__HostInfo *host)
{
	struct drover_cpu_flags flags;

	if (drover_cpu_flags_read(&flags, NULL) < 0)
		return;
	host->cpu_flags = calloc(flags.count + 1, sizeof(*host->cpu_flags));
	for (uint32_t i = 0; host->cpu_flags && i < flags.count; i++) {
		host->cpu_flags[i] = strdup(flags.flag[i]);
		if (!host->cpu_flags[i])
			break;
		host->n_cpu_flags++;
	}
	drover_cpu_flags_free(&flags);
}

static bool is_of_interest(const struct drover_migration_info *info)
{
	return !info->incoming && info->start_time_us + info->total_us + RECENT_US >=
					  drover_clock_realtime();
}

/* Those from here of the last minutes, without their rounds. */
static void add_migrations(struct drover_agent *agent, Drover__HostReply *reply)
{
	reply->migrations = calloc(RECENT_MAX, sizeof(*reply->migrations));
	for (uint32_t i = 0; reply->migrations && i < agent->migration_count; i++) {
		struct drover_migration_info info;
		Drover__MigrationInfo *m;

		drover_migration_info(agent->migrations[i], &info);
		if (!is_of_interest(&info))
			continue;
		info.round_count = 0;
		info.disk_count = 0;
		m = drover_reply_migration(&info);
		if (m)
			reply->migrations[reply->n_migrations++] = m;
		if (reply->n_migrations == RECENT_MAX)
			return;
	}
}

Drover__HostReply *drover_hosts_reply(struct drover_agent *agent, bool schedule)
{
	Drover__HostReply *reply = malloc(sizeof(*reply));

	if (!reply)
		return NULL;
	drover__host_reply__init(reply);
	reply->host = drover_hosts_self(agent, drover_entry_count(agent));
	reply->time_us = drover_clock_realtime();
	if (!schedule || !reply->host)
		return reply;
	add_flags(reply->host);
	drover_vms_running(agent, &reply->vms, &reply->n_vms);
	add_migrations(agent, reply);
	return reply;
}

/* --- for operators --- */

struct survey {
	struct drover_agent *agent;
	uint64_t request;
	char only[DROVER_NAME_LEN];
	uint32_t vms;
	Drover__ControlReply *reply;
};

static void do_answer(void *data)
{
	struct survey *s = data;

	drover_verbs_reply(s->agent, s->request, s->reply);
	free(s);
}

static void *run_survey(void *data)
{
	struct survey *s = data;
	const struct drover_conf *conf = &s->agent->conf;

	if (!s->only[0] || !strcmp(s->only, conf->host))
		drover_reply_add_host(s->reply, drover_hosts_self(s->agent, s->vms));
	drover_elsewhere_hosts(conf, s->only[0] ? s->only : NULL, s->reply);
	if (drover_call_post(s->agent->calls, do_answer, s) < 0)
		log_error("out of memory");
	return NULL;
}

static void survey(struct drover_agent *agent, uint64_t id, const char *only)
{
	struct survey *s = calloc(1, sizeof(*s));
	struct drover_err err = { 0 };
	int r = -ENOMEM;

	if (s && (s->reply = drover_reply_new())) {
		s->agent = agent;
		s->request = id;
		s->vms = drover_entry_count(agent);
		snprintf(s->only, sizeof(s->only), "%s", only);
		r = drover_thread_detached(run_survey, s, &err);
	} else {
		drover_err_set(&err, ENOMEM, "out of memory");
	}
	if (r < 0) {
		drover_verbs_refuse(agent, id, &err);
		if (s)
			drover_reply_free(s->reply);
		free(s);
	}
}

void drover_hosts_list(struct drover_agent *agent, uint64_t id,
		       const Drover__ControlRequest *request)
{
	survey(agent, id, "");
}

void drover_hosts_show(struct drover_agent *agent, uint64_t id,
		       const Drover__ControlRequest *request)
{
	const char *name = request->host_show->name;
	struct drover_err err = { 0 };

	if (name[0] && (!strcmp(name, agent->conf.host) ||
			drover_config_find_peer(&agent->conf, name))) {
		survey(agent, id, name);
		return;
	}
	drover_err_set(&err, ENOENT, "%s knows no host %s: drover.conf has no [peer %s]",
		       agent->conf.host, name, name);
	drover_verbs_refuse(agent, id, &err);
}
