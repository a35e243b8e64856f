// SPDX-License-Identifier: GPL-2.0-or-later
/* What the members of a cluster share, as messages. */
#include "ctl/shared.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static void make_key(char key[DROVER_KEY_MAX + 1], const char *prefix, const char *name)
{
	snprintf(key, DROVER_KEY_MAX + 1, "%s%s", prefix, name);
}

static const struct drover_replica *replica(const struct drover_agent *agent)
{
	return agent->cluster ? drover_cluster_replica(agent->cluster) : NULL;
}

void *drover_shared_get(const struct drover_agent *agent, const char *prefix, const char *name,
			const ProtobufCMessageDescriptor *descriptor)
{
	const struct drover_replica *r = replica(agent);
	const struct drover_store_entry *e;
	char key[DROVER_KEY_MAX + 1];

	make_key(key, prefix, name);
	e = r ? drover_store_find(&r->store, key) : NULL;
	return e ? protobuf_c_message_unpack(descriptor, NULL, e->len, e->value) : NULL;
}

int drover_shared_list(const struct drover_agent *agent, const char *prefix,
		       const ProtobufCMessageDescriptor *descriptor,
		       struct drover_shared_list *ret_list)
{
	const struct drover_replica *r = replica(agent);
	struct drover_shared_list list = {0};
	size_t n = r ? r->store.entry_count : 0;

	list.messages = calloc(n + 1, sizeof(*list.messages));
	if (!list.messages)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct drover_store_entry *e = &r->store.entries[i];
		ProtobufCMessage *m;

		if (strncmp(e->key, prefix, strlen(prefix)))
			continue;
		m = protobuf_c_message_unpack(descriptor, NULL, e->len, e->value);
		if (m)
			list.messages[list.count++] = m;
	}
	*ret_list = list;
	return 0;
}

void drover_shared_free(struct drover_shared_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		protobuf_c_message_free_unpacked(list->messages[i], NULL);
	free(list->messages);
	*list = (struct drover_shared_list){0};
}

int drover_shared_set(struct drover_agent *agent, const char *prefix, const char *name,
		      const ProtobufCMessage *message, drover_cluster_done done, void *data,
		      struct drover_err *err)
{
	size_t len = message ? protobuf_c_message_get_packed_size(message) : 0;
	auto_free uint8_t *value = NULL;
	char key[DROVER_KEY_MAX + 1];

	if (!drover_shared_active(agent))
		return drover_err_set(err, ENOTCONN,
				      "the cluster has no quorum here: nothing can be changed now");
	make_key(key, prefix, name);
	if (!message)
		return drover_cluster_set(agent->cluster, key, NULL, 0, DROVER_CLUSTER_ANY, done,
					  data, err);
	value = malloc(len + 1);
	if (!value)
		return drover_err_set(err, ENOMEM, "out of memory");
	protobuf_c_message_pack(message, value);
	return drover_cluster_set(agent->cluster, key, value, len, DROVER_CLUSTER_ANY, done, data,
				  err);
}

void drover_shared_text(char **field, const char *text)
{
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = strdup(text);
	if (!*field)
		*field = (char *)protobuf_c_empty_string;
}

bool drover_shared_active(const struct drover_agent *agent)
{
	const struct drover_replica *r = replica(agent);

	return r && r->phase == DROVER_REPLICA_ACTIVE;
}

bool drover_shared_changes(const struct drover_agent *agent)
{
	const struct drover_replica *r = replica(agent);

	return r && r->phase == DROVER_REPLICA_SYNCING;
}

const char *drover_shared_leader(const struct drover_agent *agent)
{
	const struct drover_replica *r = replica(agent);

	return r && r->phase == DROVER_REPLICA_ACTIVE && r->store.member_count
		       ? r->store.members[0].host
		       : "";
}

bool drover_shared_is_member(const struct drover_agent *agent, const char *host)
{
	const struct drover_replica *r = replica(agent);

	for (size_t i = 0; r && r->phase == DROVER_REPLICA_ACTIVE && i < r->store.member_count; i++)
		if (!strcmp(r->store.members[i].host, host))
			return true;
	return false;
}
