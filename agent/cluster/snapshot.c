// SPDX-License-Identifier: GPL-2.0-or-later
/* The shared state as bytes, for other hosts and for the disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "cluster/store.h"
#include "core/config.h"

/* In front of the snapshot in a file. */
struct header {
	char magic[8];
	uint64_t len;
	uint64_t digest;
};

static const char magic[8] = "DrvrCl1\n";

/* --- packing: the message points into the store --- */

struct parts {
	Drover__ClusterEntry *entry;
	Drover__ClusterEntry **entries;
	Drover__ClusterLock *lock;
	Drover__ClusterLock **locks;
	Drover__ClusterMember *member;
	Drover__ClusterMember **members;
};

static void parts_free(struct parts *p)
{
	free(p->entry);
	free(p->entries);
	free(p->lock);
	free(p->locks);
	free(p->member);
	free(p->members);
}

static bool parts_alloc(struct parts *p, const struct drover_store *store)
{
	p->entry = calloc(store->entry_count + 1, sizeof(*p->entry));
	p->entries = calloc(store->entry_count + 1, sizeof(*p->entries));
	p->lock = calloc(store->lock_count + 1, sizeof(*p->lock));
	p->locks = calloc(store->lock_count + 1, sizeof(*p->locks));
	p->member = calloc(store->member_count + 1, sizeof(*p->member));
	p->members = calloc(store->member_count + 1, sizeof(*p->members));
	return p->entry && p->entries && p->lock && p->locks && p->member && p->members;
}

static void parts_fill(struct parts *p, const struct drover_store *store)
{
	for (size_t i = 0; i < store->entry_count; i++) {
		drover__cluster_entry__init(&p->entry[i]);
		p->entry[i].key = store->entries[i].key;
		p->entry[i].value.data = store->entries[i].value;
		p->entry[i].value.len = store->entries[i].len;
		p->entry[i].revision = store->entries[i].revision;
		p->entries[i] = &p->entry[i];
	}
	for (size_t i = 0; i < store->lock_count; i++) {
		drover__cluster_lock__init(&p->lock[i]);
		p->lock[i].name = store->locks[i].name;
		p->lock[i].client = store->locks[i].client;
		p->locks[i] = &p->lock[i];
	}
	for (size_t i = 0; i < store->member_count; i++) {
		drover__cluster_member__init(&p->member[i]);
		p->member[i].node = store->members[i].node;
		p->member[i].client = store->members[i].client;
		p->member[i].host = store->members[i].host;
		p->members[i] = &p->member[i];
	}
}

uint8_t *drover_store_pack(const struct drover_store *store, size_t *ret_len)
{
	Drover__ClusterSnapshot s = DROVER__CLUSTER_SNAPSHOT__INIT;
	struct parts p = { 0 };
	uint8_t *data = NULL;

	if (parts_alloc(&p, store)) {
		parts_fill(&p, store);
		s.epoch = store->epoch;
		s.active = store->active;
		s.version = store->version;
		s.n_entries = store->entry_count;
		s.entries = p.entries;
		s.n_locks = store->lock_count;
		s.locks = p.locks;
		s.n_members = store->member_count;
		s.members = p.members;
		data = malloc(drover__cluster_snapshot__get_packed_size(&s) + 1);
	}
	if (data)
		*ret_len = drover__cluster_snapshot__pack(&s, data);
	parts_free(&p);
	return data;
}

uint64_t drover_store_digest(const struct drover_store *store)
{
	struct drover_store content = *store;
	auto_free uint8_t *data = NULL;
	size_t len = 0;

	content.epoch = content.active = 0;
	data = drover_store_pack(&content, &len);
	return data ? XXH3_64bits(data, len) : 0;
}

/* --- unpacking: another host, or a disk, may have sent anything --- */

static int bad(struct drover_err *err, const char *what)
{
	return drover_err_set(err, EBADMSG, "the cluster's state is damaged: %s", what);
}

