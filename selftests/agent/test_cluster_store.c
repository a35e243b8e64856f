// SPDX-License-Identifier: GPL-2.0-or-later
/* The shared state by itself: changes, bytes, files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "cluster/store.h"

static struct drover_store store;
static char dir[] = "/tmp/drover-store.XXXXXX", path[64];

static int setup(void **state)
{
	store = (struct drover_store){ 0 };
	snprintf(dir, sizeof(dir), "/tmp/drover-store.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/state", dir);
	return 0;
}

static int teardown(void **state)
{
	drover_store_clear(&store);
	unlink(path);
	return rmdir(dir);
}

static int set_bytes(const char *key, const void *value, size_t len, bool conditional,
		     uint64_t revision)
{
	Drover__ClusterOp op = DROVER__CLUSTER_OP__INIT;
	Drover__ClusterSet set = DROVER__CLUSTER_SET__INIT;

	set.key = (char *)key;
	set.value.data = (uint8_t *)value;
	set.value.len = len;
	set.conditional = conditional;
	set.revision = revision;
	op.what_case = DROVER__CLUSTER_OP__WHAT_SET;
	op.set = &set;
	return drover_store_apply(&store, &op, 1, NULL, NULL);
}

static int set(const char *key, const char *value)
{
	return set_bytes(key, value, strlen(value), false, 0);
}

static int unset(const char *key, bool *ret_changed)
{
	Drover__ClusterOp op = DROVER__CLUSTER_OP__INIT;
	Drover__ClusterSet s = DROVER__CLUSTER_SET__INIT;

	s.key = (char *)key;
	s.remove = true;
	op.what_case = DROVER__CLUSTER_OP__WHAT_SET;
	op.set = &s;
	return drover_store_apply(&store, &op, 1, ret_changed, NULL);
}

static int lock(const char *name, uint64_t client, bool unlock)
{
	Drover__ClusterOp op = DROVER__CLUSTER_OP__INIT;

	op.what_case = unlock ? DROVER__CLUSTER_OP__WHAT_UNLOCK : DROVER__CLUSTER_OP__WHAT_LOCK;
	op.lock = (char *)name;
	return drover_store_apply(&store, &op, client, NULL, NULL);
}

static void assert_value(const char *key, const char *value)
{
	const struct drover_store_entry *e = drover_store_find(&store, key);

	assert_non_null(e);
	assert_int_equal(e->len, strlen(value));
	assert_memory_equal(e->value, value, e->len);
}

static void values_are_kept_in_order(void **state)
{
	static const char *const keys[] = { "m", "b", "z", "a", "y", "c", "bb", "B" };
	bool changed;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		assert_int_equal(set(keys[i], keys[i]), 0);
	assert_int_equal(store.entry_count, 8);
	for (size_t i = 1; i < store.entry_count; i++)
		assert_true(strcmp(store.entries[i - 1].key, store.entries[i].key) < 0);
	assert_int_equal(set("b", "new"), 0);
	assert_value("b", "new");
	assert_value("bb", "bb");
	assert_int_equal(store.entry_count, 8);
	assert_int_equal(unset("b", &changed), 0);
	assert_true(changed);
	assert_null(drover_store_find(&store, "b"));
	assert_int_equal(unset("b", &changed), 0);
	assert_false(changed);
	assert_int_equal(store.version, 11);
	assert_int_equal(set("empty", ""), 0);
	assert_value("empty", "");
}

static void bytes_are_counted(void **state)
{
	assert_int_equal(set("key", "12345"), 0);
	assert_int_equal(store.bytes, 8);
	assert_int_equal(set("key", "1"), 0);
	assert_int_equal(store.bytes, 4);
	assert_int_equal(unset("key", NULL), 0);
	assert_int_equal(store.bytes, 0);
}

static void what_is_too_large_is_refused(void **state)
{
	char *value = calloc(1, DROVER_VALUE_MAX + 1), key[DROVER_KEY_MAX + 2], name[16];
	int n = 0;

	memset(key, 'k', sizeof(key));
	key[DROVER_KEY_MAX + 1] = '\0';
	assert_int_equal(set(key, "v"), -EINVAL);
	assert_int_equal(set("", "v"), -EINVAL);
	assert_int_equal(set_bytes("k", value, DROVER_VALUE_MAX + 1, false, 0), -EINVAL);
	assert_int_equal(lock("", 1, false), -EINVAL);
	key[DROVER_KEY_MAX] = '\0';
	assert_int_equal(set(key, "v"), 0);
	do
		snprintf(name, sizeof(name), "%d", n++);
	while (n < 10000 && set_bytes(name, value, DROVER_VALUE_MAX, false, 0) == 0);
	assert_int_equal(set_bytes(name, value, DROVER_VALUE_MAX, false, 0), -ENOSPC);
	assert_null(drover_store_find(&store, name));
	assert_true(store.bytes <= DROVER_STORE_MAX);
	free(value);
}

static void a_condition_is_kept(void **state)
{
	uint64_t revision;

	assert_int_equal(set_bytes("k", "1", 1, true, 7), -EAGAIN);
	assert_int_equal(set_bytes("k", "1", 1, true, 0), 0);
	assert_int_equal(set_bytes("k", "2", 1, true, 0), -EAGAIN);
	revision = drover_store_find(&store, "k")->revision;
	assert_int_equal(set_bytes("k", "2", 1, true, revision), 0);
	assert_int_equal(set_bytes("k", "3", 1, true, revision), -EAGAIN);
	assert_value("k", "2");
	/* A key that came back is not the one that went. */
	revision = drover_store_find(&store, "k")->revision;
	assert_int_equal(unset("k", NULL), 0);
	assert_int_equal(set("k", "4"), 0);
	assert_int_equal(set_bytes("k", "5", 1, true, revision), -EAGAIN);
}

