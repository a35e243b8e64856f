// SPDX-License-Identifier: GPL-2.0-or-later
/* Where a VM may be at all. */
#include "policy/rules.h"

#include <string.h>

void drover_drs_cpu_baseline(const struct drover_drs_snapshot *s,
			     uint64_t ret_flags[DROVER_DRS_CPU_WORDS])
{
	bool any = false;

	memset(ret_flags, 0xff, DROVER_DRS_CPU_WORDS * sizeof(*ret_flags));
	for (size_t i = 0; i < s->host_count; i++) {
		if (s->hosts[i].state == DROVER_DRS_HOST_DOWN)
			continue;
		any = true;
		for (int k = 0; k < DROVER_DRS_CPU_WORDS; k++)
			ret_flags[k] &= s->hosts[i].cpu_flags[k];
	}
	if (!any)
		memset(ret_flags, 0, DROVER_DRS_CPU_WORDS * sizeof(*ret_flags));
}

static bool is_listed(const struct drover_drs_rule *r, int32_t host)
{
	for (uint32_t i = 0; i < r->host_count; i++)
		if ((int32_t)r->hosts[i] == host)
			return true;
	return false;
}

/* The first of the rule's VMs before @k that runs on the same host (@same) or on another. */
static bool has_earlier(const struct drover_drs_snapshot *s, const struct drover_drs_rule *r,
			uint32_t k, bool same)
{
	int32_t host = s->vms[r->vms[k]].host;

	for (uint32_t i = 0; i < k; i++) {
		int32_t other = s->vms[r->vms[i]].host;

		if (other != DROVER_DRS_NONE && (other == host) == same)
			return true;
	}
	return false;
}

static bool is_broken(const struct drover_drs_snapshot *s, const struct drover_drs_rule *r,
		      uint32_t k)
{
	int32_t host = s->vms[r->vms[k]].host;

	if (host == DROVER_DRS_NONE)
		return false;
	switch (r->kind) {
	case DROVER_DRS_TOGETHER:
		return has_earlier(s, r, k, false);
	case DROVER_DRS_APART:
		return has_earlier(s, r, k, true);
	case DROVER_DRS_ON:
		return !is_listed(r, host);
	case DROVER_DRS_NOT_ON:
		return is_listed(r, host);
	}
	return false;
}

size_t drover_drs_rules_broken(const struct drover_drs_snapshot *s,
			       struct drover_drs_broken *broken, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < s->rule_count; i++)
		for (uint32_t k = 0; k < s->rules[i].vm_count; k++) {
			if (!is_broken(s, &s->rules[i], k))
				continue;
			if (count < max)
				broken[count] = (struct drover_drs_broken){i, s->rules[i].vms[k]};
			count++;
		}
	return count;
}
