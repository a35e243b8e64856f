// SPDX-License-Identifier: GPL-2.0-or-later
/* What comes before the first round: everything is checked and connected, the VM notices nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "migrate/source_stages.h"
#include "stat/host.h"
#include "vm/qmp.h"
#include "vm/rundir.h"

#define QMP_TIMEOUT_MS	   20000
#define PREPARE_TIMEOUT_MS 120000

static int open_tracker(struct drover_source *s, struct drover_err *err)
{
	auto_close int kvm = drover_vm_kvm_fd(s->vm, err);
	int r;

	if (kvm < 0)
		return kvm;
	r = drover_kmod_open(s->vm->def.name, kvm, s->vm->ram_fd, s->m->options.no_vmm_writes,
			     &s->tracker, err);
	if (r < 0)
		return drover_err_prefix(err, "vm %s cannot be tracked", s->vm->def.name);
	pthread_mutex_lock(&s->m->lock);
	s->m->info.ram_bytes = s->tracker->pages * DROVER_PAGE_SIZE;
	pthread_mutex_unlock(&s->m->lock);
	return 0;
}

static int open_qmp(struct drover_source *s, struct drover_err *err)
{
	char status[32];
	int r = drover_rundir_monitor(s->vm->dir, 5000, &s->qmp, err);

	if (r == 0)
		r = drover_qmp_status(s->qmp, status, sizeof(status), err);
	if (r < 0)
		return r;
	if (strcmp(status, "running"))
		return drover_err_set(err, EINVAL, "vm %s is %s, and only a running VM can be moved",
				      s->vm->def.name, status);
	return drover_qmp_call(s->qmp, "migrate-set-capabilities",
			       json_pack("{s[{ss sb} {ss sb}]}", "capabilities", "capability",
					 "x-ignore-shared", "state", 1, "capability",
					 "pause-before-switchover", "state", 1),
			       QMP_TIMEOUT_MS, NULL, err);
}

/* "pc-q35-7.2" from QEMU's "pc-q35-7.2-machine". */
static int machine_of(struct drover_source *s, char *buf, size_t size, struct drover_err *err)
{
	json_t *result = NULL;
	char *end;
	int r = drover_qmp_call(s->qmp, "qom-get",
				json_pack("{ss ss}", "path", "/machine", "property", "type"),
				QMP_TIMEOUT_MS, &result, err);

	if (r < 0)
		return r;
	snprintf(buf, size, "%s", json_string_value(result) ?: "");
	json_decref(result);
	end = strstr(buf, "-machine");
	if (end)
		*end = '\0';
	return 0;
}

int drover_source_connect(struct drover_source *s, struct drover_err *err)
{
	Drover__Hello hello = DROVER__HELLO__INIT;
	int r;

	hello.role = DROVER__ROLE__ROLE_CONTROL;
	r = drover_peer_connect(s->m->env->conf, &s->to, &hello, &s->control, err);
	if (r < 0)
		return r;
	drover_migration_attach(s->m, s->control, NULL);
	return drover_migration_check(s->m, err);
}

int drover_source_take_reply(struct drover_source *s, struct drover_err *err)
{
	Drover__PrepareReply *reply = NULL;
	int r;

	drover_peer_set_timeout(s->control, PREPARE_TIMEOUT_MS);
	r = drover_peer_expect(s->control, DROVER_FRAME_PREPARE_REPLY,
			       &drover__prepare_reply__descriptor, (ProtobufCMessage **)&reply,
			       err);
	drover_peer_set_timeout(s->control, DROVER_PEER_TIMEOUT_MS);
	if (r < 0)
		return r;
	if (reply->token.len != sizeof(s->token))
		r = drover_err_set(err, EPROTO, "%s sent a malformed token", s->to.name);
	else
		r = drover_source_disks_answer(s, reply, err);
	if (r == 0)
		memcpy(s->token, reply->token.data, sizeof(s->token));
	drover__prepare_reply__free_unpacked(reply, NULL);
	return r;
}

static int ask_target(struct drover_source *s, struct drover_err *err)
{
	Drover__DiskTravel travel[DROVER_DISKS_MAX], *disks[DROVER_DISKS_MAX];
	Drover__Prepare prepare = DROVER__PREPARE__INIT;
	struct drover_cpu_flags flags = { 0 };
	struct drover_host_stat host;
	char machine[DROVER_NAME_LEN];
	int r = machine_of(s, machine, sizeof(machine), err);

	if (r == 0)
		r = drover_host_stat_read(&host, err);
	if (r == 0)
		r = drover_source_disks_ask(s, &prepare, travel, disks, err);
	if (r == 0)
		r = drover_cpu_flags_read(&flags, err);
	if (r < 0)
		return r;
	prepare.migration_id = s->m->info.id;
	prepare.vm = s->vm->def.name;
	prepare.definition.data = (uint8_t *)s->vm->text;
	prepare.definition.len = strlen(s->vm->text);
	prepare.ram_pages = s->tracker->pages;
	prepare.machine = machine;
	prepare.cpu_model = host.cpu_model;
	prepare.cpu_flags = flags.flag;
	prepare.n_cpu_flags = flags.count;
	prepare.streams = s->m->info.streams;
	prepare.verify = s->m->options.verify;
	r = drover_peer_send(s->control, DROVER_FRAME_PREPARE, &prepare.base, 0, err);
	drover_cpu_flags_free(&flags);
	return r < 0 ? r : drover_source_take_reply(s, err);
}

int drover_source_open_streams(struct drover_source *s, struct drover_err *err)
{
	Drover__Hello hello = DROVER__HELLO__INIT;

	hello.role = DROVER__ROLE__ROLE_RAM;
	hello.migration_id = s->m->info.id;
	hello.token.data = s->token;
	hello.token.len = sizeof(s->token);
	s->sender.tracker = s->tracker;
	s->sender.bandwidth = (uint64_t)s->m->options.bandwidth_mib << 20;
	while (s->sender.streams < s->m->info.streams) {
		int r;

		hello.stream = s->sender.streams;
		r = drover_peer_connect(s->m->env->conf, &s->to, &hello,
					&s->sender.peer[s->sender.streams], err);
		if (r < 0)
			return r;
		s->sender.streams++;
	}
	drover_migration_attach(s->m, s->control, &s->sender);
	return drover_migration_check(s->m, err);
}

int drover_source_prepare(struct drover_source *s, struct drover_err *err)
{
	int r = open_qmp(s, err);

	if (r == 0)
		r = open_tracker(s, err);
	if (r == 0)
		r = drover_source_connect(s, err);
	return r < 0 ? r : ask_target(s, err);
}
