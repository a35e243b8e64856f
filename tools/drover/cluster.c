// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * drover cluster. What changes the host's corosync is done here and not by droverd, whose unit may
 * write nothing in /etc.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "drover_tool.h"
#include "output.h"
#include "report.h"

#define DIRECTORY "/etc/corosync"
#define CONF	  DIRECTORY "/corosync.conf"
#define KEY	  DIRECTORY "/authkey"
#define BEFORE	  CONF ".before-drover"

/* corosync-keygen(8) makes as much. */
#define KEY_BYTES 256
#define MARK	  "# Made by \"drover cluster\""
#define PATIENCE  20 /* half seconds */

/* --- files --- */

static int save(const char *path, const void *data, size_t len, mode_t mode)
{
	char new[64];
	int fd;
	bool ok;

	snprintf(new, sizeof(new), "%s.new", path);
	unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return tool_fail(EXIT_REFUSED, "%s cannot be written: %s", new, strerror(errno));
	ok = write(fd, data, len) == (ssize_t)len && fsync(fd) == 0;
	if (close(fd) < 0 || !ok || rename(new, path) < 0) {
		unlink(new);
		return tool_fail(EXIT_REFUSED, "%s cannot be written: %s", path, strerror(errno));
	}
	return EXIT_DONE;
}

static bool is_ours(const char *path)
{
	char line[sizeof(MARK)] = "";
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	return !strcmp(line, MARK);
}

static int make_key(void)
{
	unsigned char key[KEY_BYTES];

	if (access(KEY, F_OK) == 0)
		return EXIT_DONE;
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return tool_fail(EXIT_REFUSED, "no random numbers: %s", strerror(errno));
	return save(KEY, key, sizeof(key), 0400);
}

/* --- programs --- */

/* run() - a program to its end; returns whether it was content */
static bool run(char *const argv[])
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       !WEXITSTATUS(status);
}

static bool has_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

static void stop_corosync(void)
{
	if (has_systemd())
		run((char *[]){ "systemctl", "disable", "--quiet", "--now", "corosync.service", NULL });
	else
		run((char *[]){ "pkill", "-TERM", "-x", "corosync", NULL });
}

static int start_corosync(void)
{
	const struct timespec nap = { .tv_nsec = 500000000 };
	bool ok;

	stop_corosync();
	for (int i = 0; i < PATIENCE && run((char *[]){ "pgrep", "-c", "-x", "corosync", NULL }); i++)
		nanosleep(&nap, NULL);
	if (has_systemd())
		ok = run((char *[]){ "systemctl", "enable", "--quiet", "--now", "corosync.service", NULL });
	else
		ok = run((char *[]){ "corosync", NULL });
	return ok ? EXIT_DONE
		  : tool_fail(EXIT_REFUSED, "corosync did not start; the journal has its reasons");
}

/* --- droverd --- */

static int reload(void)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__ClusterReload verb = DROVER__CLUSTER_RELOAD__INIT;

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_CLUSTER_RELOAD;
	request.cluster_reload = &verb;
	return tool_do(&request);
}

static int ask_status(Drover__ControlReply **ret_reply)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__ClusterStatus verb = DROVER__CLUSTER_STATUS__INIT;
	int r;

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_CLUSTER_STATUS;
	request.cluster_status = &verb;
	r = tool_ask(&request, ret_reply);
	if (r == 0 && !(*ret_reply)->cluster) {
		drover__control_reply__free_unpacked(*ret_reply, NULL);
		r = tool_fail(EXIT_REFUSED, "droverd does not tell of a cluster");
	}
	return r;
}

static void print(const Drover__ControlReply *reply)
{
	if (tool_json)
		output_print(stdout, report_json(reply, "cluster"));
	else
		report_cluster(stdout, reply->cluster);
}

/* Until corosync answers droverd; quorum may need hosts that are not there yet. */
static int await_and_print(void)
{
	const struct timespec nap = { .tv_nsec = 500000000 };
	Drover__ControlReply *reply;
	bool there;
	int r;

	for (int i = 0; (r = ask_status(&reply)) == 0; i++) {
		Drover__ClusterState state = reply->cluster->state;

		there = state == DROVER__CLUSTER_STATE__CLUSTER_STATE_ACTIVE ||
			(state == DROVER__CLUSTER_STATE__CLUSTER_STATE_NO_QUORUM && i > PATIENCE / 4);
		if (there || i == PATIENCE)
			break;
		drover__control_reply__free_unpacked(reply, NULL);
		nanosleep(&nap, NULL);
	}
	if (r)
		return r;
	print(reply);
	drover__control_reply__free_unpacked(reply, NULL);
	return there ? EXIT_DONE : tool_fail(EXIT_REFUSED, "droverd does not reach corosync");
}

