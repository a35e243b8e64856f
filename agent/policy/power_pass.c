// SPDX-License-Identifier: GPL-2.0-or-later
/* What the parts of a pass have in common: advice, and what is on, on paper. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/power_pass.h"
#include "policy/power_worth.h"

enum drover_dpm_mode drover_dpm_mode_of(const struct drover_dpm_pass *p, size_t h)
{
	enum drover_dpm_mode mode = p->view->hosts[h].mode;

	if (mode == DROVER_DPM_AS_CLUSTER || p->o.mode == DROVER_DPM_OFF)
		mode = p->o.mode;
	return mode == DROVER_DPM_AS_CLUSTER ? DROVER_DPM_OFF : mode;
}

void drover_dpm_reject(struct drover_dpm_pass *p, size_t h, const char *fmt, ...)
{
	va_list args;

	for (size_t i = 0; i < p->plan.reject_count; i++)
		if (p->plan.rejects[i].host == h)
			return;
	va_start(args, fmt);
	p->plan.rejects[p->plan.reject_count].host = h;
	vsnprintf(p->plan.rejects[p->plan.reject_count++].reason, DROVER_DPM_REASON_LEN, fmt, args);
	va_end(args);
}

struct drover_dpm_advice *drover_dpm_advise(struct drover_dpm_pass *p, enum drover_dpm_kind kind,
					    size_t h, uint32_t priority)
{
	struct drover_dpm_advice *a = &p->plan.advice[p->plan.advice_count++];

	*a = (struct drover_dpm_advice){
		.kind = kind,
		.host = h,
		.priority = priority,
		.automatic = drover_dpm_mode_of(p, h) == DROVER_DPM_AUTOMATIC,
		.watts = drover_dpm_idle_watts(&p->view->hosts[h]),
		.first_move = p->plan.move_count,
	};
	return a;
}

/* --- what stays on --- */

void drover_dpm_count_on(struct drover_dpm_pass *p, size_t h, int sign)
{
	p->on += (uint32_t)sign;
	p->cpu += sign * drover_dpm_capacity(&p->s->hosts[h]);
	p->memory += (uint64_t)sign * p->s->hosts[h].memory_mib;
}

void drover_dpm_set_on(struct drover_dpm_pass *p, size_t h, bool on)
{
	p->room.load[h].on = on;
	p->hosts[h].state = on ? DROVER_DRS_HOST_UP : DROVER_DRS_HOST_STANDBY;
	drover_dpm_count_on(p, h, on ? 1 : -1);
}

/* Is there less on than there has to be? @why says of what. */
bool drover_dpm_too_little(const struct drover_dpm_pass *p, uint32_t less_hosts, double less_cpu,
			   uint64_t less_memory, char *why, size_t len)
{
	if (p->on < p->o.hosts_min + less_hosts)
		snprintf(why, len, "%u hosts must stay on", p->o.hosts_min);
	else if (p->cpu - less_cpu < p->o.cpu_min_mhz)
		snprintf(why, len, "%.0f MHz must stay on", p->o.cpu_min_mhz);
	else if (p->memory < less_memory + p->o.memory_min_mib)
		snprintf(why, len, "%lu MiB must stay on", (unsigned long)p->o.memory_min_mib);
	else
		return false;
	return true;
}
