/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state that all members of a cluster share: entries, locks, and the members in the
 * order of their age. Pure: the same changes in the same order give the same bytes on
 * every host. What the values mean is none of its business.
 */
#ifndef DROVER_CLUSTER_STORE_H
#define DROVER_CLUSTER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "cluster.pb-c.h"
#include "core/model.h"

#define DROVER_KEY_MAX	     255
#define DROVER_VALUE_MAX     65536
#define DROVER_ENTRIES_MAX   100000
#define DROVER_STORE_MAX     (32U << 20)	/* bytes of all keys and values */
#define DROVER_SNAPSHOT_MAX  (64U << 20)	/* of what is packed */

/**
 * struct drover_store_entry - a key and its value
 * @revision: version of the store that wrote it, never 0
 */
struct drover_store_entry {
	char *key;
	uint8_t *value;
	size_t len;
	uint64_t revision;
};

struct drover_store_lock {
	char *name;
	uint64_t client;
};

struct drover_store_member {
	uint32_t node;
	uint64_t client;
	char host[DROVER_NAME_LEN];
};

/**
 * struct drover_store - the state
 * @epoch: of the newest view in which it was made equal to those of others, 0: none yet
 * @active: of the newest active view whose changes it has; who was in a later one knows more
 * @version: counts the changes of all epochs
 * @entries, @locks: in the order of their names
 * @bytes: of all keys and values
 * @members: the oldest first
 */
struct drover_store {
	uint64_t epoch;
	uint64_t active;
	uint64_t version;
	struct drover_store_entry *entries;
	size_t entry_count, entry_room;
	size_t bytes;
	struct drover_store_lock *locks;
	size_t lock_count, lock_room;
	struct drover_store_member *members;
	size_t member_count;
};

/** drover_store_clear() - free all that it holds; it is empty then */
void drover_store_clear(struct drover_store *store);

/** drover_store_find() - the entry of that key, or NULL; valid until the next change */
const struct drover_store_entry *drover_store_find(const struct drover_store *store, const char *key);

/** drover_store_holder() - the client that holds the lock, or 0 */
uint64_t drover_store_holder(const struct drover_store *store, const char *name);

/** drover_store_check() - -EINVAL for a change that no store takes, whatever it holds */
int drover_store_check(const Drover__ClusterOp *op, struct drover_err *err);

/**
 * drover_store_apply() - make one change
 * @client: who wants it
 * @ret_changed: out: an entry is not as it was; NULL where that does not matter
 *
 * Errors: -EAGAIN (conditional, and somebody else was faster), -EBUSY (another client holds the
 * lock), -ENOENT (unlock of what the client does not hold), -ENOSPC, -ENOMEM. Nothing changes
 * then.
 */
int drover_store_apply(struct drover_store *store, const Drover__ClusterOp *op, uint64_t client,
		       bool *ret_changed, struct drover_err *err);

/**
 * drover_store_begin() - all stores of a view are equal
 * @epoch: its number
 * @members: who is in it, in any order
 *
 * Members that were there keep their age, the others come behind in the order of their nodes.
 * Locks of those who are gone are released.
 */
int drover_store_begin(struct drover_store *store, uint64_t epoch,
		       const struct drover_store_member *members, size_t count);

/** drover_store_pack() - as the bytes of a ClusterSnapshot; free() them. NULL: out of memory */
uint8_t *drover_store_pack(const struct drover_store *store, size_t *ret_len);

/**
 * drover_store_unpack() - the reverse
 * @store: an empty one
 *
 * Errors: -EBADMSG when the bytes are no snapshot, or one that could not have been packed.
 */
int drover_store_unpack(struct drover_store *store, const uint8_t *data, size_t len,
			struct drover_err *err);

/** drover_store_digest() - XXH3, 64 bits, of the content, epochs left out; 0: out of memory */
uint64_t drover_store_digest(const struct drover_store *store);

/**
 * drover_store_save() - write it to a file so that a power loss leaves old or new
 * @path: readable by its owner alone
 */
int drover_store_save(const struct drover_store *store, const char *path, struct drover_err *err);

/**
 * drover_store_load() - read it from a file; without members and locks, which have ended
 * @store: an empty one, which stays so with any error
 *
 * Errors: -ENOENT, -EBADMSG (damaged), those of read(2).
 */
int drover_store_load(struct drover_store *store, const char *path, struct drover_err *err);

#endif
