// SPDX-License-Identifier: GPL-2.0-or-later
/* Votes of hosts that sleep and wake, so that the cluster never loses its quorum by them. */
#include "base/log.h"
#include "cluster/cluster.h"
#include "ctl/sleeper.h"

static uint32_t votes_of(const struct drover_agent *agent, uint32_t node)
{
	const struct drover_replica *r = drover_cluster_replica(agent->cluster);

	for (uint32_t i = 0; i < r->view.count; i++)
		if (r->view.members[i].node == node)
			return r->view.members[i].votes;
	return 0;
}

static void weigh(struct sleeper *s, uint32_t node, uint32_t votes, uint32_t expected)
{
	struct drover_err err = {0};

	if (drover_cluster_weigh(s->agent->cluster, node, votes, expected, &err) < 0)
		log_warning("host %s: %s", s->r->host, err.text);
}

/* Who gets the votes of a host that leaves only one behind. */
static uint32_t heir_of(const struct drover_replica *r, uint32_t node)
{
	if (node != r->node)
		return r->node;
	for (uint32_t i = 0; i < r->view.count; i++)
		if (r->view.members[i].node != node)
			return r->view.members[i].node;
	return node;
}

/*
 * So that those who stay have their quorum all the while. Two or more are enough for each other
 * when the votes are counted without it; one alone takes its votes over, as corosync counts no
 * quorum that a host that is still there could be missed in.
 */
void sleeper_take_votes(struct sleeper *s)
{
	const struct drover_replica *r = drover_cluster_replica(s->agent->cluster);
	uint32_t theirs = votes_of(s->agent, s->r->node), others = r->view.total - theirs;
	uint32_t heir = heir_of(r, s->r->node);

	if (!theirs)
		return;
	if (others < 2) {
		weigh(s, heir, votes_of(s->agent, heir) + theirs, r->view.total + theirs);
		others += theirs;
	}
	weigh(s, s->r->node, 0, others);
}

/* It stays: its vote is its own again, and so is that of who took it over. */
void sleeper_give_votes(struct sleeper *s)
{
	const struct drover_replica *r = drover_cluster_replica(s->agent->cluster);
	uint32_t own = votes_of(s->agent, r->node), total = r->view.total;

	if (!votes_of(s->agent, s->r->node))
		weigh(s, s->r->node, 1, ++total);
	for (; own > 1 && r->view.count > 1; own--)
		weigh(s, r->node, own - 1, --total);
}
