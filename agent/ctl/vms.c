// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs about VMs. Launching takes seconds, so it has a thread of its own. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/thread.h"
#include "block/record.h"
#include "core/clock.h"
#include "core/config.h"
#include "ctl/agent.h"
#include "ctl/reply.h"
#include "ctl/telemetry.h"
#include "migrate/record.h"
#include "vm/qmp.h"

#define STOP_DEFAULT_S 20
#define STOP_MAX_S     25
/* A guest that still boots, or is busy, may not notice its power button at once. */
#define PRESS_US (5 * UINT64_C(1000000))
#define QMP_TIMEOUT_MS 5000

static void reply_vm(struct drover_agent *agent, uint64_t id, const char *name)
{
	Drover__ControlReply *reply = drover_reply_new();

	if (reply)
		drover_reply_add_vm(reply, drover_vms_info(agent, name));
	drover_verbs_reply(agent, id, reply);
}

/* --- start --- */

struct start {
	struct drover_agent *agent;
	uint64_t request;
	char name[DROVER_NAME_LEN];
	bool force;
	char *definition;
	struct drover_vm *vm;
	struct drover_err err;
};

static void start_free(struct start *s)
{
	if (s)
		free(s->definition);
	free(s);
}

static void do_started(void *data)
{
	struct start *s = data;
	struct drover_entry *e = drover_entry_find(s->agent, s->name);

	if (s->vm) {
		drover_entry_run(e, s->vm);
		drover_news_vm(s->agent, s->name, "vm %s was started", s->name);
		reply_vm(s->agent, s->request, s->name);
	} else {
		drover_entry_drop(e);
		drover_verbs_refuse(s->agent, s->request, &s->err);
	}
	start_free(s);
}

/* A host that has no definition of its own takes that of the host where it was asked for. */
static int read_definition(struct start *s, struct drover_vm_def *def, char **ret_text)
{
	int r = drover_vmdef_read(s->agent->conf.vm_dir, s->name, def, ret_text, &s->err);

	if (r != -ENOENT || !s->definition)
		return r;
	s->err = (struct drover_err){ 0 };
	r = drover_vmdef_parse(s->definition, s->name, def, &s->err);
	if (r < 0)
		return r;
	snprintf(def->name, sizeof(def->name), "%s", s->name);
	*ret_text = strdup(s->definition);
	return *ret_text ? 0 : drover_err_set(&s->err, ENOMEM, "out of memory");
}

static int launch(struct start *s)
{
	const struct drover_conf *conf = &s->agent->conf;
	char where[DROVER_NAME_LEN];
	auto_free char *text = NULL;
	struct drover_vm_def def;
	int r = read_definition(s, &def, &text);

	if (r == 0)
		r = drover_disk_record_check(conf, &def, &s->err);
	if (r == 0)
		r = drover_record_check_settled(conf, s->name, &s->err);
	if (r == 0)
		r = drover_record_where(conf, s->name, where, &s->err);
	if (r == 0)
		r = drover_elsewhere_check(s->agent, s->name, &def, where, s->force, &s->err);
	if (r == 0)
		r = drover_vm_launch(conf, &def, text, false, &s->vm, &s->err);
	if (r < 0)
		return r;
	/* That it runs here counts more than an old word of where it went. */
	if (drover_record_moved(conf, s->name, NULL, &s->err) < 0)
		log_error("vm %s: %s", s->name, s->err.text);
	return 0;
}

static void *run_start(void *data)
{
	struct start *s = data;

	drover_log_set_subject(s->name, 0);
	launch(s);
	if (drover_call_post(s->agent->calls, do_started, s) < 0)
		log_error("vm %s: out of memory", s->name);
	return NULL;
}

void drover_vms_start(struct drover_agent *agent, uint64_t id, const Drover__ControlRequest *request)
{
	struct start *s = calloc(1, sizeof(*s));
	struct drover_err err = { 0 };
	struct drover_entry *e = NULL;
	int r = 0;

	if (*request->vm_start->on) {
		free(s);
		drover_start_on(agent, id, request);
		return;
	}
	if (s && request->vm_start->definition.len)
		s->definition = strndup((const char *)request->vm_start->definition.data,
					request->vm_start->definition.len);
	if (!s)
		r = drover_err_set(&err, ENOMEM, "out of memory");
	else if (!drover_name_valid(request->vm_start->name))
		r = drover_err_set(&err, EINVAL, "\"%s\" is no valid name of a VM",
				   request->vm_start->name);
	if (r == 0)
		r = drover_entry_reserve(agent, request->vm_start->name, &e, &err);
	if (r == 0) {
		s->agent = agent;
		s->request = id;
		s->force = request->vm_start->force;
		snprintf(s->name, sizeof(s->name), "%s", request->vm_start->name);
		r = drover_thread_detached(run_start, s, &err);
	}
	if (r < 0) {
		if (e)
			drover_entry_drop(e);
		start_free(s);
		drover_verbs_refuse(agent, id, &err);
	}
}

