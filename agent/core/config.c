// SPDX-License-Identifier: GPL-2.0-or-later
/* drover.conf: its sections, and the keys of most. Those of pools: poolkeys.c. */
#include "core/config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/ini.h"
#include "core/poolkeys.h"
#include "wire.h"

#define CONFIG_MAX (1U << 20)

bool drover_name_valid(const char *name)
{
	size_t n = strlen(name);

	if (!n || n >= DROVER_NAME_LEN || *name == '.' || *name == '-')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("-_.", *name))
			return false;
	return true;
}

const struct drover_peer_conf *drover_config_find_peer(const struct drover_conf *conf,
						       const char *name)
{
	for (uint32_t i = 0; i < conf->peer_count; i++)
		if (!strcmp(conf->peers[i].name, name))
			return &conf->peers[i];
	return NULL;
}

enum section { NO_SECTION, HOST, MIGRATION, PEER, POOL, STORAGE, TLS };

struct reader {
	struct drover_conf *conf;
	enum section section;
	bool had_host, had_migration, had_storage, had_tls;
};

/* Keys that are strings or paths, and keys that are numbers, with where they go. */
typedef int reads_value(const char *value, char *buf, size_t size, struct drover_err *err);

static const struct {
	const char *key;
	size_t offset, size;
	reads_value *read;
} strings[] = {
#define FIELD(field) #field, offsetof(struct drover_conf, field), \
	sizeof(((struct drover_conf *)0)->field)
	{ FIELD(address), drover_ini_string }, { FIELD(user), drover_ini_string },
	{ FIELD(vm_dir), drover_ini_path }, { FIELD(state_dir), drover_ini_path },
	{ FIELD(run_dir), drover_ini_path }, { FIELD(ram_dir), drover_ini_path },
	{ FIELD(qemu), drover_ini_path },
#undef FIELD
};

static const struct {
	const char *key;
	size_t offset;
	uint32_t min, max;
} numbers[] = {
	{ "streams", offsetof(struct drover_conf, streams), 1, 16 },
	{ "downtime_limit_ms", offsetof(struct drover_conf, downtime_limit_ms), 1, 3600000 },
	{ "bandwidth_mib", offsetof(struct drover_conf, bandwidth_mib), 0, 1000000 },
	{ "max_rounds", offsetof(struct drover_conf, max_rounds), 2, 120 },
};

static int once(bool *seen, const char *what, struct drover_err *err)
{
	if (*seen)
		return drover_err_set(err, EINVAL, "a second section [%s]", what);
	*seen = true;
	return 0;
}

static int begin_peer(struct reader *r, const char *name, struct drover_err *err)
{
	struct drover_conf *conf = r->conf;
	struct drover_peer_conf *peer;

	if (!drover_name_valid(name))
		return drover_err_set(err, EINVAL, "\"%s\" is no valid name of a host", name);
	if (drover_config_find_peer(conf, name))
		return drover_err_set(err, EINVAL, "a second section [peer %s]", name);
	if (conf->peer_count == DROVER_PEERS_MAX)
		return drover_err_set(err, EINVAL, "more than %d peers", DROVER_PEERS_MAX);
	peer = &conf->peers[conf->peer_count++];
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	peer->port = DROVER_PORT;
	r->section = PEER;
	return 0;
}

static int on_section(void *data, const char *kind, const char *name, struct drover_err *err)
{
	struct reader *r = data;

	if (!strcmp(kind, "peer"))
		return begin_peer(r, name, err);
	if (!strcmp(kind, "pool")) {
		r->section = POOL;
		return drover_poolkeys_begin(r->conf, name, err);
	}
	if (!strcmp(kind, "host") && !*name) {
		r->section = HOST;
		return once(&r->had_host, kind, err);
	}
	if (!strcmp(kind, "migration") && !*name) {
		r->section = MIGRATION;
		return once(&r->had_migration, kind, err);
	}
	if (!strcmp(kind, "storage") && !*name) {
		r->section = STORAGE;
		return once(&r->had_storage, kind, err);
	}
	if (!strcmp(kind, "tls") && !*name) {
		r->section = TLS;
		r->conf->tls.on = true;
		return once(&r->had_tls, kind, err);
	}
	return drover_err_set(err, EINVAL, "unknown section [%s%s%s]", kind, *name ? " " : "", name);
}

static int set_port(const char *value, uint16_t *port, struct drover_err *err)
{
	uint64_t n;
	int r = drover_ini_number(value, 1, 65535, &n, err);

	if (r == 0)
		*port = n;
	return r;
}

static int peer_key(struct reader *r, const char *key, const char *value, struct drover_err *err)
{
	struct drover_peer_conf *peer = &r->conf->peers[r->conf->peer_count - 1];

	if (!strcmp(key, "address"))
		return drover_ini_string(value, peer->address, sizeof(peer->address), err);
	if (!strcmp(key, "port"))
		return set_port(value, &peer->port, err);
	return drover_err_set(err, EINVAL, "unknown key \"%s\" in [peer %s]", key, peer->name);
}

