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

static int weigh(struct sleeper *s, uint32_t node, uint32_t votes, uint32_t expected,
		 struct drover_err *err)
{
	return drover_cluster_weigh(s->agent->cluster, node, votes, expected, err);
}

/* What stays as it was, then: there is nobody to refuse it to. */
static bool weigh_or_warn(struct sleeper *s, uint32_t node, uint32_t votes, uint32_t expected)
{
	struct drover_err err = {0};

	if (weigh(s, node, votes, expected, &err) == 0)
		return true;
	log_warning("host %s: %s", s->r->host, err.text);
	return false;
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
int sleeper_take_votes(struct sleeper *s, struct drover_err *err)
{
	const struct drover_replica *r = drover_cluster_replica(s->agent->cluster);
	uint32_t theirs = votes_of(s->agent, s->r->node), total = r->view.total;
	uint32_t heir = heir_of(r, s->r->node), own = votes_of(s->agent, heir);
	uint32_t more = total - theirs < 2 ? theirs : 0;
	int e = 0;

	if (!theirs)
		return 0;
	if (more)
		e = weigh(s, heir, own + more, total + more, err);
	if (e == 0)
		e = weigh(s, s->r->node, 0, total - theirs + more, err);
	if (e == 0)
		return 0;
	/* The view does not show yet what was counted: it may be some of it. */
	weigh_or_warn(s, s->r->node, theirs, total + more);
	if (more)
		weigh_or_warn(s, heir, own, total);
	return e;
}

/*
 * Those that this host took over. corosync takes no step after which the votes that are there would
 * be no quorum of those that were counted before.
 */
static void give_back_own(struct sleeper *s, uint32_t node, uint32_t total)
{
	uint32_t own = votes_of(s->agent, node), step = 1;

	while (own > 1 && step) {
		uint32_t most = total - (total + 2) / 2;

		step = own - 1 < most ? own - 1 : most;
		own -= step;
		total -= step;
		if (step && !weigh_or_warn(s, node, own, total))
			return;
	}
}

/* It stays: its vote is its own again, and so is that of who took it over. */
void sleeper_give_votes(struct sleeper *s)
{
	const struct drover_replica *r = drover_cluster_replica(s->agent->cluster);
	uint32_t total = r->view.total;

	if (!votes_of(s->agent, s->r->node))
		weigh_or_warn(s, s->r->node, 1, ++total);
	if (r->view.count > 1)
		give_back_own(s, r->node, total);
}
