// SPDX-License-Identifier: GPL-2.0-or-later
/* The guest's orders: drover.KEY=VALUE words of the kernel's command line. */
#include "options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "count.h"

static const struct options defaults = {
	.mem = 64,
	.rate = 500,
	.diskmib = 64,
	.tcp = 7000,
	.netrate = 1024,
	.tick = 5,
	.report = 5,
	.presses = 1,
};

static void set_number(const char *name, const char *value, unsigned long *ret_number)
{
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	if (*end || end == value)
		fail(SETUP_ERRORS, "drover.%s=%s is no number", name, value);
	else
		*ret_number = number;
}

static void set_option(struct options *opt, const char *name, const char *value)
{
	const struct {
		const char *name;
		unsigned long *number;
	} numbers[] = {
		{"mem", &opt->mem},	    {"rate", &opt->rate},
		{"fill", &opt->fill},	    {"disk", &opt->disk},
		{"diskmib", &opt->diskmib}, {"diskrate", &opt->diskrate},
		{"tcp", &opt->tcp},	    {"diskread", &opt->diskread},
		{"tick", &opt->tick},	    {"netrate", &opt->netrate},
		{"report", &opt->report},   {"cpu", &opt->cpu},
		{"presses", &opt->presses},
	};
	const struct {
		const char *name;
		char *text;
	} texts[] = {
		{"ip", opt->ip},
		{"beat", opt->beat},
		{"net", opt->net},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!strcmp(name, numbers[i].name))
			return set_number(name, value, numbers[i].number);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!strcmp(name, texts[i].name)) {
			snprintf(texts[i].text, sizeof(opt->ip), "%s", value);
			return;
		}
	fail(SETUP_ERRORS, "drover.%s is unknown", name);
}

void options_read(struct options *opt)
{
	char line[4096], *word, *rest = line, *value;
	FILE *file = fopen("/proc/cmdline", "re");

	*opt = defaults;
	if (!file || !fgets(line, sizeof(line), file))
		line[0] = '\0';
	if (file)
		fclose(file);
	while ((word = strsep(&rest, " \n"))) {
		value = strchr(word, '=');
		if (strncmp(word, "drover.", 7) || !value)
			continue;
		*value++ = '\0';
		set_option(opt, word + 7, value);
	}
	if (!opt->tick)
		opt->tick = defaults.tick;
	if (!opt->report)
		opt->report = defaults.report;
}

/* options_address() - "ADDR:PORT" as a socket address; false if it is none. */
bool options_address(const char *text, struct sockaddr_in *ret_addr)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	char host[32], *colon;
	int port;

	snprintf(host, sizeof(host), "%s", text);
	colon = strchr(host, ':');
	if (!colon)
		return false;
	*colon = '\0';
	port = atoi(colon + 1);
	if (port < 1 || port > 65535 || inet_pton(AF_INET, host, &addr.sin_addr) != 1)
		return false;
	addr.sin_port = htons((uint16_t)port);
	*ret_addr = addr;
	return true;
}
