// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages for operators. */
#include "ctl/reply.h"

#include <stdlib.h>
#include <string.h>

Drover__ControlReply *drover_reply_new(void)
{
	Drover__ControlReply *reply = malloc(sizeof(*reply));

	if (reply)
		drover__control_reply__init(reply);
	return reply;
}

Drover__ControlReply *drover_reply_error(const struct drover_err *err)
{
	Drover__ControlReply *reply = drover_reply_new();

	if (!reply)
		return NULL;
	reply->code = -err->code;
	reply->error = strdup(err->text);
	return reply;
}

void drover_reply_free(Drover__ControlReply *reply)
{
	if (reply)
		drover__control_reply__free_unpacked(reply, NULL);
}

/* Appends a pointer to a protobuf-c array. */
static bool append(void *array, size_t *count, void *item)
{
	void ***list = array;
	void **more = item ? realloc(*list, (*count + 1) * sizeof(void *)) : NULL;

	if (!more)
		return false;
	more[(*count)++] = item;
	*list = more;
	return true;
}

void drover_reply_add_vm(Drover__ControlReply *reply, Drover__VmInfo *vm)
{
	if (!append(&reply->vms, &reply->n_vms, vm) && vm)
		drover__vm_info__free_unpacked(vm, NULL);
}

void drover_reply_add_migration(Drover__ControlReply *reply, Drover__MigrationInfo *migration)
{
	if (!append(&reply->migrations, &reply->n_migrations, migration) && migration)
		drover__migration_info__free_unpacked(migration, NULL);
}

void drover_reply_add_host(Drover__ControlReply *reply, Drover__HostInfo *host)
{
	if (!append(&reply->hosts, &reply->n_hosts, host) && host)
		drover__host_info__free_unpacked(host, NULL);
}

void drover_reply_add_pool(Drover__ControlReply *reply, Drover__PoolInfo *pool)
{
	if (!append(&reply->pools, &reply->n_pools, pool) && pool)
		drover__pool_info__free_unpacked(pool, NULL);
}

void drover_reply_add_disk_move(Drover__ControlReply *reply, Drover__DiskMoveInfo *move)
{
	if (!append(&reply->disk_moves, &reply->n_disk_moves, move) && move)
		drover__disk_move_info__free_unpacked(move, NULL);
}

void drover_reply_add_image(Drover__ControlReply *reply, Drover__ImageInfo *image)
{
	if (!append(&reply->images, &reply->n_images, image) && image)
		drover__image_info__free_unpacked(image, NULL);
}

void drover_reply_add_power(Drover__ControlReply *reply, Drover__PowerInfo *power)
{
	if (!append(&reply->power, &reply->n_power, power) && power)
		drover__power_info__free_unpacked(power, NULL);
}

void drover_reply_add_advice(Drover__ControlReply *reply, Drover__PoolAdvice *advice)
{
	if (!append(&reply->advice, &reply->n_advice, advice) && advice)
		drover__pool_advice__free_unpacked(advice, NULL);
}

Drover__VmInfo *drover_reply_vm(const struct drover_vm_def *def)
{
	Drover__VmInfo *vm = malloc(sizeof(*vm));

	if (!vm)
		return NULL;
	drover__vm_info__init(vm);
	vm->name = strdup(def->name);
	vm->vcpus = def->vcpus;
	vm->memory_mib = def->memory_mib;
	vm->machine = strdup(def->machine);
	vm->cpu = strdup(def->cpu);
	for (uint32_t i = 0; i < def->disk_count; i++)
		append(&vm->disks, &vm->n_disks, strdup(def->disks[i].path));
	for (uint32_t i = 0; i < def->nic_count; i++)
		append(&vm->nics, &vm->n_nics, strdup(def->nics[i].mac));
	return vm;
}

