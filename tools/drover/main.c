// SPDX-License-Identifier: GPL-2.0-or-later
/* drover: what administrators type. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "drover_tool.h"
#include "mailbox.h"

bool tool_json;

static tool_command help_command, version_command;

static const struct {
	const char *name;
	tool_command *run;
	const char *help;
	const char *usage;
} commands[] = {
	{ "vm", vm_command, "start, stop, list and show VMs",
	  "drover vm start NAME [--force]\n"
	  "drover vm stop NAME [--force] [--timeout SECONDS]\n"
	  "drover vm list\n"
	  "drover vm show NAME\n" },
	{ "migrate", migrate_command, "move a running VM to another host",
	  "drover migrate VM --to HOST [--verify] [--downtime-limit MS] [--bandwidth MIB]\n"
	  "               [--streams N] [--detach]\n" },
	{ "migration", migration_command, "list, show, cancel and resolve migrations",
	  "drover migration list\n"
	  "drover migration show ID\n"
	  "drover migration cancel ID\n"
	  "drover migration resolve ID [--source | --target]\n" },
	{ "host", host_command, "list and show hosts",
	  "drover host list\n"
	  "drover host show NAME\n" },
	{ "events", events_command, "follow what happens on this host", "drover events\n" },
	{ "session", session_command, "list the VMs that drover.ko tracks", "drover session list\n" },
	{ "version", version_command, "print the version", "drover version\n" },
	{ "help", help_command, "explain a command", "drover help [COMMAND]\n" },
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

int tool_fail(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("drover: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

static void list_commands(FILE *out)
{
	fputs("usage: drover [--json] COMMAND …\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	fputs("\ndrover help COMMAND shows its words; drover(8) tells everything.\n", out);
}

static int help_command(int argc, char **argv)
{
	if (argc == 0) {
		list_commands(stdout);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if (argc == 1 && !strcmp(argv[0], commands[i].name)) {
			fputs(commands[i].usage, stdout);
			return EXIT_DONE;
		}
	}
	return tool_fail(EXIT_USAGE, "there is no command \"%s\"; drover help lists them", argv[0]);
}

static int version_command(int argc, char **argv)
{
	const char *none[1];
	int r = tool_parse(argc, argv, NULL, none, 0, "drover version");

	if (r)
		return r;
	if (tool_json)
		puts("{\"version\": \"" DROVER_VERSION "\"}");
	else
		puts("drover " DROVER_VERSION);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--json")) {
			tool_json = true;
		} else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			list_commands(stdout);
			return EXIT_DONE;
		} else if (!strcmp(argv[i], "--version")) {
			return version_command(0, NULL);
		} else {
			return tool_fail(EXIT_USAGE, "unknown option %s; drover help lists the commands",
					 argv[i]);
		}
	}
	if (i == argc) {
		list_commands(stderr);
		return EXIT_USAGE;
	}
	for (size_t c = 0; c < COMMANDS; c++)
		if (!strcmp(argv[i], commands[c].name))
			return commands[c].run(argc - i - 1, argv + i + 1);
	return tool_fail(EXIT_USAGE, "there is no command \"%s\"; drover help lists them", argv[i]);
}
