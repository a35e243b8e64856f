// SPDX-License-Identifier: GPL-2.0-only
/* See debugfs.h. */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "debugfs.h"
#include "session.h"

static struct dentry *directory;

static const char *state_name(enum drover_session_state state)
{
	switch (state) {
	case DROVER_SESSION_STATE_UNSPEC:
		break;
	case DROVER_SESSION_STATE_CREATED:
		return "created";
	case DROVER_SESSION_STATE_STARTED:
		return "started";
	case DROVER_SESSION_STATE_STOPPED:
		return "stopped";
	case DROVER_SESSION_STATE_DEAD:
		return "dead";
	case DROVER_SESSION_STATE_CLOSED:
		return "closed";
	}
	return "?";
}

static int show_session(const struct drover_session_info *info, void *arg)
{
	struct seq_file *file = arg;
	unsigned int n;

	seq_printf(file, "%-4llu %-7s %-7u %10llu", info->id, state_name(info->state), info->pid,
		   info->ram_pages);
	for (n = 0; n < DROVER_STATS; n++)
		seq_printf(file, " %10llu", info->stats[n]);
	seq_printf(file, " %s\n", info->name);
	return 0;
}

static int sessions_show(struct seq_file *file, void *unused)
{
	seq_puts(file, "id   state   pid      ram_pages   harvests  log_pages  vmm_pages kept_pages");
	seq_puts(file, " sent_pages zero_pages sent_bytes name\n");
	drover_session_each(0, show_session, file);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(sessions);

int drover_debugfs_init(void)
{
	directory = debugfs_create_dir("drover", NULL);
	debugfs_create_file("sessions", 0400, directory, NULL, &sessions_fops);
	return 0;
}

void drover_debugfs_exit(void)
{
	debugfs_remove(directory);
}
