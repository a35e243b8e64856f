// SPDX-License-Identifier: GPL-2.0-or-later
/* A cluster, for people. */
#include <inttypes.h>

#include "report.h"

void report_cluster(FILE *out, const Drover__ClusterInfo *c)
{
	static const char *const headings[] = { "HOST", "ROLE", ">NODE", ">VOTES" };
	struct output_table t = { .columns = 4, .headings = headings };
	char state[32];

	if (c->alone) {
		fputs("this host is in no cluster\n", out);
		return;
	}
	fprintf(out, "%s: %" PRIu32 " votes of %" PRIu32 ", %" PRIu32 " are needed\n",
		output_state(&drover__cluster_state__descriptor, c->state, state, sizeof(state)),
		c->votes, c->expected, c->quorum);
	for (size_t i = 0; i < c->n_members; i++) {
		const Drover__ClusterMemberInfo *m = c->members[i];
		char node[16], votes[16];
		const char *const row[] = { m->host, m->leads ? "leads" : "follows", node, votes };

		snprintf(node, sizeof(node), "%" PRIu32, m->node);
		snprintf(votes, sizeof(votes), "%" PRIu32, m->votes);
		output_row(&t, row);
	}
	if (c->n_members)
		output_table(out, &t);
}