static void a_lock_has_one_holder(void **state)
{
	assert_int_equal(lock("vm/web", 7, false), 0);
	assert_int_equal(lock("vm/web", 8, false), -EBUSY);
	assert_int_equal(lock("vm/web", 7, false), 0);
	assert_int_equal(lock("vm/db", 8, false), 0);
	assert_int_equal(drover_store_holder(&store, "vm/web"), 7);
	assert_int_equal(drover_store_holder(&store, "vm/we"), 0);
	assert_int_equal(lock("vm/web", 8, true), -ENOENT);
	assert_int_equal(lock("vm/none", 8, true), -ENOENT);
	assert_int_equal(lock("vm/web", 7, true), 0);
	assert_int_equal(lock("vm/web", 8, false), 0);
}

static void members_keep_their_age(void **state)
{
	const struct drover_store_member first[] = { { 3, 30, "c" }, { 1, 10, "a" } };
	const struct drover_store_member second[] = { { 1, 10, "a" }, { 2, 20, "b" }, { 3, 30, "c" } };
	/* The agent of node 1 was started again: another client, and the youngest. */
	const struct drover_store_member third[] = { { 1, 11, "a" }, { 2, 20, "b" }, { 3, 30, "c" } };

	drover_store_begin(&store, 1, first, 2);
	assert_int_equal(store.members[0].node, 1);
	assert_int_equal(lock("x", 10, false), 0);
	assert_int_equal(lock("y", 30, false), 0);
	drover_store_begin(&store, 2, second, 3);
	assert_int_equal(store.members[0].client, 10);
	assert_int_equal(store.members[1].client, 30);
	assert_int_equal(store.members[2].client, 20);
	assert_int_equal(drover_store_holder(&store, "x"), 10);
	drover_store_begin(&store, 3, third, 3);
	assert_int_equal(store.members[0].client, 30);
	assert_int_equal(store.members[1].client, 20);
	assert_int_equal(store.members[2].client, 11);
	assert_int_equal(drover_store_holder(&store, "x"), 0);
	assert_int_equal(drover_store_holder(&store, "y"), 30);
	assert_int_equal(store.epoch, 3);
}

static void fill(void)
{
	const struct drover_store_member members[] = { { 1, 10, "host1" }, { 2, 20, "host2" } };

	drover_store_begin(&store, 4, members, 2);
	store.active = 4;
	set("host/host1", "one");
	set("host/host2", "two");
	set_bytes("nul", "a\0b", 3, false, 0);
	lock("vm/web", 20, false);
}