static Drover__RoundInfo *round_message(const struct drover_round_info *round)
{
	Drover__RoundInfo *r = malloc(sizeof(*r));

	if (!r)
		return NULL;
	drover__round_info__init(r);
	r->number = round->number;
	r->duration_us = round->duration_us;
	r->dirty_pages = round->dirty_pages;
	r->log_pages = round->log_pages;
	r->vmm_pages = round->vmm_pages;
	r->kept_pages = round->kept_pages;
	r->sent_pages = round->sent_pages;
	r->zero_pages = round->zero_pages;
	r->wire_bytes = round->wire_bytes;
	r->harvest_us = round->harvest_us;
	return r;
}

Drover__DiskMoveInfo *drover_reply_disk_move(const struct drover_disk_move_info *info)
{
	Drover__DiskMoveInfo *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	drover__disk_move_info__init(m);
	m->id = info->id;
	m->vm = strdup(info->vm);
	m->disk = strdup(info->disk);
	/* The numbers are the same on purpose. */
	m->state = (Drover__DiskMoveState)info->state;
	m->error = strdup(info->error);
	m->host = strdup(info->host);
	m->old_path = strdup(info->old_path);
	m->old_pool = strdup(info->old_pool);
	m->old_format = strdup(info->old_format);
	m->new_path = strdup(info->new_path);
	m->new_pool = strdup(info->new_pool);
	m->new_format = strdup(info->new_format);
	m->new_host = strdup(info->new_host);
	m->old_deleted = info->old_deleted;
	m->start_time_us = info->start_time_us;
	m->total_us = info->total_us;
	m->size_bytes = info->size_bytes;
	m->todo_bytes = info->todo_bytes;
	m->done_bytes = info->done_bytes;
	m->rate_bytes = info->rate_bytes;
	m->expected_us = info->expected_us;
	m->write_before_us = info->write_before_us;
	m->write_now_us = info->write_now_us;
	m->write_rate_before_bytes = info->write_rate_before_bytes;
	m->write_rate_now_bytes = info->write_rate_now_bytes;
	m->switch_us = info->switch_us;
	m->verified_bytes = info->verified_bytes;
	m->mismatched_bytes = info->mismatched_bytes;
	m->interruptions = info->interruptions;
	return m;
}

static void add_disks(Drover__MigrationInfo *m, const struct drover_migration_info *info)
{
	for (uint32_t i = 0; i < info->disk_count; i++) {
		Drover__DiskMoveInfo *disk = drover_reply_disk_move(&info->disks[i]);

		if (!append(&m->disks, &m->n_disks, disk) && disk)
			drover__disk_move_info__free_unpacked(disk, NULL);
	}
}

Drover__MigrationInfo *drover_reply_migration(const struct drover_migration_info *info)
{
	Drover__MigrationInfo *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	drover__migration_info__init(m);
	m->id = info->id;
	m->vm = strdup(info->vm);
	m->source = strdup(info->source);
	m->target = strdup(info->target);
	/* The numbers are the same on purpose. */
	m->state = (Drover__MigrationState)info->state;
	m->incoming = info->incoming;
	m->error = strdup(info->error);
	m->start_time_us = info->start_time_us;
	m->total_us = info->total_us;
	m->ram_bytes = info->ram_bytes;
	m->round_bytes = info->round_bytes;
	m->dirty_bytes = info->dirty_bytes;
	m->wire_bytes = info->wire_bytes;
	m->rate_bytes = info->rate_bytes;
	m->dirty_rate_bytes = info->dirty_rate_bytes;
	m->expected_us = info->expected_us;
	m->expected_blackout_us = info->expected_blackout_us;
	m->blackout_us = info->blackout_us;
	m->sent_pages = info->sent_pages;
	m->zero_pages = info->zero_pages;
	m->vmm_pages = info->vmm_pages;
	m->verified_pages = info->verified_pages;
	m->mismatched_pages = info->mismatched_pages;
	m->device_state_bytes = info->device_state_bytes;
	m->streams = info->streams;
	for (uint32_t i = 0; i < info->round_count; i++) {
		Drover__RoundInfo *r = round_message(&info->rounds[i]);

		if (!append(&m->rounds, &m->n_rounds, r))
			free(r);
	}
	add_disks(m, info);
	return m;
}
