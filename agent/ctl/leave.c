// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * This host leaves the cluster to be turned off. If nobody turns it off it comes back by itself:
 * a host that runs and takes no part would be lost.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"
#include "cluster/cluster.h"
#include "ctl/sleep.h"

#define SECOND_US UINT64_C(1000000)
/* Until the answer is on its way. */
#define MOMENT_US (SECOND_US / 2)

struct leaving {
	struct drover_agent *agent;
	bool power_off;
	uint64_t patience_us;
};

/* In a thread: system(3) waits. systemd's names for it are there, or the host has none. */
static void *run_command(void *data)
{
	if (system(data) != 0)
		log_debug("%s: it did not end well", (const char *)data);
	return NULL;
}

static void run(const char *command)
{
	struct drover_err err = {0};

	if (drover_thread_detached(run_command, (void *)command, &err) < 0)
		log_error("%s: %s", command, err.text);
}

static void end_timer(struct drover_agent *agent)
{
	struct leaving *l =
		agent->leave_timer ? sd_event_source_get_userdata(agent->leave_timer) : NULL;

	agent->leave_timer = sd_event_source_disable_unref(agent->leave_timer);
	free(l);
}

static void come_back(struct drover_agent *agent)
{
	struct drover_err err = {0};

	log_warning("this host left the cluster to sleep, and was not turned off: it comes back");
	run("if [ -d /run/systemd/system ]; then systemctl start corosync; else corosync; fi");
	if (drover_members_open(agent, &err) < 0)
		log_error("%s", err.text);
}

void drover_leave_undo(struct drover_agent *agent)
{
	if (!agent->leaving)
		return;
	agent->leaving = false;
	end_timer(agent);
	if (!agent->cluster)
		come_back(agent);
}

static int on_patience(sd_event_source *source, uint64_t usec, void *data)
{
	struct leaving *l = data;

	drover_leave_undo(l->agent);
	return 0;
}

static int on_moment(sd_event_source *source, uint64_t usec, void *data)
{
	struct leaving *l = data;
	struct drover_agent *agent = l->agent;

	log_info("this host leaves the cluster to sleep");
	drover_cluster_close(agent->cluster);
	agent->cluster = NULL;
	run(l->power_off
		    ? "corosync-cfgtool -H >/dev/null 2>&1; sleep 1; "
		      "if [ -d /run/systemd/system ]; then systemctl poweroff; else poweroff; fi"
		    : "corosync-cfgtool -H >/dev/null 2>&1");
	agent->leave_timer = sd_event_source_unref(agent->leave_timer);
	if (sd_event_add_time_relative(agent->event, &agent->leave_timer, CLOCK_MONOTONIC,
				       l->patience_us, 0, on_patience, l) < 0) {
		log_error("if it is not turned off this host will not come back by itself");
		free(l);
	}
	return 0;
}

int drover_leave_obey(struct drover_agent *agent, const Drover__SleepOrder *order,
		      struct drover_err *err)
{
	uint32_t vms = drover_entry_count(agent);
	struct leaving *l;
	int r;

	if (agent->leaving)
		return 0;
	if (vms)
		return drover_err_set(err, EBUSY, "%s still has %u VMs", agent->conf.host, vms);
	l = malloc(sizeof(*l));
	if (!l)
		return drover_err_set(err, ENOMEM, "out of memory");
	*l = (struct leaving){agent, order->power_off, order->patience_s * SECOND_US};
	r = sd_event_add_time_relative(agent->event, &agent->leave_timer, CLOCK_MONOTONIC,
				       MOMENT_US, 0, on_moment, l);
	if (r < 0) {
		free(l);
		return drover_err_set(err, r, "cannot set up the event loop: %s", strerror(-r));
	}
	agent->leaving = true;
	return 0;
}