/* --- stop --- */

void drover_vms_ended(struct drover_entry *entry)
{
	struct drover_agent *agent = entry->agent;

	if (entry->vm)
		drover_vm_cleanup(entry->vm);
	drover_news_vm(agent, entry->name, "vm %s has ended", entry->name);
	if (entry->stop_request)
		drover_verbs_reply(agent, entry->stop_request, drover_reply_new());
	drover_entry_drop(entry);
}

static void give_up_stop(struct drover_entry *e)
{
	struct drover_err err = { 0 };

	drover_err_set(&err, ETIMEDOUT,
		       "vm %s has been asked to power off and still runs; --force ends it at once",
		       e->name);
	drover_verbs_refuse(e->agent, e->stop_request, &err);
	e->stop_request = 0;
	e->stop_timer = sd_event_source_disable_unref(e->stop_timer);
}

static int press(struct drover_entry *e, struct drover_err *err)
{
	return drover_qmp_call(e->vm->qmp, "system_powerdown", NULL, QMP_TIMEOUT_MS, NULL, err);
}

/* When to look again, monotonic: in a while, or at the end of the wait. */
static uint64_t next_press(const struct drover_entry *e)
{
	uint64_t next = drover_clock_monotonic() + PRESS_US;

	return next < e->stop_until_us ? next : e->stop_until_us;
}

static int on_stop_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct drover_entry *e = data;
	struct drover_err err = { 0 };
	uint64_t next;

	if (drover_clock_monotonic() >= e->stop_until_us) {
		give_up_stop(e);
		return 0;
	}
	/* It may be ending just now. One that hangs holds this thread up once, not all the while. */
	next = press(e, &err) < 0 ? e->stop_until_us : next_press(e);
	if (err.code)
		log_debug("vm %s: %s", e->name, err.text);
	sd_event_source_set_time(source, next);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int begin_stop(struct drover_entry *e, bool force, struct drover_err *err)
{
	if (e->state == DROVER_ENTRY_STARTING)
		return drover_err_set(err, EBUSY, "vm %s is being started or is arriving", e->name);
	if (e->state == DROVER_ENTRY_UNKNOWN)
		return drover_err_set(err, EIO,
				      "vm %s could not be adopted; the log of droverd says why", e->name);
	if (e->state == DROVER_ENTRY_LEAVING)
		return drover_err_set(err, EBUSY, "vm %s is being migrated (migration %llu)",
				      e->name, (unsigned long long)e->migration_id);
	if (e->stop_request)
		return drover_err_set(err, EALREADY, "vm %s is being stopped already", e->name);
	/* The disks stay where they are. */
	drover_storage_cancel(e->agent, e->name);
	/* "quit" lets QEMU close its disks in good order. */
	return force ? drover_qmp_call(e->vm->qmp, "quit", NULL, QMP_TIMEOUT_MS, NULL, err)
		     : press(e, err);
}

void drover_vms_stop(struct drover_agent *agent, uint64_t id, const Drover__ControlRequest *request)
{
	const Drover__VmStop *stop = request->vm_stop;
	struct drover_entry *e = drover_entry_find(agent, stop->name);
	uint64_t wait_s = stop->timeout_s ? stop->timeout_s : STOP_DEFAULT_S;
	struct drover_err err = { 0 };
	int r;

	if (!e)
		r = drover_err_set(&err, ENOENT, "vm %s does not run on %s", stop->name,
				   agent->conf.host);
	else
		r = begin_stop(e, stop->force, &err);
	if (r < 0) {
		drover_verbs_refuse(agent, id, &err);
		return;
	}
	wait_s = wait_s < STOP_MAX_S ? wait_s : STOP_MAX_S;
	e->stop_request = id;
	e->stop_until_us = drover_clock_monotonic() + wait_s * 1000000;
	sd_event_add_time(agent->event, &e->stop_timer, CLOCK_MONOTONIC,
			  stop->force ? e->stop_until_us : next_press(e), 0, on_stop_timer, e);
}

/* --- list and show --- */

static Drover__VmState state_of(const struct drover_agent *agent, const struct drover_entry *e)
{
	struct drover_migration *m;

	if (e->state == DROVER_ENTRY_STARTING)
		return DROVER__VM_STATE__VM_STATE_INCOMING;
	if (e->state == DROVER_ENTRY_UNKNOWN)
		return DROVER__VM_STATE__VM_STATE_IN_DOUBT;
	m = e->migration_id ? drover_registry_find((struct drover_agent *)agent, e->migration_id)
			    : NULL;
	if (m && m->info.state == DROVER_MIGRATION_IN_DOUBT)
		return DROVER__VM_STATE__VM_STATE_IN_DOUBT;
	return e->paused ? DROVER__VM_STATE__VM_STATE_PAUSED : DROVER__VM_STATE__VM_STATE_RUNNING;
}

static char *print(const char *fmt, const char *a, const char *b)
{
	char *s = NULL;

	return asprintf(&s, fmt, a, b) < 0 ? NULL : s;
}