static void bytes_there_and_back(void **state)
{
	struct drover_store copy = { 0 };
	size_t len, len2;
	uint8_t *data, *data2;

	fill();
	data = drover_store_pack(&store, &len);
	assert_int_equal(drover_store_unpack(&copy, data, len, NULL), 0);
	data2 = drover_store_pack(&copy, &len2);
	assert_int_equal(len, len2);
	assert_memory_equal(data, data2, len);
	assert_int_equal(copy.bytes, store.bytes);
	assert_int_equal(drover_store_digest(&copy), drover_store_digest(&store));
	copy.epoch++;
	assert_int_equal(drover_store_digest(&copy), drover_store_digest(&store));
	copy.version++;
	assert_int_not_equal(drover_store_digest(&copy), drover_store_digest(&store));
	drover_store_clear(&copy);
	free(data);
	free(data2);
}

static void damaged_bytes_are_refused_or_consistent(void **state)
{
	size_t len, refused = 0;
	uint8_t *data;

	fill();
	data = drover_store_pack(&store, &len);
	for (size_t i = 0; i < len * 8; i++) {
		struct drover_store copy = { 0 };

		data[i / 8] ^= 1 << i % 8;
		if (drover_store_unpack(&copy, data, len, NULL) < 0) {
			refused++;
			assert_null(copy.entries);
		}
		for (size_t j = 1; j < copy.entry_count; j++)
			assert_true(strcmp(copy.entries[j - 1].key, copy.entries[j].key) < 0);
		drover_store_clear(&copy);
		data[i / 8] ^= 1 << i % 8;
	}
	assert_true(refused > len);
	for (size_t i = 0; i < len; i++) {
		struct drover_store copy = { 0 };

		drover_store_unpack(&copy, data, i, NULL);
		drover_store_clear(&copy);
	}
	free(data);
}

static void a_file_survives(void **state)
{
	struct drover_store copy = { 0 };

	fill();
	assert_int_equal(drover_store_save(&store, path, NULL), 0);
	assert_int_equal(drover_store_load(&copy, path, NULL), 0);
	assert_int_equal(copy.epoch, 4);
	assert_int_equal(copy.active, 4);
	assert_int_equal(copy.version, store.version);
	assert_int_equal(copy.entry_count, 3);
	assert_int_equal(copy.entries[2].len, 3);
	/* Nobody of that time is here any more. */
	assert_int_equal(copy.member_count, 0);
	assert_int_equal(copy.lock_count, 0);
	drover_store_clear(&copy);
}

static void a_damaged_file_is_found_out(void **state)
{
	struct drover_store copy = { 0 };
	struct drover_err err = { 0 };
	char *text;
	size_t len;

	assert_int_equal(drover_store_load(&copy, path, NULL), -ENOENT);
	fill();
	assert_int_equal(drover_store_save(&store, path, NULL), 0);
	assert_int_equal(drover_io_read_file(path, 1 << 20, &text, &len, NULL), 0);
	for (size_t i = 0; i < len; i++) {
		text[i] ^= 4;
		assert_int_equal(drover_io_write_durable(path, text, len, 0600, NULL), 0);
		assert_int_equal(drover_store_load(&copy, path, NULL), -EBADMSG);
		assert_null(copy.entries);
		text[i] ^= 4;
	}
	for (size_t i = 0; i < len; i += 7) {
		assert_int_equal(drover_io_write_durable(path, text, i, 0600, NULL), 0);
		assert_int_equal(drover_store_load(&copy, path, &err), -EBADMSG);
	}
	assert_non_null(strstr(err.text, "damaged"));
	free(text);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(values_are_kept_in_order),
		test(bytes_are_counted),
		test(what_is_too_large_is_refused),
		test(a_condition_is_kept),
		test(a_lock_has_one_holder),
		test(members_keep_their_age),
		test(bytes_there_and_back),
		test(damaged_bytes_are_refused_or_consistent),
		test(a_file_survives),
		test(a_damaged_file_is_found_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
