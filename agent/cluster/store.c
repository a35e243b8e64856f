// SPDX-License-Identifier: GPL-2.0-or-later
/* The shared state and its changes. As bytes: snapshot.c. */
#include "cluster/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void drover_store_clear(struct drover_store *store)
{
	for (size_t i = 0; i < store->entry_count; i++) {
		free(store->entries[i].key);
		free(store->entries[i].value);
	}
	for (size_t i = 0; i < store->lock_count; i++)
		free(store->locks[i].name);
	free(store->entries);
	free(store->locks);
	free(store->members);
	*store = (struct drover_store){ 0 };
}

/* Index of the first entry that is not before the key. */
static size_t entry_place(const struct drover_store *store, const char *key)
{
	size_t low = 0, high = store->entry_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(store->entries[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct drover_store_entry *drover_store_find(const struct drover_store *store, const char *key)
{
	size_t i = entry_place(store, key);

	return i < store->entry_count && !strcmp(store->entries[i].key, key) ? &store->entries[i]
									     : NULL;
}

/* Locks are few: one for each VM on its way. */
static size_t lock_place(const struct drover_store *store, const char *name)
{
	size_t i = 0;

	while (i < store->lock_count && strcmp(store->locks[i].name, name) < 0)
		i++;
	return i;
}

uint64_t drover_store_holder(const struct drover_store *store, const char *name)
{
	size_t i = lock_place(store, name);

	return i < store->lock_count && !strcmp(store->locks[i].name, name) ? store->locks[i].client
									    : 0;
}

static int check_name(const char *name, struct drover_err *err)
{
	size_t len = strlen(name);

	if (!len || len > DROVER_KEY_MAX)
		return drover_err_set(err, EINVAL, "a key must have 1 to %d bytes", DROVER_KEY_MAX);
	return 0;
}

int drover_store_check(const Drover__ClusterOp *op, struct drover_err *err)
{
	switch (op->what_case) {
	case DROVER__CLUSTER_OP__WHAT_SET:
		if (op->set->value.len > DROVER_VALUE_MAX)
			return drover_err_set(err, EINVAL, "%s is larger than %d bytes",
					      op->set->key, DROVER_VALUE_MAX);
		return check_name(op->set->key, err);
	case DROVER__CLUSTER_OP__WHAT_LOCK:
		return check_name(op->lock, err);
	case DROVER__CLUSTER_OP__WHAT_UNLOCK:
		return check_name(op->unlock, err);
	case DROVER__CLUSTER_OP__WHAT__NOT_SET:
	case _DROVER__CLUSTER_OP__WHAT__CASE_IS_INT_SIZE:
		break;
	}
	return drover_err_set(err, EINVAL, "a change that this agent does not know");
}

/* Room for one more; returns -ENOMEM. */
static int grow(void **array, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 16;
	void *p;

	if (count < *room)
		return 0;
	p = realloc(*array, more * size);
	if (!p)
		return -ENOMEM;
	*array = p;
	*room = more;
	return 0;
}

static void remove_entry(struct drover_store *store, size_t i)
{
	store->bytes -= strlen(store->entries[i].key) + store->entries[i].len;
	free(store->entries[i].key);
	free(store->entries[i].value);
	memmove(store->entries + i, store->entries + i + 1,
		(store->entry_count - i - 1) * sizeof(*store->entries));
	store->entry_count--;
}

static int insert_entry(struct drover_store *store, size_t i, const char *key, struct drover_err *err)
{
	char *copy;

	if (store->entry_count >= DROVER_ENTRIES_MAX)
		return drover_err_set(err, ENOSPC, "the cluster holds %d entries, which is the most",
				      DROVER_ENTRIES_MAX);
	copy = strdup(key);
	if (!copy || grow((void **)&store->entries, store->entry_count, &store->entry_room,
			  sizeof(*store->entries)) < 0) {
		free(copy);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	memmove(store->entries + i + 1, store->entries + i,
		(store->entry_count - i) * sizeof(*store->entries));
	store->entries[i] = (struct drover_store_entry){ .key = copy };
	store->entry_count++;
	return 0;
}

/* Bytes never NULL, so that an empty value is one. */
static uint8_t *copy_bytes(const void *data, size_t len)
{
	uint8_t *copy = malloc(len + 1);

	if (copy && len)
		memcpy(copy, data, len);
	return copy;
}

static int put_entry(struct drover_store *store, size_t i, bool there, const Drover__ClusterSet *set,
		     struct drover_err *err)
{
	size_t less = there ? store->entries[i].len : 0;
	size_t more = set->value.len + (there ? 0 : strlen(set->key));
	uint8_t *value;
	int r = 0;

	if (store->bytes - less + more > DROVER_STORE_MAX)
		return drover_err_set(err, ENOSPC, "the cluster holds %u MiB, which is the most",
				      DROVER_STORE_MAX >> 20);
	value = copy_bytes(set->value.data, set->value.len);
	if (!value)
		return drover_err_set(err, ENOMEM, "out of memory");
	if (!there)
		r = insert_entry(store, i, set->key, err);
	if (r < 0) {
		free(value);
		return r;
	}
	store->bytes += more - less;
	free(store->entries[i].value);
	store->entries[i].value = value;
	store->entries[i].len = set->value.len;
	store->entries[i].revision = store->version + 1;
	return 0;
}

static int apply_set(struct drover_store *store, const Drover__ClusterSet *set, bool *ret_changed,
		     struct drover_err *err)
{
	size_t i = entry_place(store, set->key);
	bool there = i < store->entry_count && !strcmp(store->entries[i].key, set->key);
	int r = 0;

	if (set->conditional && set->revision != (there ? store->entries[i].revision : 0))
		return drover_err_set(err, EAGAIN, "%s was changed by another host meanwhile",
				      set->key);
	if (!set->remove)
		r = put_entry(store, i, there, set, err);
	else if (there)
		remove_entry(store, i);
	if (r == 0 && ret_changed)
		*ret_changed = !set->remove || there;
	return r;
}

static int apply_lock(struct drover_store *store, const char *name, uint64_t client,
		      struct drover_err *err)
{
	uint64_t holder = drover_store_holder(store, name);
	size_t i = lock_place(store, name);
	char *copy;

	if (holder)
		return holder == client ? 0 : drover_err_set(err, EBUSY, "%s is locked already", name);
	copy = strdup(name);
	if (!copy || grow((void **)&store->locks, store->lock_count, &store->lock_room,
			  sizeof(*store->locks)) < 0) {
		free(copy);
		return drover_err_set(err, ENOMEM, "out of memory");
	}
	memmove(store->locks + i + 1, store->locks + i,
		(store->lock_count - i) * sizeof(*store->locks));
	store->locks[i] = (struct drover_store_lock){ copy, client };
	store->lock_count++;
	return 0;
}

static void remove_lock(struct drover_store *store, size_t i)
{
	free(store->locks[i].name);
	memmove(store->locks + i, store->locks + i + 1,
		(store->lock_count - i - 1) * sizeof(*store->locks));
	store->lock_count--;
}

static int apply_unlock(struct drover_store *store, const char *name, uint64_t client,
			struct drover_err *err)
{
	if (drover_store_holder(store, name) != client)
		return drover_err_set(err, ENOENT, "%s is not locked by this host", name);
	remove_lock(store, lock_place(store, name));
	return 0;
}

int drover_store_apply(struct drover_store *store, const Drover__ClusterOp *op, uint64_t client,
		       bool *ret_changed, struct drover_err *err)
{
	int r = drover_store_check(op, err);

	if (ret_changed)
		*ret_changed = false;
	if (r < 0)
		return r;
	if (op->what_case == DROVER__CLUSTER_OP__WHAT_SET)
		r = apply_set(store, op->set, ret_changed, err);
	else if (op->what_case == DROVER__CLUSTER_OP__WHAT_LOCK)
		r = apply_lock(store, op->lock, client, err);
	else
		r = apply_unlock(store, op->unlock, client, err);
	if (r == 0)
		store->version++;
	return r;
}

static const struct drover_store_member *member_of(const struct drover_store_member *members,
						   size_t count, uint64_t client)
{
	for (size_t i = 0; i < count; i++)
		if (members[i].client == client)
			return &members[i];
	return NULL;
}

static int by_node(const void *a, const void *b)
{
	const struct drover_store_member *x = a, *y = b;

	return x->node < y->node ? -1 : x->node > y->node;
}

int drover_store_begin(struct drover_store *store, uint64_t epoch,
		       const struct drover_store_member *members, size_t count)
{
	struct drover_store_member *list = calloc(count + 1, sizeof(*list));
	size_t n = 0, old;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < store->member_count; i++) {
		const struct drover_store_member *m =
			member_of(members, count, store->members[i].client);

		if (m && n < count)
			list[n++] = *m;
	}
	old = n;
	for (size_t i = 0; i < count; i++)
		if (!member_of(list, old, members[i].client) && n < count)
			list[n++] = members[i];
	qsort(list + old, n - old, sizeof(*list), by_node);
	free(store->members);
	store->members = list;
	store->member_count = n;
	store->epoch = epoch;
	for (size_t i = store->lock_count; i-- > 0;)
		if (!member_of(list, n, store->locks[i].client))
			remove_lock(store, i);
	return 0;
}
