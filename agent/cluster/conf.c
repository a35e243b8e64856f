// SPDX-License-Identifier: GPL-2.0-or-later
/* corosync.conf(5) and votequorum(5). */
#include "cluster/conf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define MARK "# Made by \"drover cluster\", from drover.conf: do not edit.\n"

static bool any_address(const char *address)
{
	return !*address || !strcmp(address, "0.0.0.0") || !strcmp(address, "::");
}

#define NAME_LINE "    node {\n        name: %s\n"

/* knet takes numbers below 65536. */
#define NODES_MAX 65535

/*
 * No "two_node": with it each of two hosts that have lost each other would think that it has
 * the quorum.
 */
static void put_head(FILE *out)
{
	fputs(MARK
	      "totem {\n"
	      "    version: 2\n"
	      "    cluster_name: drover\n"
	      "    transport: knet\n"
	      "    crypto_cipher: aes256\n"
	      "    crypto_hash: sha256\n"
	      "}\n"
	      "quorum {\n"
	      "    provider: corosync_votequorum\n"
	      "}\n"
	      "logging {\n"
	      "    to_syslog: yes\n"
	      "}\n"
	      "nodelist {\n", out);
}

/* The hash of its name; where two have the same, the one behind takes the next that is free. */
static uint32_t number(const char *host, const uint32_t *taken, size_t count)
{
	uint32_t n = drover_hash_pair("node", host) % NODES_MAX;

	for (size_t i = 0; i < count; i++) {
		if (taken[i] != n + 1)
			continue;
		n = (n + 1) % NODES_MAX;
		i = (size_t)-1;
	}
	return n + 1;
}

static void put_node(FILE *out, const struct drover_peer_conf *host, uint32_t node)
{
	fprintf(out, NAME_LINE "        nodeid: %" PRIu32 "\n        ring0_addr: %s\n    }\n",
		host->name, node, host->address);
}

static int check(const struct drover_conf *conf, struct drover_err *err)
{
	if (any_address(conf->address))
		return drover_err_set(err, EINVAL,
				      "[host] needs the address at which the other hosts reach this one");
	for (uint32_t i = 0; i < conf->peer_count; i++)
		if (any_address(conf->peers[i].address))
			return drover_err_set(err, EINVAL, "[peer %s] has no address",
					      conf->peers[i].name);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct drover_peer_conf *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

int drover_cluster_conf(const struct drover_conf *conf, char **ret_text, struct drover_err *err)
{
	const struct drover_peer_conf *hosts[DROVER_PEERS_MAX + 1];
	uint32_t taken[DROVER_PEERS_MAX + 1];
	struct drover_peer_conf self = { 0 };
	size_t len, n = 0;
	FILE *out;
	int r = check(conf, err);

	if (r < 0)
		return r;
	snprintf(self.name, sizeof(self.name), "%s", conf->host);
	snprintf(self.address, sizeof(self.address), "%s", conf->address);
	hosts[n++] = &self;
	for (uint32_t i = 0; i < conf->peer_count; i++)
		hosts[n++] = &conf->peers[i];
	qsort(hosts, n, sizeof(*hosts), by_name);
	out = open_memstream(ret_text, &len);
	if (!out)
		return drover_err_set(err, ENOMEM, "out of memory");
	put_head(out);
	for (size_t i = 0; i < n; i++) {
		taken[i] = number(hosts[i]->name, taken, i);
		put_node(out, hosts[i], taken[i]);
	}
	fputs("}\n", out);
	return fclose(out) ? drover_err_set(err, ENOMEM, "out of memory") : 0;
}

uint32_t drover_cluster_conf_node(const char *text, const char *host)
{
	char line[DROVER_NAME_LEN + 64];
	const char *at;
	uint32_t node;

	snprintf(line, sizeof(line), NAME_LINE, host);
	at = strncmp(text, MARK, strlen(MARK)) ? NULL : strstr(text, line);
	return at && sscanf(at + strlen(line), " nodeid: %" SCNu32, &node) == 1 ? node : 0;
}