static int take_entries(struct drover_store *store, const Drover__ClusterSnapshot *s,
			struct drover_err *err)
{
	if (s->n_entries > DROVER_ENTRIES_MAX)
		return bad(err, "too many entries");
	store->entries = calloc(s->n_entries + 1, sizeof(*store->entries));
	if (!store->entries)
		return drover_err_set(err, ENOMEM, "out of memory");
	store->entry_room = s->n_entries + 1;
	for (size_t i = 0; i < s->n_entries; i++) {
		const Drover__ClusterEntry *from = s->entries[i];
		struct drover_store_entry *to = &store->entries[i];

		if (!from->key[0] || strlen(from->key) > DROVER_KEY_MAX ||
		    from->value.len > DROVER_VALUE_MAX || !from->revision ||
		    from->revision > s->version || (i && strcmp(to[-1].key, from->key) >= 0))
			return bad(err, "an entry");
		to->key = strdup(from->key);
		to->value = malloc(from->value.len + 1);
		store->entry_count++;
		if (!to->key || !to->value)
			return drover_err_set(err, ENOMEM, "out of memory");
		if (from->value.len)
			memcpy(to->value, from->value.data, from->value.len);
		to->len = from->value.len;
		to->revision = from->revision;
		store->bytes += strlen(to->key) + to->len;
	}
	return store->bytes > DROVER_STORE_MAX ? bad(err, "it is too large") : 0;
}

static int take_locks(struct drover_store *store, const Drover__ClusterSnapshot *s,
		      struct drover_err *err)
{
	store->locks = calloc(s->n_locks + 1, sizeof(*store->locks));
	if (!store->locks)
		return drover_err_set(err, ENOMEM, "out of memory");
	store->lock_room = s->n_locks + 1;
	for (size_t i = 0; i < s->n_locks; i++) {
		struct drover_store_lock *to = &store->locks[i];

		if (!s->locks[i]->name[0] || !s->locks[i]->client ||
		    (i && strcmp(to[-1].name, s->locks[i]->name) >= 0))
			return bad(err, "a lock");
		to->name = strdup(s->locks[i]->name);
		if (!to->name)
			return drover_err_set(err, ENOMEM, "out of memory");
		to->client = s->locks[i]->client;
		store->lock_count++;
	}
	return 0;
}

static int take_members(struct drover_store *store, const Drover__ClusterSnapshot *s,
			struct drover_err *err)
{
	store->members = calloc(s->n_members + 1, sizeof(*store->members));
	if (!store->members)
		return drover_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < s->n_members; i++) {
		const Drover__ClusterMember *m = s->members[i];

		if (!drover_name_valid(m->host) || !m->client)
			return bad(err, "a member");
		store->members[i].node = m->node;
		store->members[i].client = m->client;
		snprintf(store->members[i].host, sizeof(store->members[i].host), "%s", m->host);
		store->member_count++;
	}
	return 0;
}

int drover_store_unpack(struct drover_store *store, const uint8_t *data, size_t len,
			struct drover_err *err)
{
	Drover__ClusterSnapshot *s = drover__cluster_snapshot__unpack(NULL, len, data);
	int r;

	if (!s)
		return bad(err, "it is no snapshot");
	store->epoch = s->epoch;
	store->active = s->active;
	store->version = s->version;
	r = take_entries(store, s, err);
	if (r == 0)
		r = take_locks(store, s, err);
	if (r == 0)
		r = take_members(store, s, err);
	drover__cluster_snapshot__free_unpacked(s, NULL);
	if (r < 0)
		drover_store_clear(store);
	return r;
}

/* --- files --- */

int drover_store_save(const struct drover_store *store, const char *path, struct drover_err *err)
{
	struct header h;
	size_t len = 0;
	auto_free uint8_t *data = drover_store_pack(store, &len);
	auto_free uint8_t *file = data ? malloc(sizeof(h) + len) : NULL;

	if (!file)
		return drover_err_set(err, ENOMEM, "out of memory");
	memcpy(h.magic, magic, sizeof(magic));
	h.len = len;
	h.digest = XXH3_64bits(data, len);
	memcpy(file, &h, sizeof(h));
	memcpy(file + sizeof(h), data, len);
	return drover_io_write_durable(path, file, sizeof(h) + len, 0600, err);
}

int drover_store_load(struct drover_store *store, const char *path, struct drover_err *err)
{
	auto_free char *file = NULL;
	struct header h;
	size_t len;
	int r = drover_io_read_file(path, DROVER_SNAPSHOT_MAX + sizeof(h), &file, &len, err);

	if (r < 0)
		return r;
	if (len < sizeof(h))
		return bad(err, "its file is too short");
	memcpy(&h, file, sizeof(h));
	if (memcmp(h.magic, magic, sizeof(magic)))
		return bad(err, "its file is of another kind");
	if (h.len != len - sizeof(h) || h.digest != XXH3_64bits(file + sizeof(h), h.len))
		return bad(err, "its file has a wrong checksum");
	r = drover_store_unpack(store, (const uint8_t *)file + sizeof(h), h.len, err);
	if (r < 0)
		return r;
	store->member_count = 0;
	while (store->lock_count)
		free(store->locks[--store->lock_count].name);
	return 0;
}