static int host_key(struct reader *r, const char *key, const char *value, struct drover_err *err)
{
	if (!strcmp(key, "port"))
		return set_port(value, &r->conf->port, err);
	if (!strcmp(key, "name")) {
		if (!drover_name_valid(value))
			return drover_err_set(err, EINVAL, "\"%s\" is no valid name of a host", value);
		return drover_ini_string(value, r->conf->host, sizeof(r->conf->host), err);
	}
	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
		if (!strcmp(key, strings[i].key))
			return strings[i].read(value, (char *)r->conf + strings[i].offset,
					       strings[i].size, err);
	return drover_err_set(err, EINVAL, "unknown key \"%s\" in [host]", key);
}

static int migration_key(struct reader *r, const char *key, const char *value,
			 struct drover_err *err)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		uint64_t n;
		int result;

		if (strcmp(key, numbers[i].key))
			continue;
		result = drover_ini_number(value, numbers[i].min, numbers[i].max, &n, err);
		if (result == 0)
			*(uint32_t *)((char *)r->conf + numbers[i].offset) = n;
		return result;
	}
	return drover_err_set(err, EINVAL, "unknown key \"%s\" in [migration]", key);
}

static int tls_key(struct reader *r, const char *key, const char *value, struct drover_err *err)
{
	struct drover_tls_conf *tls = &r->conf->tls;

	if (!strcmp(key, "certificate"))
		return drover_ini_path(value, tls->certificate, sizeof(tls->certificate), err);
	if (!strcmp(key, "key"))
		return drover_ini_path(value, tls->key, sizeof(tls->key), err);
	if (!strcmp(key, "authority"))
		return drover_ini_path(value, tls->authority, sizeof(tls->authority), err);
	return drover_err_set(err, EINVAL, "unknown key \"%s\" in [tls]", key);
}

static int on_key(void *data, const char *key, const char *value, struct drover_err *err)
{
	struct reader *r = data;

	switch (r->section) {
	case PEER:
		return peer_key(r, key, value, err);
	case HOST:
		return host_key(r, key, value, err);
	case MIGRATION:
		return migration_key(r, key, value, err);
	case POOL:
		return drover_poolkeys_pool(r->conf, key, value, err);
	case STORAGE:
		return drover_poolkeys_storage(r->conf, key, value, err);
	case TLS:
		return tls_key(r, key, value, err);
	case NO_SECTION:
		break;
	}
	return drover_err_set(err, EINVAL, "a key stands before the first section");
}

static int on_end(void *data, struct drover_err *err)
{
	struct reader *r = data;
	const struct drover_peer_conf *peer;

	if (r->section == POOL)
		return drover_poolkeys_end(r->conf, err);
	if (r->section != PEER)
		return 0;
	peer = &r->conf->peers[r->conf->peer_count - 1];
	return peer->address[0]
		       ? 0
		       : drover_err_set(err, EINVAL, "[peer %s] has no address", peer->name);
}

static void set_defaults(struct drover_conf *conf)
{
	*conf = (struct drover_conf){
		.address = "0.0.0.0",
		.port = DROVER_PORT,
		.vm_dir = "/etc/drover/vms",
		.state_dir = "/var/lib/drover",
		.run_dir = "/run/drover",
		.ram_dir = "/dev/shm/drover",
		.qemu = "/usr/bin/qemu-system-x86_64",
		.user = "drover-qemu",
		.streams = 2,
		.downtime_limit_ms = 300,
		.bandwidth_mib = 0,
		.max_rounds = 30,
		.pool_threshold = 80,
		.pool_interval_s = 300,
		.storage_grace_s = 120,
		.tls = {
			.certificate = "/etc/drover/tls/host.crt",
			.key = "/etc/drover/tls/host.key",
			.authority = "/etc/drover/tls/ca.crt",
		},
	};
	gethostname(conf->host, sizeof(conf->host) - 1);
	conf->host[strcspn(conf->host, ".")] = '\0';
}

static int check(const struct drover_conf *conf, const char *origin, struct drover_err *err)
{
	if (!drover_name_valid(conf->host))
		return drover_err_set(err, EINVAL, "%s: the host needs a name", origin);
	if (drover_config_find_peer(conf, conf->host))
		return drover_err_set(err, EINVAL, "%s: [peer %s] is this host itself", origin,
				      conf->host);
	return 0;
}

int drover_config_read(const char *path, struct drover_conf *ret_conf, struct drover_err *err)
{
	static const struct drover_ini_ops ops = {
		.section = on_section,
		.key = on_key,
		.end = on_end,
	};
	struct drover_conf conf;
	struct reader r = { .conf = &conf };
	auto_free char *text = NULL;
	const char *origin = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	int result = 0;

	set_defaults(&conf);
	if (access(path, F_OK) == 0 || errno != ENOENT)
		result = drover_ini_load(path, origin, CONFIG_MAX, &text, err);
	if (result == 0 && text)
		result = drover_ini_read(text, origin, &ops, &r, err);
	if (result == 0)
		result = check(&conf, origin, err);
	if (result == 0)
		*ret_conf = conf;
	return result;
}