static Drover__VmInfo *info_of_entry(struct drover_agent *agent, const struct drover_entry *e)
{
	struct drover_vm_def empty = { 0 };
	Drover__VmInfo *vm;

	snprintf(empty.name, sizeof(empty.name), "%s", e->name);
	vm = drover_reply_vm(e->vm ? &e->vm->def : &empty);
	if (!vm)
		return NULL;
	vm->state = state_of(agent, e);
	vm->host = strdup(agent->conf.host);
	vm->migration_id = e->migration_id;
	if (!e->vm)
		return vm;
	vm->pid = e->vm->pid;
	vm->load = drover_telemetry_vm(agent->telemetry, e->name);
	vm->console = e->vm->def.console == DROVER_CONSOLE_LOG
			      ? print("%s/console.log%s", e->vm->dir, "")
			      : print("%s/console.sock%s", e->vm->dir, "");
	vm->definition = print("%s/%s", e->vm->dir, "vm.conf");
	vm->uptime_s = (drover_clock_realtime() - e->vm->start_us) / 1000000;
	return vm;
}

static Drover__VmInfo *info_of_definition(struct drover_agent *agent, const char *name)
{
	char where[DROVER_NAME_LEN] = "", file[DROVER_NAME_LEN + 8];
	struct drover_vm_def def;
	Drover__VmInfo *vm;

	if (drover_vmdef_read(agent->conf.vm_dir, name, &def, NULL, NULL) < 0) {
		memset(&def, 0, sizeof(def));
		snprintf(def.name, sizeof(def.name), "%s", name);
	}
	drover_record_where(&agent->conf, name, where, NULL);
	vm = drover_reply_vm(&def);
	if (!vm)
		return NULL;
	vm->state = where[0] ? DROVER__VM_STATE__VM_STATE_MOVED
			     : DROVER__VM_STATE__VM_STATE_STOPPED;
	vm->host = strdup(where);
	snprintf(file, sizeof(file), "%s.conf", name);
	vm->definition = print("%s/%s", agent->conf.vm_dir, file);
	return vm;
}

void drover_vms_running(struct drover_agent *agent, Drover__VmInfo ***list, size_t *count)
{
	size_t n = drover_entry_count(agent);

	*count = 0;
	*list = calloc(n + 1, sizeof(**list));
	if (!*list)
		return;
	for (struct drover_entry *e = agent->entries; e; e = e->next) {
		Drover__VmInfo *info = info_of_entry(agent, e);

		if (info)
			(*list)[(*count)++] = info;
	}
}

static bool is_defined(struct drover_agent *agent, const char *name)
{
	char path[DROVER_PATH_MAX];

	return drover_name_valid(name) &&
	       drover_io_path(path, NULL, "%s/%s.conf", agent->conf.vm_dir, name) == 0 &&
	       access(path, F_OK) == 0;
}

Drover__VmInfo *drover_vms_info(struct drover_agent *agent, const char *name)
{
	struct drover_entry *e = drover_entry_find(agent, name);
	char where[DROVER_NAME_LEN] = "";

	if (e)
		return info_of_entry(agent, e);
	if (!drover_name_valid(name))
		return NULL;
	drover_record_where(&agent->conf, name, where, NULL);
	return where[0] || is_defined(agent, name) ? info_of_definition(agent, name) : NULL;
}

static int is_conf(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && !strcmp(d->d_name + n - 5, ".conf");
}

void drover_vms_list(struct drover_agent *agent, uint64_t id, const Drover__ControlRequest *request)
{
	Drover__ControlReply *reply = drover_reply_new();
	struct dirent **names = NULL;
	int n;

	if (!reply)
		return;
	for (struct drover_entry *e = agent->entries; e; e = e->next)
		drover_reply_add_vm(reply, info_of_entry(agent, e));
	n = scandir(agent->conf.vm_dir, &names, is_conf, alphasort);
	for (int i = 0; i < n; i++) {
		names[i]->d_name[strlen(names[i]->d_name) - 5] = '\0';
		if (drover_name_valid(names[i]->d_name) && !drover_entry_find(agent, names[i]->d_name))
			drover_reply_add_vm(reply, info_of_definition(agent, names[i]->d_name));
		free(names[i]);
	}
	free(names);
	drover_verbs_reply(agent, id, reply);
}

void drover_vms_show(struct drover_agent *agent, uint64_t id, const Drover__ControlRequest *request)
{
	Drover__VmInfo *vm = drover_vms_info(agent, request->vm_show->name);
	Drover__ControlReply *reply = drover_reply_new();
	struct drover_err err = { 0 };

	if (vm && reply) {
		drover_reply_add_vm(reply, vm);
		drover_verbs_reply(agent, id, reply);
		return;
	}
	drover_reply_free(reply);
	drover_err_set(&err, ENOENT, "%s knows no vm %s", agent->conf.host, request->vm_show->name);
	drover_verbs_refuse(agent, id, &err);
}
