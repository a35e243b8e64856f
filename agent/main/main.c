// SPDX-License-Identifier: GPL-2.0-or-later
/* droverd: the agent of one host. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/log.h"
#include "core/config.h"
#include "ctl/agent.h"
#include "ctl/drs.h"
#include "ctl/sleep.h"
#include "ctl/telemetry.h"

static void log_to_journal(enum drover_log_level level, const struct drover_log_subject *subject,
			   const char *text)
{
	char migration[32] = "";

	if (subject->migration)
		snprintf(migration, sizeof(migration), "%" PRIu64, subject->migration);
	sd_journal_send("MESSAGE=%s", text, "PRIORITY=%d", (int)level, "SYSLOG_IDENTIFIER=droverd",
			"DROVER_VM=%s", subject->vm, "DROVER_MIGRATION=%s", migration, NULL);
}

/* Under systemd standard error is the journal's socket; a person's terminal gets text. */
static void set_up_log(bool verbose)
{
	drover_log_set_sink(getenv("JOURNAL_STREAM") ? log_to_journal : NULL,
			    verbose ? DROVER_LOG_DEBUG : DROVER_LOG_INFO);
}

static void read_qemu_version(struct drover_agent *agent)
{
	char command[DROVER_FIELD_LEN + 16], line[128] = "";
	FILE *f;

	snprintf(command, sizeof(command), "'%s' --version", agent->conf.qemu);
	f = popen(command, "re");
	if (!f)
		return;
	if (fgets(line, sizeof(line), f))
		sscanf(line, "QEMU emulator version %63[0-9.]", agent->qemu_version);
	pclose(f);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	drover_end_begin(data);
	return 0;
}

static int set_up_signals(struct drover_agent *agent)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = sd_event_add_signal(agent->event, NULL, SIGTERM, on_signal, agent);
	return r < 0 ? r : sd_event_add_signal(agent->event, NULL, SIGINT, on_signal, agent);
}

static int set_up(struct drover_agent *agent, const char *path, struct drover_err *err)
{
	int r = drover_config_read(path, &agent->conf, err);

	if (r < 0)
		return r;
	r = sd_event_new(&agent->event);
	if (r >= 0)
		r = set_up_signals(agent);
	if (r < 0)
		return drover_err_set(err, r, "cannot set up the event loop: %s", strerror(-r));
	drover_registry_env(agent);
	r = drover_storage_init(agent, err);
	if (r < 0)
		return r;
	read_qemu_version(agent);
	r = drover_calls_create(agent->event, &agent->calls, err);
	/* The mailbox comes first: it shows that no other agent runs here. */
	if (r == 0)
		r = drover_mailbox_open(agent->event, drover_verbs_request, agent, &agent->mailbox,
					err);
	if (r == 0)
		r = drover_adopt_all(agent, err);
	if (r == 0)
		r = drover_pools_init(agent, err);
	if (r == 0)
		r = drover_drs_open(agent, err);
	if (r == 0)
		r = drover_sleep_open(agent, err);
	if (r == 0)
		r = drover_inventory_open(agent, err);
	if (r == 0)
		r = drover_members_open(agent, err);
	if (r == 0)
		r = drover_inbound_open(agent, err);
	return r < 0 ? r : drover_telemetry_open(agent, err);
}

static void usage(FILE *out)
{
	fputs("usage: droverd [-c FILE] [-v]\n"
	      "  -c FILE  configuration, instead of /etc/drover/drover.conf\n"
	      "  -v       log more\n"
	      "  -V       print the version\n",
	      out);
}

int main(int argc, char **argv)
{
	const char *path = "/etc/drover/drover.conf";
	struct drover_agent *agent;
	struct drover_err err = { 0 };
	bool verbose = false;
	int option;

	while ((option = getopt(argc, argv, "c:vVh")) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 'v':
			verbose = true;
			break;
		case 'V':
			puts("droverd " DROVER_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	set_up_log(verbose);
	agent = calloc(1, sizeof(*agent));
	if (!agent)
		return 1;
	if (set_up(agent, path, &err) < 0) {
		log_error("%s", err.text);
		return 1;
	}
	log_info("droverd " DROVER_VERSION " serves host %s", agent->conf.host);
	sd_notify(0, "READY=1");
	sd_event_loop(agent->event);
	/* Threads may be at work still; what they hold ends with the process. */
	sd_notify(0, "STOPPING=1");
	log_info("droverd ends; its VMs go on");
	_exit(0);
}
