// SPDX-License-Identifier: GPL-2.0-or-later
/* The control port: a command a line, one line of JSON for an answer. */
#include "control.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"
#include "count.h"
#include "cpu.h"
#include "disk.h"
#include "fio.h"
#include "latency.h"
#include "load.h"
#include "memory.h"
#include "net.h"
#include "options.h"
#include "pool.h"
#include "power.h"
#include "report.h"
#include "task.h"

#define IDLE_SECONDS 30

static void do_check(const char *arg, char *text, size_t size)
{
	uint64_t before = count_errors(), pages, blocks;
	bool stuck;

	pages = memory_check();
	blocks = disk_check(&stuck);
	/* Last: reading the disk may well have been what did harm. */
	pages += pool_check();
	snprintf(text, size,
		 "{\"mem_errors\":%" PRIu64 ", \"disk_errors\":%" PRIu64
		 ", \"mem_pages_checked\":%" PRIu64 ", \"disk_blocks_checked\":%" PRIu64
		 ", \"disk_stuck\":%s, \"new_errors\":%" PRIu64 ", \"errors\":%" PRIu64 "}",
		 count_get(MEM_ERRORS), count_get(DISK_ERRORS) + stuck, pages, blocks,
		 stuck ? "true" : "false", count_errors() - before, count_errors() + stuck);
}

static void do_report(const char *arg, char *text, size_t size)
{
	report_json(text, size);
}

static bool number(const char *arg, unsigned long *ret_number)
{
	char *end;

	*ret_number = strtoul(arg, &end, 10);
	return !*end && end != arg;
}

static void do_rate(const char *arg, char *text, size_t size)
{
	unsigned long rate;

	if (!number(arg, &rate)) {
		snprintf(text, size, "{\"error\":\"rate wants a number\"}");
		return;
	}
	memory_rate(rate);
	snprintf(text, size, "{\"rate\":%lu}", rate);
}

static void do_load(const char *arg, char *text, size_t size)
{
	unsigned long kib;

	if (!number(arg, &kib))
		snprintf(text, size, "{\"error\":\"load wants a number\"}");
	else if (!load_rate(kib))
		snprintf(text, size, "{\"error\":\"no disk is in use\"}");
	else
		snprintf(text, size, "{\"load\":%lu}", kib);
}

static void do_cpu(const char *arg, char *text, size_t size)
{
	unsigned long percent;

	if (!number(arg, &percent)) {
		snprintf(text, size, "{\"error\":\"cpu wants a number\"}");
		return;
	}
	cpu_rate(percent);
	snprintf(text, size, "{\"cpu\":%lu}", percent);
}

static void do_latency(const char *arg, char *text, size_t size)
{
	latency_json(!strcmp(arg, "reset"), text, size);
}

static void do_fio(const char *arg, char *text, size_t size)
{
	if (!strncmp(arg, "start ", 6))
		fio_start(arg + 6, text, size);
	else if (!strcmp(arg, "stop"))
		fio_stop(text, size);
	else
		fio_json(text, size);
}

static void do_reset_gap(const char *arg, char *text, size_t size)
{
	clock_reset_gap();
	snprintf(text, size, "{\"max_gap_ms\":0}");
}

/* Only arranges it, so that the answer gets out first. */
static void do_poweroff(const char *arg, char *text, size_t size)
{
	power_off_soon();
	snprintf(text, size, "{\"poweroff\":true}");
}

static const struct {
	const char *name;
	void (*run)(const char *arg, char *text, size_t size);
} commands[] = {
	{"report", do_report},	   {"check", do_check},		{"rate", do_rate},
	{"load", do_load},	   {"latency", do_latency},	{"fio", do_fio},
	{"poweroff", do_poweroff}, {"reset-gap", do_reset_gap}, {"cpu", do_cpu},
};

static void answer(char *line, char *text, size_t size)
{
	const char *name = strsep(&line, " ");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(line ? line : "", text, size);
	snprintf(text, size, "{\"error\":\"unknown command\"}");
}

static void *serve(void *arg)
{
	int sock = (int)(intptr_t)arg;
	FILE *in = fdopen(sock, "re");
	char line[128], text[1024];

	if (!in) {
		close(sock);
		return NULL;
	}
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\r\n")] = '\0';
		answer(line, text, sizeof(text));
		if (dprintf(sock, "%s\n", text) < 0)
			break;
	}
	fclose(in);
	return NULL;
}

static void *work(void *arg)
{
	struct timeval idle = {.tv_sec = IDLE_SECONDS};
	int listener = (int)(intptr_t)arg, sock;

	for (;;) {
		sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (sock < 0) {
			task_sleep(10000000);
			continue;
		}
		setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
		setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof(idle));
		if (!task_start("control", TASK_LOAD, serve, (void *)(intptr_t)sock))
			close(sock);
	}
	return NULL;
}

void control_start(const struct options *opt)
{
	int sock = net_listen(opt->tcp + 1);

	if (sock >= 0)
		task_start("accept", TASK_SERVICE, work, (void *)(intptr_t)sock);
}
