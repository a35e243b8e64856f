// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * node HOST NODE FILE: an agent's part in a cluster and nothing else. Takes commands on standard
 * input, tells on standard output what happens; cluster.t has several.
 *
 *   set KEY VALUE, new KEY VALUE, remove KEY, lock NAME, unlock NAME   "done WORD NAME RESULT"
 *   get KEY                                                            "value KEY [VALUE]"
 *   weigh NODE VOTES,EXPECTED                                          "weighed NODE RESULT"
 *   state                                                              "state ..."
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cluster/cluster.h"

static struct drover_cluster *cluster;

static const char *const phases[] = {
	[DROVER_REPLICA_OFFLINE] = "offline",
	[DROVER_REPLICA_NO_QUORUM] = "no-quorum",
	[DROVER_REPLICA_SYNCING] = "syncing",
	[DROVER_REPLICA_ACTIVE] = "active",
};

static void on_changed(void *data, const char *key, const uint8_t *value, size_t len)
{
	printf("changed %s %.*s\n", key, (int)len, value ? (const char *)value : "");
}

static void tell_state(void)
{
	const struct drover_replica *r = drover_cluster_replica(cluster);

	printf("state %s %s", phases[r->phase], drover_cluster_leads(cluster) ? "leads" : "follows");
	for (size_t i = 0; i < r->store.member_count; i++)
		printf("%c%s", i ? ',' : ' ', r->store.members[i].host);
	printf(" %zu %016" PRIx64 "\n", r->store.entry_count, drover_store_digest(&r->store));
}

static void on_phase(void *data)
{
	tell_state();
}

struct asked {
	char word[16];
	char name[256];
};

static void on_done(void *data, int r, const struct drover_err *err)
{
	struct asked *a = data;

	printf("done %s %s %d\n", a->word, a->name, r);
	free(a);
}

static int begin(const struct asked *what, const char *value, struct drover_err *err)
{
	struct asked *a = malloc(sizeof(*a));
	int r = -EINVAL;

	if (!a)
		return -ENOMEM;
	*a = *what;
	if (!strcmp(a->word, "set"))
		r = drover_cluster_set(cluster, a->name, value, strlen(value), DROVER_CLUSTER_ANY,
				       on_done, a, err);
	else if (!strcmp(a->word, "new"))
		r = drover_cluster_set(cluster, a->name, value, strlen(value), DROVER_CLUSTER_NEW,
				       on_done, a, err);
	else if (!strcmp(a->word, "remove"))
		r = drover_cluster_set(cluster, a->name, NULL, 0, DROVER_CLUSTER_ANY, on_done, a, err);
	else if (!strcmp(a->word, "lock"))
		r = drover_cluster_lock(cluster, a->name, on_done, a, err);
	else if (!strcmp(a->word, "unlock"))
		r = drover_cluster_unlock(cluster, a->name, on_done, a, err);
	if (r < 0)
		free(a);
	return r;
}

static void get(const char *key)
{
	const struct drover_replica *r = drover_cluster_replica(cluster);
	const struct drover_store_entry *e = drover_store_find(&r->store, key);

	printf("value %s %.*s\n", key, e ? (int)e->len : 0, e ? (const char *)e->value : "");
}

static void weigh(const char *node, const char *value)
{
	struct drover_err err = { 0 };
	unsigned int votes = 0, expected = 0;

	sscanf(value, "%u,%u", &votes, &expected);
	printf("weighed %s %d %s\n", node,
	       drover_cluster_weigh(cluster, atoi(node), votes, expected, &err), err.text);
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct drover_err err = { 0 };
	struct asked a = { 0 };
	char line[1024], value[512] = "";

	if (!fgets(line, sizeof(line), stdin))
		return sd_event_exit(sd_event_source_get_event(source), 0);
	if (sscanf(line, "%15s %255s %511s", a.word, a.name, value) < 1)
		return 0;
	if (!strcmp(a.word, "state"))
		tell_state();
	else if (!strcmp(a.word, "weigh"))
		weigh(a.name, value);
	else if (!strcmp(a.word, "get"))
		get(a.name);
	else if (begin(&a, value, &err) < 0)
		printf("refused %s\n", err.text);
	return 0;
}

int main(int argc, char **argv)
{
	const struct drover_cluster_events events = { on_changed, on_phase, NULL };
	struct drover_err err = { 0 };
	sd_event *event = NULL;
	int r;

	if (argc != 4) {
		fprintf(stderr, "usage: node HOST NODE FILE\n");
		return 2;
	}
	/* One line at a time, so that none waits in a buffer that poll(2) knows nothing of. */
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = sd_event_new(&event);
	if (r >= 0)
		r = sd_event_add_io(event, NULL, STDIN_FILENO, EPOLLIN, on_input, NULL);
	if (r >= 0)
		r = drover_cluster_open(event, argv[1], atoi(argv[2]), argv[3], &events, &cluster, &err);
	if (r < 0) {
		fprintf(stderr, "node: %s\n", err.text[0] ? err.text : strerror(-r));
		return 1;
	}
	r = sd_event_loop(event);
	drover_cluster_close(cluster);
	sd_event_unref(event);
	return r < 0;
}