static int write_conf(void)
{
	Drover__ControlRequest request = DROVER__CONTROL_REQUEST__INIT;
	Drover__ClusterConf verb = DROVER__CLUSTER_CONF__INIT;
	Drover__ControlReply *reply;
	int r;

	request.verb_case = DROVER__CONTROL_REQUEST__VERB_CLUSTER_CONF;
	request.cluster_conf = &verb;
	r = tool_ask(&request, &reply);
	if (r)
		return r;
	if (mkdir(DIRECTORY, 0755) < 0 && errno != EEXIST)
		r = tool_fail(EXIT_REFUSED, DIRECTORY " cannot be made: %s", strerror(errno));
	else if (access(CONF, F_OK) == 0 && !is_ours(CONF) && rename(CONF, BEFORE) < 0)
		r = tool_fail(EXIT_REFUSED, CONF " cannot be set aside: %s", strerror(errno));
	else
		r = save(CONF, reply->text, strlen(reply->text), 0644);
	drover__control_reply__free_unpacked(reply, NULL);
	return r;
}

static int enter(void)
{
	int r = write_conf();

	if (r == 0)
		r = start_corosync();
	if (r == 0)
		r = reload();
	return r ? r : await_and_print();
}

/* --- commands --- */

static int init(int argc, char **argv)
{
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover cluster init");

	if (r)
		return r;
	if (is_ours(CONF))
		return tool_fail(EXIT_REFUSED, "this host is in a cluster already; drover cluster status");
	r = mkdir(DIRECTORY, 0755) < 0 && errno != EEXIST
		    ? tool_fail(EXIT_REFUSED, DIRECTORY " cannot be made: %s", strerror(errno))
		    : make_key();
	if (r == 0)
		r = enter();
	if (r == 0 && !tool_json)
		fputs("Copy " KEY " to the other hosts, then there: drover cluster join\n", stderr);
	return r;
}

static int join(int argc, char **argv)
{
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover cluster join");

	if (r)
		return r;
	if (is_ours(CONF))
		return tool_fail(EXIT_REFUSED, "this host is in a cluster already; drover cluster status");
	if (access(KEY, F_OK) < 0)
		return tool_fail(EXIT_REFUSED,
				 "copy " KEY " here from a host of the cluster, readable by root alone");
	return enter();
}

static int update(int argc, char **argv)
{
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover cluster update");

	if (r)
		return r;
	if (!is_ours(CONF))
		return tool_fail(EXIT_REFUSED, "this host is in no cluster");
	r = write_conf();
	if (r == 0 && !run((char *[]){ "sh", "-c", "corosync-cfgtool -R >/dev/null", NULL }))
		r = tool_fail(EXIT_REFUSED, "corosync did not read its new configuration");
	if (r == 0)
		r = reload();
	return r ? r : await_and_print();
}

static int leave(int argc, char **argv)
{
	Drover__ControlReply *reply;
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover cluster leave");

	if (r)
		return r;
	if (!is_ours(CONF))
		return tool_fail(EXIT_REFUSED, "this host is in no cluster");
	/* It has to forget what the cluster knew, so it must be there. */
	r = ask_status(&reply);
	if (r)
		return r;
	drover__control_reply__free_unpacked(reply, NULL);
	stop_corosync();
	if (unlink(CONF) < 0)
		return tool_fail(EXIT_REFUSED, CONF " cannot be deleted: %s", strerror(errno));
	return reload();
}

static int status(int argc, char **argv)
{
	Drover__ControlReply *reply;
	int r = tool_parse(argc, argv, NULL, NULL, 0, "drover cluster status");

	if (r == 0)
		r = ask_status(&reply);
	if (r)
		return r;
	print(reply);
	drover__control_reply__free_unpacked(reply, NULL);
	return EXIT_DONE;
}

int cluster_command(int argc, char **argv)
{
	static const struct tool_verb verbs[] = {
		{ "init", init },     { "join", join },	    { "update", update },
		{ "leave", leave },   { "status", status }, { NULL },
	};

	return tool_family("cluster", verbs, argc, argv);
}
