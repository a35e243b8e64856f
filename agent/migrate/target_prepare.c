// SPDX-License-Identifier: GPL-2.0-or-later
/* Prepare: all checks first, then the VM's process, which waits for its device state. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/config.h"
#include "migrate/record.h"
#include "migrate/target_stages.h"
#include "stat/host.h"
#include "vm/qmp.h"
#include "vm/rundir.h"

static int check_processor(const struct drover_conf *conf, const Drover__Prepare *p,
			   const struct drover_vm_def *def, struct drover_err *err)
{
	struct drover_cpu_flags have = { 0 };
	const char *missing;
	int r = 0;

	/* A named model is checked by QEMU itself. */
	if (strcmp(def->cpu, "host"))
		return 0;
	if (drover_cpu_flags_read(&have, err) < 0)
		return err->code;
	missing = drover_cpu_flags_missing(&have, p->cpu_flags, p->n_cpu_flags);
	if (missing)
		r = drover_err_set(err, EXDEV,
				   "the processor of %s lacks %s, which vm %s has on a %s", conf->host,
				   missing, p->vm, p->cpu_model);
	drover_cpu_flags_free(&have);
	return r;
}

static int check_prepare(const struct drover_conf *conf, const Drover__Prepare *p,
			 struct drover_vm_def *def, char **ret_text, struct drover_err *err)
{
	auto_free char *text = strndup((char *)p->definition.data, p->definition.len);
	int r;

	if (!text)
		return drover_err_set(err, ENOMEM, "out of memory");
	if (!drover_name_valid(p->vm) || !drover_name_valid(p->machine))
		return drover_err_set(err, EINVAL, "the source sent no valid name or machine type");
	r = drover_vmdef_parse(text, p->vm, def, err);
	if (r < 0)
		return r;
	if (strcmp(def->name, p->vm) || def->memory_mib * 256 != p->ram_pages)
		return drover_err_set(err, EINVAL,
				      "the definition of vm %s is not the one that it was started with",
				      p->vm);
	if (!p->streams || p->streams > DROVER_STREAMS_MAX)
		return drover_err_set(err, EINVAL, "%u streams are too many", p->streams);
	r = check_processor(conf, p, def, err);
	if (r < 0)
		return r;
	/* "q35" may mean another version here. */
	snprintf(def->machine, sizeof(def->machine), "%s", p->machine);
	*ret_text = steal_ptr(text);
	return 0;
}

static int write_origin(const struct drover_target *t, struct drover_err *err)
{
	char path[DROVER_PATH_MAX], text[128];
	int r = drover_io_path(path, err, "%s/incoming", t->vm->dir);

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%s %" PRIu64 "\n", t->peer->host, t->m->info.id);
	return drover_io_write_durable(path, text, strlen(text), 0600, err);
}

static int set_capabilities(struct drover_target *t, struct drover_err *err)
{
	json_t *list = json_pack("[{ss sb} {ss sb}]", "capability", "x-ignore-shared", "state", 1,
				 "capability", "late-block-activate", "state", 1);

	return drover_qmp_call(t->qmp, "migrate-set-capabilities",
			       json_pack("{so}", "capabilities", list), DROVER_TARGET_QMP_MS, NULL, err);
}

static int launch(struct drover_target *t, const char *text, struct drover_err *err)
{
	int r = drover_vm_launch(t->m->env->conf, &t->def, text, true, &t->vm, err);

	if (r == 0)
		r = write_origin(t, err);
	if (r == 0)
		r = drover_rundir_monitor(t->vm->dir, 5000, &t->qmp, err);
	return r < 0 ? r : set_capabilities(t, err);
}

/* A word once given about a number stands for ever, so no number comes twice. */
static int check_number(struct drover_target *t, struct drover_err *err)
{
	enum drover_decision got;
	int r = drover_record_decide(t->m->env->conf, t->peer->host, t->m->info.id,
				     DROVER_DECISION_NONE, &got, err);

	if (r == 0 && got != DROVER_DECISION_NONE)
		r = drover_err_set(err, EEXIST, "the number %" PRIu64 " was used before; try again",
				   t->m->info.id);
	t->used_before = r < 0;
	return r;
}

int drover_target_prepare(struct drover_target *t, const Drover__Prepare *p, struct drover_err *err)
{
	const struct drover_migrate_env *env = t->m->env;
	struct drover_arrival *a = &t->arrival;
	auto_free char *text = NULL;
	int r = check_number(t, err);

	if (r == 0)
		r = check_prepare(env->conf, p, &t->def, &text, err);
	if (r == 0)
		r = env->reserve(env->data, p->vm, err);
	if (r < 0)
		return r;
	t->reserved = true;
	/* Only now: a migration away from here has settled before it lets go of the name. */
	r = drover_record_check_settled(env->conf, p->vm, err);
	if (r == 0)
		r = drover_target_disks_plan(t, p, &text, err);
	if (r == 0)
		r = launch(t, text, err);
	if (r == 0)
		r = drover_ram_init(&a->ram, t->vm->ram_fd, p->ram_pages, p->streams, err);
	if (r == 0)
		r = drover_target_disks_serve(t, err);
	if (r < 0)
		return r;
	snprintf(a->host, sizeof(a->host), "%s", t->peer->host);
	a->id = t->m->info.id;
	snprintf(a->incoming_path, sizeof(a->incoming_path), "%.490s/incoming.sock", t->vm->dir);
	r = drover_arrival_open(a, t->peer, err);
	return r < 0 ? r : drover_target_answer(t, err);
}
