// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs about hosts. Peers are asked from a thread: they may be slow or dead. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/thread.h"
#include "core/config.h"
#include "ctl/agent.h"
#include "ctl/reply.h"
#include "ctl/telemetry.h"
#include "stat/host.h"

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
	host->load = drover_telemetry_host(agent->telemetry);
	return host;
}

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
